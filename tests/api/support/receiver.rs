//! A receiver of webhooks that keeps what it was sent, and answers as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How it answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// With a status, headers in full lines, and a body.
    With(u16, String, String),
    /// Not at all; the line stays open.
    Hang,
    /// With 200 and a body of 50 MiB.
    Huge,
}

impl Reply {
    /// With a status and nothing else.
    pub(crate) fn status(status: u16) -> Self {
        Self::With(status, String::new(), String::new())
    }
}

/// What it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The request's first line.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    /// The body, read.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver; it ends with the test.
#[derive(Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    reply: Mutex<Reply>,
    received: Mutex<Vec<Received>>,
    written: AtomicUsize,
}

impl Receiver {
    /// Starts one that answers 204.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            reply: Mutex::new(Reply::status(204)),
            received: Mutex::default(),
            written: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move { state.serve(stream).await });
            }
        });
        Self { address, state }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How it answers from now on.
    pub(crate) fn reply(&self, reply: Reply) {
        *self.state.reply.lock().unwrap() = reply;
    }

    /// What it was sent since the last look, in order.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.state.received.lock().unwrap())
    }

    /// How many bytes of bodies it could write before nobody read them any more.
    pub(crate) fn written(&self) -> usize {
        self.state.written.load(Ordering::SeqCst)
    }
}

impl State {
    /// One request, which ends the connection. A caller that goes away ends it too.
    async fn serve(&self, mut stream: TcpStream) {
        let Some(received) = read(&mut stream).await else { return };
        self.received.lock().unwrap().push(received);
        let reply = self.reply.lock().unwrap().clone();
        match reply {
            Reply::With(status, headers, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\
                     connection: close\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            Reply::Hang => {
                let _ = stream.read(&mut [0; 1]).await;
            }
            Reply::Huge => {
                let size = 50 * 1024 * 1024;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                let chunk = [b'x'; 64 * 1024];
                while self.written.load(Ordering::SeqCst) < size
                    && stream.write_all(&chunk).await.is_ok()
                {
                    self.written.fetch_add(chunk.len(), Ordering::SeqCst);
                }
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        (stream.read_buf(&mut bytes).await.ok()? != 0).then_some(())?;
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().unwrap();
    while bytes.len() < end + 4 + length {
        (stream.read_buf(&mut bytes).await.ok()? != 0).then_some(())?;
    }
    let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
    Some(Received { line, headers, body })
}
