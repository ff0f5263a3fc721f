//! The server's side of notifications: it echoes validation tokens and keeps the rest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::HeaderMap,
};
use calendar_provider::Push;
use fake_oauth::Server;
use serde_json::Value;
use url::Url;

type Calls = Arc<Mutex<Vec<Push>>>;

/// An address that notifications can be sent to.
pub(crate) struct Receiver {
    url: Url,
    calls: Calls,
    _server: Server,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let (listener, base) = Server::bind().await;
        let calls = Calls::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&calls));
        let url = base.join("push/microsoft").unwrap();
        Self { url, calls, _server: Server::start(listener, router) }
    }

    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    /// The calls so far that are no validation.
    pub(crate) fn pushes(&self) -> Vec<Push> {
        self.calls.lock().unwrap().clone()
    }
}

async fn take(
    State(calls): State<Calls>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> String {
    if let Some(token) = query.get("validationToken") {
        return token.clone();
    }
    let told: Value = serde_json::from_slice(&body).unwrap();
    let secret = told["value"][0]["clientState"].as_str().unwrap_or_default();
    let mut push = Push::new("00000000-0000-4000-8000-000000000001", secret.into());
    push.headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into()))
        .collect();
    push.query = query;
    push.body = body.to_vec();
    calls.lock().unwrap().push(push);
    String::new()
}
