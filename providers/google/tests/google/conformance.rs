//! The kit's checks, with every hook.

use std::sync::Arc;

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideDays, OutsideEvent, OutsideSeries, Subject, assert_conforms,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection, Push};
use chrono::NaiveDate;
use chrono_tz::Tz;
use fake_google::{FakeGoogle, Meetings, PushMessage, Series};
use serde_json::{Value, json};
use url::Url;

use super::world::{self, ADA, World, token};
use calendar_provider_google::Google;

const BOB: &str = "bob@example.com";
const SECOND: &str = "team@group.calendar.google.com";

#[tokio::test]
async fn it_conforms() {
    let report = assert_conforms(&Fakes { meetings: Meetings::AtOnce }).await;
    // A handshake is not Google's way; the rest is for providers that can do less.
    let skipped: Vec<_> = report.skipped.iter().map(|it| it.check).collect();
    assert_eq!(
        skipped,
        [
            "a_provider_that_lists_no_calendars_says_so",
            "a_provider_that_does_not_write_says_so",
            "a_conference_that_is_not_offered_is_left_out",
            "a_provider_that_follows_no_changes_says_so",
            "a_handshake_is_answered",
            "a_provider_that_does_not_push_says_so",
        ],
        "{report}"
    );
}

#[tokio::test]
async fn it_conforms_where_meetings_take_their_time() {
    assert_conforms(&Fakes { meetings: Meetings::Later }).await;
}

struct Fakes {
    meetings: Meetings,
}

#[async_trait]
impl Factory for Fakes {
    async fn fresh(&self) -> Box<dyn Subject> {
        let World { fake, google, connection } = World::new().await;
        fake.set_meetings(self.meetings);
        fake.add_account(BOB, "Bob", Tz::UTC);
        fake.add_calendar(ADA, SECOND, "Team", "owner");
        Box::new(Ada { fake, google: Arc::new(google), connection })
    }
}

struct Ada {
    fake: FakeGoogle,
    google: Arc<Google>,
    connection: Connection,
}

impl Ada {
    fn remove(&self, uid: &str) {
        for id in self.fake.ids_of(ADA, uid) {
            self.fake.delete_event_or_series(ADA, &id);
        }
    }

    /// The call as the server sees it: the channel by its address, the secret by the channel.
    fn push(&self, message: PushMessage) -> Push {
        let headers: std::collections::BTreeMap<_, _> = message.headers.into_iter().collect();
        let channel = headers["x-goog-channel-id"].clone();
        let secret = headers["x-goog-channel-token"].clone();
        let mut push = Push::new(channel, secret.into());
        push.headers = headers;
        push
    }
}

#[async_trait]
impl Subject for Ada {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.google.clone()
    }

    fn connection(&self) -> Connection {
        self.connection.clone()
    }

    fn unknown_connection(&self) -> Connection {
        Connection::new("agent-1", ADA, "ya29.never-given-out".into())
    }

    fn other_connection(&self) -> Option<Connection> {
        Some(Connection::new("agent-2", BOB, token(&self.fake, BOB)))
    }

    fn second_calendar(&self) -> Option<String> {
        Some(SECOND.into())
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        let mut request = ConnectRequest::new("agent-1");
        request.access_token = Some(token(&self.fake, ADA));
        request.granted_scopes = world::GRANTED.map(str::to_owned).into();
        Some(request)
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        let mut request = ConnectRequest::new("agent-1");
        request.access_token = Some("ya29.never-given-out".into());
        Some(request)
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        self.fake.add_event(
            ADA,
            json!({
                "iCalUID": event.uid,
                "summary": event.title,
                "start": { "dateTime": event.range.start().to_rfc3339() },
                "end": { "dateTime": event.range.end().to_rfc3339() },
                "transparency": transparency(event.busy),
            }),
        );
        Hook::Done
    }

    async fn add_outside_series(&self, series: OutsideSeries) -> Hook {
        self.remove(&series.uid);
        if series.whole_days {
            self.fake.set_zone(ADA, series.zone);
        }
        let rule = Series {
            resource: json!({
                "iCalUID": series.uid,
                "summary": series.title,
                "transparency": transparency(series.busy),
            }),
            start: series.start,
            length: series.duration,
            zone: series.zone,
            rule: series.rule,
            left_out: series.exdates,
            whole_days: series.whole_days,
        };
        let id = self.fake.add_series(ADA, rule);
        for moved in series.moved {
            let instant = |local| {
                let there = chrono::TimeZone::from_local_datetime(&series.zone, &local);
                there.earliest().expect("the kit's times exist").to_utc()
            };
            let instance = format!("{id}_{}", instant(moved.original).format("%Y%m%dT%H%M%SZ"));
            let start = instant(moved.start);
            self.fake.move_event(ADA, &instance, start, start + series.duration);
        }
        Hook::Done
    }

    async fn add_outside_days(&self, days: OutsideDays) -> Hook {
        self.fake.set_zone(ADA, days.zone);
        let date = |day: NaiveDate| json!({ "date": day.to_string() });
        let end = days.first + chrono::Days::new(days.days.into());
        self.fake.add_event(
            ADA,
            json!({
                "iCalUID": days.uid,
                "summary": days.title,
                "start": date(days.first),
                "end": date(end),
                "transparency": transparency(days.busy),
            }),
        );
        Hook::Done
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        self.remove(uid);
        Hook::Done
    }

    fn callback_url(&self) -> Url {
        Url::parse("https://desk.example/calendar/push/1").expect("it is a URL")
    }

    async fn pushes(&self) -> Option<Vec<Push>> {
        self.fake.pushes_delivered().await;
        Some(self.fake.pushes().into_iter().map(|it| self.push(it)).collect())
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        let broken = match fault {
            Fault::Down => fake_google::Fault::Down,
            Fault::Revoked => fake_google::Fault::Unauthorized,
            Fault::RateLimited => fake_google::Fault::Forbidden("rateLimitExceeded"),
            Fault::CalendarGone => {
                self.fake.delete_calendar(ADA);
                return Hook::Done;
            }
            Fault::Html => fake_google::Fault::Html,
            Fault::NotUtf8 => fake_google::Fault::NotUtf8,
            Fault::CutOff => fake_google::Fault::CutOff,
            Fault::Huge => fake_google::Fault::Huge,
            Fault::WritesRefused => fake_google::Fault::Writes(403, "requiredAccessLevel"),
            Fault::ChangedMeanwhile => fake_google::Fault::Writes(412, "conditionNotMet"),
            Fault::HistoryForgotten => {
                self.fake.expire_sync_tokens(ADA);
                return Hook::Done;
            }
            _ => return Hook::Unavailable,
        };
        self.fake.inflict(broken);
        Hook::Done
    }

    async fn mend(&self) {
        self.fake.mend();
    }
}

fn transparency(busy: bool) -> Value {
    if busy { json!("opaque") } else { json!("transparent") }
}
