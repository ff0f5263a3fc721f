//! The calendar that Frontdesk keeps itself: as a provider, for its agent, and for calendar programs.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideEvent, Subject, assert_conforms,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection, EventDraft, Participant};
use calendar_provider_builtin::{CALENDAR_REF, EventStore};
use chrono::TimeDelta;
use frontdesk::ids::AGENT;
use frontdesk::store::builtin_calendar::BuiltinCalendar;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::on_both;
use crate::support::{Database, Test, icalendar};

const TUESDAY: &str = "2027-01-05";

/// The calendar over a database of its own for each check.
struct OverDatabase(Database);

struct InDatabase {
    test: Test,
    store: Arc<BuiltinCalendar>,
    owner: Uuid,
    other: Uuid,
}

#[async_trait]
impl Factory for OverDatabase {
    async fn fresh(&self) -> Box<dyn Subject> {
        let test = Test::start(self.0).await;
        let owner = AGENT.parse(&test.agent("Grace").await).unwrap();
        let other = AGENT.parse(&test.agent("Hedy").await).unwrap();
        let store = Arc::new(BuiltinCalendar::new(test.app.db.clone()));
        Box::new(InDatabase { test, store, owner, other })
    }
}

#[async_trait]
impl Subject for InDatabase {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        Arc::clone(&self.test.app.providers["builtin"])
    }

    fn connection(&self) -> Connection {
        connection(&self.owner.to_string())
    }

    fn unknown_connection(&self) -> Connection {
        connection(&Uuid::max().to_string())
    }

    fn other_connection(&self) -> Option<Connection> {
        Some(connection(&self.other.to_string()))
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        Some(ConnectRequest::new(self.owner.to_string()))
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        Some(ConnectRequest::new("nobody"))
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        if !event.busy {
            return Hook::Unavailable;
        }
        let agent = Participant::new(None, "grace@agents.example");
        let draft = EventDraft::new(event.uid, event.range, chrono_tz::UTC, event.title, agent);
        self.store.upsert(&self.owner.to_string(), &draft).await.unwrap();
        Hook::Done
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        self.store.delete(&self.owner.to_string(), uid).await.unwrap();
        Hook::Done
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        if fault != Fault::Down {
            return Hook::Unavailable;
        }
        self.execute("ALTER TABLE builtin_events RENAME TO builtin_events_away").await;
        Hook::Done
    }

    async fn mend(&self) {
        self.execute("ALTER TABLE builtin_events_away RENAME TO builtin_events").await;
    }
}

impl InDatabase {
    async fn execute(&self, sql: &str) {
        self.test.app.db.execute_unprepared(sql).await.unwrap();
    }
}

fn connection(owner: &str) -> Connection {
    Connection::new(owner, CALENDAR_REF, "".into())
}

async fn conforms(database: Database) {
    let report = assert_conforms(&OverDatabase(database)).await;
    let reasons: BTreeSet<_> = report.skipped.iter().map(|skip| skip.reason).collect();
    // Its entries are single, timed and never transparent; there is no consent to revoke, no quota and
    // no answer to garble.
    let expected = [
        "inflict does not know this fault",
        "no add_outside_days",
        "no add_outside_event",
        "no add_outside_series",
        "no second_calendar",
        "the provider does not push",
        "the provider follows changes",
        "the provider lists no calendars",
        "the provider offers no conference",
        "the provider writes",
    ];
    assert_eq!(reasons, expected.into(), "{report}");
    let unmade = report.skipped.iter().filter(|skip| skip.reason == "no add_outside_event");
    let unmade: Vec<_> = unmade.map(|skip| skip.check).collect();
    let transparent = ["a_transparent_event_is_free", "a_transparent_event_is_not_told_as_busy"];
    assert_eq!(unmade, transparent, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_sqlite() {
    conforms(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_postgres() {
    conforms(Database::Postgres).await;
}

impl Test {
    async fn add_busy_time(&self, agent: &str, start: &str, end: &str) -> Value {
        let query = "mutation($input: CreateBusyTimeInput!) { createBusyTime(input: $input) {
            id startsAt endsAt title } }";
        let input = json!({ "agentId": agent, "startsAt": start, "endsAt": end, "title": "Lunch" });
        self.admin(query, json!({ "input": input })).await.data("/createBusyTime")
    }

    async fn starts_of(&self, agent: &str) -> Vec<String> {
        self.starts(json!({ "agentId": agent }), TUESDAY).await
    }

    pub(crate) async fn feed(&self, agent: &str) -> String {
        let query = "mutation($id: ID!) { createCalendarFeed(agentId: $id) { url } }";
        let url = self.admin(query, json!({ "id": agent })).await.data("/createCalendarFeed/url");
        let url: url::Url = url.as_str().unwrap().parse().unwrap();
        assert_eq!(url.origin().ascii_serialization(), "https://meet.example.com");
        url.path().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.request(reqwest::Method::GET, path).send().await.unwrap()
    }
}

on_both! {
    async fn a_busy_time_blocks_its_slots_at_once_until_it_is_deleted(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let before = test.starts_of(&agent).await;
        let busy = test.add_busy_time(&agent, "2027-01-05T11:45:00Z", "2027-01-05T13:00:00Z").await;
        assert_eq!(busy["title"], "Lunch");
        let taken = ["2027-01-05T11:30:00Z", "2027-01-05T12:00:00Z", "2027-01-05T12:30:00Z"];
        let left: Vec<_> =
            before.iter().filter(|start| !taken.contains(&start.as_str())).cloned().collect();
        assert_eq!(left.len(), before.len() - 3);
        assert_eq!(test.starts_of(&agent).await, left);
        let refused = test.book(json!({ "agentId": agent }), taken[0], "ada@visitors.example").await;
        assert_eq!(refused.data("/bookMeeting/__typename"), "SlotUnavailable");

        let query = "mutation($agent: ID!, $id: ID!) {
            deleteBusyTime(agentId: $agent, busyTimeId: $id) { busyTimes { id } } }";
        let input = json!({ "agent": agent, "id": busy["id"] });
        let deleted = test.admin(query, input.clone()).await;
        assert_eq!(deleted.data("/deleteBusyTime/busyTimes"), json!([]));
        assert_eq!(test.starts_of(&agent).await, before);
        assert_eq!(test.admin(query, input).await.code(), "NOT_FOUND");
    }

    async fn busy_times_outlive_a_disconnection(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let busy = test.add_busy_time(&agent, "2027-01-05T09:00:00Z", "2027-01-05T16:00:00Z").await;
        let with_it = test.starts_of(&agent).await;
        assert_eq!(with_it.len(), 2);
        let query = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { inMeetingQueue } }";
        let out = test.admin(query, json!({ "id": agent })).await;
        assert_eq!(out.data("/disconnectCalendar/inMeetingQueue"), false);
        assert_eq!(test.starts_of(&agent).await, Vec::<String>::new());
        test.connect(&agent, "builtin").await.data("/connectCalendar/calendar/id");
        assert_eq!(test.starts_of(&agent).await, with_it);
        let query = "query($id: ID!) { agent(id: $id) { busyTimes { id } } }";
        let kept = test.admin(query, json!({ "id": agent })).await.data("/agent/busyTimes");
        assert_eq!(kept, json!([{ "id": busy["id"] }]));
    }

    async fn a_calendar_program_reads_the_feed_until_it_is_revoked(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        test.add_busy_time(&agent, "2027-01-05T12:00:00Z", "2027-01-05T13:00:00Z").await;
        let start = "2027-01-05T10:00:00Z";
        test.book(json!({ "agentId": agent }), start, "ada@visitors.example").await;
        test.deliver().await;
        let path = test.feed(&agent).await;
        let answer = test.get(&path).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/calendar; charset=utf-8");
        let text = answer.text().await.unwrap();
        icalendar::check(&text);
        assert_eq!(text.matches("BEGIN:VEVENT").count(), 2, "{text}");
        assert!(text.contains("DTSTART:20270105T100000Z") && text.contains("SUMMARY:Lunch"), "{text}");

        let second = test.feed(&agent).await;
        assert_ne!(second, path);
        assert_eq!(test.get(&path).await.status(), 404);
        assert_eq!(test.get(&second).await.status(), 200);

        let query = "mutation($id: ID!) { revokeCalendarFeed(agentId: $id) }";
        for existed in [true, false] {
            let revoked = test.admin(query, json!({ "id": agent })).await;
            assert_eq!(revoked.data("/revokeCalendarFeed"), existed);
            assert_eq!(test.get(&second).await.status(), 404);
        }
        assert_eq!(test.get("/feeds/fdf_nothing.ics").await.status(), 404);
    }

    async fn a_cancelled_meeting_leaves_the_feed(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let path = test.feed(&agent).await;
        let start = "2027-01-05T10:00:00Z";
        let booked = test.book(json!({ "agentId": agent }), start, "ada@visitors.example").await;
        test.deliver().await;
        let events = async || test.get(&path).await.text().await.unwrap().matches("BEGIN:VEVENT").count();
        assert_eq!(events().await, 1);
        let query = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { id } }";
        let input = json!({ "booking": { "manageToken": booked.data("/bookMeeting/manageToken") } });
        test.visitor(query, json!({ "input": input })).await.data("/cancelBooking/id");
        test.clock.advance(TimeDelta::seconds(1));
        test.deliver().await;
        assert_eq!(events().await, 0);
    }
}
