//! The authorization endpoint.

use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{Request, StatusCode};
use fake_oauth::{Consent, Iss, Visit};
use tower::ServiceExt;
use url::Url;

use crate::support::*;

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
