//! A verifier of visitors' proofs that behaves as Turnstile and hCaptcha document theirs, and misbehaves when told to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;

use super::Setup;

/// The secret that it knows.
pub(crate) const SECRET: &str = "verifier-secret";
/// Answers of visitors begin so where the widget found nothing wrong.
pub(crate) const GOOD: &str = "good";
/// Answers that make the request a bad one.
const GARBLED: &str = "garbled";

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// What it is meant to.
    Works,
    /// It answers with a page that is no JSON.
    Malformed,
    /// It answers with JSON of another shape.
    OtherShape,
    /// It never answers.
    Hangs,
    /// It answers yes, in a body of a mebibyte.
    Huge,
    /// It answers yes, with status 500.
    Fails,
}

/// A verifier; it ends with the test.
#[derive(Clone)]
pub(crate) struct LocalVerifier {
    address: SocketAddr,
    kept: Arc<Kept>,
}

struct Kept {
    mood: Mutex<Mood>,
    seen: Mutex<BTreeSet<String>>,
    forms: Mutex<Vec<BTreeMap<String, String>>>,
}

impl LocalVerifier {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let kept = Arc::new(Kept {
            mood: Mutex::new(Mood::Works),
            seen: Mutex::default(),
            forms: Mutex::default(),
        });
        let router =
            Router::new().route("/siteverify", post(site_verify)).with_state(Arc::clone(&kept));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, kept }
    }

    /// Has a server ask it, as it would Turnstile or hCaptcha.
    pub(crate) fn set_up(&self, setup: &mut Setup, kind: frontdesk::config::VerifierKind) {
        let proof = &mut setup.config.proof;
        proof.verifier = kind;
        proof.site_key = Some("site-key".to_owned());
        proof.secret = Some(SECRET.into());
        proof.verify_url = Some(format!("http://{}/siteverify", self.address).parse().unwrap());
        proof.timeout_seconds = 1;
    }

    /// What it does from now on.
    pub(crate) fn be(&self, mood: Mood) {
        *self.kept.mood.lock().unwrap() = mood;
    }

    /// The forms that it was sent since the last look.
    pub(crate) fn take(&self) -> Vec<BTreeMap<String, String>> {
        std::mem::take(&mut *self.kept.forms.lock().unwrap())
    }
}

async fn site_verify(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: String) -> Response {
    assert_eq!(headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    let form: BTreeMap<String, String> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    kept.forms.lock().unwrap().push(form.clone());
    let mood = *kept.mood.lock().unwrap();
    let yes = json!({ "success": true, "hostname": "www.example.com", "action": "book" });
    match mood {
        Mood::Malformed => return "<html>success</html>".into_response(),
        Mood::OtherShape => return Json(json!({ "success": "true" })).into_response(),
        Mood::Hangs => return std::future::pending().await,
        Mood::Huge => {
            let padded = json!({ "success": true, "padding": "x".repeat(1024 * 1024) });
            return Json(padded).into_response();
        }
        Mood::Fails => return (StatusCode::INTERNAL_SERVER_ERROR, Json(yes)).into_response(),
        Mood::Works => {}
    }
    let no = |code: &str| Json(json!({ "success": false, "error-codes": [code] })).into_response();
    let given = |name: &str| form.get(name).map_or("", String::as_str);
    if given("secret") != SECRET {
        return no("invalid-input-secret");
    }
    let response = given("response");
    if response == GARBLED {
        return (StatusCode::BAD_REQUEST, no("bad-request")).into_response();
    }
    if !response.starts_with(GOOD) {
        return no("invalid-input-response");
    }
    if !kept.seen.lock().unwrap().insert(response.to_owned()) {
        return no("timeout-or-duplicate");
    }
    Json(yes).into_response()
}
