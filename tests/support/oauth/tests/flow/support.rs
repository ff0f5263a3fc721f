//! A client at the server.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use chrono::DateTime;
use fake_oauth::{Client, Clock, OAuth, Paths, Scope, Settings, Visit};
use serde_json::Value;
use tower::ServiceExt;
use url::Url;

pub(crate) const BACK: &str = "https://desk.example/oauth/callback";
// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new("https://issuer.example")
        .with_client(Client::new("desk", "s3cret", BACK))
        .with_client(Client::new("other", "0ther", "https://other.example/"))
        .with_scopes(["calendar", "freebusy"]);
    settings.scopes.push(Scope::told_as("email", "https://scopes.example/email"));
    settings.scopes.push(Scope::untold("offline_access"));
    settings
}

pub(crate) fn oauth(settings: Settings) -> OAuth {
    OAuth::new(settings, Clock::new(DateTime::UNIX_EPOCH))
}

pub(crate) fn page(changes: &[(&str, &str)]) -> Url {
    let mut params = BTreeMap::from([
        ("response_type", "code"),
        ("client_id", "desk"),
        ("redirect_uri", BACK),
        ("state", "a-state"),
        ("scope", "calendar freebusy email"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    params.extend(changes.iter().copied());
    Url::parse_with_params("https://issuer.example/authorize", params).expect("it is a URL")
}

#[track_caller]
pub(crate) fn redirected(oauth: &OAuth, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    match oauth.visit(&page(changes)) {
        Visit::Redirect(url) => url.query_pairs().into_owned().collect(),
        Visit::Refused(why) => panic!("{why}"),
    }
}

#[track_caller]
pub(crate) fn code(oauth: &OAuth, changes: &[(&str, &str)]) -> String {
    redirected(oauth, changes).remove("code").expect("a code")
}

pub(crate) fn router(oauth: &OAuth) -> Router {
    oauth.router(&Paths {
        authorize: "/authorize".into(),
        token: "/token".into(),
        revoke: Some("/revoke".into()),
    })
}

pub(crate) async fn post(
    oauth: &OAuth,
    path: &str,
    params: &[(&str, &str)],
) -> (StatusCode, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let request = Request::post(path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .expect("it is a request");
    let Ok(response) = router(oauth).oneshot(request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 16).await.expect("the body is whole");
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

pub(crate) async fn token(oauth: &OAuth, params: &[(&str, &str)]) -> (StatusCode, Value) {
    let client = [("client_id", "desk"), ("client_secret", "s3cret")];
    post(oauth, "/token", &[&client, params].concat()).await
}

pub(crate) async fn exchange(oauth: &OAuth, code: &str) -> (StatusCode, Value) {
    exchange_as(oauth, code, BACK, VERIFIER).await
}

pub(crate) async fn exchange_as(
    oauth: &OAuth,
    code: &str,
    back: &str,
    verifier: &str,
) -> (StatusCode, Value) {
    let grant = ("grant_type", "authorization_code");
    let rest = [grant, ("code", code), ("redirect_uri", back), ("code_verifier", verifier)];
    token(oauth, &rest).await
}

pub(crate) async fn refresh(oauth: &OAuth, refresh_token: &str) -> (StatusCode, Value) {
    token(oauth, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

pub(crate) async fn connected(oauth: &OAuth) -> Value {
    let (status, tokens) = exchange(oauth, &code(oauth, &[])).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    tokens
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}"))
}

#[track_caller]
pub(crate) fn expect_error((status, body): (StatusCode, Value), error: &str) {
    assert_eq!((status, body["error"].as_str()), (StatusCode::BAD_REQUEST, Some(error)), "{body}");
}
