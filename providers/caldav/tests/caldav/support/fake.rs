//! A server that answers as it is told, for what other servers than the counterparts answer.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use calendar_http::{HttpClient, Resolve};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::client::{PASSWORD, basic};

/// The user whom the fake knows.
pub(crate) const USER: &str = "ada@example.com";

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    /// Header lines, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<String>,
    body: String,
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A server with TLS on a port of its own, for any host; it ends with this value.
pub(crate) struct Fake {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    certificate: CertificateDer<'static>,
    task: JoinHandle<()>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }

    /// A multistatus with these responses.
    pub(crate) fn multistatus(responses: &str) -> Self {
        let body = format!(
            r#"<?xml version="1.0" encoding="utf-8"?><d:multistatus xmlns:d="DAV:" xmlns:cal="urn:ietf:params:xml:ns:caldav" xmlns:cs="http://calendarserver.org/ns/">{responses}</d:multistatus>"#
        );
        Self::new(207, body).with("content-type: application/xml; charset=utf-8")
    }

    /// A multistatus about one resource.
    pub(crate) fn props(href: &str, props: &str) -> Self {
        Self::multistatus(&response(href, props))
    }

    /// What a server says that does not have it.
    pub(crate) fn missing() -> Self {
        Self::new(404, "<html>secret not found</html>")
    }
}

/// The properties that one resource has.
pub(crate) fn response(href: &str, props: &str) -> String {
    format!(
        "<d:response><d:href>{href}</d:href><d:propstat><d:prop>{props}</d:prop>\
         <d:status>HTTP/1.1 200 OK</d:status></d:propstat><d:propstat><d:prop><d:x-unknown/></d:prop>\
         <d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
    )
}

/// A resource that has a status alone.
pub(crate) fn status(href: &str, status: &str) -> String {
    format!(
        "<d:response><d:href>{href}</d:href><d:status>HTTP/1.1 {status}</d:status></d:response>"
    )
}

/// An event as it stands in a multistatus.
pub(crate) fn object(href: &str, text: &str) -> String {
    let data = text.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#13;");
    response(
        href,
        &format!("<d:getetag>\"e1\"</d:getetag><cal:calendar-data>{data}</cal:calendar-data>"),
    )
}

/// An event of half an hour. `start` is e.g. `20310505T090000Z`.
pub(crate) fn event(uid: &str, start: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Another program//EN\r\nBEGIN:VEVENT\r\n\
         UID:{uid}\r\nDTSTAMP:20310101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT30M\r\n\
         SUMMARY:Title\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

impl Asked {
    /// Whether it is a request of this method whose path and body hold this.
    pub(crate) fn is(&self, method: &str, path: &str, body: &str) -> bool {
        self.method == method && self.path == path && self.body.contains(body)
    }
}

impl Fake {
    /// Answers with `handler` those who sign in, and 401 the others.
    pub(crate) async fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let hosts = [
            "example.com",
            "dav.example.com",
            "caldav.icloud.com",
            "p34-caldav.icloud.com",
            "evil.example",
        ];
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(hosts.map(str::to_owned).to_vec()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, handler): (_, Arc<Handler>) = (asked.clone(), Arc::new(handler));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, log, handler) = (acceptor.clone(), log.clone(), handler.clone());
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await.ok()?;
                    // One connection carries many requests.
                    while let Some(asked) = read(&mut client).await {
                        log.lock().unwrap().push(asked.clone());
                        let reply = answer(&asked, &*handler);
                        client.write_all(reply.as_bytes()).await.ok()?;
                        client.flush().await.ok()?;
                    }
                    Some(())
                });
            }
        });
        Self { port, asked, certificate: cert.der().clone(), task }
    }

    /// A client that finds every host here, as if it were public.
    pub(crate) fn http(&self) -> HttpClient {
        let settings = calendar_http::Settings {
            allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
            extra_roots: vec![self.certificate.clone()],
            resolver: Some(Arc::new(Everywhere)),
            attempts: 1,
            // Unoptimised, on a machine with other work: a calendar of 50,000 events takes a while.
            deadline: Duration::from_secs(300),
            ..Default::default()
        };
        HttpClient::new(settings).unwrap()
    }

    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many requests of a method came in so far.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|it| it.method == method).count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Finds every host on this one.
struct Everywhere;

impl fmt::Debug for Everywhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Everywhere")
    }
}

#[async_trait]
impl Resolve for Everywhere {
    async fn resolve(&self, _host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

async fn read(client: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let header = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length").map_or(0, |it| it.parse().unwrap());
    while bytes.len() < end + 4 + length {
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let mut start = head.split(' ');
    Some(Asked {
        method: start.next()?.to_owned(),
        path: start.next()?.to_owned(),
        host: header("host").unwrap_or_default().split(':').next()?.to_owned(),
        body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned(),
        head,
    })
}

fn answer(asked: &Asked, handler: &Handler) -> String {
    let signed_in = asked.head.contains(&basic(USER, PASSWORD));
    let reply = if signed_in || asked.path.starts_with("/.well-known/") {
        handler(asked)
    } else {
        Reply::new(401, "secret").with("www-authenticate: Basic realm=\"x\"")
    };
    let headers: String = reply.headers.iter().map(|it| format!("{it}\r\n")).collect();
    let (status, length, body) = (reply.status, reply.body.len(), &reply.body);
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}")
}
