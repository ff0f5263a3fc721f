//! Push services that take what is pushed: one that answers as it is told to, and one that others wrote.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::Browser;
use crate::support::Test;

/// A push service: takes what it is asked to push, and answers as it is told to.
#[derive(Clone)]
pub(super) struct PushService {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    /// The next answers; 201 once they are through.
    answers: VecDeque<Reply>,
}

/// How it answers.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    /// With this status.
    Status(u16),
    /// The same, and after how many seconds to come back.
    After(u16, u32),
    /// Never.
    Silence,
}

/// What it was asked to push.
#[derive(Clone)]
pub(super) struct Received {
    pub(super) path: String,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl PushService {
    pub(super) async fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let router =
            Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: Bytes| {
                let reply = {
                    let mut state = shared.lock().unwrap();
                    let (path, body) = (uri.path().to_owned(), body.to_vec());
                    state.received.push(Received { path, headers, body });
                    state.answers.pop_front().unwrap_or(Reply::Status(201))
                };
                let mut answer = HeaderMap::new();
                let status = match reply {
                    Reply::Status(status) => status,
                    Reply::After(status, seconds) => {
                        answer.insert("retry-after", seconds.into());
                        status
                    }
                    Reply::Silence => std::future::pending().await,
                };
                (StatusCode::from_u16(status).unwrap(), answer)
            });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    pub(super) fn reply(&self, replies: &[Reply]) {
        self.state.lock().unwrap().answers.extend(replies);
    }

    /// What it was asked since this was called last.
    pub(super) fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.lock().unwrap().received)
    }

    pub(super) fn browser(&self, name: &str, number: u8) -> Browser {
        Browser::at(format!("http://{}/secret-{name}", self.address), number)
    }
}

impl Received {
    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }

    /// What the browser's service worker reads.
    pub(super) fn read(&self, browser: &Browser) -> Value {
        let auth = browser.auth.into();
        let read = web_push_native::decrypt(self.body.clone(), &browser.private, &auth).unwrap();
        serde_json::from_slice(&read).unwrap()
    }
}

/// The npm package web-push-testing: a push service that decrypts what it takes, and checks who sent it.
pub(super) struct TestingService {
    address: String,
    client: reqwest::Client,
    _child: tokio::process::Child,
}

impl TestingService {
    /// Starts it at the test's time. None, and a word of it, where Node.js or the package is missing and
    /// counterparts are not asked for.
    pub(super) async fn start(test: &Test) -> Option<Self> {
        let directory = std::env::var_os("FRONTDESK_TEST_NODE_DIR").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/node"),
            PathBuf::from,
        );
        if !directory.join("node_modules/web-push-testing").is_dir() {
            let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
            assert!(!required, "{} has no web-push-testing", directory.display());
            eprintln!("NOT RUN: {} has no web-push-testing", directory.display());
            return None;
        }
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let mut child = tokio::process::Command::new("node")
            .arg(directory.join("web-push.mjs"))
            .args([port.to_string(), test.app.now().timestamp_millis().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
        let ready = ready.expect("it starts in time").unwrap();
        assert_eq!(ready, Some(format!("Server running on port {port}")));
        let address = format!("http://localhost:{port}");
        Some(Self { address, client: crate::support::client(), _child: child })
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.address);
        let response = self.client.post(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null)
    }

    /// A browser that subscribes as one does.
    pub(super) async fn subscribe(&mut self, key: &str) -> Value {
        let body = json!({ "userVisibleOnly": "true", "applicationServerKey": key });
        self.post("/subscribe", body).await["data"].clone()
    }

    /// What a browser's service worker was given.
    pub(super) async fn messages(&self, browser: &Value) -> Vec<Value> {
        let body = json!({ "clientHash": browser["clientHash"] });
        let answer = self.post("/get-notifications", body).await;
        answer["data"]["messages"].as_array().unwrap().clone()
    }

    pub(super) async fn expire(&self, browser: &Value) {
        let path = format!("/expire-subscription/{}", browser["clientHash"].as_str().unwrap());
        self.post(&path, json!({})).await;
    }
}
