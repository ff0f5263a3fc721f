//! Which address does what.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fake_oauth::Paths;

use crate::answer::{Answer, ApiError, json_response};
use crate::fields::Selector;
use crate::gate::{Call, Incoming};
use crate::methods::{self, Method};
use crate::server::Shared;
use crate::{Fault, channels, events, freebusy, lists};

type Served = State<Arc<Shared>>;

/// Everything, with faults before the API and never before OAuth.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let oauth = shared.oauth.router(&Paths {
        authorize: "/o/oauth2/v2/auth".into(),
        token: "/token".into(),
        revoke: Some("/revoke".into()),
    });
    let event = get(get_event).patch(patch_event).put(update_event).delete(delete_event);
    let api = Router::new()
        .route("/calendar/v3/users/me/calendarList", get(calendars))
        .route("/calendar/v3/calendars/{calendar}/events", get(list_events).post(insert_event))
        .route("/calendar/v3/calendars/{calendar}/events/watch", post(watch))
        .route("/calendar/v3/calendars/{calendar}/events/{event}", event)
        .route("/calendar/v3/channels/stop", post(stop))
        .route("/calendar/v3/freeBusy", post(free_busy))
        .route("/v1/userinfo", get(userinfo))
        .fallback(async || ApiError::not_found())
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), strike))
        .with_state(shared);
    oauth.merge(api)
}

/// Lets the fault of the hour strike.
async fn strike(State(shared): Served, request: Request, next: Next) -> Response {
    let fault = next_fault(&shared);
    if let Some(fault) = &fault
        && let Some(response) = fault.strike().await
    {
        return response;
    }
    let response = next.run(request).await;
    if fault == Some(Fault::AnswerLost) { ApiError::backend(503).into_response() } else { response }
}

fn next_fault(shared: &Shared) -> Option<Fault> {
    let mut state = shared.lock();
    let (fault, left) = state.fault.take()?;
    state.fault = match left {
        None => Some((fault.clone(), None)),
        Some(0 | 1) => None,
        Some(left) => Some((fault.clone(), Some(left - 1))),
    };
    Some(fault)
}

/// Lets a call in, carries it out, and keeps of the answer what `fields` selects.
fn serve(
    shared: &Shared,
    method: &Method,
    incoming: Incoming,
    carry_out: impl FnOnce(&Call) -> Answer,
) -> Response {
    let answer = Call::enter(shared, method, incoming).and_then(|call| {
        let selector = call.param("fields").map(Selector::parse).transpose()?;
        let answer = carry_out(&call)?;
        Ok(match selector {
            Some(selector) => answer.map(|it| selector.keep(it)),
            None => answer,
        })
    });
    match answer {
        Ok(Some(body)) => json_response(200, &body),
        Ok(None) => axum::http::StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_response(),
    }
}

fn incoming(
    path: Vec<(&'static str, String)>,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Incoming {
    Incoming { path, query: query.unwrap_or_default(), headers, body }
}

/// A handler for a method whose path names nothing.
macro_rules! plain {
    ($name:ident, $method:ident, $carry_out:path) => {
        async fn $name(
            State(shared): Served,
            RawQuery(query): RawQuery,
            headers: HeaderMap,
            body: Bytes,
        ) -> Response {
            let incoming = incoming(Vec::new(), query, headers, body);
            serve(&shared, &methods::$method, incoming, |call| $carry_out(&shared, call))
        }
    };
}

/// A handler for a method whose path names a calendar.
macro_rules! of_calendar {
    ($name:ident, $method:ident, $carry_out:path) => {
        async fn $name(
            State(shared): Served,
            Path(calendar): Path<String>,
            RawQuery(query): RawQuery,
            headers: HeaderMap,
            body: Bytes,
        ) -> Response {
            let path = vec![("calendarId", calendar.clone())];
            let incoming = incoming(path, query, headers, body);
            let carry_out = |call: &Call| $carry_out(&shared, call, &calendar);
            serve(&shared, &methods::$method, incoming, carry_out)
        }
    };
}

/// A handler for a method whose path names an event.
macro_rules! of_event {
    ($name:ident, $method:ident, $carry_out:path) => {
        async fn $name(
            State(shared): Served,
            Path((calendar, event)): Path<(String, String)>,
            RawQuery(query): RawQuery,
            headers: HeaderMap,
            body: Bytes,
        ) -> Response {
            let path = vec![("calendarId", calendar.clone()), ("eventId", event.clone())];
            let incoming = incoming(path, query, headers, body);
            let carry_out = |call: &Call| $carry_out(&shared, call, &calendar, &event);
            serve(&shared, &methods::$method, incoming, carry_out)
        }
    };
}

plain!(calendars, CALENDARS, lists::calendars);
plain!(free_busy, FREE_BUSY, freebusy::query);
plain!(stop, STOP, channels::stop);
of_calendar!(list_events, LIST, events::list);
of_calendar!(insert_event, INSERT, events::insert);
of_calendar!(watch, WATCH, channels::watch);
of_event!(get_event, GET, events::get);
of_event!(patch_event, PATCH, events::patch);
of_event!(update_event, UPDATE, events::update);
of_event!(delete_event, DELETE, events::delete);

async fn userinfo(State(shared): Served, headers: HeaderMap) -> Response {
    let access = shared.oauth.bearer(&headers).map_err(|_| ApiError::unauthorized());
    match access.and_then(|access| lists::userinfo(&shared, &access)) {
        Ok(body) => json_response(200, &body.unwrap_or_default()),
        Err(error) => error.into_response(),
    }
}
