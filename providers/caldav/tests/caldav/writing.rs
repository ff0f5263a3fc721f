//! Writing events, and what servers answer to it.

use std::sync::{Arc, Mutex};

use calendar_provider::{
    CalendarProvider, ErrorClass, EventDraft, EventHandle, Participant, TimeRange,
};
use chrono::TimeDelta;

use crate::following::{connection, provider};
use crate::support::fake::{Asked, Fake, Reply, event, object};

const PATH: &str = "/dav/calendars/ada/work/";
const OWN: &str = "/dav/calendars/ada/work/booking-1@frontdesk.example.ics";
const MOVED: &str = "/dav/calendars/ada/work/moved.ics";
const UID: &str = "booking-1@frontdesk.example";

fn draft() -> EventDraft {
    let range = TimeRange::lasting("2031-05-05T09:00:00Z".parse().unwrap(), TimeDelta::minutes(30));
    let agent = Participant::new(None, "ada@example.com");
    let mut draft = EventDraft::new(UID, range.unwrap(), chrono_tz::UTC, "Demo", agent);
    draft.attendees = vec![Participant::new(None, "vic@example.net")];
    draft
}

fn handle() -> EventHandle {
    EventHandle::new(UID, None)
}

fn stored() -> Reply {
    Reply::new(200, event(UID, "20310505T090000Z")).with("etag: \"e1\"")
}

/// The requests in short: method, path and condition.
fn short(fake: &Fake) -> Vec<String> {
    let condition = |it: &Asked| {
        let line = it.head.lines().find(|it| it.to_ascii_lowercase().starts_with("if-"));
        line.map_or(String::new(), |it| format!(" {}", it.to_ascii_lowercase()))
    };
    let name = |it: &Asked| it.path.strip_prefix(PATH).unwrap_or(&it.path).to_owned();
    fake.asked().iter().map(|it| format!("{} {}{}", it.method, name(it), condition(it))).collect()
}

#[tokio::test]
async fn a_new_event_is_one_request_that_invites_nobody() {
    let fake = Fake::start(|_| Reply::new(201, "").with("etag: \"e1\"")).await;
    let receipt = provider(&fake).put_event(&connection(&fake), &draft()).await.unwrap();
    assert_eq!(receipt.event_ref, fake.url("example.com", OWN));
    assert_eq!(receipt.version.as_deref(), Some("\"e1\""));
    assert_eq!(short(&fake), ["PUT booking-1@frontdesk.example.ics if-none-match: *"]);
    let put = &fake.asked()[0];
    assert!(put.head.to_ascii_lowercase().contains("content-type: text/calendar; charset=utf-8"));
    let unfolded = put.body.replace("\r\n ", "");
    for property in ["ORGANIZER;SCHEDULE-AGENT=CLIENT", "ATTENDEE;SCHEDULE-AGENT=CLIENT"] {
        assert!(unfolded.contains(property), "{unfolded}");
    }
    assert!(!unfolded.contains("METHOD"), "{unfolded}");
    provider(&fake).put_event(&connection(&fake), &draft()).await.unwrap();
    assert_eq!(fake.asked()[1].body, put.body, "the same draft is the same text");
}

#[tokio::test]
async fn a_uid_that_suits_no_address_is_hashed() {
    let fake = Fake::start(|_| Reply::new(201, "").with("etag: \"e1\"")).await;
    for uid in ["../../etc/passwd", "a/b", "", ".hidden", "%2e%2e", &"x".repeat(300), "ü ?#"] {
        let mut draft = draft();
        draft.uid = uid.to_owned();
        let receipt = provider(&fake).put_event(&connection(&fake), &draft).await.unwrap();
        let name = receipt.event_ref.strip_prefix(&fake.url("example.com", PATH)).unwrap();
        let hash = name.strip_suffix(".ics").unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit()), "{uid}: {name}");
    }
}

#[tokio::test]
async fn a_server_that_tells_no_etag_is_asked_for_it() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "PUT" => Reply::new(201, ""),
        _ => Reply::props(OWN, "<d:getetag>\"stored\"</d:getetag>"),
    })
    .await;
    let receipt = provider(&fake).put_event(&connection(&fake), &draft()).await.unwrap();
    assert_eq!(receipt.version.as_deref(), Some("\"stored\""));
}

#[tokio::test]
async fn an_event_that_is_there_is_changed_on_the_condition_that_it_is_as_read() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "PUT" if asked.head.contains("if-none-match") => Reply::new(412, ""),
        "PUT" => Reply::new(204, "").with("etag: \"e2\""),
        _ => stored(),
    })
    .await;
    let receipt = provider(&fake).put_event(&connection(&fake), &draft()).await.unwrap();
    assert_eq!(receipt.version.as_deref(), Some("\"e2\""));
    assert_eq!(
        short(&fake)[1..],
        [
            "GET booking-1@frontdesk.example.ics",
            "PUT booking-1@frontdesk.example.ics if-match: \"e1\""
        ]
    );
}

#[tokio::test]
async fn an_event_that_changes_again_and_again_is_a_conflict() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "PUT" | "DELETE" => Reply::new(412, ""),
        "GET" => stored(),
        _ => Reply::multistatus(""),
    })
    .await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let error = provider.put_event(&connection, &draft()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
    assert_eq!(fake.count("PUT"), 3, "one to create, and two to change");
    let error = provider.delete_event(&connection, &handle()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
    assert_eq!(fake.count("DELETE"), 2);
}

/// The agent's program has given the event another address.
fn moved(asked: &Asked) -> Reply {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", MOVED) => stored(),
        ("PUT", MOVED) => Reply::new(204, "").with("etag: \"e2\""),
        ("PUT", _) => Reply::new(
            403,
            r#"<d:error xmlns:d="DAV:"><c:no-uid-conflict xmlns:c="urn:ietf:params:xml:ns:caldav"/></d:error>"#,
        ),
        ("DELETE", MOVED) => Reply::new(204, ""),
        ("REPORT", PATH) => {
            assert!(asked.body.contains(&format!("<C:prop-filter name=\"UID\"><C:text-match collation=\"i;octet\">{UID}</C:text-match>")));
            // A match is for a part of the text: others may come with it.
            let other = object(
                &format!("{PATH}other.ics"),
                &event("booking-1@frontdesk.example.other", "20310506T090000Z"),
            );
            Reply::multistatus(&(other + &object(MOVED, &event(UID, "20310505T090000Z"))))
        }
        _ => Reply::missing(),
    }
}

#[tokio::test]
async fn an_event_at_another_address_is_found_by_its_uid() {
    let fake = Fake::start(moved).await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let there = fake.url("example.com", MOVED);
    // As a first write, and as one after the event was moved.
    for event_ref in [None, Some(fake.url("example.com", OWN))] {
        let mut draft = draft();
        draft.event_ref = event_ref;
        let receipt = provider.put_event(&connection, &draft).await.unwrap();
        assert_eq!(receipt.event_ref, there);
    }
    let found = provider.get_event(&connection, &handle()).await.unwrap().unwrap();
    assert_eq!(found.event_ref, there);
    assert_eq!(found.uid.as_deref(), Some(UID));
    assert_eq!(found.range, draft().range);
    provider.delete_event(&connection, &handle()).await.unwrap();
    assert_eq!(short(&fake).last().unwrap(), "DELETE moved.ics if-match: \"e1\"");
}

#[tokio::test]
async fn what_another_event_took_the_place_of_is_left_alone() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "GET" => Reply::new(200, event("someone-elses", "20310505T090000Z")).with("etag: \"e1\""),
        "PUT" => Reply::new(412, ""),
        "REPORT" => Reply::multistatus(""),
        "PROPFIND" => Reply::props("/dav/calendars/ada/", "<d:resourcetype/>"),
        _ => Reply::missing(),
    })
    .await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let error = provider.put_event(&connection, &draft()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
    assert_eq!(provider.get_event(&connection, &handle()).await.unwrap(), None);
    provider.delete_event(&connection, &handle()).await.unwrap();
    assert_eq!((fake.count("PUT"), fake.count("DELETE")), (1, 0));
}

#[tokio::test]
async fn a_search_that_is_cut_short_is_no_answer() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "REPORT" => Reply::new(507, ""),
        _ => Reply::missing(),
    })
    .await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let error = provider.get_event(&connection, &handle()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
}

#[tokio::test]
async fn refusals_say_what_they_mean_and_quote_nothing() {
    for (status, class) in [
        (400, ErrorClass::Permanent),
        (401, ErrorClass::Unauthorized),
        (403, ErrorClass::Permanent),
        (404, ErrorClass::NotFound),
        (405, ErrorClass::Permanent),
        (409, ErrorClass::NotFound),
        (413, ErrorClass::Permanent),
        (423, ErrorClass::Transient),
        (429, ErrorClass::RateLimited),
        (500, ErrorClass::Transient),
        (503, ErrorClass::Transient),
        (507, ErrorClass::Permanent),
    ] {
        let fake = Fake::start(move |asked| match asked.method.as_str() {
            "PUT" => Reply::new(status, "secret").with("retry-after-none: 1"),
            "REPORT" => Reply::multistatus(""),
            "PROPFIND" => Reply::props("/dav/calendars/ada/", "<d:resourcetype/>"),
            _ => Reply::missing(),
        })
        .await;
        let error = provider(&fake).put_event(&connection(&fake), &draft()).await.unwrap_err();
        assert_eq!(error.class(), class, "{status}: {error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_write_that_is_sent_elsewhere_is_refused() {
    let port = Arc::new(Mutex::new(0));
    let known = port.clone();
    let fake = Fake::start(move |asked| match asked.host.as_str() {
        "example.com" => {
            let elsewhere =
                format!("location: https://evil.example:{}/x.ics", known.lock().unwrap());
            Reply::new(307, "").with(elsewhere)
        }
        _ => Reply::new(201, ""),
    })
    .await;
    *port.lock().unwrap() = fake.port;
    let error = provider(&fake).put_event(&connection(&fake), &draft()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
    let elsewhere = |it: &Asked| it.host == "evil.example";
    assert!(!fake.asked().iter().any(elsewhere), "the password or the event went there");
}

#[tokio::test]
async fn an_account_that_moved_to_another_host_is_to_be_connected_again() {
    let port = Arc::new(Mutex::new(0));
    let known = port.clone();
    let fake = Fake::start(move |_| {
        let host = format!("https://dav.example.com:{}", known.lock().unwrap());
        Reply::new(308, "").with(format!("location: {host}/x.ics"))
    })
    .await;
    *port.lock().unwrap() = fake.port;
    let error = provider(&fake).get_event(&connection(&fake), &handle()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthorized);
}

/// A direct look decides whether a booking is called off: what is unclear is never "it is gone".
#[tokio::test]
async fn an_event_of_which_it_is_not_clear_when_it_is_is_an_error() {
    for text in [
        event(UID, "nonsense"),
        event(UID, "20310505T090000Z").replace("PT30M", "PT0S"),
        event(UID, "20310505T090000Z").replace("DTSTART:20310505T090000Z\r\n", ""),
    ] {
        let stands = text.clone();
        let fake = Fake::start(move |_| Reply::new(200, stands.clone())).await;
        let result = provider(&fake).get_event(&connection(&fake), &handle()).await;
        assert_eq!(result.unwrap_err().class(), ErrorClass::Permanent, "{text}");
    }
}
