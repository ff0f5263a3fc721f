//! Server-sent events: graphql-sse's "distinct connections" mode, one stream an operation.
//!
//! Each reply is an event `next`, the end is an event `complete`, and a comment now and then keeps
//! proxies from taking the connection for dead.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderName, HeaderValue, Response,
        header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{
    endpoint::Endpoint,
    measure::Open,
    own_task::in_own_task,
    respond::{Reply, encode},
};

/// The empty `data` line is needed: without it browsers drop the event.
const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";
const KEEPALIVE: &[u8] = b":\n\n";

/// A stream of one reply.
pub(crate) fn once(reply: &Reply) -> Response<Body> {
    let mut bytes = next(reply).to_vec();
    bytes.extend_from_slice(COMPLETE);
    headers(Body::from(bytes))
}

/// Sends replies until they end, the client goes or the server shuts down.
pub(crate) fn respond<E, I>(
    endpoint: &Arc<Endpoint<E, I>>,
    replies: impl Stream<Item = Reply> + Send + 'static,
) -> Response<Body> {
    let open = Open::new(&endpoint.measure.streams);
    let stopped = endpoint.shutdown.token.clone().cancelled_owned();
    let events = in_own_task(replies.boxed()).take_until(stopped).map(move |reply| {
        // Held by the stream, so that it counts as open until the stream is dropped.
        let _open = &open;
        next(&reply)
    });
    let events = events.chain(stream::iter([Bytes::from_static(COMPLETE)]));
    let period = Duration::from_secs(endpoint.limits.keepalive_seconds.max(1));
    headers(Body::from_stream(keepalive(events, period).map(Ok::<_, std::convert::Infallible>)))
}

fn next(reply: &Reply) -> Bytes {
    let mut bytes = b"event: next\ndata: ".to_vec();
    bytes.append(&mut encode(reply));
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
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
