//! Plain axum handlers with the server's answers.

use std::{fs, sync::Arc};

use anyhow::{Context, Result};
use axum::{Json, Router, body::Bytes, extract::State, routing::post};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The answer to a `slots` query, in GraphQL's envelope.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    data: Data,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Data {
    slots: SlotCalendar,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SlotCalendar {
    time_zone: String,
    days: Vec<SlotDay>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SlotDay {
    date: String,
    slots: Vec<Slot>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Slot {
    starts_at: String,
    ends_at: String,
}

#[derive(Serialize)]
struct Hello {
    data: Greeting,
}

#[derive(Serialize)]
struct Greeting {
    hello: &'static str,
}

/// Serves until the process is ended. `path` is the file with the body for `/slots`.
pub(crate) async fn run(path: &str) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let answer: Answer = serde_json::from_str(&text)?;
    let router = Router::new()
        .route("/hello", post(hello))
        .route("/slots", post(slots))
        .with_state(Arc::new(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, router).await?;
    Ok(())
}

// Both read the request's body, as a server must that is sent one.

async fn hello(_request: Bytes) -> Json<Hello> {
    Json(Hello { data: Greeting { hello: "world" } })
}

/// `Json` cannot borrow from the state, so its two lines stand here.
async fn slots(
    State(answer): State<Arc<Answer>>,
    _request: Bytes,
) -> impl axum::response::IntoResponse {
    let body = serde_json::to_vec(&*answer).unwrap_or_default();
    ([("content-type", "application/json")], body)
}
