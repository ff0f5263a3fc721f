//! The accept loop, and how it ends.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::connection::{self, Connection, ConnectionLimits, Table, Watched};

/// What hyper buffers of a request's head, and of what waits to be written.
const HTTP1_BUFFER: usize = 128 * 1024;
/// What may be under way on one HTTP/2 connection at a time.
const HTTP2_STREAMS: u32 = 100;
/// What a client may send on one stream, and on all of them, before a handler has read it.
const HTTP2_STREAM_WINDOW: u32 = 128 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;
/// What waits to be written on one stream.
const HTTP2_SEND_BUFFER: usize = 64 * 1024;

/// What a connection is told that is one too many.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-length: 0\r\n\r\n";

/// How long what is under way may take to finish once the server stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// Pause after an accept that failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Tells the server to stop, and knows the WebSockets that are still open.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancel it to stop: no connection is accepted any more, streams end, WebSockets are closed
    /// with 1001.
    pub token: CancellationToken,
    pub(crate) sockets: TaskTracker,
}

/// Serves within `limits` until the token of `shutdown` is cancelled, then finishes what is under way,
/// for 10 s at most.
///
/// # Errors
/// None at present; accepting that fails is logged and tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: Shutdown,
) -> io::Result<()> {
    let table = Table::new(limits);
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.token.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => match Connection::enter(&table, address) {
                    Some(connection) => spawn_connection(stream, connection, &router, &graceful),
                    None => refuse(&stream, address),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    shutdown.sockets.close();
    let drained = async {
        graceful.shutdown().await;
        shutdown.sockets.wait().await;
    };
    if tokio::time::timeout(DRAIN_WITHIN, drained).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    Ok(())
}

/// Closes a connection that is one too many. Nothing is waited for: whoever opens them fast would
/// otherwise hold them here.
fn refuse(stream: &TcpStream, address: SocketAddr) {
    metrics::counter!("frontdesk_connections_refused_total").increment(1);
    tracing::debug!(%address, "a connection was refused: too many are open");
    // Who has closed it already needs no answer.
    let _ = stream.try_write(FULL);
}

fn spawn_connection(
    stream: TcpStream,
    connection: Arc<Connection>,
    router: &Router,
    graceful: &GracefulShutdown,
) {
    // Answers are small and written whole: waiting to fill a segment only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let (router, served) = (router.clone(), Arc::clone(&connection));
    let service = service_fn(move |request| {
        let answer = connection::answer(router.clone(), Arc::clone(&served), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&connection)));
    let serving =
        builder(connection.limits()).serve_connection_with_upgrades(stream, service).into_owned();
    let serving = graceful.watch(serving);
    tokio::spawn(async move {
        tokio::select! {
            outcome = serving => if let Err(error) = outcome {
                // Mostly clients that went away.
                tracing::debug!(%error, "a connection ended early");
            },
            why = connection.ended() => {
                let reason = why.reason();
                metrics::counter!("frontdesk_connections_ended_total", "reason" => reason).increment(1);
                tracing::debug!(?why, address = %connection.peer, "a connection was ended");
            }
        }
    });
}

fn builder(limits: &ConnectionLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER);
    builder
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::http::testing::{config, start};

    #[tokio::test]
    async fn a_request_under_way_is_answered_before_the_server_ends() {
        let server = start(config()).await;
        let mut idle = TcpStream::connect(server.address).await.unwrap();
        let mut busy = TcpStream::connect(server.address).await.unwrap();
        let body = br#"{"query":"{hello}"}"#;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        busy.write_all(head.as_bytes()).await.unwrap();
        // The server asks for the body, so the request has reached the endpoint.
        let mut go_on = [0; 25];
        busy.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

        server.shutdown.token.cancel();
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "an idle connection is closed");
        assert!(!server.task.is_finished(), "a request is still under way");
        busy.write_all(body).await.unwrap();
        let mut answer = String::new();
        busy.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with(r#"{"data":{"hello":"world"}}"#), "{answer}");
        server.task.await.unwrap().unwrap();
    }
}
