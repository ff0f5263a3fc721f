//! The exchanges that Google's guides show, in values of our own.
//!
//! <https://developers.google.com/workspace/calendar/api/guides>: "Synchronize resources
//! efficiently", "Push notifications", "Create events", "Handle API errors"; and the reference of
//! freebusy, calendarList and userinfo.

use calendar_provider::{
    CalendarProvider, Change, ConnectRequest, ErrorClass, Push, Pushed, WatchRequest,
};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::errors::refusal;
use crate::recorded::{Recording, play, play_texts};
use crate::world::{at, between, day, draft, expect_error, hours};

const EVENTS: &str = "/calendar/v3/calendars/ada@example.com/events";

fn event(id: &str, start: &str, end: &str) -> Value {
    json!({
        "kind": "calendar#event",
        "etag": "\"3181161784712000\"",
        "id": id,
        "status": "confirmed",
        "htmlLink": "https://www.google.com/calendar/event?eid=abc",
        "created": "2031-05-01T08:00:00.000Z",
        "updated": "2031-05-01T08:00:00.000Z",
        "summary": "Review",
        "creator": { "email": "ada@example.com", "self": true },
        "organizer": { "email": "ada@example.com", "self": true },
        "start": { "dateTime": start, "timeZone": "Europe/London" },
        "end": { "dateTime": end, "timeZone": "Europe/London" },
        "iCalUID": format!("{id}@google.com"),
        "sequence": 0,
        "reminders": { "useDefault": true },
        "eventType": "default",
    })
}

fn page(items: Value, more: Value) -> Value {
    let mut page = json!({
        "kind": "calendar#events",
        "etag": "\"p33g8\"",
        "summary": "ada@example.com",
        "updated": "2031-05-01T08:00:00.000Z",
        "timeZone": "Europe/London",
        "accessRole": "owner",
        "defaultReminders": [],
        "items": items,
    });
    let more = more.as_object().into_iter().flatten();
    more.for_each(|(name, value)| page[name] = value.clone());
    page
}

#[tokio::test]
async fn sync_begins_in_full_and_goes_on_with_a_token() {
    let recording = play(vec![
        (
            200,
            page(
                json!([event("one", "2031-05-05T10:00:00+01:00", "2031-05-05T11:00:00+01:00")]),
                json!({ "nextPageToken": "CiAKGjBpNDd2Nmp2Zml2cXRwYjBpOXA" }),
            ),
        ),
        (
            200,
            page(
                json!([{ "kind": "calendar#event", "id": "two", "status": "confirmed",
                "start": { "date": "2031-05-05" }, "end": { "date": "2031-05-06" } }]),
                json!({ "nextSyncToken": "CPDAlvWDx70CEPDAlvWDx70CGAU=" }),
            ),
        ),
        (
            200,
            page(
                json!([{ "kind": "calendar#event", "id": "one", "status": "cancelled" }]),
                json!({ "nextSyncToken": "CJiAlvWDx70CEJiAlvWDx70CGAU=" }),
            ),
        ),
        (
            410,
            json!({ "error": {
                "errors": [{
                    "domain": "calendar",
                    "reason": "fullSyncRequired",
                    "message": "Sync token is no longer valid, a full sync is required.",
                    "locationType": "parameter",
                    "location": "syncToken",
                }],
                "code": 410,
                "message": "Sync token is no longer valid, a full sync is required.",
            }}),
        ),
    ])
    .await;
    let Recording { google, connection, .. } = &recording;
    let first = google.changes(connection, None, day()).await.unwrap();
    let ranges: Vec<_> = first
        .events
        .iter()
        .map(|change| match change {
            Change::Present(snapshot) => (snapshot.event_ref.as_str(), snapshot.range),
            other => panic!("{other:?}"),
        })
        .collect();
    let whole_day = between("2031-05-04T23:00:00Z", "2031-05-05T23:00:00Z");
    assert_eq!(ranges, [("one", hours(9, 10)), ("two", whole_day)]);
    let second = google.changes(connection, Some(&first.next), day()).await.unwrap();
    assert_eq!(second.events, [Change::Gone { event_ref: "one".into() }]);
    let third = google.changes(connection, Some(&second.next), day()).await;
    expect_error(third, ErrorClass::CursorExpired);

    let asked = recording.asked().await;
    assert!(asked.iter().all(|it| it.line == format!("GET {EVENTS}")), "{asked:?}");
    assert!(asked.iter().all(|it| it.authorization.as_deref() == Some("Bearer ya29.token")));
    assert_eq!(asked[0].param("timeMin"), Some("2031-05-05T00:00:00Z"));
    assert_eq!(asked[1].param("pageToken"), Some("CiAKGjBpNDd2Nmp2Zml2cXRwYjBpOXA"));
    assert_eq!(asked[1].param("timeMin"), asked[0].param("timeMin"), "as the first page");
    assert_eq!(asked[2].param("syncToken"), Some("CPDAlvWDx70CEPDAlvWDx70CGAU="));
    assert_eq!(asked[2].param("timeMin"), None, "not together with a token");
    assert_eq!(asked[3].param("syncToken"), Some("CJiAlvWDx70CEJiAlvWDx70CGAU="));
}

#[tokio::test]
async fn a_channel_is_opened_told_and_stopped() {
    let channel = "01234567-89ab-cdef-0123-456789ab0001";
    for expiration in [json!("1935532800000"), json!(1_935_532_800_000_i64)] {
        let recording = play_texts(vec![
            (200, json!({
                "kind": "api#channel",
                "id": channel,
                "resourceId": "o3hgv1538sdjfh",
                "resourceUri": "https://www.googleapis.com/calendar/v3/calendars/ada@example.com/events",
                "token": "target=myApp",
                "expiration": expiration,
            }).to_string()),
            (204, String::new()),
        ])
        .await;
        let Recording { google, connection, .. } = &recording;
        let callback = "https://desk.example/calendar/push/1".parse().unwrap();
        let until = at("2031-06-01T00:00:00Z");
        let request = WatchRequest::new(channel, callback, "s3cret".into(), until);
        let watch = google.watch(connection, &request, None).await.unwrap();
        assert_eq!(watch.expires_at, at("2031-05-03T00:00:00Z"));
        google.unwatch(connection, &watch).await.unwrap();
        let asked = recording.asked().await;
        assert_eq!(asked[0].line, format!("POST {EVENTS}/watch"));
        assert_eq!(
            asked[0].body,
            json!({
                "id": channel,
                "type": "web_hook",
                "address": "https://desk.example/calendar/push/1",
                "token": "s3cret",
                "expiration": until.timestamp_millis().to_string(),
            })
        );
        assert_eq!(asked[1].line, "POST /calendar/v3/channels/stop");
        assert_eq!(asked[1].body, json!({ "id": channel, "resourceId": "o3hgv1538sdjfh" }));
    }
}

#[tokio::test]
async fn messages_are_read_by_their_headers() {
    let recording = play(Vec::new()).await;
    let message = |state: &str, number: &str| {
        let mut push =
            Push::new("4ba78bf0-6a47-11e2-bcfd-0800200c9a66", "398348u3tu83ut8uu38".into());
        let headers = [
            ("content-type", "application/json; utf-8"),
            ("content-length", "0"),
            ("x-goog-channel-id", "4ba78bf0-6a47-11e2-bcfd-0800200c9a66"),
            ("x-goog-channel-token", "398348u3tu83ut8uu38"),
            ("x-goog-channel-expiration", "Tue, 19 Nov 2031 01:13:52 GMT"),
            ("x-goog-resource-id", "ret08u3rv24htgh289g"),
            ("x-goog-resource-uri", "https://www.googleapis.com/calendar/v3/calendars/a/events"),
            ("x-goog-resource-state", state),
            ("x-goog-message-number", number),
        ];
        push.headers = headers.map(|(name, value)| (name.into(), value.into())).into();
        push
    };
    let read = |push: Push| recording.google.read_push(&push);
    assert_eq!(read(message("sync", "1")).unwrap(), Pushed::Nothing);
    assert_eq!(read(message("exists", "10")).unwrap(), Pushed::Changed);
    assert_eq!(read(message("not_exists", "11")).unwrap(), Pushed::Changed);
}

#[tokio::test]
async fn an_event_is_created_and_its_meeting_comes_later() {
    let created = |status: &str, more: Value| {
        let mut event = event("made", "2031-05-05T10:00:00+01:00", "2031-05-05T11:00:00+01:00");
        event["conferenceData"] = json!({
            "createRequest": {
                "requestId": "7qxalsvy0e",
                "conferenceSolutionKey": { "type": "hangoutsMeet" },
                "status": { "statusCode": status },
            },
        });
        event["conferenceData"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let made = json!({
        "entryPoints": [
            { "entryPointType": "phone", "uri": "tel:+44-20-1234-5678", "pin": "123456789" },
            {
                "entryPointType": "video",
                "uri": "https://meet.google.com/aaa-bbbb-ccc",
                "label": "meet.google.com/aaa-bbbb-ccc",
            },
        ],
        "conferenceSolution": { "key": { "type": "hangoutsMeet" }, "name": "Google Meet" },
        "conferenceId": "aaa-bbbb-ccc",
        "signature": "ABwKFACxzDqmKFnHIFNnUHs2pOEgHFXN",
    });
    let recording = play(vec![
        (200, created("pending", json!({}))),
        (409, refusal(409, "duplicate")),
        (200, created("success", made)),
    ])
    .await;
    let Recording { google, connection, .. } = &recording;
    let mut meeting = draft("booking-1@desk.example", hours(9, 10));
    meeting.conference_wanted = true;
    meeting.description = Some("From <Vic>".into());
    let first = google.put_event(connection, &meeting).await.unwrap();
    assert!(first.conference_pending && first.conference_url.is_none());
    let second = google.put_event(connection, &meeting).await.unwrap();
    assert!(!second.conference_pending);
    let link = second.conference_url.unwrap();
    assert_eq!(link.as_str(), "https://meet.google.com/aaa-bbbb-ccc");
    assert_eq!(second.url.unwrap().as_str(), "https://www.google.com/calendar/event?eid=abc");
    assert_eq!(second.version.as_deref(), Some("\"3181161784712000\""));

    let asked = recording.asked().await;
    let id = asked[0].body["id"].as_str().unwrap().to_owned();
    assert_eq!(asked[0].line, format!("POST {EVENTS}"));
    assert_eq!(asked[2].line, format!("PATCH {EVENTS}/{id}"));
    for request in &asked {
        assert_eq!(request.param("sendUpdates"), Some("none"));
        assert_eq!(request.param("conferenceDataVersion"), Some("1"));
        assert_eq!(request.body["conferenceData"], asked[0].body["conferenceData"]);
    }
    let body = &asked[0].body;
    let start = json!({ "dateTime": "2031-05-05T09:00:00Z", "timeZone": "Europe/London" });
    assert_eq!((&body["start"], &body["description"]), (&start, &json!("From &lt;Vic&gt;")));
    assert_eq!(
        body["conferenceData"]["createRequest"]["conferenceSolutionKey"]["type"],
        "hangoutsMeet"
    );
    assert_eq!(body["extendedProperties"]["private"]["frontdeskUid"], "booking-1@desk.example");
}

#[tokio::test]
async fn free_busy_is_read_for_each_calendar() {
    let answer = json!({
        "kind": "calendar#freeBusy",
        "timeMin": "2031-05-05T00:00:00.000Z",
        "timeMax": "2031-05-06T00:00:00.000Z",
        "calendars": {
            "ada@example.com": {
                "busy": [{ "start": "2031-05-05T09:00:00Z", "end": "2031-05-05T10:00:00Z" }],
            },
            "team@group.calendar.google.com": {
                "busy": [{ "start": "2031-05-05T13:00:00+02:00", "end": "2031-05-05T14:00:00+02:00" }],
            },
        },
    });
    let recording = play(vec![(200, answer)]).await;
    let mut connection = recording.connection.clone();
    connection.also_busy = vec!["team@group.calendar.google.com".into()];
    let busy = recording.google.free_busy(&connection, day()).await.unwrap();
    let ranges: Vec<_> = busy.iter().map(|it| it.range).collect();
    assert_eq!(ranges, [hours(9, 10), hours(11, 12)]);
    let asked = recording.asked().await;
    assert_eq!(asked[0].line, "POST /calendar/v3/freeBusy");
    let calendars = ["ada@example.com", "team@group.calendar.google.com"];
    assert_eq!(asked[0].body["items"], json!(calendars.map(|id| json!({ "id": id }))));
}

#[tokio::test]
async fn an_error_of_one_calendar_is_no_free_time() {
    for (reason, class) in [
        ("notFound", ErrorClass::NotFound),
        ("internalError", ErrorClass::Transient),
        ("somethingNew", ErrorClass::Transient),
    ] {
        let calendars = json!({ "calendars": { "ada@example.com": {
            "errors": [{ "domain": "global", "reason": reason }], "busy": [],
        }}});
        let recording = play(vec![(200, calendars)]).await;
        let told = recording.google.free_busy(&recording.connection, day()).await;
        expect_error(told, class);
    }
    let recording = play(vec![(200, json!({ "calendars": {} }))]).await;
    let told = recording.google.free_busy(&recording.connection, day()).await;
    expect_error(told, ErrorClass::Transient);
}

#[tokio::test]
async fn connecting_reads_the_account_and_its_primary_calendar() {
    let recording = play(vec![
        (200, json!({
            "sub": "104859285711111111111",
            "name": "Ada Agent",
            "given_name": "Ada",
            "picture": "https://lh3.googleusercontent.com/a/photo",
            "email": "ada@example.com",
            "email_verified": true,
            "locale": "en-GB",
        })),
        (200, json!({
            "kind": "calendar#calendarList",
            "etag": "\"p32g\"",
            "nextSyncToken": "CPiLz",
            "items": [
                { "kind": "calendar#calendarListEntry", "id": "en.uk#holiday@group.v.calendar.google.com",
                  "summary": "Holidays", "timeZone": "Europe/London", "accessRole": "reader" },
                { "kind": "calendar#calendarListEntry", "id": "ada@example.com", "summary": "ada@example.com",
                  "summaryOverride": "Work", "timeZone": "Europe/London", "accessRole": "owner",
                  "primary": true, "conferenceProperties": { "allowedConferenceSolutionTypes": ["hangoutsMeet"] } },
            ],
        })),
    ])
    .await;
    let mut request = ConnectRequest::new("agent-1");
    request.access_token = Some("ya29.token".into());
    let account = recording.google.connect(request).await.unwrap();
    assert_eq!(account.account, "ada@example.com");
    assert_eq!(account.calendar_ref, "ada@example.com");
    assert_eq!(account.calendar_name.as_deref(), Some("Work"));
    assert_eq!(account.time_zone, Some(Tz::Europe__London));
    assert_eq!(account.language.as_deref(), Some("en-GB"));
    let asked = recording.asked().await;
    assert_eq!(asked[0].line, "GET /v1/userinfo");
    assert_eq!(asked[1].line, "GET /calendar/v3/users/me/calendarList");
}
