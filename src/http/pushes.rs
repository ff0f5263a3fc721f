//! Where calendars' providers call when something changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use uuid::Uuid;

use crate::app::App;
use crate::service::sync::{self, Answer, Call};

/// Longest body of a call.
const MOST_BYTES: usize = 256 * 1024;

/// `POST /calendar-pushes/{channel}`, to be merged into the router. Nothing in a call is believed before
/// its provider has found the channel's secret in it, and no more is done for one than to look at the
/// calendar soon, so there is nothing to be had by calling often.
pub fn pushes(app: Arc<App>) -> Router {
    Router::new()
        .route("/calendar-pushes/{channel}", post(take))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(app)
}

async fn take(
    State(app): State<Arc<App>>,
    Path(channel): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // In the one form in which it was given out.
    let parsed = Uuid::try_parse(&channel).ok().filter(|id| id.to_string() == channel);
    let Some(channel) = parsed else { return empty(StatusCode::NOT_FOUND) };
    let call = Call { channel, headers: readable(&headers), query, body: body.into() };
    match sync::pushed(&app, call).await {
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
