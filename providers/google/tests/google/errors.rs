//! The guide "Handle API errors", one by one, and what is no error.

use calendar_provider::{CalendarProvider, ErrorClass, Watch};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::recorded::play;
use crate::world::{at, expect_error, handle};

/// Google's error document.
pub(crate) fn refusal(status: u16, reason: &str) -> Value {
    json!({ "error": {
        "errors": [{ "domain": "global", "reason": reason, "message": "quoted-in-no-error" }],
        "code": status,
        "message": "quoted-in-no-error",
    }})
}

#[tokio::test]
async fn each_documented_error_has_its_class() {
    for (status, reason, class) in [
        (400, "badRequest", ErrorClass::Permanent),
        (400, "timeRangeEmpty", ErrorClass::Permanent),
        (401, "authError", ErrorClass::Unauthorized),
        (401, "push.webhookUrlUnauthorized", ErrorClass::Permanent),
        (400, "push.webhookUrlNotHttps", ErrorClass::Permanent),
        (403, "userRateLimitExceeded", ErrorClass::RateLimited),
        (403, "rateLimitExceeded", ErrorClass::RateLimited),
        (403, "quotaExceeded", ErrorClass::RateLimited),
        (403, "forbiddenForNonOrganizer", ErrorClass::Permanent),
        (403, "insufficientPermissions", ErrorClass::Unauthorized),
        (403, "requiredAccessLevel", ErrorClass::Permanent),
        (403, "accessNotConfigured", ErrorClass::Permanent),
        (404, "notFound", ErrorClass::NotFound),
        (409, "duplicate", ErrorClass::Conflict),
        (410, "fullSyncRequired", ErrorClass::CursorExpired),
        (410, "updatedMinTooLongAgo", ErrorClass::CursorExpired),
        (412, "conditionNotMet", ErrorClass::Conflict),
        (429, "rateLimitExceeded", ErrorClass::RateLimited),
        (500, "backendError", ErrorClass::Transient),
        (503, "backendError", ErrorClass::Transient),
    ] {
        let recording = play(vec![(status, refusal(status, reason))]).await;
        let told = recording.google.calendars(&recording.connection).await;
        let error = told.expect_err("it is refused");
        assert_eq!(error.class(), class, "{status} {reason}");
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains("quoted") && !printed.contains("ya29"), "{printed}");
    }
}

#[tokio::test]
async fn an_event_that_is_gone_is_deleted_and_reads_as_none() {
    let deleted = || (410, refusal(410, "deleted"));
    let recording = play(vec![deleted()]).await;
    recording.google.delete_event(&recording.connection, &handle("one")).await.unwrap();
    // A 404 may be the calendar's: that is looked at.
    let zone = || (200, json!({ "timeZone": "Europe/London" }));
    let recording = play(vec![(404, refusal(404, "notFound")), zone()]).await;
    recording.google.delete_event(&recording.connection, &handle("one")).await.unwrap();
    let recording = play(vec![(404, refusal(404, "notFound")), zone()]).await;
    let found = recording.google.get_event(&recording.connection, &handle("one")).await.unwrap();
    assert_eq!(found, None);
    let gone = || vec![(404, refusal(404, "notFound")), (404, refusal(404, "notFound"))];
    let recording = play(gone()).await;
    let told = recording.google.get_event(&recording.connection, &handle("one")).await;
    expect_error(told, ErrorClass::NotFound);
    let recording = play(gone()).await;
    let told = recording.google.delete_event(&recording.connection, &handle("one")).await;
    expect_error(told, ErrorClass::NotFound);
}

#[tokio::test]
async fn a_channel_that_ended_is_stopped() {
    let recording = play(vec![(404, refusal(404, "notFound"))]).await;
    let watch = Watch::new("channel/resource", at("2031-05-05T00:00:00Z") + TimeDelta::days(1));
    recording.google.unwatch(&recording.connection, &watch).await.unwrap();
}
