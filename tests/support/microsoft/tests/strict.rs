//! What is not as documented is refused.

use calendar_http::{HttpClient, Network, Settings, http::Method, json_request};
use chrono::DateTime;
use fake_microsoft::{Clock, FakeMicrosoft};
use serde_json::{Value, json};

const ADA: &str = "ada@contoso.example";

/// Checks the status of one request by a token with these permissions.
async fn check(scopes: &[&str], method: Method, path: &str, body: Option<Value>, expected: u16) {
    let clock = Clock::new(DateTime::UNIX_EPOCH);
    let fake = FakeMicrosoft::start(clock, "https://desk.example/oauth/callback").await;
    fake.add_account(ADA, "Ada");
    let token = fake.oauth().issue(ADA, scopes).access_token.into();
    let url = format!("{}{path}", fake.graph_url()).parse().expect("it is a URL");
    let settings = Settings { network: Network::Any, ..Settings::default() };
    let http = HttpClient::new(settings).expect("the settings are valid");
    let request = json_request(method, &url, &token, body.as_ref()).expect("it is a request");
    let answer = http.send(request).await.expect("it answers");
    assert_eq!(answer.status().as_u16(), expected, "{path} {body:?}");
}

fn event() -> Value {
    let time =
        |hour: u8| json!({ "dateTime": format!("2031-05-05T{hour:02}:00:00"), "timeZone": "UTC" });
    json!({ "subject": "Demo", "start": time(9), "end": time(10) })
}

/// The event with one field more, or another.
fn with(field: &str, value: Value) -> Option<Value> {
    let mut event = event();
    event[field] = value;
    Some(event)
}

const ALL: &[&str] = &["Calendars.ReadWrite", "User.Read"];

#[tokio::test]
async fn fields_that_are_not_documented_are_refused() {
    let path = "/me/calendar/events";
    check(ALL, Method::POST, path, Some(event()), 201).await;
    for body in [
        with("summary", "Demo".into()),
        with("showAs", "BUSY".into()),
        with("start", "2031-05-05T09:00:00Z".into()),
        with("subject", "x".repeat(256).into()),
        with("body", json!({ "content": "no type" })),
        with("singleValueExtendedProperties", json!([{ "id": "Uid", "value": "1" }])),
        Some(json!({ "subject": "no times" })),
    ] {
        check(ALL, Method::POST, path, body, 400).await;
    }
}

#[tokio::test]
async fn query_options_that_are_not_supported_are_refused() {
    let window = "startDateTime=2031-05-05T00%3A00%3A00Z&endDateTime=2031-05-06T00%3A00%3A00Z";
    let get = Method::GET;
    check(ALL, get.clone(), &format!("/me/calendarView/delta?{window}"), None, 200).await;
    for path in [
        // The reference: a delta on a calendar view knows no $select, $expand or $filter.
        format!("/me/calendarView/delta?{window}&$select=subject"),
        format!("/me/calendar/calendarView?{window}&$top=1001"),
        "/me/calendar/calendarView".to_owned(),
        "/me/calendar/events?$filter=subject%20eq%20%27Demo%27".to_owned(),
        "/me?$expand=calendar".to_owned(),
    ] {
        check(ALL, get.clone(), &path, None, 400).await;
    }
}

#[tokio::test]
async fn each_resource_needs_its_permission() {
    let get = Method::GET;
    check(&["User.Read"], get.clone(), "/me", None, 200).await;
    check(&["User.Read"], get.clone(), "/me/calendars", None, 403).await;
    check(&["Calendars.Read"], get.clone(), "/me/calendars", None, 200).await;
    check(&["Calendars.Read"], get.clone(), "/me", None, 403).await;
    check(&["Calendars.Read"], get, "/me/mailboxSettings", None, 403).await;
    check(&["Calendars.Read"], Method::POST, "/me/calendar/events", Some(event()), 403).await;
}

#[tokio::test]
async fn windows_of_published_free_busy_are_limited() {
    let ask = |end: &str, slot: u32| {
        let time = |text: &str| json!({ "dateTime": text, "timeZone": "UTC" });
        Some(json!({
            "schedules": [ADA],
            "startTime": time("2031-05-01T00:00:00"),
            "endTime": time(end),
            "availabilityViewInterval": slot,
        }))
    };
    let path = "/me/calendar/getSchedule";
    check(ALL, Method::POST, path, ask("2031-07-02T00:00:00", 5), 200).await;
    check(ALL, Method::POST, path, ask("2031-07-02T00:00:01", 5), 400).await;
    check(ALL, Method::POST, path, ask("2031-05-01T00:05:00", 4), 400).await;
    check(ALL, Method::POST, path, ask("2031-05-01T00:05:00", 10), 400).await;
}
