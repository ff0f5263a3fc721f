//! The client against servers on real sockets that behave badly.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod answers;
mod circuits;
mod encryption;
mod network;
mod redirects;
mod retries;
mod server;

use std::{error::Error, time::Duration};

use calendar_http::{Bytes, HttpClient, Network, Response, Settings, http::Request};
use calendar_provider::{ErrorClass, ProviderError};

use server::SECRET;

/// Quick to retry, and allowed to go to the tests' servers.
fn settings() -> Settings {
    Settings { network: Network::Any, backoff: Duration::from_millis(1), ..Settings::default() }
}

fn client() -> HttpClient {
    HttpClient::new(settings()).unwrap()
}

fn request(method: &str, url: &str) -> Request<Bytes> {
    let builder = Request::builder().method(method).uri(url);
    builder.header("authorization", SECRET).body(Bytes::new()).unwrap()
}

async fn get(client: &HttpClient, url: &str) -> Result<Response, ProviderError> {
    client.send(request("GET", url)).await
}

/// Checks an error's class and message, and that nothing of it shows what must not be shown.
#[track_caller]
fn check_error(result: Result<Response, ProviderError>, class: ErrorClass, message: &str) {
    let error = result.expect_err("the call fails");
    assert_eq!(error.class(), class, "{error:?}");
    assert!(error.to_string().ends_with(message), "{error}");
    let mut shown = format!("{error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(it) = cause {
        shown += &format!(" {it}");
        cause = it.source();
    }
    assert!(!shown.contains(SECRET) && !shown.contains("/path"), "{shown}");
}
