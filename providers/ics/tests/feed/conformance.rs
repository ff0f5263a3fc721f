//! The conformance kit, with every hook.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideDays, OutsideEvent, OutsideSeries, Subject, assert_conforms,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection};
use calendar_provider_ics::Ics;
use chrono_tz::Tz;

use crate::outside;
use crate::server::{Feed, Server, calendar, connection, provider, request};

struct Feeds;

struct FeedSubject {
    server: Server,
    provider: Arc<Ics>,
    events: Mutex<BTreeMap<String, String>>,
    zone: Mutex<Tz>,
    mended: Mutex<Option<Feed>>,
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
            zone: Mutex::new(Tz::Europe__Paris),
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
        self.write(&event.uid, outside::single(&event))
    }

    async fn add_outside_series(&self, series: OutsideSeries) -> Hook {
        if series.whole_days {
            *self.zone.lock().unwrap() = series.zone;
        }
        self.write(&series.uid, outside::recurring(&series))
    }

    async fn add_outside_days(&self, days: OutsideDays) -> Hook {
        *self.zone.lock().unwrap() = days.zone;
        self.write(&days.uid, outside::whole_days(&days))
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        self.events.lock().unwrap().remove(uid);
        self.publish();
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
            Fault::CalendarGone => Feed::refusal("410 Gone", "x-a: b"),
            Fault::Html => Feed::typed("text/html", "<!DOCTYPE html><title>Maintenance</title>"),
            Fault::NotUtf8 => Feed::new(
                *b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:\xFF\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            ),
            Fault::CutOff => {
                let whole = self.server.feed("/secret.ics").expect("it is published");
                Feed { sent: Some(whole.body.len() / 2), ..whole }
            }
            Fault::Huge => Feed::new(vec![b' '; 200 * 1024 * 1024]),
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

impl FeedSubject {
    fn write(&self, uid: &str, text: String) -> Hook {
        self.events.lock().unwrap().insert(uid.to_owned(), text);
        self.publish();
        Hook::Done
    }

    fn publish(&self) {
        let events: String = self.events.lock().unwrap().values().cloned().collect();
        let zone = self.zone.lock().unwrap().name();
        let text = calendar(&events)
            .replace("X-WR-TIMEZONE:Europe/Paris", &format!("X-WR-TIMEZONE:{zone}"));
        self.server.publish("/secret.ics", Feed::new(text));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let report = assert_conforms(&Feeds).await;
    // What it can't do at all is skipped, and where it writes nothing there is nothing to drift; a
    // feed keeps no history that could be forgotten, and is the account's one calendar.
    let hooks = ["inflict does not know this fault", "no second_calendar"];
    for skip in &report.skipped {
        let known = skip.reason.starts_with("the provider ") || hooks.contains(&skip.reason);
        assert!(known, "{report}");
    }
    for check in ["a_provider_that_does_not_write_says_so", "no_change_tells_nothing_and_goes_on"] {
        assert!(report.passed.contains(&check), "{report}");
    }
}
