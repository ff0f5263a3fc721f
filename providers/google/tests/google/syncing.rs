//! Sync tokens over many events, and series.

use calendar_provider::{CalendarProvider, Change, ErrorClass};
use chrono::TimeDelta;
use chrono_tz::Tz;
use fake_google::Series;

use crate::world::{ADA, World, at, between, day, expect_error, hours};

#[tokio::test]
async fn a_calendar_of_50_000_events_is_followed() {
    let World { fake, google, connection } = World::new().await;
    let start = at("2031-01-01T00:00:00Z");
    fake.add_meetings(ADA, 50_000, start, TimeDelta::minutes(5));
    let window = between("2031-01-01T00:00:00Z", "2032-01-01T00:00:00Z");
    let changes = google.changes(&connection, None, window).await.unwrap();
    assert_eq!(changes.events.len(), 50_000);
    assert_eq!(fake.requests().len(), 50, "a page holds 1,000");
    let id = changes.events[40_000].event_ref();
    fake.delete_event(ADA, id);
    let next = google.changes(&connection, Some(&changes.next), window).await.unwrap();
    assert_eq!(next.events, [Change::Gone { event_ref: id.into() }]);
    assert_eq!(fake.requests().len(), 51, "and a change is one more request");
}

#[tokio::test]
async fn small_pages_are_followed_to_the_end() {
    let World { fake, google, connection } = World::new().await;
    fake.set_page_limit(7);
    fake.add_meetings(ADA, 50, day().start(), TimeDelta::minutes(5));
    let changes = google.changes(&connection, None, day()).await.unwrap();
    assert_eq!(changes.events.len(), 50);
    fake.add_meetings(ADA, 20, day().start(), TimeDelta::minutes(5));
    let changes = google.changes(&connection, Some(&changes.next), day()).await.unwrap();
    assert_eq!(changes.events.len(), 20);
}

#[tokio::test]
async fn an_endless_series_is_told_within_the_window() {
    let World { fake, google, connection } = World::new().await;
    let start = "2030-01-07T09:00:00".parse().unwrap();
    let series = Series::new("Stand-up", start, TimeDelta::hours(1), Tz::UTC, "FREQ=WEEKLY");
    let id = fake.add_series(ADA, series);
    let window = between("2031-05-01T00:00:00Z", "2031-07-01T00:00:00Z");
    let changes = google.changes(&connection, None, window).await.unwrap();
    assert_eq!(changes.events.len(), 9);
    for change in &changes.events {
        let Change::Present(snapshot) = change else { panic!("{change:?}") };
        assert_eq!(snapshot.series_ref.as_deref(), Some(id.as_str()));
    }
    let moved = changes.events[0].event_ref();
    fake.move_event(ADA, moved, hours(15, 16).start(), hours(15, 16).end());
    let next = google.changes(&connection, Some(&changes.next), window).await.unwrap();
    let [Change::Present(snapshot)] = &next.events[..] else { panic!("{next:?}") };
    assert_eq!((snapshot.event_ref.as_str(), snapshot.range), (moved, hours(15, 16)));
}

#[tokio::test]
async fn a_declined_event_turns_free() {
    let World { fake, google, connection } = World::new().await;
    let id = fake.add_meeting(ADA, "Invited", hours(9, 10).start(), hours(9, 10).end());
    let first = google.changes(&connection, None, day()).await.unwrap();
    fake.decline_event(ADA, &id);
    let next = google.changes(&connection, Some(&first.next), day()).await.unwrap();
    let [Change::Present(snapshot)] = &next.events[..] else { panic!("{next:?}") };
    assert!(!snapshot.busy);
}

#[tokio::test]
async fn a_cursor_of_another_calendar_is_expired() {
    let World { fake, google, mut connection } = World::new().await;
    fake.add_calendar(ADA, "team@group", "Team", "owner");
    let cursor = google.changes(&connection, None, day()).await.unwrap().next;
    connection.calendar_ref = "team@group".into();
    let told = google.changes(&connection, Some(&cursor), day()).await;
    expect_error(told, ErrorClass::CursorExpired);
}
