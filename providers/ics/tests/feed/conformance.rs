//! The conformance kit, with every hook.

use std::sync::Arc;

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideEvent, Subject, assert_conforms,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection};
use calendar_provider_ics::Ics;

use crate::server::{Feed, Server, calendar, connection, provider, request};

struct Feeds;

struct FeedSubject {
    server: Server,
    provider: Arc<Ics>,
    events: std::sync::Mutex<String>,
    mended: std::sync::Mutex<Option<Feed>>,
}

#[async_trait]
impl Factory for Feeds {
    async fn fresh(&self) -> Box<dyn Subject> {
        let server = Server::with(Feed::new(calendar(""))).await;
        server.publish("/other.ics", Feed::new(calendar("")));
        Box::new(FeedSubject {
            server,
            provider: provider(),
            events: Default::default(),
            mended: Default::default(),
        })
    }
}

#[async_trait]
impl Subject for FeedSubject {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.provider.clone()
    }

    fn connection(&self) -> Connection {
        self.server.connection()
    }

    fn unknown_connection(&self) -> Connection {
        connection(&self.server.url("/taken-back.ics"))
    }

    fn other_connection(&self) -> Option<Connection> {
        Some(connection(&self.server.url("/other.ics")))
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        Some(request(&self.server.url("/secret.ics")))
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        Some(request(&self.server.url("/taken-back.ics")))
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        let time = |it: chrono::DateTime<chrono::Utc>| it.format("%Y%m%dT%H%M%SZ").to_string();
        let text = format!(
            "BEGIN:VEVENT\r\nUID:{}\r\nDTSTAMP:20310101T000000Z\r\nDTSTART:{}\r\nDTEND:{}\r\n\
             SUMMARY:{}\r\nTRANSP:{}\r\nEND:VEVENT\r\n",
            event.uid,
            time(event.range.start()),
            time(event.range.end()),
            event.title,
            if event.busy { "OPAQUE" } else { "TRANSPARENT" },
        );
        let mut events = self.events.lock().unwrap();
        events.push_str(&text);
        self.server.publish("/secret.ics", Feed::new(calendar(&events)));
        Hook::Done
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        let refusal = match fault {
            Fault::Down => {
                self.server.set_down(true);
                return Hook::Done;
            }
            Fault::Revoked => Feed::refusal("401 Unauthorized", "www-authenticate: Basic"),
            Fault::RateLimited => Feed::refusal("429 Too Many Requests", "retry-after: 120"),
            _ => return Hook::Unavailable,
        };
        *self.mended.lock().unwrap() = self.server.feed("/secret.ics");
        self.server.publish("/secret.ics", refusal);
        Hook::Done
    }

    async fn mend(&self) {
        self.server.set_down(false);
        if let Some(feed) = self.mended.lock().unwrap().take() {
            self.server.publish("/secret.ics", feed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let report = assert_conforms(&Feeds).await;
    let by_capability = [
        "the provider does not write",
        "the provider does not both write and follow changes",
        "the provider follows changes",
    ];
    for skip in &report.skipped {
        assert!(by_capability.contains(&skip.reason), "{report}");
    }
    for check in ["a_provider_that_does_not_write_says_so", "no_change_tells_nothing_and_goes_on"] {
        assert!(report.passed.contains(&check), "{report}");
    }
}
