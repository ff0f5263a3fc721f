//! Server-sent events: graphql-sse's "distinct connections" mode, one stream an operation.
//!
//! Each reply is an event `next`, the end is an event `complete`, and a comment now and then keeps
//! proxies from taking the connection for dead.

use std::{collections::VecDeque, io::Write as _, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderName, HeaderValue, Response, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{
    connection::{NoRoom, Room, Writer, Written},
    endpoint::Endpoint,
    measure::Open,
    own_task::in_own_task,
    respond::{self, Reply, no_room},
};

/// The empty `data` line is needed: without it browsers drop the event.
const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";
const KEEPALIVE: &[u8] = b":\n\n";

/// A stream of one reply.
pub(crate) fn once(reply: &Reply, room: &Room) -> Response<Body> {
    let (events, _) = next(reply, room);
    let events = stream::iter(events).chain(stream::iter([Bytes::from_static(COMPLETE)]));
    headers(Body::from_stream(events.map(Ok::<_, std::convert::Infallible>)))
}

/// Sends replies until they end, the client goes or the server shuts down. A reply that there is no room
/// for is the last: whoever reads the stream has to know that it misses something.
pub(crate) fn respond<E, I>(
    endpoint: &Arc<Endpoint<E, I>>,
    replies: impl Stream<Item = Reply> + Send + 'static,
    room: Room,
) -> Response<Body> {
    let open = Open::new(&endpoint.measure.streams);
    let stopped = endpoint.shutdown.token.clone().cancelled_owned();
    // Written in the task, so that what waits there is counted.
    let events = in_own_task(replies.map(move |reply| next(&reply, &room)).boxed());
    let events = events.take_until(stopped).boxed();
    let events = stream::unfold(Some(events), move |events| {
        // Held by the stream, so that it counts as open until the stream is dropped.
        let _open = &open;
        async move {
            let mut events = events?;
            let (bytes, written) = events.next().await?;
            Some((stream::iter(bytes), written.then_some(events)))
        }
    });
    let events = events.flatten();
    let events = events.chain(stream::iter([Bytes::from_static(COMPLETE)]));
    let period = Duration::from_secs(endpoint.limits.keepalive_seconds.max(1));
    headers(Body::from_stream(keepalive(events, period).map(Ok::<_, std::convert::Infallible>)))
}

/// A reply as an event, and whether there was room for it.
fn next(reply: &Reply, room: &Room) -> (VecDeque<Bytes>, bool) {
    match event(reply, room) {
        Ok(written) => (written.into_segments(), true),
        Err(why) => {
            let refusal = Reply::failed(StatusCode::BAD_REQUEST, no_room(why));
            let written = event(&refusal, &Room::for_short());
            (written.map(Written::into_segments).unwrap_or_default(), false)
        }
    }
}

fn event(reply: &Reply, room: &Room) -> Result<Written, NoRoom> {
    let mut writer = Writer::new(room);
    // Where there is no room, `finish` says so.
    let _ = writer.write_all(b"event: next\ndata: ");
    respond::write(reply, &mut writer);
    let _ = writer.write_all(b"\n\n");
    writer.finish()
}

/// Puts a comment wherever nothing else came for a period.
fn keepalive(
    events: impl Stream<Item = Bytes> + Send + 'static,
    period: Duration,
) -> impl Stream<Item = Bytes> + Send {
    let mut timer = interval_at(Instant::now() + period, period);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((Box::pin(events), timer), |(mut events, mut timer)| async move {
        tokio::select! {
            biased;
            event = events.next() => {
                timer.reset();
                event.map(|event| (event, (events, timer)))
            }
            _ = timer.tick() => Some((Bytes::from_static(KEEPALIVE), (events, timer))),
        }
    })
}

fn headers(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // nginx buffers a whole answer otherwise.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
