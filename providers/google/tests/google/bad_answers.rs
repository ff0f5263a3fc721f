//! Answers that are JSON and make no sense: errors, and never free time.

use calendar_provider::{CalendarProvider, ErrorClass};
use serde_json::{Value, json};

use crate::recorded::play;
use crate::world::{day, expect_error, handle};

fn page(fields: Value) -> Value {
    let mut page = json!({ "timeZone": "Europe/London", "items": [], "nextSyncToken": "next" });
    let fields = fields.as_object().into_iter().flatten();
    fields.for_each(|(name, value)| page[name] = value.clone());
    page
}

fn moment(hour: u32) -> Value {
    json!({ "dateTime": format!("2031-05-05T{hour:02}:00:00Z") })
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_an_error() {
    let standing = |start: Value, end: Value| json!({ "id": "one", "status": "confirmed", "start": start, "end": end });
    for fields in [
        json!({ "items": [{ "id": "one", "status": "confirmed" }] }),
        json!({ "items": [standing(moment(10), moment(9))] }),
        json!({ "items": [standing(moment(10), json!({}))] }),
        json!({ "items": [standing(json!({ "date": "5 May" }), moment(9))] }),
        json!({ "items": [{ "status": "cancelled" }] }),
        json!({ "items": {} }),
        json!({ "timeZone": "Mars/Olympus_Mons" }),
        json!({ "timeZone": null }),
        json!({ "nextSyncToken": null }),
    ] {
        let recording = play(vec![(200, page(fields.clone()))]).await;
        let told = recording.google.changes(&recording.connection, None, day()).await;
        assert!(told.is_err(), "{fields}");
        expect_error(told, ErrorClass::Transient);
    }
}

#[tokio::test]
async fn pages_that_go_round_in_a_circle_are_an_error() {
    let round = || (200, page(json!({ "nextSyncToken": null, "nextPageToken": "again" })));
    let recording = play(vec![round(), round()]).await;
    let told = recording.google.changes(&recording.connection, None, day()).await;
    expect_error(told, ErrorClass::Transient);
}

#[tokio::test]
async fn free_times_that_make_no_sense_are_an_error() {
    for calendars in [
        json!({ "ada@example.com": { "busy": [{ "start": "2031-05-05T10:00:00Z", "end": "2031-05-05T09:00:00Z" }] } }),
        json!({ "ada@example.com": { "busy": [{ "start": "2031-05-05T10:00:00Z" }] } }),
        json!({ "ada@example.com": { "busy": [{ "start": "ten", "end": "eleven" }] } }),
        json!({ "bob@example.com": { "busy": [] } }),
        json!([]),
    ] {
        let recording = play(vec![(200, json!({ "calendars": calendars }))]).await;
        let told = recording.google.free_busy(&recording.connection, day()).await;
        expect_error(told, ErrorClass::Transient);
    }
}

#[tokio::test]
async fn an_event_of_ours_that_makes_no_sense_is_not_taken_for_none() {
    for event in [json!({ "id": "one", "status": "confirmed" }), json!({}), json!([])] {
        let recording = play(vec![(200, event)]).await;
        let told = recording.google.get_event(&recording.connection, &handle("one")).await;
        expect_error(told, ErrorClass::Transient);
    }
}
