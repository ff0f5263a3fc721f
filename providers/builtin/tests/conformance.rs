//! The built-in calendar over a store in memory, against the conformance kit.

mod memory;

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideEvent, Subject, assert_conforms,
};
use calendar_provider::{
    CalendarProvider, ConnectMethod, ConnectRequest, Connection, Cursor, ErrorClass, EventDraft,
    Participant, Residence, TimeRange,
};
use calendar_provider_builtin::{Builtin, CALENDAR_REF, EventStore, ID};
use chrono::TimeDelta;
use memory::MemoryStore;

const OWNER: &str = "0191f0c0-0000-7000-8000-000000000001";
const OTHER: &str = "0191f0c0-0000-7000-8000-000000000002";

struct OverMemory;

#[async_trait]
impl Factory for OverMemory {
    async fn fresh(&self) -> Box<dyn Subject> {
        let store = Arc::new(MemoryStore::new([OWNER, OTHER]));
        Box::new(BuiltinSubject { provider: Arc::new(Builtin::new(store.clone())), store })
    }
}

struct BuiltinSubject {
    store: Arc<MemoryStore>,
    provider: Arc<Builtin>,
}

#[async_trait]
impl Subject for BuiltinSubject {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.provider.clone()
    }

    fn connection(&self) -> Connection {
        connection(OWNER)
    }

    fn unknown_connection(&self) -> Connection {
        connection("nobody")
    }

    fn other_connection(&self) -> Option<Connection> {
        Some(connection(OTHER))
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        Some(ConnectRequest::new(OWNER))
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        Some(ConnectRequest::new("nobody"))
    }

    /// A busy time that the agent adds; those are never transparent.
    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        if !event.busy {
            return Hook::Unavailable;
        }
        let agent = Participant::new(None, "agent@frontdesk.example");
        let busy = EventDraft::new(event.uid, event.range, chrono_tz::UTC, event.title, agent);
        self.store.upsert(OWNER, &busy).await.expect("the store works");
        Hook::Done
    }

    /// The agent deletes it in the server's own pages.
    async fn remove_outside(&self, uid: &str) -> Hook {
        self.store.delete(OWNER, uid).await.expect("the store works");
        Hook::Done
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        match fault {
            Fault::Down => {
                self.store.set_down(true);
                Hook::Done
            }
            Fault::HistoryForgotten => {
                self.store.forget_history();
                Hook::Done
            }
            // There is no authorization to revoke, and no quota.
            _ => Hook::Unavailable,
        }
    }

    async fn mend(&self) {
        self.store.set_down(false);
    }
}

fn connection(owner: &str) -> Connection {
    Connection::new(owner, CALENDAR_REF, "".into())
}

fn hour() -> TimeRange {
    let start = "2031-05-05T09:00:00Z".parse().expect("an instant");
    TimeRange::lasting(start, TimeDelta::hours(1)).expect("an hour is not empty")
}

#[tokio::test]
async fn it_conforms() {
    let report = assert_conforms(&OverMemory).await;
    let reasons: BTreeSet<_> = report.skipped.iter().map(|skip| skip.reason).collect();
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
    assert_eq!(reasons, BTreeSet::from(expected), "{report}");
    // Of what it can do, only a transparent event of somebody else's can't be made.
    let unmade = report.skipped.iter().filter(|skip| skip.reason == "no add_outside_event");
    let unmade: Vec<_> = unmade.map(|skip| skip.check).collect();
    assert_eq!(
        unmade,
        ["a_transparent_event_is_free", "a_transparent_event_is_not_told_as_busy"],
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_several_threads() {
    assert_conforms(&OverMemory).await;
}

#[test]
fn it_says_that_its_events_are_the_servers_own() {
    let provider = Builtin::new(Arc::new(MemoryStore::new([OWNER])));
    let about = provider.about();
    assert_eq!(about.id, ID);
    assert_eq!(about.name, "Frontdesk calendar");
    assert_eq!(about.connect_with, ConnectMethod::None);
    assert_eq!(about.conference, None);
    assert_eq!(about.capabilities.residence, Residence::Local);
    assert!(about.configured);
}

#[tokio::test]
async fn another_calendar_of_a_known_owner_is_not_found() {
    let provider = Builtin::new(Arc::new(MemoryStore::new([OWNER])));
    let elsewhere = Connection::new(OWNER, "elsewhere", "".into());
    let error = provider.free_busy(&elsewhere, hour()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::NotFound);
}

#[tokio::test]
async fn a_failing_store_is_transient_and_keeps_its_cause() {
    let store = Arc::new(MemoryStore::new([OWNER]));
    store.set_down(true);
    let error = Builtin::new(store).free_busy(&connection(OWNER), hour()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert_eq!(error.to_string(), "the calendar can't be reached: its database did not answer");
    let cause = error.source().and_then(Error::source).expect("the cause is kept");
    assert_eq!(cause.to_string(), "down on purpose");
}

#[tokio::test]
async fn a_cursor_older_than_the_store_remembers_is_expired() {
    let store = Arc::new(MemoryStore::new([OWNER]));
    let provider = Builtin::new(store.clone());
    let first = provider.changes(&connection(OWNER), None, hour()).await.unwrap().next;
    let agent = Participant::new(None, "agent@frontdesk.example");
    let event = EventDraft::new("1@frontdesk.example", hour(), chrono_tz::UTC, "Meeting", agent);
    provider.put_event(&connection(OWNER), &event).await.unwrap();
    store.forget_history();
    for cursor in [first, Cursor::new("99")] {
        let error = provider.changes(&connection(OWNER), Some(&cursor), hour()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::CursorExpired, "{cursor:?}");
    }
}
