//! The provider's client as tests set it up, and requests behind the provider's back.

use std::sync::Arc;
use std::time::Duration;

use calendar_http::http::{Method, Request, StatusCode};
use calendar_http::{Bytes, HttpClient, Network};
use calendar_provider::ConnectRequest;
use calendar_provider_caldav::{CalDav, Settings};

pub(crate) const PASSWORD: &str = "s3cret-pass";

/// A client that may go anywhere and whose waits are short.
pub(crate) fn http() -> HttpClient {
    let settings = calendar_http::Settings {
        network: Network::Any,
        attempts: 2,
        backoff: Duration::from_millis(1),
        circuit_failures: u32::MAX,
        deadline: Duration::from_secs(30),
        ..Default::default()
    };
    HttpClient::new(settings).expect("the client can be set up")
}

pub(crate) fn provider() -> Arc<CalDav> {
    let settings = Settings { allow_private_addresses: true };
    Arc::new(CalDav::new(settings, http()))
}

pub(crate) fn request(url: &str, username: &str, password: &str) -> ConnectRequest {
    let mut request = ConnectRequest::new("agent-1");
    for (field, value) in [("url", url), ("username", username), ("password", password)] {
        request.credentials.insert(field.into(), value.into());
    }
    request
}

/// A request as another calendar program would make it.
pub(crate) async fn send(
    method: &str,
    url: &str,
    username: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (StatusCode, String) {
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(url)
        .header("authorization", basic(username, PASSWORD));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let answer = http().send(request).await.expect("the server answers");
    (answer.status(), String::from_utf8_lossy(answer.body()).into_owned())
}

/// Stores an iCalendar text at `url`.
pub(crate) async fn store(url: &str, username: &str, text: &str) {
    let headers = [("content-type", "text/calendar; charset=utf-8")];
    let (status, body) = send("PUT", url, username, &headers, text).await;
    assert!(status.is_success(), "{status}: {body}");
}

pub(crate) fn basic(username: &str, password: &str) -> String {
    use base64::Engine as _;
    let pair = format!("{username}:{password}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}
