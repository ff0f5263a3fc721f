//! Agents' built-in calendars, for calendar programs that subscribe to them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use calendar_provider::TimeRange;

use crate::app::App;
use crate::mail::{self, FeedEvent, Mailbox};
use crate::service::{Error, Result, calendar};
use crate::store::busy::builtin;

/// `GET /feeds/{token}.ics`, to be merged into the router. The token is the only key there is, so
/// one that opens nothing is answered like any other address that does not exist.
pub fn feeds(app: Arc<App>) -> Router {
    Router::new().route("/feeds/{file}", get(feed)).with_state(app)
}

async fn feed(State(app): State<Arc<App>>, Path(file): Path<String>) -> Response {
    let Some(token) = file.strip_suffix(".ics") else { return empty(StatusCode::NOT_FOUND) };
    match read(&app, token).await {
        Ok(text) => {
            let kind = (CONTENT_TYPE, "text/calendar; charset=utf-8");
            ([kind, (CACHE_CONTROL, "no-store")], text).into_response()
        }
        Err(Error::NotFound(_)) => empty(StatusCode::NOT_FOUND),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "a calendar feed can't be read");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn read(app: &App, token: &str) -> Result<String> {
    let (agent, events) = calendar::read_feed(app, token).await?;
    let owner = Mailbox { name: Some(agent.name.clone()), email: agent.email.clone() };
    let events: Vec<_> =
        events.into_iter().map(|event| entry(app, event)).collect::<Result<_>>()?;
    Ok(mail::feed(&agent.name, &owner, &events))
}

fn entry(app: &App, event: builtin::Model) -> Result<FeedEvent> {
    let detail = |name: &str| event.details.0.get(name)?.as_str().map(str::to_owned);
    Ok(FeedEvent {
        description: detail("description"),
        location: detail("location"),
        uid: event.uid,
        sequence: u32::try_from(event.sequence).map_err(Error::internal)?,
        // In an object with a METHOD, when the object was made (RFC 5545, section 3.8.7.2).
        stamp: app.now(),
        range: TimeRange::new(event.starts_at, event.ends_at).map_err(Error::internal)?,
        summary: if event.title.is_empty() { "Busy".to_owned() } else { event.title },
    })
}

fn empty(status: StatusCode) -> Response {
    (status, [(CACHE_CONTROL, "no-store")]).into_response()
}
