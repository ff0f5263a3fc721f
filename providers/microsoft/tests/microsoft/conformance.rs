//! The kit's checks, for each kind of calendar that Graph reads in another way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use calendar_http::HttpClient;
use calendar_provider::{
    CalendarProvider, ConnectRequest, Connection, Push, TimeRange,
    conformance::{
        Factory, Fault, Hook, OutsideDays, OutsideEvent, OutsideSeries, Subject, assert_conforms,
    },
};
use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use fake_microsoft::{Fault as Broken, Occurrence, OutlookEvent};
use rrule::RRuleSet;
use url::Url;

use crate::{
    outlook::{ADA, BOB, Kind, Outlook, client, request},
    receiver::Receiver,
};

#[tokio::test]
async fn the_default_calendar_of_a_work_account_conforms() {
    check(Kind::Default).await;
}

#[tokio::test]
async fn another_calendar_of_a_work_account_conforms() {
    check(Kind::Second).await;
}

#[tokio::test]
async fn a_personal_account_conforms() {
    check(Kind::Personal).await;
}

async fn check(kind: Kind) {
    let report = assert_conforms(&Calendars { kind, http: client() }).await;
    let mut skipped: Vec<_> = report.skipped.iter().map(|skip| skip.check).collect();
    let mut expected = vec![
        "a_conference_that_is_not_offered_is_left_out",
        "a_provider_that_does_not_push_says_so",
        "a_provider_that_does_not_write_says_so",
        "a_provider_that_follows_no_changes_says_so",
        "a_provider_that_lists_no_calendars_says_so",
    ];
    skipped.sort_unstable();
    expected.sort_unstable();
    assert_eq!(skipped, expected, "{report}");
}

struct Calendars {
    kind: Kind,
    http: HttpClient,
}

#[async_trait]
impl Factory for Calendars {
    async fn fresh(&self) -> Box<dyn Subject> {
        let outlook = Outlook::start_with(self.kind, self.http.clone()).await;
        // Personal accounts have no Teams; here they do, so that all else is checked too.
        outlook.fake.offer_teams(ADA, true);
        let receiver = Receiver::start().await;
        Box::new(Calendar { outlook, receiver, outside: Mutex::default() })
    }
}

struct Calendar {
    outlook: Outlook,
    receiver: Receiver,
    /// What was made from outside: IDs by UID.
    outside: Mutex<BTreeMap<String, String>>,
}

impl Calendar {
    fn keep(&self, uid: String, id: String) -> Hook {
        self.outside.lock().unwrap().insert(uid, id);
        Hook::Done
    }

    fn known(&self, uid: &str) -> Option<String> {
        self.outside.lock().unwrap().get(uid).cloned()
    }

    fn break_writes(&self, status: u16, code: &'static str) {
        for method in ["POST", "PATCH", "DELETE"] {
            self.outlook.fake.inflict_on(method, "/events", Broken::Status(status, code));
        }
    }
}

#[async_trait]
impl Subject for Calendar {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.outlook.provider.clone()
    }

    fn connection(&self) -> Connection {
        self.outlook.connection.clone()
    }

    fn unknown_connection(&self) -> Connection {
        let mut unknown = self.connection();
        unknown.credentials = "a-token-that-never-was".into();
        unknown
    }

    fn other_connection(&self) -> Option<Connection> {
        let mut other = self.connection();
        other.calendar_ref = format!("default:{BOB}");
        other.credentials = self.outlook.fake.token_of(BOB).into();
        Some(other)
    }

    fn second_calendar(&self) -> Option<String> {
        Some(self.outlook.other.clone())
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        Some(request(&self.outlook.fake, ADA))
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        let mut request = ConnectRequest::new("agent-1");
        request.access_token = Some("a-token-that-never-was".into());
        Some(request)
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        let mut made = OutlookEvent::new(&event.title, event.range.start(), event.range.end());
        made.show_as = show_as(event.busy);
        let id = self.outlook.fake.add_event(ADA, &self.outlook.calendar, &made);
        self.keep(event.uid, id)
    }

    async fn add_outside_series(&self, series: OutsideSeries) -> Hook {
        let occurrences = expand(&series);
        if let Some(id) = self.known(&series.uid) {
            self.outlook.fake.change_series(ADA, &id, &occurrences);
            return Hook::Done;
        }
        let start = instant(series.zone, series.start);
        let mut made = OutlookEvent::new(&series.title, start, start + series.duration);
        made.show_as = show_as(series.busy);
        made.zone = windows_name(series.zone);
        let id = self.outlook.fake.add_series(ADA, &self.outlook.calendar, &made, &occurrences);
        self.keep(series.uid, id)
    }

    async fn add_outside_days(&self, days: OutsideDays) -> Hook {
        let after = days.first + TimeDelta::days(days.days.into());
        let midnight = |date: chrono::NaiveDate| instant(days.zone, date.and_time(NaiveTime::MIN));
        let mut made = OutlookEvent::new(&days.title, midnight(days.first), midnight(after));
        made.dates = Some((days.first, after));
        made.zone = windows_name(days.zone);
        made.show_as = show_as(days.busy);
        let id = self.outlook.fake.add_event(ADA, &self.outlook.calendar, &made);
        self.keep(days.uid, id)
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        let found = self.known(uid).into_iter();
        for id in found.chain(self.outlook.fake.find_by_property(ADA, uid)) {
            self.outlook.fake.delete_event(ADA, &id);
        }
        Hook::Done
    }

    fn callback_url(&self) -> Url {
        self.receiver.url()
    }

    async fn pushes(&self) -> Option<Vec<Push>> {
        self.outlook.fake.notifications_delivered().await;
        Some(self.receiver.pushes())
    }

    fn handshake(&self) -> Option<Push> {
        let mut push = Push::new("00000000-0000-4000-8000-000000000001", "secret".into());
        push.query.insert("validationToken".into(), "Validation: <script>".into());
        Some(push)
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        let Outlook { fake, kind, calendar, .. } = &self.outlook;
        match fault {
            Fault::Down => fake.inflict(Broken::Down),
            Fault::Revoked => fake.inflict(Broken::Status(401, "InvalidAuthenticationToken")),
            Fault::RateLimited => fake.inflict(Broken::Throttled(3600)),
            // A default calendar goes only with its mailbox.
            Fault::CalendarGone if *kind == Kind::Second => fake.delete_calendar(ADA, calendar),
            Fault::CalendarGone => fake.enable_mailbox(ADA, false),
            Fault::Html => fake.inflict(Broken::Html),
            Fault::NotUtf8 => fake.inflict(Broken::NotUtf8),
            Fault::CutOff => fake.inflict(Broken::CutOff),
            Fault::Huge => fake.inflict(Broken::Huge),
            Fault::WritesRefused => self.break_writes(403, "ErrorAccessDenied"),
            Fault::ChangedMeanwhile => self.break_writes(412, "ErrorIrresolvableConflict"),
            Fault::HistoryForgotten => fake.forget_history(),
            _ => return Hook::Unavailable,
        }
        Hook::Done
    }

    async fn mend(&self) {
        self.outlook.fake.mend();
    }
}

fn show_as(busy: bool) -> String {
    if busy { "busy" } else { "free" }.into()
}

/// As Outlook names the zone of what is made there.
fn windows_name(zone: Tz) -> String {
    localzone::iana_to_win_zone(zone.name()).map_or(zone.name(), |(name, _)| name).to_owned()
}

fn instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    zone.from_local_datetime(&local).unwrap().to_utc()
}

/// The series' occurrences, the first 400 of one without end.
fn expand(series: &OutsideSeries) -> Vec<Occurrence> {
    let OutsideSeries { start, zone, rule, .. } = series;
    let text = format!("DTSTART;TZID={zone}:{}\nRRULE:{rule}", start.format("%Y%m%dT%H%M%S"));
    let set: RRuleSet = text.parse().unwrap();
    let starts = set.all(400).dates;
    let numbered = (0..).zip(starts.iter().map(|it| it.with_timezone(zone).naive_local()));
    let kept = numbered.filter(|(_, start)| !series.exdates.contains(start));
    kept.map(|(number, start)| occurrence(series, number, start)).collect()
}

fn occurrence(series: &OutsideSeries, number: u32, start: NaiveDateTime) -> Occurrence {
    let moved = series.moved.iter().find(|it| it.original == start);
    let local = moved.map_or(start, |it| it.start);
    let start = instant(series.zone, local);
    if series.whole_days {
        let dates = (local.date(), local.date() + TimeDelta::days(1));
        let end = instant(series.zone, dates.1.and_time(NaiveTime::MIN));
        return Occurrence { number, start, end, dates: Some(dates), moved: moved.is_some() };
    }
    let range = TimeRange::lasting(start, series.duration).unwrap();
    Occurrence { number, start, end: range.end(), dates: None, moved: moved.is_some() }
}
