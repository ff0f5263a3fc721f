//! The endpoints over HTTP.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use crate::{Fault, OAuth, TokenRefused, TokenSet, Visit};

/// Where the endpoints are, in axum's syntax, e.g. `/{tenant}/oauth2/v2.0/token`.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The authorization endpoint.
    pub authorize: String,
    /// The token endpoint.
    pub token: String,
    /// The revocation endpoint, where there is one.
    pub revoke: Option<String>,
}

impl OAuth {
    /// Its endpoints, to be merged into the router of the provider that it belongs to.
    pub fn router(&self, paths: &Paths) -> Router {
        let mut router =
            Router::new().route(&paths.authorize, get(authorize)).route(&paths.token, post(token));
        if let Some(path) = &paths.revoke {
            router = router.route(path, post(revoke));
        }
        router.with_state(self.clone())
    }

    /// The fault that the next request meets.
    fn next_fault(&self) -> Option<Fault> {
        let mut state = self.lock();
        let (fault, left) = state.fault.take()?;
        state.fault = match left {
            None => Some((fault.clone(), None)),
            Some(0 | 1) => None,
            Some(left) => Some((fault.clone(), Some(left - 1))),
        };
        Some(fault)
    }
}

async fn authorize(State(oauth): State<OAuth>, RawQuery(query): RawQuery) -> Response {
    match oauth.authorize(query.as_deref().unwrap_or_default()) {
        Visit::Redirect(url) => (StatusCode::FOUND, [(LOCATION, url.to_string())]).into_response(),
        Visit::Refused(why) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
}

/// Counts a request as under way until it is dropped.
struct UnderWay(OAuth);

impl UnderWay {
    fn begin(oauth: &OAuth) -> Self {
        let mut state = oauth.lock();
        state.under_way += 1;
        state.counts.token_requests += 1;
        state.counts.token_requests_at_once =
            state.counts.token_requests_at_once.max(state.under_way);
        Self(oauth.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
    }
}

async fn token(State(oauth): State<OAuth>, headers: HeaderMap, body: Bytes) -> Response {
    let _under_way = UnderWay::begin(&oauth);
    let fault = oauth.next_fault();
    match &fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Slow(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            return html(status);
        }
        Some(Fault::Html) => return html(StatusCode::OK),
        Some(Fault::CutOff) => return cut_off(b"{\"access_token\":\"fake-"),
        Some(Fault::InvalidGrant) => {
            let description = "Token has been expired or revoked.";
            return refusal(&headers, TokenRefused { error: "invalid_grant", description });
        }
        Some(Fault::AnswerLost) | None => {}
    }
    let outcome = match form_body(&headers, &body) {
        Some(body) => oauth.token(authorization(&headers), body),
        None => Err(NOT_A_FORM),
    };
    if fault == Some(Fault::AnswerLost) {
        return html(StatusCode::SERVICE_UNAVAILABLE);
    }
    match outcome {
        Ok(tokens) => answer(StatusCode::OK, &token_json(&tokens)),
        Err(error) => refusal(&headers, error),
    }
}

async fn revoke(State(oauth): State<OAuth>, headers: HeaderMap, body: Bytes) -> Response {
    let outcome = match form_body(&headers, &body) {
        Some(body) => oauth.revoke(authorization(&headers), body),
        None => Err(NOT_A_FORM),
    };
    match outcome {
        Ok(()) => answer(StatusCode::OK, &json!({})),
        Err(error) => refusal(&headers, error),
    }
}

const NOT_A_FORM: TokenRefused =
    TokenRefused { error: "invalid_request", description: "the body is no form" };

fn form_body<'a>(headers: &HeaderMap, body: &'a Bytes) -> Option<&'a [u8]> {
    let form = headers
        .get(CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    form.then_some(body.as_ref())
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}

fn token_json(tokens: &TokenSet) -> serde_json::Value {
    let scopes: Vec<_> = tokens.scopes.iter().map(String::as_str).collect();
    let mut body = json!({
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in.num_seconds(),
        "scope": scopes.join(" "),
    });
    if let Some(token) = &tokens.refresh_token {
        body["refresh_token"] = json!(token);
    }
    body
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}

/// RFC 6749, section 5.2: 401 for a client that is not known, 400 for all else.
fn refusal(headers: &HeaderMap, refused: TokenRefused) -> Response {
    let body = json!({ "error": refused.error, "error_description": refused.description });
    if refused.error != "invalid_client" {
        return answer(StatusCode::BAD_REQUEST, &body);
    }
    let mut response = answer(StatusCode::UNAUTHORIZED, &body);
    if headers.contains_key(AUTHORIZATION) {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    }
    response
}

fn html(status: StatusCode) -> Response {
    let page = "<!doctype html><title>Error</title><p>Something went wrong</p>";
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

/// An answer of JSON that promises more than it sends: the connection closes after `start`.
pub fn cut_off(start: &'static [u8]) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_LENGTH, (start.len() + 100).to_string()),
    ];
    let mut body = Some(Bytes::from_static(start));
    let broken = CutOffBody(body.take());
    (headers, Body::new(broken)).into_response()
}

/// A body that yields its bytes and then fails.
struct CutOffBody(Option<Bytes>);

impl axum::body::HttpBody for CutOffBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let next = match self.0.take() {
            Some(bytes) => Ok(http_body::Frame::data(bytes)),
            None => Err(std::io::ErrorKind::ConnectionReset.into()),
        };
        std::task::Poll::Ready(Some(next))
    }
}
