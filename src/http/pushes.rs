//! Where calendars' providers call when something changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode, request};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use uuid::Uuid;

use super::client::{self, Client};
use super::rate::{RateLimit, Strikes};
use crate::app::App;
use crate::service::sync::{self, Answer, Call};

/// Longest body of a call.
const MOST_BYTES: usize = 256 * 1024;

/// What the handler shares.
struct Door {
    app: Arc<App>,
    strikes: Option<Strikes>,
    trusted_proxies: usize,
}

/// `POST /calendar-pushes/{channel}`, to be merged into the router. Nothing in a call is believed before
/// its provider has found the channel's secret in it, and no more is done for one than to look at the
/// calendar soon, so there is nothing to be had by calling often. Providers call as often as they like;
/// calls on unknown channels and without the secret are limited by address.
pub fn pushes(app: Arc<App>, limit: Option<RateLimit>, trusted_proxies: usize) -> Router {
    let door = Door { app, strikes: limit.map(Strikes::new), trusted_proxies };
    Router::new().route("/calendar-pushes/{channel}", post(take)).with_state(Arc::new(door))
}

async fn take(
    State(door): State<Arc<Door>>,
    Path(channel): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    request: request::Parts,
    body: Body,
) -> Response {
    // In the one form in which it was given out.
    let parsed = Uuid::try_parse(&channel).ok().filter(|id| id.to_string() == channel);
    let Some(channel) = parsed else { return empty(StatusCode::NOT_FOUND) };
    let client = client::client(&request, door.trusted_proxies);
    if let Some(refusal) = door.refusal(client) {
        return refusal;
    }
    let body = match read(&request.headers, body).await {
        Ok(body) => body,
        Err(status) => return empty(status),
    };
    let call = Call { channel, headers: readable(&request.headers), query, body };
    let answer = sync::pushed(&door.app, call).await;
    if let (Ok(Answer::Forged | Answer::Unknown), Some(strikes)) = (&answer, &door.strikes) {
        strikes.count(client);
    }
    say(answer)
}

impl Door {
    /// What an address is answered that made too many calls that are no provider's.
    fn refusal(&self, client: Client) -> Option<Response> {
        let wait = self.strikes.as_ref()?.wait(client)?;
        let seconds = HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        let headers =
            [(RETRY_AFTER, seconds), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        Some((StatusCode::TOO_MANY_REQUESTS, headers).into_response())
    }
}

/// The body, unless it is too long. One that says that it is too long is not read at all.
async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, StatusCode> {
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if said.is_some_and(|length: usize| MOST_BYTES < length) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    // Where it breaks off, there is nobody to read the answer.
    to_bytes(body, MOST_BYTES).await.map(Into::into).map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
}

fn say(answer: crate::service::Result<Answer>) -> Response {
    match answer {
        Ok(Answer::Heard) => empty(StatusCode::ACCEPTED),
        Ok(Answer::Say { content_type, body }) => {
            let headers = [
                (CONTENT_TYPE, content_type),
                (CACHE_CONTROL, "no-store"),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, body).into_response()
        }
        Ok(Answer::Forged) => empty(StatusCode::UNAUTHORIZED),
        Ok(Answer::Unreadable) => empty(StatusCode::BAD_REQUEST),
        Ok(Answer::Unknown) => empty(StatusCode::NOT_FOUND),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "a push can't be taken in");
            // The provider is to try again.
            empty(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// The headers that are text; of several of one name the last.
fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    text.map(|(name, value)| (name.as_str().to_owned(), value.to_owned())).collect()
}

fn empty(status: StatusCode) -> Response {
    (status, [(CACHE_CONTROL, "no-store")]).into_response()
}
