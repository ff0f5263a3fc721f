//! The conformance kit on both counterparts, with every hook.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideEvent, Subject, assert_conforms,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection};
use calendar_provider_caldav::CalDav;

use crate::support::client::{PASSWORD, provider, request, store};
use crate::support::proxy::{Mode, Proxy};
use crate::support::server::{Kind, Server};

struct OnServer {
    server: Arc<Server>,
    next: AtomicUsize,
    /// The calendars of the subject before. Xandikos has one user, in whose other calendars an event
    /// is looked for too.
    before: Mutex<Vec<String>>,
}

struct CalDavSubject {
    server: Arc<Server>,
    proxy: Proxy,
    provider: Arc<CalDav>,
    user: String,
    calendar: String,
    connection: Connection,
    other: Connection,
}

#[async_trait]
impl Factory for OnServer {
    async fn fresh(&self) -> Box<dyn Subject> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let before = std::mem::take(&mut *self.before.lock().unwrap());
        for calendar in before {
            self.server.remove_calendar(number.saturating_sub(1), &calendar).await;
        }
        let calendar = self.server.make_calendar(number, "work").await;
        let other = self.server.make_calendar(number, "home").await;
        *self.before.lock().unwrap() = vec![calendar.clone(), other.clone()];
        let (proxy, provider) = (Proxy::before(self.server.port).await, provider());
        let user = self.server.user(number);
        let connect = async |path: &str| {
            let request = request(&proxy.url(path), &user, PASSWORD);
            provider.connect(request).await.expect("it connects").into_connection("agent-1")
        };
        let (connection, other) = (connect(&calendar).await, connect(&other).await);
        let server = self.server.clone();
        Box::new(CalDavSubject { server, proxy, provider, user, calendar, connection, other })
    }
}

#[async_trait]
impl Subject for CalDavSubject {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.provider.clone()
    }

    fn connection(&self) -> Connection {
        self.connection.clone()
    }

    fn unknown_connection(&self) -> Connection {
        let mut unknown = self.connection.clone();
        unknown.calendar_ref = unknown.calendar_ref.replace("work", "deleted");
        unknown
    }

    fn other_connection(&self) -> Option<Connection> {
        Some(self.other.clone())
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        Some(request(&self.proxy.url("/"), &self.user, PASSWORD))
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        // Xandikos takes any password, but has nothing at this address.
        Some(match self.server.kind {
            Kind::Radicale => request(&self.proxy.url("/"), &self.user, "wrong"),
            Kind::Xandikos => {
                self.proxy
                    .set(Mode::Answer(refusal("401 Unauthorized", "www-authenticate: Basic")));
                request(&self.proxy.url("/"), &self.user, "wrong")
            }
        })
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        let time = |it: chrono::DateTime<chrono::Utc>| it.format("%Y%m%dT%H%M%SZ").to_string();
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Another program//EN\r\nBEGIN:VEVENT\r\n\
             UID:{}\r\nDTSTAMP:20310101T000000Z\r\nDTSTART:{}\r\nDTEND:{}\r\nSUMMARY:{}\r\n\
             TRANSP:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            event.uid,
            time(event.range.start()),
            time(event.range.end()),
            event.title,
            if event.busy { "OPAQUE" } else { "TRANSPARENT" },
        );
        let name = event.uid.replace('@', "-");
        let url = self.server.url(&format!("{}outside-{name}.ics", self.calendar));
        store(&url, &self.user, &text).await;
        Hook::Done
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        self.proxy.set(match fault {
            Fault::Down => Mode::Down,
            Fault::Revoked => {
                Mode::Answer(refusal("401 Unauthorized", "www-authenticate: Basic realm=\"x\""))
            }
            Fault::RateLimited => {
                Mode::Answer(refusal("429 Too Many Requests", "retry-after: 120"))
            }
            _ => return Hook::Unavailable,
        });
        Hook::Done
    }

    async fn mend(&self) {
        self.proxy.set(Mode::Pass);
    }
}

fn refusal(status: &str, header: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

async fn check(kind: Kind) {
    let Some(server) = kind.start().await else { return };
    let factory =
        OnServer { server: Arc::new(server), next: AtomicUsize::new(0), before: Mutex::default() };
    let report = assert_conforms(&factory).await;
    let skipped: Vec<_> = report.skipped.iter().map(|skip| skip.check).collect();
    assert_eq!(
        skipped,
        ["a_provider_that_does_not_write_says_so", "a_provider_that_follows_no_changes_says_so"],
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_radicale() {
    check(Kind::Radicale).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_xandikos() {
    check(Kind::Xandikos).await;
}
