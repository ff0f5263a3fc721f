//! The conformance kit on both counterparts, with every hook.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideDays, OutsideEvent, OutsideSeries, Subject, assert_conforms,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection};
use calendar_provider_caldav::CalDav;
use chrono_tz::Tz;
use secrecy::ExposeSecret;

use crate::support::client::{PASSWORD, provider, request, send, store};
use crate::support::outside;
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
    number: usize,
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
        Box::new(CalDavSubject {
            server,
            proxy,
            provider,
            number,
            user,
            calendar,
            connection,
            other,
        })
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
        // Neither the calendar nor the account is there.
        let elsewhere = |it: &str| it.replace(&format!("/{}/", self.user), "/nobody/");
        let known = &self.connection;
        let credentials = elsewhere(known.credentials.expose_secret());
        Connection::new(&known.owner, elsewhere(&known.calendar_ref), credentials.into())
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
                self.proxy.set(Mode::Answer(
                    refusal("401 Unauthorized", "www-authenticate: Basic").into(),
                ));
                request(&self.proxy.url("/"), &self.user, "wrong")
            }
        })
    }

    fn second_calendar(&self) -> Option<String> {
        Some(self.other.calendar_ref.clone())
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        self.store(&event.uid, &outside::single(&event)).await
    }

    async fn add_outside_series(&self, series: OutsideSeries) -> Hook {
        self.store(&series.uid, &outside::recurring(&series)).await
    }

    async fn add_outside_days(&self, days: OutsideDays) -> Hook {
        // The calendar's own zone was read when it was connected. Days of another are kept as Outlook
        // keeps them: from midnight to midnight there.
        if days.zone == Tz::Europe__Paris {
            return self.store(&days.uid, &outside::whole_days(&days)).await;
        }
        self.store(&days.uid, &outside::midnights(&days)).await
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        let (status, _) = send("DELETE", &self.address(uid), &self.user, &[], "").await;
        assert!(status.is_success(), "{status}");
        Hook::Done
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        let html = "<!DOCTYPE html><html><body>Maintenance</body></html>";
        self.proxy.set(match fault {
            Fault::Down => Mode::Down,
            Fault::Revoked => Mode::Answer(
                refusal("401 Unauthorized", "www-authenticate: Basic realm=\"x\"").into(),
            ),
            Fault::RateLimited => {
                Mode::Answer(refusal("429 Too Many Requests", "retry-after: 120").into())
            }
            Fault::Html => Mode::Answer(success(html.as_bytes())),
            Fault::NotUtf8 => {
                Mode::Answer(success(b"<d:multistatus xmlns:d=\"DAV:\">\xFF</d:multistatus>"))
            }
            Fault::CutOff => Mode::CutOff,
            Fault::Huge => Mode::Huge(200 * 1024 * 1024),
            Fault::CalendarGone => {
                self.server.remove_calendar(self.number, &self.calendar).await;
                Mode::Pass
            }
            Fault::WritesRefused => {
                Mode::Refuse(&["PUT", "DELETE"], "", refusal("403 Forbidden", "x-a: b"))
            }
            Fault::ChangedMeanwhile => {
                Mode::Refuse(&["PUT", "DELETE"], "", refusal("412 Precondition Failed", "x-a: b"))
            }
            Fault::HistoryForgotten => {
                Mode::Refuse(&["REPORT"], "sync-collection", refusal("403 Forbidden", "x-a: b"))
            }
            _ => return Hook::Unavailable,
        });
        Hook::Done
    }

    async fn mend(&self) {
        self.proxy.set(Mode::Pass);
    }
}

impl CalDavSubject {
    fn address(&self, uid: &str) -> String {
        self.server.url(&format!("{}{uid}.ics", self.calendar))
    }

    async fn store(&self, uid: &str, events: &str) -> Hook {
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Another program//EN\r\n{events}END:VCALENDAR\r\n"
        );
        store(&self.address(uid), &self.user, &text).await;
        Hook::Done
    }
}

fn success(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 207 Multi-Status\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn refusal(status: &str, header: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

async fn check(kind: Kind) {
    let Some(server) = kind.start().await else { return };
    let factory =
        OnServer { server: Arc::new(server), next: AtomicUsize::new(0), before: Mutex::default() };
    let report = assert_conforms(&factory).await;
    // What it can't do at all is skipped, and nothing for want of a hook.
    for skip in &report.skipped {
        assert!(skip.reason.starts_with("the provider "), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_radicale() {
    check(Kind::Radicale).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_xandikos() {
    check(Kind::Xandikos).await;
}
