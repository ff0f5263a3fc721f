//! Where a redirect leads (RFC 9110, section 15.4).

use calendar_provider::ProviderError;
use http::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION},
};

use crate::hop::Hop;

/// How many redirects one call follows.
pub(crate) const LIMIT: u32 = 5;

/// Whether `status` names another place to ask.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The request that `hop` becomes when it is answered by a redirect.
///
/// # Errors
///
/// Permanent where it leads nowhere, from https to http, or asks for what must not be done by
/// itself: another method, or for another origin a POST, a PATCH or any body but that of a method
/// that only reads, since such a body may hold a client secret or what a visitor wrote.
pub(crate) fn follow(
    hop: Hop,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Hop, ProviderError> {
    let target = headers.get(LOCATION).and_then(|it| it.to_str().ok());
    let Some(mut url) = target.and_then(|it| hop.url.join(it).ok()) else {
        return Err(ProviderError::permanent("it redirects to no valid address"));
    };
    url.set_fragment(None);
    if hop.url.scheme() == "https" && url.scheme() != "https" {
        return Err(ProviderError::permanent("it redirects to an unencrypted address"));
    }
    let crosses = hop.url.origin() != url.origin();
    if !keeps_method(&hop.method, status) || (crosses && !may_cross(&hop)) {
        return Err(ProviderError::permanent("it redirects a request that must not be repeated"));
    }
    let headers = if crosses { without_credentials(hop.headers) } else { hop.headers };
    Ok(Hop { url, headers, ..hop })
}

/// Whether the same request may be made elsewhere. 303 asks for a GET, 301 and 302 turn POST into
/// one; for the other methods all but 303 leave the method alone, as WebDAV's clients rely on.
fn keeps_method(method: &Method, status: StatusCode) -> bool {
    match status {
        StatusCode::SEE_OTHER => matches!(*method, Method::GET | Method::HEAD),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => !is_post_or_patch(method),
        _ => true,
    }
}

/// Whether a request may be made of another origin. What asks has a body only to say what for
/// (PROPFIND, RFC 4918, section 9.1; REPORT, RFC 3253, section 3.6).
fn may_cross(hop: &Hop) -> bool {
    let only_reads = ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"];
    only_reads.contains(&hop.method.as_str())
        || (hop.body.is_empty() && !is_post_or_patch(&hop.method))
}

fn is_post_or_patch(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PATCH)
}

/// Another origin is not told what was meant for this one: neither credentials nor what the
/// caller has marked sensitive.
fn without_credentials(headers: HeaderMap) -> HeaderMap {
    let mut kept = headers;
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, HOST] {
        kept.remove(name);
    }
    let sensitive: Vec<_> =
        kept.iter().filter(|(_, it)| it.is_sensitive()).map(|(name, _)| name.clone()).collect();
    for name in sensitive {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
mod tests;
