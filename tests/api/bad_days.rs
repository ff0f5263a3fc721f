//! Calendars elsewhere on their bad days: down, deleted, huge, slow, or plainly wrong.

use std::time::{Duration, Instant};

use calendar_provider::{EventSnapshot, TimeRange};
use chrono::{DateTime, TimeDelta, Utc};
use frontdesk::config::Config;
use frontdesk::service::changes::{Change, Listener, Topic};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::Database;
use crate::support::calendar::{Fault, REMOTE};
use crate::support::office::Office;

const AT_10: &str = "2027-01-05T10:00:00Z";
const DOWN: &str = "the calendar can't be reached: no connection";

/// How often the news tell of an agent.
fn agent_news(news: &mut Listener) -> usize {
    let all = std::iter::from_fn(|| news.told());
    all.filter(|change| matches!(change, Change::Agent(_))).count()
}

/// An office that waits long for calendars.
struct Patient(Office);

impl Patient {
    async fn start(database: Database) -> Self {
        let patient = |config: &mut Config| config.limits.provider_timeout_seconds = 9;
        Self(Office::start_with(database, |_| {}, patient).await)
    }
}

impl Office {
    /// Lets hours pass, a few minutes at a time.
    async fn pass(&self, minutes: i64) {
        for _ in 0..minutes / 5 {
            self.sync_after(TimeDelta::minutes(5)).await;
        }
    }
}

on_both! {
    async fn a_provider_down_for_hours_converges_by_itself(office: Office) {
        office.test.clock.advance(TimeDelta::seconds(1));
        let builtin = office.test.bookable_agent("Hedy").await;
        office.calendar.fail_reads(Fault::Down);
        let mut news = office.test.app.changes.listen(Topic::Agents(None));
        office.pass(55).await;
        assert_eq!(office.standing().await, (true, "CONNECTED".to_owned(), Value::Null));
        assert_eq!(agent_news(&mut news), 0);
        office.pass(10).await;
        assert_eq!(office.standing().await, (false, "UNREACHABLE".to_owned(), json!(DOWN)));
        assert_eq!(agent_news(&mut news), 1);
        office.pass(60).await;
        assert_eq!(agent_news(&mut news), 0, "it is told once");
        let booked = office.test.book(Value::Null, AT_10, "ada@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), builtin.as_str());

        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        office.calendar.fail_reads(None);
        office.pass(5).await;
        assert_eq!(office.standing().await, (true, "CONNECTED".to_owned(), Value::Null));
        assert_eq!(agent_news(&mut news), 1);
        assert!(!office.offers(AT_10).await);
    }

    async fn one_calendar_that_is_down_is_nobody_elses_trouble(office: Office) {
        let second = office.hire("Hedy").await;
        office.calendar.fail_reads_of(&office.agent, Fault::Silent);
        office.calendar.put(&second, "lunch", AT_10, 30);
        office.poll().await;
        let starts = office.test.starts(json!({ "agentId": second }), "2027-01-05").await;
        assert!(!starts.contains(&AT_10.to_owned()));
        office.calendar.fail_reads_of(&office.agent, Fault::Down);
        office.pass(60).await;
        assert_eq!(office.standing().await.1, "UNREACHABLE");
        assert_eq!(office.standing_of(&second).await.1, "CONNECTED");
    }

    async fn a_silent_calendar_is_not_waited_for_where_another_is_free(patient: Patient) {
        let office = patient.0;
        office.test.clock.advance(TimeDelta::seconds(1));
        let (silent, free) = (office.hire("Hedy").await, office.hire("Ida").await);
        office.calendar.fail_reads_of(&office.agent, Fault::Down);
        office.calendar.fail_reads_of(&silent, Fault::Silent);
        let begun = Instant::now();
        let booked = office.test.book(Value::Null, AT_10, "ada@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), free);
        assert_eq!(office.calendar.calls("free_busy"), 3);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    async fn an_answer_that_makes_no_sense_is_not_an_empty_calendar(office: Office) {
        office.calendar.put(&office.agent, "lunch", AT_10, 30);
        office.poll().await;
        for fault in [Fault::Refusing, Fault::Panicking] {
            office.calendar.fail_reads(fault);
            office.poll().await;
            assert!(!office.offers(AT_10).await, "{fault:?}");
            assert_eq!(office.standing().await.1, "CONNECTED", "{fault:?}");
        }
        office.calendar.fail_reads(Fault::Refusing);
        let looks = office.calendar.calls("changes");
        office.pass(60).await;
        let looks = office.calendar.calls("changes") - looks;
        assert!(looks <= 13, "it is asked slowly: {looks}");
        let problem = json!("the calendar refused: it is read-only");
        assert_eq!(office.standing().await, (false, "UNREACHABLE".to_owned(), problem));
        office.calendar.fail_reads(None);
        office.pass(5).await;
        assert_eq!(office.standing().await.1, "CONNECTED");
    }

    async fn a_provider_that_asks_for_time_is_given_it(office: Office) {
        office.calendar.fail_reads(Fault::Busy(TimeDelta::minutes(20)));
        assert_eq!(office.poll().await, 1);
        office.calendar.fail_reads(None);
        assert_eq!(office.sync_after(TimeDelta::minutes(19)).await, 0);
        assert_eq!(office.sync_after(TimeDelta::minutes(1)).await, 1);
        assert_eq!(office.standing().await.1, "CONNECTED");
    }

    async fn a_calendar_that_was_deleted_asks_for_another(office: Office) {
        office.calendar.fail_reads(Fault::Deleted);
        office.poll().await;
        assert_eq!(office.standing().await.1, "CONNECTED", "it may be a slip");
        office.sync_after(TimeDelta::seconds(10)).await;
        let problem = json!("the calendar was not found; connect it again or choose another");
        assert_eq!(
            office.standing().await,
            (false, "REAUTHENTICATION_REQUIRED".to_owned(), problem)
        );
        assert_eq!(office.test.count("outbox WHERE kind = 'REAUTHENTICATION_MAIL'").await, 1);
        assert_eq!(office.sync_after(TimeDelta::days(1)).await, 0, "it rests");
        office.calendar.fail_reads(None);
        office.test.connect(&office.agent, REMOTE).await.data("/connectCalendar/id");
        office.test.sync().await;
        assert_eq!(office.standing().await, (true, "CONNECTED".to_owned(), Value::Null));
    }

    async fn a_consent_that_was_taken_back_takes_the_agent_out(office: Office) {
        office.calendar.fail_reads(Fault::Revoked);
        office.poll().await;
        let (in_queue, status, _) = office.standing().await;
        assert_eq!((in_queue, status.as_str()), (false, "REAUTHENTICATION_REQUIRED"));
        assert_eq!(office.test.count("outbox WHERE kind = 'REAUTHENTICATION_MAIL'").await, 1);
        assert_eq!(office.sync_after(TimeDelta::days(1)).await, 0, "it rests");
        assert_eq!(office.standing().await.1, "REAUTHENTICATION_REQUIRED");
    }

    async fn a_worker_that_died_is_replaced(office: Office) {
        office.test.clock.advance(TimeDelta::seconds(60));
        let held = office.calendar.hold_next_look();
        let app = std::sync::Arc::clone(&office.test.app);
        let dying = tokio::spawn(async move { frontdesk::jobs::sync_due(&app).await });
        held.begun().await;
        dying.abort();
        assert!(dying.await.is_err());
        assert_eq!(office.poll().await, 0, "its lease still holds");
        assert_eq!(office.poll().await, 1);
        assert_eq!(office.standing().await.1, "CONNECTED");
    }

    async fn a_server_that_slept_takes_no_stale_calendar_for_free(office: Office) {
        office.test.clock.advance(TimeDelta::hours(2));
        assert!(office.starts("2027-01-05").await.is_empty());
        assert_eq!(office.standing().await.1, "UNREACHABLE");
        office.test.sync().await;
        assert!(office.offers(AT_10).await);
        assert_eq!(office.standing().await, (true, "CONNECTED".to_owned(), Value::Null));
    }

    async fn a_calendar_of_50_000_events_is_read(office: Office) {
        let start: DateTime<Utc> = "2027-01-05T00:00:00Z".parse().unwrap();
        for number in 0..50_000 {
            let at = start + TimeDelta::minutes(number);
            let range = TimeRange::lasting(at, TimeDelta::minutes(1)).unwrap();
            let mut event = EventSnapshot::new(format!("event-{number:05}"), range);
            event.title = Some(format!("Event number {number}"));
            office.calendar.put_event_of(&office.agent, event);
        }
        office.calendar.expire_cursors();
        let began = Instant::now();
        assert_eq!(office.poll().await, 1);
        let took = began.elapsed();
        println!("50,000 events at first look: {took:?}");
        assert!(took < Duration::from_secs(60), "{took:?}");
        assert!(office.starts("2027-01-11").await.is_empty());

        // A hundred of them change.
        for number in 0..100 {
            let event_ref = format!("event-{:05}", number * 400);
            match number % 2 {
                0 => office.calendar.remove(&office.agent, &event_ref),
                _ => office.calendar.put(&office.agent, &event_ref, "2027-02-15T09:00:00Z", 30),
            }
        }
        let (looks, in_database) = database_time(&office, office.poll()).await;
        println!("100 of 50,000 events changed: {in_database:?} of database time");
        assert_eq!(looks, 1);
        assert_eq!(office.test.count("busy_intervals").await, 49_950);
    }
}

/// What `work` answers, and how long the database was at it.
async fn database_time<T>(office: &Office, work: impl Future<Output = T>) -> (T, Duration) {
    let before = office.test.spent();
    let answer = work.await;
    (answer, office.test.spent() - before)
}
