//! Acme, as far as its documentation goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use calendar_provider::TimeRange;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const KEY: &str = "acme-key-1";
pub(crate) const CALENDAR: &str = "cal 1";
pub(crate) const SECOND: &str = "cal/2";

#[derive(Default)]
struct Acme {
    /// By calendar and key.
    entries: BTreeMap<(String, String), Value>,
    /// The status of every answer; 0 where all is well.
    failing: u16,
}

type Shared = Arc<Mutex<Acme>>;

pub(crate) struct Server {
    pub(crate) url: String,
    acme: Shared,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let acme = Shared::default();
        let router = Router::new()
            .route("/v1/me", get(me))
            .route("/v1/calendars/{calendar}/entries", get(list))
            .route("/v1/calendars/{calendar}/entries/{key}", get(read).put(write).delete(remove))
            .layer(from_fn_with_state(acme.clone(), guard))
            .with_state(acme.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, acme, task }
    }

    pub(crate) fn add(&self, key: &str, range: TimeRange, busy: bool) {
        let entry = json!({ "key": key, "start": range.start(), "end": range.end(),
                            "subject": "Outside", "busy": busy });
        self.acme.lock().unwrap().entries.insert((CALENDAR.into(), key.into()), entry);
    }

    pub(crate) fn remove(&self, key: &str) {
        self.acme.lock().unwrap().entries.remove(&(CALENDAR.into(), key.into()));
    }

    pub(crate) fn fail(&self, status: u16) {
        self.acme.lock().unwrap().failing = status;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Faults, then keys.
async fn guard(State(acme): State<Shared>, request: Request, next: Next) -> Response {
    let failing = acme.lock().unwrap().failing;
    if failing != 0 {
        let status = StatusCode::from_u16(failing).unwrap();
        return (status, [("retry-after", "3600")], "<h1>not now</h1>").into_response();
    }
    let said = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
    if said != Some(format!("Bearer {KEY}").into_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

fn missing(what: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "missing": what }))).into_response()
}

fn is_calendar(calendar: &str) -> bool {
    [CALENDAR, SECOND].contains(&calendar)
}

async fn me() -> Json<Value> {
    Json(json!({ "email": "agent@acme.example", "calendar": CALENDAR }))
}

async fn list(
    State(acme): State<Shared>,
    Path(calendar): Path<String>,
    Query(span): Query<BTreeMap<String, DateTime<Utc>>>,
) -> Response {
    if !is_calendar(&calendar) {
        return missing("calendar");
    }
    let at = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let overlaps =
        |entry: &&Value| at(&entry["start"]) < span["to"] && span["from"] < at(&entry["end"]);
    let acme = acme.lock().unwrap();
    let all = acme.entries.iter().filter(|((of, _), _)| *of == calendar);
    let entries: Vec<_> = all.map(|(_, entry)| entry).filter(overlaps).collect();
    Json(json!({ "entries": entries })).into_response()
}

async fn read(State(acme): State<Shared>, Path(place): Path<(String, String)>) -> Response {
    if !is_calendar(&place.0) {
        return missing("calendar");
    }
    match acme.lock().unwrap().entries.get(&place) {
        Some(entry) => Json(entry.clone()).into_response(),
        None => missing("entry"),
    }
}

async fn write(
    State(acme): State<Shared>,
    Path(place): Path<(String, String)>,
    Json(entry): Json<Value>,
) -> Response {
    if !is_calendar(&place.0) {
        return missing("calendar");
    }
    acme.lock().unwrap().entries.insert(place, entry.clone());
    Json(entry).into_response()
}

async fn remove(State(acme): State<Shared>, Path(place): Path<(String, String)>) -> Response {
    match acme.lock().unwrap().entries.remove(&place) {
        _ if !is_calendar(&place.0) => missing("calendar"),
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => missing("entry"),
    }
}
