//! The authorization code flow, refresh and revocation, as a client sees them over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta};
use fake_oauth::{
    BearerError, Client, Clock, Consent, Fault, Iss, OAuth, Offline, Paths, Renewal, Revocation,
    Scope, Settings, Visit,
};
use serde_json::Value;
use tower::ServiceExt;
use url::Url;

const BACK: &str = "https://desk.example/oauth/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn settings() -> Settings {
    let mut settings = Settings::new("https://issuer.example")
        .with_client(Client::new("desk", "s3cret", BACK))
        .with_client(Client::new("other", "0ther", "https://other.example/"))
        .with_scopes(["calendar", "freebusy"]);
    settings.scopes.push(Scope::told_as("email", "https://scopes.example/email"));
    settings.scopes.push(Scope::untold("offline_access"));
    settings
}

fn oauth(settings: Settings) -> OAuth {
    OAuth::new(settings, Clock::new(DateTime::UNIX_EPOCH))
}

fn page(changes: &[(&str, &str)]) -> Url {
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
fn redirected(oauth: &OAuth, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    match oauth.visit(&page(changes)) {
        Visit::Redirect(url) => url.query_pairs().into_owned().collect(),
        Visit::Refused(why) => panic!("{why}"),
    }
}

#[track_caller]
fn code(oauth: &OAuth, changes: &[(&str, &str)]) -> String {
    redirected(oauth, changes).remove("code").expect("a code")
}

fn router(oauth: &OAuth) -> Router {
    oauth.router(&Paths {
        authorize: "/authorize".into(),
        token: "/token".into(),
        revoke: Some("/revoke".into()),
    })
}

async fn post(oauth: &OAuth, path: &str, params: &[(&str, &str)]) -> (StatusCode, Value) {
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

async fn token(oauth: &OAuth, params: &[(&str, &str)]) -> (StatusCode, Value) {
    let client = [("client_id", "desk"), ("client_secret", "s3cret")];
    post(oauth, "/token", &[&client, params].concat()).await
}

async fn exchange(oauth: &OAuth, code: &str) -> (StatusCode, Value) {
    exchange_as(oauth, code, BACK, VERIFIER).await
}

async fn exchange_as(oauth: &OAuth, code: &str, back: &str, verifier: &str) -> (StatusCode, Value) {
    let grant = ("grant_type", "authorization_code");
    let rest = [grant, ("code", code), ("redirect_uri", back), ("code_verifier", verifier)];
    token(oauth, &rest).await
}

async fn refresh(oauth: &OAuth, refresh_token: &str) -> (StatusCode, Value) {
    token(oauth, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

async fn connected(oauth: &OAuth) -> Value {
    let (status, tokens) = exchange(oauth, &code(oauth, &[])).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    tokens
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}"))
}

#[track_caller]
fn expect_error((status, body): (StatusCode, Value), error: &str) {
    assert_eq!((status, body["error"].as_str()), (StatusCode::BAD_REQUEST, Some(error)), "{body}");
}

#[tokio::test]
async fn a_code_brings_tokens_that_resources_take() {
    let oauth = oauth(settings());
    oauth.sign_in("ada@example.com");
    let back = redirected(&oauth, &[]);
    assert_eq!(back["state"], "a-state");
    assert_eq!(back["iss"], "https://issuer.example");
    let (status, tokens) = exchange(&oauth, &back["code"]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["scope"], "calendar freebusy https://scopes.example/email");
    let access = oauth.access(text(&tokens, "access_token")).unwrap();
    assert_eq!(access.account, "ada@example.com");
    assert!(access.has_any(&["Calendar"]) && !access.has_any(&["email"]));
    let (status, again) = refresh(&oauth, text(&tokens, "refresh_token")).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(again["access_token"], tokens["access_token"]);
    assert!(again.get("refresh_token").is_none(), "it is kept");
    let counts = oauth.counts();
    assert_eq!((counts.exchanges, counts.refreshes, counts.token_requests), (1, 1, 2));
}

#[tokio::test]
async fn the_endpoints_answer_over_http() {
    let oauth = oauth(settings());
    let get = |url: Url| {
        let target = format!("{}?{}", url.path(), url.query().unwrap());
        router(&oauth).oneshot(Request::get(target).body(Body::empty()).unwrap())
    };
    let response = get(page(&[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert!(response.headers()[LOCATION].to_str().unwrap().starts_with(BACK));
    let refused = get(page(&[("client_id", "nobody")])).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(!refused.headers().contains_key(LOCATION));
}

#[test]
fn doubts_about_the_client_or_where_to_send_nobody_anywhere() {
    let oauth = oauth(settings());
    for change in [
        ("client_id", "nobody"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://desk.example/oauth/callback/"),
        ("redirect_uri", "https://desk.example/oauth/callback?x"),
        ("redirect_uri", "https://other.example/"),
    ] {
        assert!(matches!(oauth.visit(&page(&[change])), Visit::Refused(_)), "{change:?}");
    }
    let mut twice = page(&[]);
    twice.query_pairs_mut().append_pair("state", "another");
    assert!(matches!(oauth.visit(&twice), Visit::Refused(_)));
}

#[test]
fn other_faults_of_the_request_are_told_to_the_client() {
    let oauth = oauth(settings());
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("state", ""), "invalid_request"),
        (("scope", "calendar everything"), "invalid_scope"),
        (("scope", ""), "invalid_scope"),
    ] {
        let back = redirected(&oauth, &[change]);
        assert_eq!(back.get("error").map(String::as_str), Some(error), "{change:?}");
        assert!(!back.contains_key("code"));
    }
}

#[tokio::test]
async fn consent_can_be_denied_or_partial() {
    let oauth = oauth(settings());
    oauth.set_consent(Consent::Deny);
    assert_eq!(redirected(&oauth, &[])["error"], "access_denied");
    oauth.set_consent(Consent::Untick(vec!["freebusy".into(), "EMAIL".into()]));
    let (_, tokens) = exchange(&oauth, &code(&oauth, &[])).await;
    assert_eq!(tokens["scope"], "calendar");
    oauth.set_consent(Consent::Grant);
    let more = [("scope", "freebusy"), ("include_granted_scopes", "true")];
    let (_, tokens) = exchange(&oauth, &code(&oauth, &more)).await;
    assert_eq!(tokens["scope"], "calendar freebusy");
    let (_, tokens) = exchange(&oauth, &code(&oauth, &[("scope", "freebusy")])).await;
    assert_eq!(tokens["scope"], "freebusy");
}

#[test]
fn the_issuer_can_be_another_or_left_out() {
    let oauth = oauth(settings());
    oauth.set_iss(Iss::Other("https://evil.example".into()));
    assert_eq!(redirected(&oauth, &[])["iss"], "https://evil.example");
    oauth.set_iss(Iss::Absent);
    assert!(!redirected(&oauth, &[]).contains_key("iss"));
}

#[tokio::test]
async fn a_code_is_bound_and_used_once() {
    let oauth = oauth(settings());
    let first = code(&oauth, &[]);
    let other = VERIFIER.replace('d', "e");
    expect_error(exchange_as(&oauth, &first, BACK, &other).await, "invalid_grant");
    let elsewhere = "https://desk.example/";
    expect_error(exchange_as(&oauth, &first, elsewhere, VERIFIER).await, "invalid_grant");
    expect_error(exchange_as(&oauth, "guessed", BACK, VERIFIER).await, "invalid_grant");
    expect_error(exchange_as(&oauth, &first, BACK, "").await, "invalid_request");
    let (_, tokens) = exchange(&oauth, &first).await;
    let access_token = text(&tokens, "access_token");
    assert!(oauth.access(access_token).is_ok());
    expect_error(exchange(&oauth, &first).await, "invalid_grant");
    assert_eq!(oauth.access(access_token), Err(BearerError::Invalid), "the code was stolen");

    let late = code(&oauth, &[]);
    oauth.clock().advance(TimeDelta::minutes(10));
    expect_error(exchange(&oauth, &late).await, "invalid_grant");
}

#[tokio::test]
async fn a_client_must_be_who_it_says() {
    let oauth = oauth(settings());
    let grant = ("grant_type", "refresh_token");
    for client in [
        vec![("client_id", "desk"), ("client_secret", "guessed")],
        vec![("client_id", "desk")],
        vec![("client_id", "nobody"), ("client_secret", "s3cret")],
        vec![],
    ] {
        let (status, body) = post(&oauth, "/token", &[&client[..], &[grant]].concat()).await;
        assert_eq!((status, &body["error"]), (StatusCode::UNAUTHORIZED, &"invalid_client".into()));
    }
    let tokens = connected(&oauth).await;
    let refresh_token = ("refresh_token", text(&tokens, "refresh_token"));
    let other = [("client_id", "other"), ("client_secret", "0ther"), grant, refresh_token];
    expect_error(post(&oauth, "/token", &other).await, "invalid_grant");
}

#[tokio::test]
async fn a_client_may_authenticate_in_the_header_but_not_twice() {
    let oauth = oauth(settings());
    let basic = |secret: &str, body: String| {
        let request = Request::post("/token")
            .header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("desk:{secret}"))))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body));
        router(&oauth).oneshot(request.unwrap())
    };
    let body = |oauth: &OAuth| {
        let code = code(oauth, &[]);
        let params = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
    };
    assert_eq!(basic("s3cret", body(&oauth)).await.unwrap().status(), StatusCode::OK);
    let wrong = basic("guessed", body(&oauth)).await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(wrong.headers().contains_key(WWW_AUTHENTICATE));
    let twice = basic("s3cret", format!("{}&client_secret=s3cret", body(&oauth))).await.unwrap();
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_rotated_refresh_token_that_comes_back_ends_the_grant() {
    let oauth = oauth(Settings { renewal: Renewal::Rotate, ..settings() });
    let tokens = connected(&oauth).await;
    let first = text(&tokens, "refresh_token");
    let (_, second) = refresh(&oauth, first).await;
    let (_, third) = refresh(&oauth, text(&second, "refresh_token")).await;
    assert!(oauth.access(text(&third, "access_token")).is_ok());
    expect_error(refresh(&oauth, first).await, "invalid_grant");
    expect_error(refresh(&oauth, text(&third, "refresh_token")).await, "invalid_grant");
    assert!(oauth.access(text(&third, "access_token")).is_err());
}

#[tokio::test]
async fn a_renewed_refresh_token_leaves_the_former() {
    let oauth = oauth(Settings { renewal: Renewal::Renew, ..settings() });
    let tokens = connected(&oauth).await;
    let first = text(&tokens, "refresh_token");
    let (_, second) = refresh(&oauth, first).await;
    assert_ne!(text(&second, "refresh_token"), first);
    assert_eq!(refresh(&oauth, first).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_can_narrow_the_scopes_but_not_widen_them() {
    let oauth = oauth(settings());
    let (_, tokens) = exchange(&oauth, &code(&oauth, &[("scope", "calendar email")])).await;
    let refresh_token = ("refresh_token", text(&tokens, "refresh_token"));
    let grant = ("grant_type", "refresh_token");
    let (_, narrow) = token(&oauth, &[grant, refresh_token, ("scope", "email")]).await;
    assert_eq!(narrow["scope"], "https://scopes.example/email");
    let wide = token(&oauth, &[grant, refresh_token, ("scope", "email freebusy")]).await;
    expect_error(wide, "invalid_scope");
}

#[tokio::test]
async fn refresh_tokens_come_as_the_provider_has_it() {
    let google = oauth(Settings { offline: Offline::AccessType, ..settings() });
    let offline = ("access_type", "offline");
    let has_refresh_token = async |oauth: &OAuth, changes: &[(&str, &str)]| {
        let (_, tokens) = exchange(oauth, &code(oauth, changes)).await;
        tokens.get("refresh_token").is_some()
    };
    assert!(!has_refresh_token(&google, &[]).await);
    google.remove_access("owner@example.com");
    assert!(has_refresh_token(&google, &[offline]).await, "the first consent");
    assert!(!has_refresh_token(&google, &[offline]).await, "the second");
    assert!(has_refresh_token(&google, &[offline, ("prompt", "consent")]).await);

    let microsoft =
        oauth(Settings { offline: Offline::Scope("offline_access".into()), ..settings() });
    assert!(!has_refresh_token(&microsoft, &[]).await);
    let scopes = ("scope", "calendar offline_access");
    assert!(has_refresh_token(&microsoft, &[scopes]).await);
    let (_, tokens) = exchange(&microsoft, &code(&microsoft, &[scopes])).await;
    assert_eq!(tokens["scope"], "calendar", "offline_access is never told");
}

#[tokio::test]
async fn revoking_ends_the_grant_by_either_token() {
    let client = [("client_id", "desk"), ("client_secret", "s3cret")];
    for kind in ["access_token", "refresh_token"] {
        let oauth = oauth(settings());
        let tokens = connected(&oauth).await;
        let token = [("token", text(&tokens, kind))];
        let (status, _) = post(&oauth, "/revoke", &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "by nobody");
        let params = [&client[..], &token].concat();
        assert_eq!(post(&oauth, "/revoke", &params).await.0, StatusCode::OK);
        assert_eq!(post(&oauth, "/revoke", &params).await.0, StatusCode::OK, "again");
        assert_eq!(oauth.standing_grants("owner@example.com"), 0);
        assert!(oauth.access(text(&tokens, "access_token")).is_err());
        expect_error(refresh(&oauth, text(&tokens, "refresh_token")).await, "invalid_grant");
        assert_eq!(oauth.counts().revocations, 1);
    }
}

#[tokio::test]
async fn google_revokes_for_anyone_and_refuses_unknown_tokens() {
    let oauth = oauth(Settings { revocation: Revocation::Google, ..settings() });
    let tokens = connected(&oauth).await;
    let token = [("token", text(&tokens, "refresh_token"))];
    assert_eq!(post(&oauth, "/revoke", &token).await.0, StatusCode::OK);
    expect_error(post(&oauth, "/revoke", &token).await, "invalid_token");
}

#[tokio::test]
async fn removing_access_ends_that_accounts_tokens_only() {
    let oauth = oauth(settings());
    oauth.sign_in("ada@example.com");
    let ada = connected(&oauth).await;
    oauth.sign_in("bob@example.com");
    let bob = connected(&oauth).await;
    oauth.remove_access("ada@example.com");
    expect_error(refresh(&oauth, text(&ada, "refresh_token")).await, "invalid_grant");
    assert!(oauth.access(text(&bob, "access_token")).is_ok());
}

#[tokio::test]
async fn access_tokens_end_when_they_say_or_with_skew_before() {
    let oauth = oauth(settings());
    let tokens = connected(&oauth).await;
    oauth.set_skew(TimeDelta::minutes(5));
    let skewed = connected(&oauth).await;
    assert_eq!(skewed["expires_in"], 3600);
    oauth.clock().advance(TimeDelta::minutes(55));
    assert!(oauth.access(text(&skewed, "access_token")).is_err());
    assert!(oauth.access(text(&tokens, "access_token")).is_ok());
    oauth.clock().advance(TimeDelta::minutes(5));
    assert!(oauth.access(text(&tokens, "access_token")).is_err());
    assert_eq!(refresh(&oauth, text(&tokens, "refresh_token")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_token_endpoint_breaks_on_demand() {
    let oauth = oauth(settings());
    let tokens = connected(&oauth).await;
    let refresh_token = text(&tokens, "refresh_token");
    oauth.inflict_next(1, Fault::InvalidGrant);
    expect_error(refresh(&oauth, refresh_token).await, "invalid_grant");
    oauth.inflict_next(2, Fault::Status(503));
    for _ in 0..2 {
        assert_eq!(refresh(&oauth, refresh_token).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(refresh(&oauth, refresh_token).await.0, StatusCode::OK);
    oauth.inflict(Fault::Html);
    assert_eq!(refresh(&oauth, refresh_token).await, (StatusCode::OK, Value::Null));
    oauth.inflict(Fault::Hang);
    let hanging = tokio::time::timeout(Duration::ZERO, refresh(&oauth, refresh_token));
    assert!(hanging.await.is_err());
    let before = oauth.counts().refreshes;
    oauth.inflict(Fault::AnswerLost);
    assert_eq!(refresh(&oauth, refresh_token).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(oauth.counts().refreshes, before + 1, "it was done all the same");
    oauth.mend();
    assert_eq!(refresh(&oauth, refresh_token).await.0, StatusCode::OK);
}
