//! What JSON APIs need.

use bytes::Bytes;
use calendar_provider::ProviderError;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::Response;

/// A request with a bearer token (RFC 6750) that takes JSON, and sends `body` as such.
///
/// ```
/// use calendar_http::{http::Method, json_request};
/// # use calendar_provider::ProviderError;
/// # fn example() -> Result<(), ProviderError> {
/// let url = "https://api.example.com/events".parse().expect("an address");
/// let body = serde_json::json!({ "summary": "Demo" });
/// let request = json_request(Method::POST, &url, &"token".into(), Some(&body))?;
/// assert_eq!(&request.body()[..], br#"{"summary":"Demo"}"#);
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
///
/// # Errors
///
/// Permanent where the token can't stand in a header, or `body` can't be written as JSON.
pub fn json_request<T: Serialize + ?Sized>(
    method: Method,
    url: &Url,
    bearer: &SecretString,
    body: Option<&T>,
) -> Result<http::Request<Bytes>, ProviderError> {
    let mut request = http::Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Bytes::new())
        .map_err(|cause| ProviderError::permanent("the address is not valid").with_source(cause))?;
    request.headers_mut().insert(AUTHORIZATION, bearer_header(bearer)?);
    if let Some(body) = body {
        // Its error could quote the value.
        let json = serde_json::to_vec(body)
            .map_err(|_| ProviderError::permanent("the request can't be written as JSON"))?;
        *request.body_mut() = json.into();
        let json_type = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json_type);
    }
    Ok(request)
}

/// The JSON that `response` holds, whatever its status.
///
/// # Errors
///
/// Transient where it is not said to be JSON (as a sign-in page in between is not), or can't be
/// read as a `T`. The source says where, in line and column, and never what stands there.
pub fn read_json<T: DeserializeOwned>(response: &Response) -> Result<T, ProviderError> {
    if !is_json(response.headers()) {
        return Err(ProviderError::transient("the answer is not JSON"));
    }
    if let Err(cause) = std::str::from_utf8(response.body()) {
        return Err(ProviderError::transient("the answer is not UTF-8").with_source(cause));
    }
    serde_json::from_slice(response.body()).map_err(|cause| {
        let message = match cause.classify() {
            serde_json::error::Category::Eof => "the answer was cut off",
            serde_json::error::Category::Data => "the answer is not as documented",
            _ => "the answer is not valid JSON",
        };
        let (line, column) = (cause.line(), cause.column());
        ProviderError::transient(message).with_source(format!("at line {line}, column {column}"))
    })
}

fn bearer_header(token: &SecretString) -> Result<HeaderValue, ProviderError> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| ProviderError::permanent("the token can't be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether the media type is `application/json` or ends in `+json` (RFC 6839, section 3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()) else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use calendar_provider::ErrorClass;
    use http::Method;
    use serde::Deserialize;

    use super::{json_request, read_json};
    use crate::Response;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Event {
        id: u32,
    }

    fn answer(content_type: &str, body: &'static [u8]) -> Response {
        http::Response::builder().header("content-type", content_type).body(body.into()).unwrap()
    }

    #[test]
    fn json_is_read_by_its_media_type() {
        for content_type in [
            "application/json",
            "application/json; charset=UTF-8",
            "Application/JSON",
            "application/problem+json",
        ] {
            assert_eq!(read_json(&answer(content_type, b"{\"id\":1}")).ok(), Some(Event { id: 1 }));
        }
        for content_type in ["text/html", "text/plain", "application/jsonp", "image/x+json", ""] {
            assert!(read_json::<Event>(&answer(content_type, b"{\"id\":1}")).is_err());
        }
        let unsaid = http::Response::new("{\"id\":1}".into());
        assert!(read_json::<Event>(&unsaid).is_err());
    }

    #[test]
    fn what_is_no_json_is_transient_and_not_shown() {
        for (content_type, body, expected) in [
            ("text/html", &b"<html>secret"[..], "the answer is not JSON"),
            ("application/json", b"<html>secret", "the answer is not valid JSON"),
            ("application/json", b"{\"id\":1,\"name\":\"secret", "the answer was cut off"),
            ("application/json", b"", "the answer was cut off"),
            ("application/json", b"{\"id\":\"secret\"}", "the answer is not as documented"),
            ("application/json", b"{\"name\":\"secret\"}", "the answer is not as documented"),
            ("application/json", b"{\"id\":1,\"name\":\"secret \xff\"}", "the answer is not UTF-8"),
        ] {
            let error = read_json::<Event>(&answer(content_type, body)).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Transient);
            assert_eq!(error.to_string(), format!("the calendar can't be reached: {expected}"));
            let shown = format!("{error:?} {:?}", error.source().map(ToString::to_string));
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn a_request_hides_its_token() {
        let url = "https://api.example.com/a?b=c".parse().unwrap();
        let request = json_request(Method::GET, &url, &"token".into(), None::<&()>).unwrap();
        assert_eq!(request.headers()["authorization"], "Bearer token");
        assert!(!format!("{request:?}").contains("token"));
        assert!(!request.headers().contains_key("content-type"));
        assert!(json_request(Method::GET, &url, &"a\nb".into(), None::<&()>).is_err());
    }
}
