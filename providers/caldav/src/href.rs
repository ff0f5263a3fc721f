//! References to resources: one spelling for each, and none that leads elsewhere.

use calendar_provider::ProviderError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use url::Url;

/// What stands in a path segment as it is (RFC 3986, section 2.3); all else is encoded.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The longest address that is a reference as it is, in bytes.
const LONGEST_REFERENCE: usize = 1_000;

/// What `href` names where `base` is what was asked for. It may be absolute or a path, and
/// spelt with more or less percent-encoding than ours (RFC 4918, section 8.3).
///
/// # Errors
/// Permanent where it is no reference, or leads to another origin: what a server says of its
/// resources must not send the agent's password elsewhere.
pub(crate) fn resolve(base: &Url, href: &str) -> Result<Url, ProviderError> {
    let url = resolve_anywhere(base, href)?;
    if url.origin() != base.origin() {
        return Err(ProviderError::permanent("the server's answer names another server"));
    }
    Ok(url)
}

/// The same, on any server.
pub(crate) fn resolve_anywhere(base: &Url, href: &str) -> Result<Url, ProviderError> {
    let url = base.join(href.trim()).map_err(|cause| {
        ProviderError::permanent("the server's answer holds an invalid reference")
            .with_source(cause)
    })?;
    Ok(canonical(url))
}

/// The one spelling that is compared and kept: no query or fragment, and each segment of the path
/// encoded alike.
pub(crate) fn canonical(mut url: Url) -> Url {
    url.set_query(None);
    url.set_fragment(None);
    let path: Vec<_> = url.path().split('/').map(respell).collect();
    let path = path.join("/");
    url.set_path(&path);
    url
}

fn respell(segment: &str) -> String {
    let plain: Vec<u8> = percent_decode_str(segment).collect();
    match std::str::from_utf8(&plain) {
        // A segment of dots would be taken for a step upwards.
        Ok(plain) if !matches!(plain, "." | "..") => encode(plain),
        _ => segment.to_owned(),
    }
}

fn encode(plain: &str) -> String {
    utf8_percent_encode(plain, SEGMENT).to_string()
}

/// The resource called `name` in a collection.
pub(crate) fn member(collection: &Url, name: &str) -> Url {
    let mut url = as_collection(collection);
    let path = format!("{}{}", url.path(), encode(name));
    url.set_path(&path);
    url
}

/// With the slash that ends a collection's path (RFC 4918, section 5.2).
pub(crate) fn as_collection(url: &Url) -> Url {
    let mut url = url.clone();
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

/// How the server is told of the resource at `url`, and what it keeps: the address, or where it is
/// longer than a database's index takes, its digest. An event with such a reference is found by its
/// UID.
pub(crate) fn reference(url: &Url) -> String {
    if url.as_str().len() <= LONGEST_REFERENCE {
        return url.to_string();
    }
    let digest = Sha256::digest(url.as_str());
    digest.iter().fold("sha256-".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// Whether both name one resource, with or without the slash at the end.
pub(crate) fn is_same(a: &Url, b: &Url) -> bool {
    as_collection(a) == as_collection(b)
}

/// Whether the password that was typed in for `from` may be used for `to`: the same server, or
/// another of its domain, as where `caldav.icloud.com` says that the calendars are on
/// `p34-caldav.icloud.com`. Never from https to http.
///
/// One domain is the last two labels, or three where the last two look like a registry's own
/// (`co.uk`, `com.au`): stricter than a public suffix list for some, and never laxer for those
/// registries that have such a second level.
pub(crate) fn is_trusted(from: &Url, to: &Url) -> bool {
    if from.origin() == to.origin() {
        return true;
    }
    let secure = from.scheme() == "https" && to.scheme() == "https";
    let (Some(from), Some(to)) = (from.domain(), to.domain()) else { return false };
    secure && domain(from).is_some_and(|from| domain(to) == Some(from))
}

fn domain(host: &str) -> Option<&str> {
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let last = dots.next()?;
    let second = dots.next();
    let label = &host[second.map_or(0, |at| at + 1)..last];
    let is_registry = host.len() - last == 3 && label.len() <= 3;
    match (is_registry, second) {
        (false, None) => Some(host),
        (false, Some(at)) => Some(&host[at + 1..]),
        (true, None) => None,
        (true, Some(_)) => Some(dots.next().map_or(host, |at| &host[at + 1..])),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{is_same, is_trusted, member, resolve};

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn every_spelling_of_a_reference_becomes_one() {
        let base = url("https://dav.example.com/cal/ada/");
        for href in [
            "/cal/ada/a%40b.ics",
            "/cal/ada/a@b.ics",
            "https://dav.example.com/cal/ada/a%40b.ics",
            "https://dav.example.com:443/cal/ada/a@b.ics?x#y",
            "a%40b.ics",
            " /cal/%61da/a@b.ics\n",
        ] {
            let found = resolve(&base, href).unwrap();
            assert_eq!(found.as_str(), "https://dav.example.com/cal/ada/a@b.ics", "{href}");
        }
        let odd = resolve(&base, "/cal/ada/a%2Fb%20c%25é.ics").unwrap();
        assert_eq!(odd.path(), "/cal/ada/a%2Fb%20c%25%C3%A9.ics");
        assert_eq!(member(&url("https://dav.example.com/cal/ada"), "a/b c%é.ics"), odd);
        assert!(is_same(&url("https://a.example/c"), &url("https://a.example/c/")));
    }

    #[test]
    fn references_to_other_servers_are_refused() {
        let base = url("https://dav.example.com/cal/");
        for href in [
            "https://evil.example/cal/1.ics",
            "//evil.example/1.ics",
            "http://dav.example.com/cal/1.ics",
            "https://dav.example.com:8443/cal/1.ics",
            "file:///etc/passwd",
        ] {
            assert!(resolve(&base, href).is_err(), "{href}");
        }
    }

    #[test]
    fn the_password_stays_within_the_domain() {
        for (from, to) in [
            ("https://caldav.icloud.com/", "https://p34-caldav.icloud.com/1/"),
            ("https://example.com/", "https://dav.example.com/"),
            ("https://dav.example.co.uk/", "https://example.co.uk/"),
            ("http://127.0.0.1:5232/", "http://127.0.0.1:5232/a"),
        ] {
            assert!(is_trusted(&url(from), &url(to)), "{from} {to}");
        }
        for (from, to) in [
            ("https://caldav.icloud.com/", "http://p34-caldav.icloud.com/"),
            ("https://caldav.icloud.com/", "https://icloud.com.evil.example/"),
            ("https://example.com/", "https://notexample.com/"),
            ("https://example.co.uk/", "https://evil.co.uk/"),
            ("https://co.uk/", "https://evil.co.uk/"),
            ("https://192.0.2.1/", "https://192.0.2.2/"),
            ("https://localhost/", "https://host/"),
            ("http://a.example.com/", "http://b.example.com/"),
        ] {
            assert!(!is_trusted(&url(from), &url(to)), "{from} {to}");
        }
    }
}
