//! What blocks the agent: Google's free/busy and the changes agree, row by row.

use calendar_provider::{CalendarProvider, Change};
use serde_json::{Value, json};

use crate::world::{ADA, World, day, hours};

/// An event from 10:00 to 11:00, or on that whole day, with these fields.
async fn check(fields: Value, busy: bool) {
    let World { fake, google, connection } = World::new().await;
    let mut resource = json!({
        "summary": "Something",
        "start": { "dateTime": "2031-05-05T10:00:00Z" },
        "end": { "dateTime": "2031-05-05T11:00:00Z" },
    });
    resource
        .as_object_mut()
        .expect("it is an object")
        .extend(fields.as_object().expect("fields").clone());
    let whole_day = resource["start"].get("date").is_some();
    fake.add_event(ADA, resource.clone());
    let told = google.free_busy(&connection, day()).await.expect("it is told");
    assert_eq!(!told.is_empty(), busy, "free/busy of {resource}");
    let changes = google.changes(&connection, None, day()).await.expect("they are told");
    let blocks = changes.events.iter().any(|change| match change {
        Change::Present(snapshot) => snapshot.busy,
        _ => false,
    });
    assert_eq!(blocks, busy, "changes of {resource}");
    if busy && !whole_day {
        assert_eq!(told[0].range, hours(10, 11));
    }
}

fn answered(answer: &str) -> Value {
    json!({ "attendees": [
        { "email": "organizer@example.com", "organizer": true, "responseStatus": "accepted" },
        { "email": ADA, "self": true, "responseStatus": answer },
    ]})
}

#[tokio::test]
async fn events_count_as_google_counts_them() {
    check(json!({}), true).await;
    check(json!({ "transparency": "opaque" }), true).await;
    check(json!({ "transparency": "transparent" }), false).await;
    check(json!({ "status": "tentative" }), true).await;
    check(json!({ "status": "cancelled" }), false).await;
    for (answer, busy) in
        [("accepted", true), ("tentative", true), ("needsAction", true), ("declined", false)]
    {
        check(answered(answer), busy).await;
    }
    let others =
        json!({ "attendees": [{ "email": "x@example.com", "responseStatus": "declined" }] });
    check(others, true).await;
}

#[tokio::test]
async fn kinds_of_events_count_as_google_counts_them() {
    for (kind, busy) in [
        ("default", true),
        ("fromGmail", true),
        ("outOfOffice", true),
        ("focusTime", true),
        ("workingLocation", false),
        ("birthday", false),
    ] {
        check(json!({ "eventType": kind }), busy).await;
    }
}

#[tokio::test]
async fn whole_days_count_as_they_say() {
    let day = |transparency: &str| {
        json!({
            "start": { "date": "2031-05-05" },
            "end": { "date": "2031-05-06" },
            "transparency": transparency,
        })
    };
    check(day("opaque"), true).await;
    check(day("transparent"), false).await;
}

#[tokio::test]
async fn an_event_without_length_blocks_nobody() {
    let instant = json!({ "dateTime": "2031-05-05T10:00:00Z" });
    check(json!({ "start": instant, "end": instant }), false).await;
}
