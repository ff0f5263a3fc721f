//! What the kit does not try, on Radicale and Xandikos.

use std::sync::Arc;

use calendar_provider::{
    BusyInterval, CalendarProvider, Change, Connection, ErrorClass, EventDraft, EventHandle,
    Participant, TimeRange,
};
use calendar_provider_caldav::CalDav;
use chrono::{DateTime, TimeDelta, Utc};

use crate::support::client::{PASSWORD, provider, request, send, store};
use crate::support::fake::event;
use crate::support::proxy::{Mode, Proxy};
use crate::support::server::{Kind, Server};

/// A counterpart behind a proxy, and a calendar on it.
struct Bench {
    server: Server,
    proxy: Proxy,
    provider: Arc<CalDav>,
    calendar: String,
    connection: Connection,
}

impl Bench {
    async fn on(kind: Kind) -> Option<Self> {
        let server = kind.start().await?;
        let proxy = Proxy::before(server.port).await;
        let calendar = server.make_calendar(0, "work").await;
        let provider = provider();
        let connected =
            provider.connect(request(&proxy.url(&calendar), &server.user(0), PASSWORD)).await;
        let connection = connected.expect("it connects").into_connection("agent-1");
        Some(Self { server, proxy, provider, calendar, connection })
    }

    /// Stores a text as another program would.
    async fn store(&self, name: &str, text: &str) {
        let url = self.server.url(&format!("{}{name}", self.calendar));
        store(&url, &self.server.user(0), text).await;
    }

    async fn busy(&self, window: TimeRange) -> Vec<BusyInterval> {
        let mut busy = self.provider.free_busy(&self.connection, window).await.unwrap();
        busy.sort_by_key(|it| it.range);
        busy
    }

    async fn starts(&self, window: TimeRange) -> Vec<String> {
        let busy = self.busy(window).await;
        busy.iter().map(|it| it.range.start().format("%m-%dT%H:%M").to_string()).collect()
    }

    async fn failure(&self) -> calendar_provider::ProviderError {
        let error = self.provider.free_busy(&self.connection, week()).await.unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        error
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// From Monday 2031-05-05 on.
fn week() -> TimeRange {
    TimeRange::lasting(at("2031-05-05T00:00:00Z"), TimeDelta::weeks(1)).unwrap()
}

fn draft() -> EventDraft {
    let range = TimeRange::lasting(at("2031-05-05T09:00:00Z"), TimeDelta::minutes(30)).unwrap();
    let agent = Participant::new(Some("Ada".into()), "ada@example.com");
    let mut draft =
        EventDraft::new("booking-1@frontdesk.example", range, chrono_tz::UTC, "Demo", agent);
    draft.attendees = vec![Participant::new(Some("Vic".into()), "vic@example.net")];
    draft
}

fn handle() -> EventHandle {
    EventHandle::new(draft().uid, None)
}

/// Every day at 09:00 in Paris, without end; on Wednesday at 15:00, and not on Thursday.
fn standup() -> String {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Europe/Paris\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n\
        RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n\
        BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\n\
        TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";
    let moved = "BEGIN:VEVENT\r\nUID:standup\r\nDTSTAMP:20310101T000000Z\r\n\
        RECURRENCE-ID;TZID=Europe/Paris:20310507T090000\r\nDTSTART;TZID=Europe/Paris:20310507T150000\r\n\
        DURATION:PT30M\r\nSUMMARY:Title\r\nEND:VEVENT\r\n";
    event("standup", "20310101T090000")
        .replace("DTSTART:", "DTSTART;TZID=Europe/Paris:")
        .replace(
            "DURATION",
            "RRULE:FREQ=DAILY\r\nEXDATE;TZID=Europe/Paris:20310508T090000\r\nDURATION",
        )
        .replace("BEGIN:VEVENT", &format!("{zone}BEGIN:VEVENT"))
        .replace("END:VCALENDAR", &format!("{moved}END:VCALENDAR"))
}

/// Runs a test on both counterparts.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod radicale {
            $(#[tokio::test]
            async fn $name() {
                if let Some(bench) = super::Bench::on(super::Kind::Radicale).await {
                    super::$name(bench).await;
                }
            })+
        }
        mod xandikos {
            $(#[tokio::test]
            async fn $name() {
                if let Some(bench) = super::Bench::on(super::Kind::Xandikos).await {
                    super::$name(bench).await;
                }
            })+
        }
    };
}

on_both! {
    a_recurring_event_without_end_blocks_each_time,
    an_event_that_begins_and_ends_recurring_is_told_so,
    whole_days_and_floating_times_block,
    free_busy_is_one_request_for_each_calendar,
    the_calendars_of_the_account_are_listed,
    an_event_that_the_agent_moved_is_found,
    a_write_whose_answer_is_lost_is_made_once,
    a_calendar_that_was_deleted_is_not_found,
    answers_that_are_no_answers_are_errors,
    a_server_that_ended_is_an_error,
}

async fn a_recurring_event_without_end_blocks_each_time(bench: Bench) {
    bench.store("standup.ics", &standup()).await;
    let expected =
        ["05-05T07:00", "05-06T07:00", "05-07T13:00", "05-09T07:00", "05-10T07:00", "05-11T07:00"];
    assert_eq!(bench.starts(week()).await, expected);
    let changes = bench.provider.changes(&bench.connection, None, week()).await.unwrap();
    let [Change::Series { series_ref, occurrences }] = &changes.events[..] else {
        panic!("it is one series: {changes:?}");
    };
    assert!(series_ref.ends_with("/standup.ics"));
    assert_eq!(occurrences.len(), 6);
    for occurrence in occurrences {
        assert_eq!(occurrence.series_ref.as_ref(), Some(series_ref));
        assert_eq!(occurrence.uid.as_deref(), Some("standup"));
    }
    let january = TimeRange::lasting(at("2060-01-05T00:00:00Z"), TimeDelta::days(1)).unwrap();
    assert_eq!(bench.starts(january).await, ["01-05T08:00"]);
}

async fn an_event_that_begins_and_ends_recurring_is_told_so(bench: Bench) {
    bench.store("a.ics", &event("a", "20310506T090000Z")).await;
    let first = bench.provider.changes(&bench.connection, None, week()).await.unwrap();
    let [Change::Present(single)] = &first.events[..] else { panic!("{first:?}") };
    let recurring =
        event("a", "20310506T090000Z").replace("DURATION", "RRULE:FREQ=DAILY;COUNT=3\r\nDURATION");
    bench.store("a.ics", &recurring).await;
    let second =
        bench.provider.changes(&bench.connection, Some(&first.next), week()).await.unwrap();
    let [Change::Gone { event_ref }, Change::Series { occurrences, .. }] = &second.events[..]
    else {
        panic!("what it was is gone, and it is a series: {second:?}");
    };
    assert_eq!((event_ref, occurrences.len()), (&single.event_ref, 3));
    bench.store("a.ics", &event("a", "20310507T090000Z")).await;
    let third =
        bench.provider.changes(&bench.connection, Some(&second.next), week()).await.unwrap();
    let [Change::Gone { .. }, Change::Present(single)] = &third.events[..] else {
        panic!("the series is gone, and it is one event: {third:?}");
    };
    assert_eq!(single.range.start(), at("2031-05-07T09:00:00Z"));
    // The same cursor again, as after a crash.
    let again =
        bench.provider.changes(&bench.connection, Some(&second.next), week()).await.unwrap();
    assert_eq!(again, third);
}

async fn whole_days_and_floating_times_block(bench: Bench) {
    let day =
        event("day", "20310506").replace("DTSTART:", "DTSTART;VALUE=DATE:").replace("PT30M", "P1D");
    bench.store("day.ics", &day).await;
    bench.store("floating.ics", &event("floating", "20310507T120000")).await;
    assert_eq!(bench.starts(week()).await, ["05-05T22:00", "05-07T10:00"]);
    assert_eq!(bench.busy(week()).await[0].range.length(), TimeDelta::days(1));
}

async fn free_busy_is_one_request_for_each_calendar(mut bench: Bench) {
    bench.store("a.ics", &event("a", "20310506T090000Z")).await;
    let before = bench.proxy.requests();
    assert_eq!(bench.starts(week()).await, ["05-06T09:00"]);
    assert_eq!(bench.proxy.requests() - before, 1);
    let other = bench.server.make_calendar(0, "home").await;
    let url = bench.server.url(&format!("{other}b.ics"));
    store(&url, &bench.server.user(0), &event("b", "20310507T090000Z")).await;
    bench.connection.also_busy = vec![bench.proxy.url(&other)];
    assert_eq!(bench.starts(week()).await, ["05-06T09:00", "05-07T09:00"]);
    assert_eq!(bench.proxy.requests() - before, 3);
    bench.connection.also_busy.push(bench.proxy.url(&other.replace("home", "deleted")));
    assert_eq!(bench.failure().await.class(), ErrorClass::NotFound);
}

async fn the_calendars_of_the_account_are_listed(bench: Bench) {
    let other = bench.server.make_calendar(0, "home").await;
    let calendars = bench.provider.calendars(&bench.connection).await.unwrap();
    for path in [&bench.calendar, &other] {
        let found = calendars.iter().find(|it| it.calendar_ref == bench.proxy.url(path));
        let found = found.unwrap_or_else(|| panic!("{path} is not in {calendars:?}"));
        assert!(found.writable);
        assert_eq!(found.primary, *path == bench.calendar);
    }
    assert!(!calendars.iter().any(|it| it.calendar_ref.contains("contacts")));
}

async fn an_event_that_the_agent_moved_is_found(bench: Bench) {
    let Bench { provider, connection, server, calendar, .. } = &bench;
    let receipt = provider.put_event(connection, &draft()).await.unwrap();
    let other = server.make_calendar(0, "home").await;
    let path = receipt.event_ref.strip_prefix(&bench.proxy.url("")).unwrap();
    let (from, mut there) = (server.url(path), format!("{calendar}renamed.ics"));
    let user = server.user(0);
    // Within the calendar, then to another one, as a program that copies and deletes.
    for target in [there.clone(), format!("{other}renamed.ics")] {
        let source = if target == there { from.clone() } else { server.url(&there) };
        let (status, text) = send("GET", &source, &user, &[], "").await;
        assert!(status.is_success());
        let (status, _) = send("DELETE", &source, &user, &[], "").await;
        assert!(status.is_success());
        store(&server.url(&target), &user, &text).await;
        there = target;
        let known = EventHandle::new(draft().uid, Some(receipt.event_ref.clone()));
        let found = provider.get_event(connection, &known).await.unwrap().expect("it is found");
        assert_eq!(found.event_ref, bench.proxy.url(&there));
        let mut moved = draft();
        moved.sequence += 1;
        moved.event_ref = Some(receipt.event_ref.clone());
        let changed = provider.put_event(connection, &moved).await.unwrap();
        assert_eq!(changed.event_ref, found.event_ref, "no second event is made");
    }
    provider.delete_event(connection, &handle()).await.unwrap();
    let (status, _) = send("GET", &server.url(&there), &user, &[], "").await;
    assert_eq!(status, 404);
    assert_eq!(provider.get_event(connection, &handle()).await.unwrap(), None);
}

async fn a_write_whose_answer_is_lost_is_made_once(bench: Bench) {
    let Bench { provider, connection, proxy, .. } = &bench;
    proxy.set(Mode::LoseAnswer);
    // The client tries again by itself.
    let receipt = provider.put_event(connection, &draft()).await.unwrap();
    assert_eq!(bench.starts(week()).await, ["05-05T09:00"]);
    let mut moved = draft();
    moved.range = TimeRange::lasting(at("2031-05-06T09:00:00Z"), TimeDelta::minutes(30)).unwrap();
    moved.event_ref = Some(receipt.event_ref);
    proxy.set(Mode::LoseAnswer);
    provider.put_event(connection, &moved).await.unwrap();
    assert_eq!(bench.starts(week()).await, ["05-06T09:00"]);
    proxy.set(Mode::LoseAnswer);
    provider.delete_event(connection, &handle()).await.unwrap();
    assert_eq!(bench.starts(week()).await, [""; 0]);
}

async fn a_calendar_that_was_deleted_is_not_found(bench: Bench) {
    bench.provider.put_event(&bench.connection, &draft()).await.unwrap();
    let first = bench.provider.changes(&bench.connection, None, week()).await.unwrap();
    bench.server.remove_calendar(0, &bench.calendar).await;
    assert_eq!(bench.failure().await.class(), ErrorClass::NotFound);
    let Bench { provider, connection, .. } = &bench;
    for result in [
        provider.changes(connection, None, week()).await.map(drop),
        provider.put_event(connection, &draft()).await.map(drop),
        provider.delete_event(connection, &handle()).await,
        provider.get_event(connection, &handle()).await.map(drop),
    ] {
        assert_eq!(result.unwrap_err().class(), ErrorClass::NotFound);
    }
    let followed = provider.changes(connection, Some(&first.next), week()).await;
    let class = followed.unwrap_err().class();
    assert!(matches!(class, ErrorClass::NotFound | ErrorClass::CursorExpired), "{class:?}");
}

async fn answers_that_are_no_answers_are_errors(bench: Bench) {
    bench.provider.put_event(&bench.connection, &draft()).await.unwrap();
    let page = |status: &str, content_type: &str, body: &str| {
        Mode::Answer(format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes())
    };
    let html = "<!DOCTYPE html><html><body>secret maintenance</body></html>";
    for (mode, class) in [
        (Mode::Down, ErrorClass::Transient),
        (Mode::CutOff, ErrorClass::Transient),
        (page("200 OK", "text/html", html), ErrorClass::Transient),
        (page("207 Multi-Status", "text/xml", html), ErrorClass::Transient),
        (page("207 Multi-Status", "text/xml", ""), ErrorClass::Transient),
        (page("500 Oops", "text/html", html), ErrorClass::Transient),
        (page("302 Found\r\nlocation: /login", "text/html", html), ErrorClass::Permanent),
        (Mode::Huge(200 * 1024 * 1024), ErrorClass::Permanent),
    ] {
        bench.proxy.set(mode.clone());
        let error = bench.failure().await;
        assert_eq!(error.class(), class, "{mode:?}: {error}");
        if !matches!(mode, Mode::Huge(_)) {
            let Bench { provider, connection, .. } = &bench;
            provider.put_event(connection, &draft()).await.unwrap_err();
            provider.get_event(connection, &handle()).await.unwrap_err();
            provider.changes(connection, None, week()).await.unwrap_err();
        }
        bench.proxy.set(Mode::Pass);
        assert_eq!(bench.starts(week()).await, ["05-05T09:00"], "it passes");
    }
}

async fn a_server_that_ended_is_an_error(bench: Bench) {
    let Bench { server, proxy, provider, connection, .. } = bench;
    server.stop().await;
    let error = provider.free_busy(&connection, week()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    let error = provider.connect(request(&proxy.url("/"), "user0", PASSWORD)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "it is not the agent's fault");
}

#[tokio::test]
async fn radicale_refuses_a_wrong_password_by_its_field() {
    let Some(bench) = Bench::on(Kind::Radicale).await else { return };
    for (user, password) in [("user0", "wrong"), ("nobody", PASSWORD)] {
        let wrong = request(&bench.proxy.url("/"), user, password);
        let error = bench.provider.connect(wrong).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "password: the server does not accept this user name and password"
        );
    }
    // A password that is changed later.
    let users = bench.server.folder().join("users");
    std::fs::write(users, "user0:another\n").unwrap();
    assert_eq!(bench.failure().await.class(), ErrorClass::Unauthorized);
}
