//! Google on a bad day, and the agent who has left.

use std::time::Duration;

use calendar_provider::{CalendarProvider, ErrorClass, WatchRequest};
use calendar_provider_google::Google;
use chrono::TimeDelta;
use fake_google::Fault;

use crate::world::{ADA, World, day, draft, expect_error, handle, hours};

#[tokio::test]
async fn every_fault_is_an_error_of_its_class_and_none_is_free_time() {
    for (fault, class) in [
        (Fault::Down, ErrorClass::Transient),
        (Fault::Status(500), ErrorClass::Transient),
        (Fault::Unauthorized, ErrorClass::Unauthorized),
        (Fault::Forbidden("rateLimitExceeded"), ErrorClass::RateLimited),
        (Fault::Forbidden("userRateLimitExceeded"), ErrorClass::RateLimited),
        (Fault::TooManyRequests(600), ErrorClass::RateLimited),
        (Fault::CutOff, ErrorClass::Transient),
        (Fault::Html, ErrorClass::Transient),
        (Fault::NotUtf8, ErrorClass::Transient),
        (Fault::Huge, ErrorClass::Permanent),
    ] {
        let World { fake, google, connection } = World::new().await;
        let event = draft("one@desk.example", hours(9, 10));
        google.put_event(&connection, &event).await.unwrap();
        fake.inflict(fault.clone());
        expect_error(google.free_busy(&connection, day()).await, class);
        expect_error(google.changes(&connection, None, day()).await, class);
        expect_error(google.calendars(&connection).await, class);
        expect_error(google.get_event(&connection, &handle(&event.uid)).await, class);
        expect_error(google.put_event(&connection, &event).await, class);
        if !matches!(fault, Fault::CutOff | Fault::Html | Fault::NotUtf8 | Fault::Huge) {
            expect_error(google.delete_event(&connection, &handle(&event.uid)).await, class);
        }
        fake.mend();
        google.put_event(&connection, &event).await.unwrap();
        assert_eq!(google.free_busy(&connection, day()).await.unwrap().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn how_long_to_wait_is_told() {
    let World { fake, google, connection } = World::new().await;
    fake.inflict(Fault::TooManyRequests(600));
    let error = expect_error(google.calendars(&connection).await, ErrorClass::RateLimited);
    let calendar_provider::ProviderError::RateLimited { retry_after, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(retry_after, Some(TimeDelta::seconds(600)));
}

#[tokio::test]
async fn the_quota_of_a_minute_is_a_rate_limit_that_passes() {
    let World { fake, google, connection } = World::new().await;
    fake.set_quota(Some(3));
    for _ in 0..3 {
        google.free_busy(&connection, day()).await.unwrap();
    }
    expect_error(google.free_busy(&connection, day()).await, ErrorClass::RateLimited);
    fake.clock().advance(TimeDelta::minutes(1));
    google.free_busy(&connection, day()).await.unwrap();
}

#[tokio::test]
async fn a_deleted_calendar_is_not_found_whatever_is_asked() {
    let World { fake, google, connection } = World::new().await;
    let event = draft("one@desk.example", hours(9, 10));
    google.put_event(&connection, &event).await.unwrap();
    let cursor = google.changes(&connection, None, day()).await.unwrap().next;
    fake.delete_calendar(ADA);
    let class = ErrorClass::NotFound;
    expect_error(google.free_busy(&connection, day()).await, class);
    expect_error(google.changes(&connection, Some(&cursor), day()).await, class);
    expect_error(google.put_event(&connection, &event).await, class);
    expect_error(google.get_event(&connection, &handle(&event.uid)).await, class);
    expect_error(google.delete_event(&connection, &handle(&event.uid)).await, class);
}

#[tokio::test]
async fn one_broken_calendar_of_two_is_no_free_time() {
    let World { fake, google, mut connection } = World::new().await;
    fake.add_calendar(ADA, "team@group", "Team", "reader");
    connection.also_busy = vec!["team@group".into()];
    assert!(google.free_busy(&connection, day()).await.unwrap().is_empty());
    fake.break_free_busy("team@group");
    expect_error(google.free_busy(&connection, day()).await, ErrorClass::Transient);
}

#[tokio::test]
async fn of_a_calendar_that_others_own_it_is_known_when_it_is_busy() {
    let World { fake, google, mut connection } = World::new().await;
    fake.add_calendar(ADA, "team@group", "Team", "reader");
    fake.add_meeting("team@group", "Planning", hours(9, 10).start(), hours(9, 10).end());
    connection.calendar_ref = "team@group".into();
    let address = "https://desk.example/pushes".parse().expect("a URL");
    let watch = WatchRequest::new("channel", address, "s".into(), hours(20, 21).end());
    expect_error(google.changes(&connection, None, day()).await, ErrorClass::Unsupported);
    expect_error(google.watch(&connection, &watch, None).await, ErrorClass::Unsupported);
    assert_eq!(google.free_busy(&connection, day()).await.unwrap().len(), 1);
    // Where it can't be told whose the calendar is, that is no word against the authorization.
    fake.clock().advance(TimeDelta::minutes(1));
    fake.set_quota(Some(1));
    expect_error(google.changes(&connection, None, day()).await, ErrorClass::RateLimited);
}

#[tokio::test]
async fn sixty_calendars_and_a_year_are_asked_for_in_parts() {
    let World { fake, google, mut connection } = World::new().await;
    for number in 0..60 {
        let id = format!("c{number:02}@group");
        fake.add_calendar(ADA, &id, &id, "freeBusyReader");
        connection.also_busy.push(id);
    }
    fake.add_meeting("c59@group", "Far", hours(9, 10).start(), hours(9, 10).end());
    let busy = google.free_busy(&connection, day()).await.unwrap();
    assert_eq!(busy.len(), 1);
    assert_eq!(fake.requests().len(), 2);
    let year = crate::world::between("2031-01-01T00:00:00Z", "2032-01-01T00:00:00Z");
    assert_eq!(google.free_busy(&connection, year).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_removed_app_and_an_unticked_scope_are_unauthorized() {
    let World { fake, google, mut connection } = World::new().await;
    fake.revoke(ADA);
    expect_error(google.free_busy(&connection, day()).await, ErrorClass::Unauthorized);
    let scope = "https://www.googleapis.com/auth/calendar.freebusy";
    connection.credentials = fake.oauth().issue(ADA, &[scope]).access_token.into();
    google.free_busy(&connection, day()).await.unwrap();
    expect_error(google.calendars(&connection).await, ErrorClass::Unauthorized);
}

#[tokio::test]
async fn a_token_that_ends_early_is_unauthorized() {
    let World { fake, google, mut connection } = World::new().await;
    fake.oauth().set_skew(TimeDelta::minutes(5));
    connection.credentials = crate::world::token(&fake, ADA);
    fake.clock().advance(TimeDelta::minutes(56));
    expect_error(google.free_busy(&connection, day()).await, ErrorClass::Unauthorized);
}

#[tokio::test]
async fn a_google_that_never_answers_is_given_up_on() {
    let World { fake, connection, .. } = World::new().await;
    let client = crate::world::client().with_deadline(Duration::from_millis(200));
    let google = Google::new(crate::world::settings(&fake), client);
    fake.inflict(Fault::Hang);
    expect_error(google.free_busy(&connection, day()).await, ErrorClass::Transient);
    fake.mend();
    google.free_busy(&connection, day()).await.unwrap();
}
