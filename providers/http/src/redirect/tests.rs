use calendar_provider::{ErrorClass, ProviderError};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::follow;
use crate::hop::Hop;

fn hop(method: &str, url: &str) -> Hop {
    let mut headers = HeaderMap::new();
    for name in ["authorization", "cookie", "proxy-authorization", "depth"] {
        headers.insert(name, HeaderValue::from_static("1"));
    }
    let mut key = HeaderValue::from_static("key");
    key.set_sensitive(true);
    headers.insert("x-api-key", key);
    Hop {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        url: url.parse().unwrap(),
        headers,
        body: "body".into(),
    }
}

fn redirected(from: Hop, status: u16, location: &str) -> Result<Hop, ProviderError> {
    let mut headers = HeaderMap::new();
    headers.insert("location", location.parse().unwrap());
    follow(from, StatusCode::from_u16(status).unwrap(), &headers)
}

#[test]
fn the_address_may_be_relative() {
    for (location, expected) in [
        ("next?page=2", "https://example.com/a/next?page=2"),
        ("/next", "https://example.com/next"),
        ("//other.example/x", "https://other.example/x"),
        ("https://other.example/x#part", "https://other.example/x"),
    ] {
        let next = redirected(hop("GET", "https://example.com/a/b"), 302, location).unwrap();
        assert_eq!(next.url.as_str(), expected);
    }
}

#[test]
fn methods_are_kept_or_the_redirect_is_refused() {
    for (method, statuses) in [
        ("GET", &[301, 302, 303, 307, 308][..]),
        ("HEAD", &[301, 302, 303, 307, 308]),
        ("PROPFIND", &[301, 302, 307, 308]),
        ("REPORT", &[301, 302, 307, 308]),
        ("PUT", &[301, 302, 307, 308]),
        ("DELETE", &[301, 302, 307, 308]),
        ("POST", &[307, 308]),
        ("PATCH", &[307, 308]),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let next = redirected(hop(method, "https://example.com/"), status, "/next");
            assert_eq!(next.is_ok(), statuses.contains(&status), "{method} {status}");
            match next {
                Ok(next) => {
                    assert_eq!((next.method.as_str(), &next.body[..]), (method, &b"body"[..]));
                }
                Err(error) => assert_eq!(error.class(), ErrorClass::Permanent),
            }
        }
    }
}

#[test]
fn credentials_stay_with_their_origin() {
    let names = |hop: &Hop| {
        let mut names: Vec<_> = hop.headers.keys().map(|it| it.as_str().to_owned()).collect();
        names.sort();
        names
    };
    let same = redirected(hop("GET", "https://example.com/"), 302, "/next").unwrap();
    let all = ["authorization", "cookie", "depth", "proxy-authorization", "x-api-key"];
    assert_eq!(names(&same), all);
    for elsewhere in ["https://example.com:8443/", "https://www.example.com/"] {
        let next = redirected(hop("GET", "https://example.com/"), 302, elsewhere).unwrap();
        assert_eq!(names(&next), ["depth"], "{elsewhere}");
    }
    let upgraded = redirected(hop("GET", "http://example.com/"), 301, "https://example.com/");
    assert_eq!(names(&upgraded.unwrap()), ["depth"]);
}

#[test]
fn a_body_that_may_hold_secrets_is_not_sent_to_another_origin() {
    for method in ["POST", "PATCH", "PUT", "DELETE", "PROPPATCH", "MKCALENDAR"] {
        let next = redirected(hop(method, "https://example.com/"), 308, "https://other.example/");
        assert_eq!(next.err().unwrap().class(), ErrorClass::Permanent, "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"] {
        let next = redirected(hop(method, "https://example.com/"), 308, "https://other.example/");
        assert!(next.is_ok(), "{method}");
    }
    let empty = Hop { body: "".into(), ..hop("DELETE", "https://example.com/") };
    assert!(redirected(empty, 308, "https://other.example/").is_ok());
}

#[test]
fn encryption_is_not_given_up() {
    for location in ["http://example.com/", "ftp://example.com/"] {
        let next = redirected(hop("GET", "https://example.com/"), 301, location);
        assert_eq!(next.err().unwrap().class(), ErrorClass::Permanent, "{location}");
    }
}

#[test]
fn a_redirect_to_nowhere_is_an_error() {
    let no_location =
        follow(hop("GET", "https://a.example/"), StatusCode::FOUND, &HeaderMap::new());
    assert_eq!(no_location.err().unwrap().class(), ErrorClass::Permanent);
    let not_an_address = redirected(hop("GET", "https://a.example/"), 302, "https://[");
    assert_eq!(not_an_address.err().unwrap().class(), ErrorClass::Permanent);
}
