//! A server of feeds, and the provider as tests set it up.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calendar_http::{HttpClient, Network};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection, ProviderError, TimeRange};
use calendar_provider_ics::{CALENDAR_REF, Ics, Settings};
use chrono::TimeDelta;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server says at one path.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) status: &'static str,
    /// Header lines, without the length.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// Answers 304 to who knows this already.
    pub(crate) etag: Option<&'static str>,
    /// The same by date.
    pub(crate) last_modified: Option<&'static str>,
    /// How many bytes of the body are sent.
    pub(crate) sent: Option<usize>,
}

/// A server on a port of its own; it ends with this value.
pub(crate) struct Server {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    feeds: BTreeMap<String, Feed>,
    down: bool,
    /// The heads of all requests.
    requests: Vec<String>,
}

impl Feed {
    pub(crate) fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: "200 OK",
            headers: vec!["content-type: text/calendar; charset=utf-8".into()],
            body: body.into(),
            etag: None,
            last_modified: None,
            sent: None,
        }
    }

    pub(crate) fn refusal(status: &'static str, header: &str) -> Self {
        Self { status, headers: vec![header.to_owned()], ..Self::new("") }
    }

    pub(crate) fn typed(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { headers: vec![format!("content-type: {content_type}")], ..Self::new(body) }
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = serving.clone();
                // Who breaks off a connection breaks it off.
                tokio::spawn(async move { serve(client, &shared).await.ok() });
            }
        });
        Self { port, shared, task }
    }

    /// A server with one feed at `/secret.ics`.
    pub(crate) async fn with(feed: Feed) -> Self {
        let server = Self::start().await;
        server.publish("/secret.ics", feed);
        server
    }

    pub(crate) fn publish(&self, path: &str, feed: Feed) {
        self.shared.lock().unwrap().feeds.insert(path.to_owned(), feed);
    }

    pub(crate) fn feed(&self, path: &str) -> Option<Feed> {
        self.shared.lock().unwrap().feeds.get(path).cloned()
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.shared.lock().unwrap().down = down;
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.lock().unwrap().requests.clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn connection(&self) -> Connection {
        connection(&self.url("/secret.ics"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // TLS begins with this byte, and is not spoken here.
        if client.read_buf(&mut head).await? == 0 || head.starts_with(&[0x16]) {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let feed = {
        let mut shared = shared.lock().unwrap();
        shared.requests.push(head.clone());
        if shared.down {
            return Ok(());
        }
        shared.feeds.get(&path).cloned()
    };
    let mut feed = feed.unwrap_or_else(|| Feed::refusal("404 Not Found", "x-gone: yes"));
    feed.headers.extend(feed.etag.map(|it| format!("etag: {it}")));
    feed.headers.extend(feed.last_modified.map(|it| format!("last-modified: {it}")));
    let knows = |name: &str, value: Option<&str>| {
        value.is_some_and(|it| head.contains(&format!("{name}: {}", it.to_ascii_lowercase())))
    };
    if knows("if-none-match", feed.etag) || knows("if-modified-since", feed.last_modified) {
        (feed.status, feed.body) = ("304 Not Modified", Vec::new());
    }
    let headers = feed.headers.join("\r\n");
    let length = feed.body.len();
    let answer = format!(
        "HTTP/1.1 {}\r\n{headers}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n",
        feed.status
    );
    client.write_all(answer.as_bytes()).await?;
    client.write_all(&feed.body[..feed.sent.unwrap_or(length)]).await?;
    client.shutdown().await
}

/// A client that may go anywhere and whose waits are short.
pub(crate) fn http() -> HttpClient {
    let settings = calendar_http::Settings {
        network: Network::Any,
        // More than the provider is to take.
        body_limit: 64 * 1024 * 1024,
        attempts: 2,
        backoff: Duration::from_millis(1),
        circuit_failures: u32::MAX,
        ..Default::default()
    };
    HttpClient::new(settings).expect("the client can be set up")
}

pub(crate) fn provider() -> Arc<Ics> {
    let settings = Settings { allow_private_addresses: true };
    Arc::new(Ics::new(settings, http()))
}

pub(crate) fn connection(url: &str) -> Connection {
    Connection::new("agent-1", CALENDAR_REF, url.into())
}

pub(crate) fn request(url: &str) -> ConnectRequest {
    let mut request = ConnectRequest::new("agent-1");
    request.credentials.insert("url".into(), url.into());
    request
}

/// A calendar with these components.
pub(crate) fn calendar(components: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Another program//EN\r\n\
         X-WR-CALNAME:Ada's\\, work\r\nX-WR-TIMEZONE:Europe/Paris\r\n{components}END:VCALENDAR\r\n"
    )
}

/// An event of half an hour. `start` is e.g. `20310505T090000Z`.
pub(crate) fn event(uid: &str, start: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20310101T000000Z\r\nDTSTART:{start}\r\n\
         DURATION:PT30M\r\nSUMMARY:Title of {uid}\r\nEND:VEVENT\r\n"
    )
}

/// 2031-05-05 in UTC.
pub(crate) fn day() -> TimeRange {
    days(1)
}

/// So many days from 2031-05-05 on.
pub(crate) fn days(days: i64) -> TimeRange {
    let start = "2031-05-05T00:00:00Z".parse().unwrap();
    TimeRange::lasting(start, TimeDelta::days(days)).unwrap()
}

/// Why the feed of `server` can't be read, as everybody may know it.
pub(crate) async fn failure(server: &Server) -> ProviderError {
    let error = provider().free_busy(&server.connection(), day()).await.unwrap_err();
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("secret.ics") && !printed.contains("BEGIN"), "{printed}");
    error
}
