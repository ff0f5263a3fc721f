//! The whole kit through both sides, over a calendar in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calendar_http::{Bytes, HttpClient};
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideDays, OutsideEvent, OutsideSeries, Report, Subject,
    assert_conforms, run,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection, Push};
use calendar_provider_remote::Remote;

use crate::contract::check_exchanges;
use crate::memory::{Calendar, Flaw, Kind, Memory};
use crate::server::{Between, Exchange, Server, clock, http};

struct OverHttp {
    kind: Kind,
    flaw: Flaw,
    http: HttpClient,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl OverHttp {
    fn new(kind: Kind, flaw: Flaw) -> Self {
        Self { kind, flaw, http: http(), exchanges: Arc::default() }
    }
}

#[async_trait]
impl Factory for OverHttp {
    async fn fresh(&self) -> Box<dyn Subject> {
        let memory = Memory(Arc::new(Calendar::new(self.kind, self.flaw, "owner")));
        let server = Server::start(memory.provider()).await;
        let remote = Remote::new(server.settings(), self.http.clone(), clock()).unwrap();
        remote.refresh().await.unwrap();
        let exchanges = self.exchanges.clone();
        Box::new(BothSides { memory, server, remote: Arc::new(remote), exchanges })
    }
}

struct BothSides {
    memory: Memory,
    server: Arc<Server>,
    remote: Arc<Remote>,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Drop for BothSides {
    fn drop(&mut self) {
        let made = std::mem::take(&mut *self.server.exchanges.lock().unwrap());
        self.exchanges.lock().unwrap().extend(made);
    }
}

#[async_trait]
impl Subject for BothSides {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.remote.clone()
    }

    fn connection(&self) -> Connection {
        self.memory.connection()
    }

    fn unknown_connection(&self) -> Connection {
        self.memory.unknown_connection()
    }

    fn other_connection(&self) -> Option<Connection> {
        self.memory.other_connection()
    }

    fn second_calendar(&self) -> Option<String> {
        self.memory.second_calendar()
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        self.memory.connect_request()
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        self.memory.wrong_connect_request()
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        self.memory.add_outside_event(event).await
    }

    async fn add_outside_series(&self, series: OutsideSeries) -> Hook {
        self.memory.add_outside_series(series).await
    }

    async fn add_outside_days(&self, days: OutsideDays) -> Hook {
        self.memory.add_outside_days(days).await
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        self.memory.remove_outside(uid).await
    }

    /// What the calendar pushes, as its program would send it on.
    async fn pushes(&self) -> Option<Vec<Push>> {
        let sent = self.memory.pushes().await?.into_iter().map(|inner| {
            let pushed = self.memory.provider().read_push(&inner).unwrap();
            let signed =
                self.server.served.push(&pushed, &inner.secret).unwrap().expect("it is told");
            let mut push = Push::new(inner.channel, inner.secret);
            push.headers = signed.headers;
            push.body = signed.body;
            push
        });
        Some(sent.collect())
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        const HUGE: usize = 200 << 20;
        let always =
            |content_type, body: Bytes| Between::Always { status: 200, content_type, body };
        self.server.put_between(match fault {
            Fault::Down => {
                let body = Bytes::from_static(b"<h1>down</h1>");
                Between::Always { status: 502, content_type: "text/html", body }
            }
            Fault::Html => always("text/html", Bytes::from_static(b"<h1>Sign in</h1>")),
            Fault::NotUtf8 => {
                always("application/json", Bytes::from_static(b"{\"busy\":[\"\xff\"]}"))
            }
            Fault::CutOff => Between::CutOff,
            Fault::Huge => always("application/json", vec![b' '; HUGE].into()),
            other => return self.memory.inflict(other).await,
        });
        Hook::Done
    }

    async fn mend(&self) {
        self.server.put_between(Between::Nothing);
        self.memory.mend().await;
    }
}

fn skipped(report: &Report) -> Vec<&'static str> {
    report.skipped.iter().map(|skip| skip.check).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_the_trait_knows_conforms_over_http() {
    let over_http = OverHttp::new(Kind::Full, Flaw::None);
    let report = assert_conforms(&over_http).await;
    assert_eq!(
        skipped(&report),
        [
            "a_provider_that_lists_no_calendars_says_so",
            "a_provider_that_does_not_write_says_so",
            "a_conference_that_is_not_offered_is_left_out",
            "a_provider_that_follows_no_changes_says_so",
            // A channel is believed by its signature alone, so there is nothing to try first.
            "a_handshake_is_answered",
            "a_provider_that_does_not_push_says_so",
        ]
    );
    check_exchanges(&over_http.exchanges.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn less_than_all_conforms_over_http() {
    for kind in [Kind::Plain, Kind::ReadOnly] {
        let over_http = OverHttp::new(kind, Flaw::None);
        assert_conforms(&over_http).await;
        check_exchanges(&over_http.exchanges.lock().unwrap());
    }
}

/// What is wrong on the other side is seen on this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_provider_is_caught_over_http() {
    for (flaw, check) in [
        (Flaw::PutAlwaysCreates, "putting_twice_makes_one_event"),
        (Flaw::UnknownIsEmpty, "an_unknown_connection_is_never_free"),
        (Flaw::ExdatesIgnored, "an_excluded_occurrence_is_free"),
        (Flaw::BadCursorBeginsAgain, "an_unknown_cursor_is_expired"),
        (Flaw::ConferenceShared, "two_events_have_two_conferences"),
    ] {
        let report = run(&OverHttp::new(Kind::Full, flaw)).await;
        let caught = report.failed.iter().any(|failure| failure.check == check);
        assert!(caught, "{flaw:?} was not caught by {check}: {report}");
    }
}
