//! The accept loop, and how it ends.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo, http::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// How long a connection may take to send its headers, which includes waiting between requests. It
/// bounds how cheaply connections are held, and is above the 60 s for which the usual proxies keep
/// theirs, so that they never use one that is just being closed.
const HEADERS_WITHIN: Duration = Duration::from_secs(75);

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

/// Serves until the token of `shutdown` is cancelled, then finishes what is under way, for 10 s at
/// most.
///
/// # Errors
/// None at present; accepting that fails is logged and tried again.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.token.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => spawn_connection(stream, address, &router, &graceful),
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

fn spawn_connection(
    stream: TcpStream,
    address: SocketAddr,
    router: &Router,
    graceful: &GracefulShutdown,
) {
    // Answers are small and written whole: waiting to fill a segment only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = router.clone().map_request(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request.map(axum::body::Body::new)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Mostly clients that went away.
            tracing::debug!(%error, "a connection ended early");
        }
    });
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
