//! What is sent, held against the API's published discovery document.

use std::io::Write;
use std::process::{Command, Stdio};

use calendar_provider::{CalendarProvider, ConnectRequest, Participant, WatchRequest};
use serde_json::{Value, json};

use crate::world::{ADA, World, at, day, draft, handle, hours, token};

/// Calls everything that the provider calls, in each form it has.
async fn everything() -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let World { fake, google, mut connection } = World::new().await;
    let mut request = ConnectRequest::new("agent-1");
    request.access_token = Some(token(&fake, ADA));
    google.connect(request).await?;
    fake.add_calendar(ADA, "team@group", "Team", "owner");
    fake.set_page_limit(1);
    google.calendars(&connection).await?;
    let mut event = draft("one@desk.example", hours(9, 10));
    event.conference_wanted = true;
    event.description = Some("About it".into());
    event.location = Some("Room 4".into());
    event.attendees = vec![
        Participant::new(Some("Vic".into()), "vic@visitor.example"),
        Participant::new(None, "wil@visitor.example"),
    ];
    event.event_ref = Some(google.put_event(&connection, &event).await?.event_ref);
    event.description = None;
    event.conference_wanted = false;
    google.put_event(&connection, &event).await?;
    google.put_event(&connection, &draft("two@desk.example", hours(10, 11))).await?;
    google.get_event(&connection, &handle("one@desk.example")).await?;
    google.get_event(&connection, &handle("none@desk.example")).await?;
    let changes = google.changes(&connection, None, day()).await?;
    google.changes(&connection, Some(&changes.next), day()).await?;
    connection.also_busy = vec!["team@group".into()];
    google.free_busy(&connection, day()).await?;
    let callback = "https://desk.example/p".parse()?;
    let until = at("2031-05-20T00:00:00Z");
    let request = WatchRequest::new("a-channel", callback, "secret".into(), until);
    let watch = google.watch(&connection, &request, None).await?;
    google.unwatch(&connection, &watch).await?;
    google.delete_event(&connection, &handle("one@desk.example")).await?;
    let recorded = fake.requests().into_iter();
    Ok(recorded
        .map(|it| json!({ "method": it.method, "path": it.path, "query": it.query, "body": it.body }))
        .collect())
}

/// The faults that the discovery document finds in the requests.
fn faults(requests: &[Value]) -> String {
    let python = std::env::var("FRONTDESK_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/google/check_requests.py");
    let mut checker = Command::new(python)
        .args(["-B", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python is there");
    let text = serde_json::to_vec(requests).expect("it is JSON");
    checker.stdin.take().expect("a pipe").write_all(&text).expect("it reads");
    let output = checker.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the checker failed");
    String::from_utf8(output.stdout).expect("it writes text")
}

fn has_counterparts() -> bool {
    let has = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
    if !has {
        eprintln!("not run: FRONTDESK_TEST_COUNTERPARTS is not set");
    }
    has
}

#[tokio::test]
async fn requests_are_as_the_discovery_document_has_them() {
    let requests = everything().await.unwrap();
    let called: std::collections::BTreeSet<_> =
        requests.iter().map(|it| it["method"].as_str().unwrap()).collect();
    let all = [
        "calendar.calendarList.list",
        "calendar.channels.stop",
        "calendar.events.delete",
        "calendar.events.get",
        "calendar.events.insert",
        "calendar.events.list",
        "calendar.events.patch",
        "calendar.events.watch",
        "calendar.freebusy.query",
    ];
    assert!(called.iter().eq(&all), "{called:?}");
    if has_counterparts() {
        assert_eq!(faults(&requests), "");
    }
}

/// The checker sees what is wrong, or the test above means nothing.
#[test]
fn a_request_that_the_document_does_not_have_is_found() {
    if !has_counterparts() {
        return;
    }
    let insert = |query: Value, body: Value| {
        let path = json!([["calendarId", ADA]]);
        json!({ "method": "calendar.events.insert", "path": path, "query": query, "body": body })
    };
    let time = json!({ "dateTime": "2031-05-05T09:00:00Z" });
    let good = json!({ "start": time, "end": time });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        insert(json!([]), body)
    };
    for (request, fault) in [
        (insert(json!([["sendUpdate", "none"]]), good.clone()), "sendUpdate"),
        (insert(json!([["sendUpdates", "nobody"]]), good.clone()), "sendUpdates"),
        (insert(json!([["conferenceDataVersion", "2"]]), good.clone()), "conferenceDataVersion"),
        (with("sumary", json!("x")), "sumary"),
        (with("summary", json!(5)), "summary"),
        (with("location", Value::Null), "location"),
        (with("attendees", json!([{ "mail": "x@example.com" }])), "mail"),
        (with("start", json!({ "dateTime": "tomorrow" })), "dateTime"),
        (insert(json!([]), json!({ "start": time })), "end"),
        (
            json!({ "method": "calendar.events.insert", "path": [], "query": [], "body": good }),
            "calendarId",
        ),
        (
            json!({ "method": "calendar.events.make", "path": [], "query": [], "body": null }),
            "make",
        ),
    ] {
        let found = faults(std::slice::from_ref(&request));
        assert!(found.contains(fault), "{request}: {found:?}");
    }
    assert_eq!(faults(&[insert(json!([["fields", "id"]]), good)]), "");
}
