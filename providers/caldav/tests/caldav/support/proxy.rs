//! A proxy in front of a server, that can be told to misbehave.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As the server does.
    Pass,
    /// Not at all: the connection ends.
    Down,
    /// With these bytes.
    Answer(Vec<u8>),
    /// As the server does, but no more than half of it.
    CutOff,
    /// As the server does, but these methods with this in them by that answer.
    Refuse(&'static [&'static str], &'static str, String),
    /// With a page of this many bytes, sent as a multistatus.
    Huge(usize),
    /// As the server does; but the answer to the next write is lost on the way back.
    LoseAnswer,
}

/// A proxy on a port of its own; it ends with this value.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    mode: Mutex<Mode>,
    requests: AtomicUsize,
    server: u16,
}

impl Proxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Pass),
            requests: AtomicUsize::new(0),
            server,
        });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = serving.clone();
                // Who breaks off a connection breaks it off.
                tokio::spawn(async move { shared.serve(client).await.ok() });
            }
        });
        Self { port, shared, task }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// How many requests came by so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// An address behind the proxy.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let request = read_request(&mut client).await?;
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mode = self.mode.lock().unwrap().clone();
        match mode {
            Mode::Pass => client.write_all(&self.forward(&request).await?).await?,
            Mode::Down => {}
            Mode::Answer(answer) => client.write_all(&answer).await?,
            Mode::CutOff => {
                let answer = self.forward(&request).await?;
                client.write_all(&answer[..answer.len() / 2]).await?;
            }
            Mode::Refuse(methods, content, answer) => {
                let text = String::from_utf8_lossy(&request);
                let refused =
                    methods.iter().any(|it| text.starts_with(it)) && text.contains(content);
                let passed =
                    if refused { answer.into_bytes() } else { self.forward(&request).await? };
                client.write_all(&passed).await?;
            }
            Mode::Huge(bytes) => {
                let head = format!(
                    "HTTP/1.1 207 Multi-Status\r\ncontent-type: text/xml\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n"
                );
                client.write_all(head.as_bytes()).await?;
                let block = vec![b' '; 64 * 1024];
                for _ in 0..bytes / block.len() {
                    client.write_all(&block).await?;
                }
            }
            Mode::LoseAnswer => {
                let answer = self.forward(&request).await?;
                if request.starts_with(b"PUT") || request.starts_with(b"DELETE") {
                    *self.mode.lock().unwrap() = Mode::Pass;
                } else {
                    client.write_all(&answer).await?;
                }
            }
        }
        client.shutdown().await
    }

    /// The server's whole answer.
    async fn forward(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server)).await?;
        server.write_all(request).await?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// A request with its body, made the connection's last.
async fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    while bytes.len() < end + 4 + length.unwrap_or(0) {
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut request = format!("{head}\r\nconnection: close\r\n\r\n").into_bytes();
    request.extend_from_slice(&bytes[end + 4..]);
    Ok(request)
}
