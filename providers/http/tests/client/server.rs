//! A server that answers byte by byte as a test says, and notes what it was asked.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Semaphore,
};

/// What stands in every URL, credential and body of the tests, and must be in no error.
pub(crate) const SECRET: &str = "s3cret";

pub(crate) enum Reply {
    /// These bytes, then the end of the connection.
    Close(String),
    /// The same, of any bytes.
    Raw(Vec<u8>),
    /// These bytes, then the next request on the same connection.
    KeepAlive(String),
    /// These bytes, then nothing more for as long as the client waits.
    Hang(&'static str),
    /// A body of so many bytes.
    Large(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The request's head, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    /// Bytes of a [`Reply::Large`] that the system took.
    sent: AtomicUsize,
    arrivals: Semaphore,
    departures: Semaphore,
}

impl Server {
    /// Answers request number `n`, counted from 0, with `reply(n)`.
    pub(crate) async fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST, reply).await
    }

    pub(crate) async fn start_on(
        ip: Ipv4Addr,
        reply: impl Fn(usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let (accepting, reply) = (server.clone(), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.state.connections.fetch_add(1, Ordering::SeqCst);
                let (server, reply) = (accepting.clone(), Arc::clone(&reply));
                tokio::spawn(async move { server.serve(stream, &*reply).await });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/path?key={SECRET}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn sent(&self) -> usize {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// Waits for a request that was not waited for yet.
    pub(crate) async fn arrival(&self) {
        self.state.arrivals.acquire().await.unwrap().forget();
    }

    /// Waits for a client that leaves while it is kept waiting.
    pub(crate) async fn departure(&self) {
        self.state.departures.acquire().await.unwrap().forget();
    }

    pub(crate) async fn serve(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        reply: &(impl Fn(usize) -> Reply + ?Sized),
    ) {
        while let Some(request) = read_request(&mut stream).await {
            let number = {
                let mut received = self.state.received.lock().unwrap();
                received.push(request);
                received.len() - 1
            };
            self.state.arrivals.add_permits(1);
            // A client that has left is a matter of the test, not of the server.
            match reply(number) {
                Reply::KeepAlive(text) => {
                    let _ = stream.write_all(text.as_bytes()).await;
                    continue;
                }
                Reply::Close(text) => drop(stream.write_all(text.as_bytes()).await),
                Reply::Raw(bytes) => drop(stream.write_all(&bytes).await),
                Reply::Hang(text) => {
                    let _ = stream.write_all(text.as_bytes()).await;
                    let _ = stream.read(&mut [0]).await;
                    self.state.departures.add_permits(1);
                }
                Reply::Large(bytes) => self.send_large(&mut stream, bytes).await,
            }
            let _ = stream.shutdown().await;
            return;
        }
    }

    async fn send_large(&self, stream: &mut (impl AsyncWrite + Unpin), bytes: usize) {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        let block = [b'x'; 64 * 1024];
        let mut result = stream.write_all(head.as_bytes()).await;
        while result.is_ok() && self.sent() < bytes {
            result = stream.write_all(&block).await;
            self.state.sent.fetch_add(block.len(), Ordering::SeqCst);
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            received: Mutex::default(),
            connections: AtomicUsize::default(),
            sent: AtomicUsize::default(),
            arrivals: Semaphore::new(0),
            departures: Semaphore::new(0),
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |it| it.parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received { head, body: String::from_utf8_lossy(&bytes[end..]).into_owned() })
}

/// An answer with its length, after which the connection may be used again.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

/// An answer after which the connection ends.
pub(crate) fn closing(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Close(answer(status, &format!("Connection: close\r\n{headers}"), body))
}
