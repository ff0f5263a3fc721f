//! The kit against a URL.

use std::collections::BTreeMap;
use std::sync::Arc;

use calendar_provider::{CalendarProvider, EventDraft, Participant, TimeRange};
use calendar_provider_remote::conformance::{Target, Untested, run_test, test, text};

use crate::contract::check_exchanges;
use crate::memory::{Calendar, Flaw, Kind, Memory, TOKEN};
use crate::server::{Server, clock, http};

async fn target(kind: Kind, flaw: Flaw) -> (Arc<Server>, Target) {
    let server = Server::start(Arc::new(Calendar::new(kind, flaw, "owner"))).await;
    let mut target = Target::new(server.settings());
    target.credentials = BTreeMap::from([("token".to_owned(), TOKEN.into())]);
    (server, target)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_that_is_not_emptied_by_others_is_emptied_by_the_kit() {
    let (_server, target) = target(Kind::Plain, Flaw::None).await;
    let report = test(target, http(), clock()).await.unwrap();
    assert!(report.conforms(), "{report}");
    assert!(60 < report.passed.len(), "{report}");
}

/// With what the contract has for tests alone, little is skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_with_the_calls_for_tests_is_checked_for_more() {
    for kind in [Kind::Full, Kind::ReadOnly] {
        let calendar = Arc::new(Calendar::new(kind, Flaw::None, "conformance"));
        let hooks = Some(Memory(calendar.clone()));
        let server = Server::start_with(calendar, hooks).await;
        let mut target = Target::new(server.settings());
        target.credentials = BTreeMap::from([("token".to_owned(), TOKEN.into())]);
        let report = test(target, http(), clock()).await.unwrap();
        assert!(report.conforms(), "{report}");
        let passed = if kind == Kind::Full { 110 } else { 40 };
        assert!(passed < report.passed.len(), "{report}");
        check_exchanges(&server.exchanges.lock().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_check_that_failed_is_one_line_that_says_where_to_look() {
    let (_server, target) = target(Kind::Plain, Flaw::TitleLost).await;
    let report = test(target, http(), clock()).await.unwrap();
    let text = text(&report);
    assert_eq!(text.lines().filter(|line| line.starts_with("FAILED")).count(), report.failed.len());
    let line = "FAILED  putting again changes the title: the event keeps its old title \
                [see put_event, delete_event, get_event]\n";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("no second_calendar"), "{text}");
}

#[tokio::test]
async fn what_can_not_be_tested_says_why() {
    let (server, mut wrong) = target(Kind::Plain, Flaw::None).await;
    wrong.credentials.insert("token".into(), "guessed".into());
    let error = test(wrong, http(), clock()).await.unwrap_err();
    assert_eq!(error.to_string(), "POST connect: token: is not right");

    let mut unsigned = Target::new(server.settings());
    unsigned.settings.secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into();
    let (text, _) = run_test(unsigned, http(), clock()).await;
    assert!(text.contains("refuses our signature"), "{text}");
}

#[tokio::test]
async fn a_calendar_that_somebody_uses_is_left_alone() {
    use calendar_provider::conformance::Subject;

    let memory = Memory(Arc::new(Calendar::new(Kind::Plain, Flaw::None, "owner")));
    let start = "2031-03-01T09:00:00Z".parse().unwrap();
    let hour = TimeRange::lasting(start, chrono::TimeDelta::hours(1)).unwrap();
    let agent = Participant::new(None, "agent@frontdesk.example");
    let event = EventDraft::new("somebody's", hour, chrono_tz::UTC, "Lunch", agent);
    // The kit's owner, as it will connect.
    let mut connection = memory.connection();
    connection.owner = "conformance".into();
    memory.0.put_event(&connection, &event).await.unwrap();
    let server = Server::start(memory.0.clone()).await;
    let mut target = Target::new(server.settings());
    target.credentials = BTreeMap::from([("token".to_owned(), TOKEN.into())]);
    let error = test(target, http(), clock()).await.unwrap_err();
    assert!(matches!(error, Untested::NotEmpty), "{error}");
}
