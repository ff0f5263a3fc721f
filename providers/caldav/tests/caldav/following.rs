//! Following changes and reading busy time, on servers with limits and ways of their own.

use std::sync::atomic::{AtomicUsize, Ordering};

use calendar_provider::{
    CalendarProvider, Change, Connection, Cursor, ErrorClass, ProviderError, TimeRange,
};
use calendar_provider_caldav::{CalDav, Settings};
use chrono::TimeDelta;
use secrecy::ExposeSecret;

use crate::support::client::PASSWORD;
use crate::support::fake::{Asked, Fake, Reply, USER, event, object, response, status};

const PATH: &str = "/dav/calendars/ada/work/";
const SYNC: &str = "<d:supported-report-set><d:supported-report><d:report><d:sync-collection/></d:report></d:supported-report></d:supported-report-set>";

pub(crate) fn provider(fake: &Fake) -> CalDav {
    CalDav::new(Settings::default(), fake.http())
}

pub(crate) fn connection(fake: &Fake) -> Connection {
    let url = fake.url("example.com", PATH);
    let home = fake.url("example.com", "/dav/calendars/ada/");
    let credentials = format!(
        r#"{{"username":"{USER}","secret":"{PASSWORD}","homes":["{home}"],"main":"{url}","zone":"UTC","addresses":["{USER}"]}}"#
    );
    Connection::new("agent-1", url, credentials.into())
}

pub(crate) fn days(days: i64) -> TimeRange {
    let start = "2031-05-05T00:00:00Z".parse().unwrap();
    TimeRange::lasting(start, TimeDelta::days(days)).unwrap()
}

fn refs(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|it| it.event_ref().rsplit('/').next().unwrap()).collect()
}

/// As Cyrus (Fastmail) pages: 507 for the collection itself, and a token to go on from.
fn in_pages(asked: &Asked) -> Reply {
    let token = |it: &str| format!("<d:sync-token>data:,{it}</d:sync-token>");
    let changed = |it: &str| {
        format!(
            "<d:response><d:href>{PATH}{it}</d:href><d:propstat><d:prop><d:getetag>\"1\"</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        )
    };
    let cut = status(PATH, "507 Insufficient Storage");
    if asked.is("PROPFIND", PATH, "sync-token") {
        return Reply::props(PATH, &format!("{}{SYNC}", token("1")));
    }
    if asked.is("REPORT", PATH, "sync-collection") {
        return match () {
            () if asked.body.contains("data:,1<") => {
                Reply::multistatus(&[changed("a.ics"), changed("b.ics"), cut, token("2")].concat())
            }
            () if asked.body.contains("data:,2<") => {
                let gone = status(&format!("{PATH}a.ics"), "404 Not Found");
                Reply::multistatus(&[gone, changed("c.ics"), cut, token("3")].concat())
            }
            () if asked.body.contains("data:,3<") => {
                Reply::multistatus(&[changed("d%40x.ics"), token("4")].concat())
            }
            () => Reply::new(403, r#"<d:error xmlns:d="DAV:"><d:valid-sync-token/></d:error>"#),
        };
    }
    if asked.is("REPORT", PATH, "calendar-multiget") {
        let names = ["b.ics", "c.ics", "d@x.ics"].into_iter().filter(|it| asked.body.contains(it));
        let objects =
            names.map(|it| object(&format!("{PATH}{it}"), &event(it, "20310505T090000Z")));
        return Reply::multistatus(&objects.collect::<String>());
    }
    Reply::multistatus("")
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let fake = Fake::start(in_pages).await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let first = provider.changes(&connection, None, days(1)).await.unwrap();
    assert!(first.events.is_empty());
    let second = provider.changes(&connection, Some(&first.next), days(1)).await.unwrap();
    assert_eq!(refs(&second.events), ["a.ics", "b.ics", "c.ics", "d@x.ics"]);
    assert!(matches!(&second.events[0], Change::Gone { .. }));
    assert!(second.events[1..].iter().all(|it| matches!(it, Change::Present(_))));
    assert!(second.next.as_str().contains("data:,4"));
    // Unknown to the server by now.
    let error = provider.changes(&connection, Some(&second.next), days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::CursorExpired);
}

#[tokio::test]
async fn pages_without_end_are_left() {
    let fake = Fake::start(|asked| {
        if asked.is("REPORT", PATH, "sync-collection") {
            let cut = status(PATH, "507 Insufficient Storage");
            return Reply::multistatus(&format!("{cut}<d:sync-token>data:,1</d:sync-token>"));
        }
        in_pages(asked)
    })
    .await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let first = provider.changes(&connection, None, days(1)).await.unwrap();
    let error = provider.changes(&connection, Some(&first.next), days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::CursorExpired);
}

#[tokio::test]
async fn each_way_of_refusing_a_token_begins_again() {
    for code in [400, 403, 409, 410, 412, 507] {
        let fake = Fake::start(move |asked| match asked.is("REPORT", PATH, "sync-collection") {
            true => Reply::new(code, "secret"),
            false => in_pages(asked),
        })
        .await;
        let (provider, connection) = (provider(&fake), connection(&fake));
        let first = provider.changes(&connection, None, days(1)).await.unwrap();
        let error = provider.changes(&connection, Some(&first.next), days(1)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::CursorExpired, "{code}");
    }
}

#[tokio::test]
async fn a_server_without_sync_collection_is_followed_by_its_tag() {
    let tag = std::sync::Arc::new(AtomicUsize::new(1));
    let told = tag.clone();
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        // It has a token, but offers no report that takes one.
        "PROPFIND" => Reply::props(
            PATH,
            &format!(
                "<cs:getctag>t{}</cs:getctag><d:sync-token>data:,1</d:sync-token><d:supported-report-set>\
                 <d:supported-report><d:report><cal:calendar-query/></d:report></d:supported-report></d:supported-report-set>",
                told.load(Ordering::SeqCst)
            ),
        ),
        _ => Reply::multistatus(&object(&format!("{PATH}a.ics"), &event("a", "20310505T090000Z"))),
    })
    .await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let first = provider.changes(&connection, None, days(1)).await.unwrap();
    assert_eq!(refs(&first.events), ["a.ics"]);
    let same = provider.changes(&connection, Some(&first.next), days(1)).await.unwrap();
    assert!(same.events.is_empty());
    assert_eq!(fake.count("REPORT"), 1, "what is unchanged is not read again");
    tag.store(2, Ordering::SeqCst);
    let error = provider.changes(&connection, Some(&same.next), days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::CursorExpired);
}

#[tokio::test]
async fn a_server_that_tells_no_mark_is_read_afresh() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "PROPFIND" => Reply::props(PATH, "<d:resourcetype/>"),
        _ => Reply::multistatus(""),
    })
    .await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let first = provider.changes(&connection, None, days(1)).await.unwrap();
    let error = provider.changes(&connection, Some(&first.next), days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::CursorExpired);
}

#[tokio::test]
async fn an_event_that_is_kept_back_is_an_error() {
    for kept_back in [
        status(&format!("{PATH}b.ics"), "403 Forbidden"),
        status(&format!("{PATH}b.ics"), "500 Internal Server Error"),
        // Neither a text nor a word of why.
        format!(
            "<d:response><d:href>{PATH}b.ics</d:href><d:propstat><d:prop><cal:calendar-data/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
        ),
    ] {
        let answer = kept_back.clone();
        let fake = Fake::start(move |_| Reply::multistatus(&answer)).await;
        let result = provider(&fake).free_busy(&connection(&fake), days(1)).await;
        assert!(matches!(result, Err(ProviderError::Transient { .. })), "{kept_back}: {result:?}");
    }
}

#[tokio::test]
async fn an_event_that_vanishes_meanwhile_is_none() {
    let gone = status(&format!("{PATH}b.ics"), "404 Not Found");
    let fake = Fake::start(move |_| Reply::multistatus(&gone)).await;
    let busy = provider(&fake).free_busy(&connection(&fake), days(1)).await.unwrap();
    assert!(busy.is_empty());
}

/// Some servers leave out of a query's answer what others put into it.
#[tokio::test]
async fn texts_that_a_query_leaves_out_are_asked_for() {
    let fake = Fake::start(|asked| {
        let path = format!("{PATH}b.ics");
        match asked.body.contains("calendar-multiget") {
            true => Reply::multistatus(&object(&path, &event("b", "20310505T090000Z"))),
            false => Reply::props(&path, "<d:getetag>\"1\"</d:getetag>"),
        }
    })
    .await;
    let busy = provider(&fake).free_busy(&connection(&fake), days(1)).await.unwrap();
    assert_eq!(busy[0].uid.as_deref(), Some("b"));
}

/// Of a calendar that is shared no further than when its owner is busy, no more can be had.
#[tokio::test]
async fn a_calendar_that_shows_no_events_is_asked_when_it_is_busy() {
    let fake = Fake::start(|asked| match asked.body.contains("free-busy-query") {
        true => Reply::new(
            200,
            "BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\nFREEBUSY:20310505T090000Z/PT1H\r\n\
             FREEBUSY;FBTYPE=FREE:20310505T120000Z/PT1H\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n",
        ),
        false => Reply::new(403, r#"<d:error xmlns:d="DAV:"><d:need-privileges/></d:error>"#),
    })
    .await;
    let busy = provider(&fake).free_busy(&connection(&fake), days(1)).await.unwrap();
    assert_eq!(busy.len(), 1);
    assert_eq!(busy[0].range.length(), TimeDelta::hours(1));
}

/// That it can't be followed is no reason for the agent to sign in again.
#[tokio::test]
async fn a_calendar_that_shows_no_events_is_not_followed() {
    for state in [207, 403] {
        let fake = Fake::start(move |asked| match asked.body.contains("free-busy-query") {
            true => Reply::new(
                200,
                "BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n",
            ),
            false if asked.method == "PROPFIND" && state == 207 => in_pages(asked),
            false => Reply::new(403, r#"<d:error xmlns:d="DAV:"><d:need-privileges/></d:error>"#),
        })
        .await;
        let error = provider(&fake).changes(&connection(&fake), None, days(1)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unsupported, "{state}");
    }
}

#[tokio::test]
async fn a_calendar_that_shows_nothing_at_all_is_never_free() {
    let fake = Fake::start(|_| Reply::new(403, "secret")).await;
    let error = provider(&fake).changes(&connection(&fake), None, days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthorized);
    let error = provider(&fake).free_busy(&connection(&fake), days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthorized);
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn a_window_that_holds_too_much_is_asked_for_in_halves() {
    for limit in ["507", "403", "truncated"] {
        let fake = Fake::start(move |asked| {
            let ends: Vec<_> = ["start=\"", "end=\""]
                .iter()
                .map(|it| {
                    let text = &asked.body[asked.body.find(it).unwrap() + it.len()..][..16];
                    chrono::NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").unwrap()
                })
                .collect();
            let wanted = |it: &u32| {
                let start = format!("20310505T{it:02}0000");
                let start = chrono::NaiveDateTime::parse_from_str(&start, "%Y%m%dT%H%M%S").unwrap();
                ends[0] < start + TimeDelta::minutes(30) && start < ends[1]
            };
            let hours: Vec<u32> = (0..24).filter(wanted).collect();
            if 6 < hours.len() {
                return match limit {
                    "507" => Reply::new(507, ""),
                    "403" => Reply::new(
                        403,
                        r#"<d:error xmlns:d="DAV:"><d:number-of-matches-within-limits/></d:error>"#,
                    ),
                    _ => Reply::multistatus(&status(PATH, "507 Insufficient Storage")),
                };
            }
            let objects = hours.iter().map(|it| {
                let text = event(&it.to_string(), &format!("20310505T{it:02}0000Z"));
                object(&format!("{PATH}{it}.ics"), &text)
            });
            Reply::multistatus(&objects.collect::<String>())
        })
        .await;
        let busy = provider(&fake).free_busy(&connection(&fake), days(1)).await.unwrap();
        assert_eq!(busy.len(), 24, "{limit}");
    }
}

#[tokio::test]
async fn answers_that_name_another_server_are_refused() {
    let fake = Fake::start(|_| {
        Reply::multistatus(&object("https://evil.example/a.ics", &event("a", "20310505T090000Z")))
    })
    .await;
    let error = provider(&fake).free_busy(&connection(&fake), days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
}

#[tokio::test]
async fn a_calendar_of_another_server_is_not_asked() {
    let fake = Fake::start(|_| Reply::multistatus("")).await;
    for elsewhere in ["https://evil.example/dav/", "http://example.com/", "nonsense", ""] {
        let mut connection = connection(&fake);
        connection.calendar_ref = elsewhere.to_owned();
        let error = provider(&fake).free_busy(&connection, days(1)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::NotFound, "{elsewhere}");
    }
    assert!(fake.asked().is_empty());
    let mut connection = connection(&fake);
    connection.credentials = "{\"secret\":1}".into();
    let error = provider(&fake).free_busy(&connection, days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthorized);
}

#[tokio::test]
async fn a_cursor_of_another_calendar_is_expired() {
    let fake = Fake::start(in_pages).await;
    let (provider, mut connection) = (provider(&fake), connection(&fake));
    let cursor: Cursor = provider.changes(&connection, None, days(1)).await.unwrap().next;
    connection.calendar_ref = fake.url("example.com", "/dav/calendars/ada/home/");
    let error = provider.changes(&connection, Some(&cursor), days(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::CursorExpired);
}

/// A server may see a floating time or a whole day in another zone than Frontdesk does.
#[tokio::test]
async fn servers_are_asked_beyond_the_window_and_it_alone_counts() {
    let fake = Fake::start(|asked| {
        let range = r#"<C:time-range start="20310503T210000Z" end="20310507T030000Z"/>"#;
        assert!(asked.body.contains(range), "{}", asked.body);
        let before = object(&format!("{PATH}a.ics"), &event("before", "20310504T230000Z"));
        let within = object(&format!("{PATH}b.ics"), &event("within", "20310505T233000Z"));
        Reply::multistatus(&(before + &within))
    })
    .await;
    let busy = provider(&fake).free_busy(&connection(&fake), days(1)).await.unwrap();
    let uids: Vec<_> = busy.iter().filter_map(|it| it.uid.as_deref()).collect();
    assert_eq!(uids, ["within"]);
}

#[tokio::test]
async fn many_changed_events_are_read_in_batches() {
    let fake = Fake::start(|asked| {
        if asked.is("REPORT", PATH, "sync-collection") {
            let changed = (0..250)
                .map(|it| response(&format!("{PATH}{it}.ics"), "<d:getetag>\"1\"</d:getetag>"));
            let token = "<d:sync-token>data:,2</d:sync-token>";
            return Reply::multistatus(&(changed.collect::<String>() + token));
        }
        if asked.is("REPORT", PATH, "calendar-multiget") {
            let hrefs =
                asked.body.split("<D:href>").skip(1).map(|it| it.split('<').next().unwrap());
            let objects = hrefs.map(|it| object(it, &event(it, "20310505T090000Z")));
            return Reply::multistatus(&objects.collect::<String>());
        }
        in_pages(asked)
    })
    .await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let first = provider.changes(&connection, None, days(1)).await.unwrap();
    let second = provider.changes(&connection, Some(&first.next), days(1)).await.unwrap();
    assert_eq!(second.events.len(), 250);
    assert!(second.events.iter().all(|it| matches!(it, Change::Present(_))));
    let named = |it: &Asked| it.body.matches("<D:href>").count();
    let batches: Vec<_> = fake.asked().iter().map(named).filter(|it| *it != 0).collect();
    assert_eq!(batches, [100, 100, 50]);
}

/// The calendar's own zone comes first, then the agent's; where neither is known, an event is busy
/// wherever it may be.
#[tokio::test]
async fn floating_times_are_in_the_calendars_zone_the_agents_or_anywhere() {
    let fake = Fake::start(|_| {
        Reply::multistatus(&object(&format!("{PATH}a.ics"), &event("a", "20310505T090000")))
    })
    .await;
    let new_york = Some(chrono_tz::America::New_York);
    for (own, agents, start, minutes) in [
        (r#""Europe/Paris""#, new_york, "2031-05-05T07:00:00Z", 30),
        ("null", new_york, "2031-05-05T13:00:00Z", 30),
        ("null", None, "2031-05-04T19:00:00Z", 30 + 26 * 60),
    ] {
        let mut connection = connection(&fake);
        let kept = connection.credentials.expose_secret().replace(r#""UTC""#, own);
        connection.credentials = kept.into();
        connection.floating_zone = agents;
        let busy = provider(&fake).free_busy(&connection, days(1)).await.unwrap();
        assert_eq!(busy[0].range.start(), start.parse::<chrono::DateTime<chrono::Utc>>().unwrap());
        assert_eq!(busy[0].range.length(), TimeDelta::minutes(minutes), "{own}");
    }
}

/// Each answer is within its limit, but there is always one more.
#[tokio::test]
async fn what_one_call_reads_is_bounded() {
    let fake = Fake::start(|asked| {
        // Each quarter of the window holds 20 MiB.
        let start = &asked.body[asked.body.find("start=\"").unwrap() + 7..][..16];
        let end = &asked.body[asked.body.find("end=\"").unwrap() + 5..][..16];
        let time = |it| chrono::NaiveDateTime::parse_from_str(it, "%Y%m%dT%H%M%SZ").unwrap();
        if TimeDelta::hours(30) < time(end) - time(start) {
            return Reply::new(507, "");
        }
        let text = event("a", "20310505T090000Z").replace("Title", &"t".repeat(20 << 20));
        Reply::multistatus(&object(&format!("{PATH}{start}.ics"), &text))
    })
    .await;
    let error = provider(&fake).free_busy(&connection(&fake), days(2)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert!(error.to_string().ends_with("it holds too much to be read at once"), "{error}");
    assert_eq!(fake.asked().len(), 7, "three halved, and the fourth quarter is too much");
}

#[tokio::test]
async fn a_long_address_is_told_as_its_digest() {
    let name = "x".repeat(2_000);
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "PROPFIND" => in_pages(asked),
        _ => Reply::multistatus(&object(
            &format!("{PATH}{name}.ics"),
            &event("a", "20310505T090000Z"),
        )),
    })
    .await;
    let changes = provider(&fake).changes(&connection(&fake), None, days(1)).await.unwrap();
    let told = changes.events[0].event_ref();
    assert!(told.starts_with("sha256-") && told.len() == 71, "{told}");
}
