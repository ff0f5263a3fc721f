//! One request on a connection, from its head to its answer.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use tower::ServiceExt;

use super::delivery::Delivery;
use super::intake::{Intake, Refused};
use super::{Charged, Connection, UnderWay};
use crate::http::client;

/// What an answer may have that is not counted: less than a connection takes up by itself. So `/healthz`
/// is answered to an address that has used up its bytes.
const SMALL: usize = 4 * 1024;

/// Answers a request, whatever its route: its body has a deadline, and what it and the answer take up is
/// counted.
pub(crate) async fn answer(
    router: Router,
    connection: Arc<Connection>,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let under_way = connection.begin();
    if !has_one_host(request.version(), request.headers()) {
        let message = "an HTTP/1.1 request has exactly one Host header (RFC 9112, section 3.2)\n";
        return deliver(&connection, under_way, plain(StatusCode::BAD_REQUEST, message));
    }
    if client::is_forwarded(request.headers()) {
        connection.forwards();
    }
    let intake = Intake::new(&connection);
    let extensions = request.extensions_mut();
    extensions.insert(ConnectInfo(connection.peer));
    extensions.insert(Arc::clone(&connection));
    extensions.insert(intake.clone());
    let request = request.map(|body| intake.body(body, connection.budget()));
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let response = match intake.refused() {
        Some(Refused::Late) => {
            let message = "the body of the request did not arrive in time\n";
            let mut late = plain(StatusCode::REQUEST_TIMEOUT, message);
            // The rest of it would be read as the next request.
            late.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            late
        }
        Some(Refused::NoRoom) => busy(),
        None => response,
    };
    drop(intake);
    deliver(&connection, under_way, response)
}

/// Hands an answer over, followed and counted.
fn deliver(
    connection: &Arc<Connection>,
    under_way: UnderWay,
    response: Response<Body>,
) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let counted = parts.extensions.get::<Charged>().is_some();
    let bytes = body.size_hint().exact().filter(|_| !counted).unwrap_or(0);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let bytes = if bytes <= SMALL { 0 } else { bytes };
    let Some(charge) = connection.budget().try_take(bytes) else {
        let (parts, body) = busy().into_parts();
        let body = Delivery::body(body, connection, under_way, None);
        return Response::from_parts(parts, body);
    };
    Response::from_parts(parts, Delivery::body(body, connection, under_way, Some(charge)))
}

/// Whether the Host headers are as RFC 9112, section 3.2, wants them. HTTP/2 has `:authority`.
fn has_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let is_host = |value: &HeaderValue| value.is_empty() || authority(value).is_some();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host),
        (None, None) => version != Version::HTTP_11,
        _ => false,
    }
}

/// A host and a port, without a user.
fn authority(value: &HeaderValue) -> Option<Authority> {
    Authority::try_from(value.as_bytes()).ok().filter(|host| !host.as_str().contains('@'))
}

/// There is no room for the request or its answer.
fn busy() -> Response<Body> {
    let message = "the server is out of memory for answers: read those that wait, and try again\n";
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, message);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn plain(status: StatusCode, message: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(message));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: Version, hosts: &[&str], expected: bool) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        assert_eq!(has_one_host(version, &headers), expected, "{version:?} {hosts:?}");
    }

    #[test]
    fn http_1_1_wants_exactly_one_host() {
        check(Version::HTTP_11, &["meet.example.com"], true);
        check(Version::HTTP_11, &["[2001:db8::1]:8080"], true);
        check(Version::HTTP_11, &[""], true);
        check(Version::HTTP_11, &[], false);
        check(Version::HTTP_11, &["a.example", "a.example"], false);
        check(Version::HTTP_11, &["a.example/path"], false);
        check(Version::HTTP_11, &["user@a.example"], false);
        check(Version::HTTP_10, &[], true);
        check(Version::HTTP_10, &["a.example", "b.example"], false);
        check(Version::HTTP_2, &[], true);
    }
}
