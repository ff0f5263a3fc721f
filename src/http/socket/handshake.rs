//! From an HTTP request to a socket (RFC 6455, section 4.2).

use std::sync::Arc;

use async_graphql::Executor;
use axum::{
    body::Body,
    extract::{FromRequestParts, WebSocketUpgrade},
    http::{HeaderMap, Response, StatusCode, header, request::Parts},
};

use super::{Session, protocol::SUBPROTOCOL};
use crate::http::{
    client,
    connection::{Hello, Room},
    endpoint::Endpoint,
    errors::{BAD_USER_INPUT, FORBIDDEN, UNAVAILABLE},
    identity::{Identify, bearer},
    measure::Open,
    respond::Refusal,
};

/// What a socket reads at once. The library clears this much before each read and keeps it while the socket
/// is open; most of what clients say is shorter.
const READ_BUFFER: usize = 4 * 1024;

/// Whether a request wants to become a WebSocket.
pub(crate) fn is_upgrade(parts: &Parts) -> bool {
    let upgrade = parts.headers.get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Switches protocols and serves the socket in a task of its own.
///
/// # Errors
/// 403 for a page of another origin, 4xx for a broken handshake, 503 where too many sockets that say
/// nothing are open.
pub(crate) async fn upgrade<E: Executor, I: Identify>(
    endpoint: &Arc<Endpoint<E, I>>,
    parts: &mut Parts,
) -> Result<Response<Body>, Refusal> {
    check_origin(&parts.headers, &endpoint.origins)?;
    let client = client::client(parts, endpoint.trusted_proxies);
    let token = bearer(&parts.headers).map(str::to_owned);
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
    let upgrade = upgrade.map_err(|rejection| {
        Refusal::new(rejection.status(), BAD_USER_INPUT, rejection.body_text())
    })?;
    let hello = Hello::awaited(&parts.extensions).ok_or_else(too_many)?;
    let room = Room::of(&parts.extensions, endpoint.limits.answer_bytes);
    let endpoint = Arc::clone(endpoint);
    // Taken now: the task starts later, and a shutdown in between must wait for it.
    let tracked = endpoint.shutdown.sockets.token();
    let upgrade = upgrade
        .max_message_size(endpoint.limits.body_bytes)
        .read_buffer_size(READ_BUFFER)
        .max_frame_size(endpoint.limits.body_bytes)
        .protocols([SUBPROTOCOL]);
    Ok(upgrade.on_upgrade(async move |socket| {
        let _tracked = tracked;
        let _open = Open::new(&endpoint.measure.sockets);
        Session::new(endpoint, socket, client, token, (room, hello)).run().await;
    }))
}

fn too_many() -> Refusal {
    let message = "too many WebSockets are open that have not sent connection_init: send it, and \
        try again";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, message)
}

/// Browsers let any page open a WebSocket anywhere and only say whose page it is. With bearer
/// tokens a foreign page has no more than anybody; this keeps it from using a visitor's address.
fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let host = origin.split_once("://").map(|(_, host)| host);
    let same = host.is_some() && host == text(header::HOST);
    if same || allowed.iter().any(|allowed| allowed == "*" || allowed == origin) {
        return Ok(());
    }
    let message = "pages of this origin may not open a WebSocket here";
    Err(Refusal::new(StatusCode::FORBIDDEN, FORBIDDEN, message))
}
