//! Feeds that are broken, huge, endless or no feeds at all.

use calendar_provider::{CalendarProvider, ErrorClass};
use calendar_provider_ics::BODY_LIMIT;

use crate::server::{Feed, Server, calendar, day, days, event, failure, provider};

#[tokio::test]
async fn what_is_no_calendar_is_an_error() {
    let html = "<!DOCTYPE html><html><body>BEGIN:VCALENDAR</body></html>";
    for (feed, message) in [
        (
            Feed::typed("text/html", html),
            "the calendar can't be reached: the address leads to a web page, not to a calendar",
        ),
        (
            Feed::typed("text/calendar", html),
            "the calendar can't be reached: the address leads to a web page, not to a calendar",
        ),
        (Feed::new(""), "the calendar can't be reached: the answer is not a calendar"),
        (
            Feed::typed("application/json", "{\"secret\":1}"),
            "the calendar can't be reached: the answer is not a calendar",
        ),
    ] {
        let server = Server::with(feed).await;
        assert_eq!(failure(&server).await.to_string(), message);
    }
    let server = Server::with(Feed::refusal("500 Internal Server Error", "x-a: b")).await;
    assert_eq!(failure(&server).await.class(), ErrorClass::Transient);
}

#[tokio::test]
async fn the_type_that_a_server_gives_makes_no_difference() {
    let text = calendar(&event("a", "20310505T090000Z"));
    for content_type in ["application/octet-stream", "text/plain", "text/calendar"] {
        let body = format!("\u{feff}{text}");
        let server = Server::with(Feed::typed(content_type, body)).await;
        let busy = provider().free_busy(&server.connection(), day()).await.unwrap();
        assert_eq!(busy.len(), 1, "{content_type}");
    }
}

#[tokio::test]
async fn a_feed_that_is_cut_off_is_an_error() {
    let text = calendar(&event("a", "20310505T090000Z"));
    // By the line...
    let server = Server::with(Feed { sent: Some(text.len() / 2), ..Feed::new(text.clone()) }).await;
    assert_eq!(failure(&server).await.class(), ErrorClass::Transient);
    // ...and by who writes it: between two events, where nothing else shows it.
    let half = text.split_once("END:VCALENDAR").unwrap().0.to_owned();
    let server = Server::with(Feed::new(half)).await;
    assert_eq!(
        failure(&server).await.to_string(),
        "the calendar can't be reached: the feed is cut off"
    );
}

#[tokio::test]
async fn a_feed_that_is_not_utf_8_is_an_error() {
    let text = calendar(&event("a", "20310505T090000Z"));
    let latin: Vec<u8> = text
        .replace("Title", "T\u{1}tle")
        .bytes()
        .map(|it| if it == 1 { 0xEF } else { it })
        .collect();
    let server = Server::with(Feed::new(latin)).await;
    assert_eq!(
        failure(&server).await.to_string(),
        "the calendar refused: the feed holds what can't be understood"
    );
}

#[tokio::test]
async fn a_feed_may_have_10_mib_and_no_more() {
    let text = calendar(&event("a", "20310505T090000Z"));
    let (head, tail) = text.split_once("END:VCALENDAR").unwrap();
    let fill = |size: usize| {
        let line = "X-FILL:0123456789012345678901234567890123456789012345678901234567890\r\n";
        let missing = size - text.len();
        let mut body = head.to_owned();
        body.push_str(&line.repeat(missing / line.len()));
        body.push_str(&"\n".repeat(size - body.len() - "END:VCALENDAR".len() - tail.len()));
        body + "END:VCALENDAR" + tail
    };
    assert_eq!(BODY_LIMIT, 10 * 1024 * 1024);
    let server = Server::with(Feed::new(fill(BODY_LIMIT))).await;
    let busy = provider().free_busy(&server.connection(), day()).await.unwrap();
    assert_eq!(busy.len(), 1);
    server.publish("/secret.ics", Feed::new(fill(BODY_LIMIT + 1)));
    assert_eq!(failure(&server).await.to_string(), "the calendar refused: the answer is too large");
}

#[tokio::test]
async fn a_feed_of_50_000_events_is_read_whole() {
    let mut events = String::new();
    for number in 0..50_000_u32 {
        // 50 a day from 2029 on, so that the window is somewhere in the middle.
        let day = chrono::NaiveDate::from_ymd_opt(2029, 1, 1).unwrap()
            + chrono::Days::new(u64::from(number / 50));
        let (hour, minute) = (number % 50 / 3, number % 3 * 20);
        events.push_str(&format!(
            "BEGIN:VEVENT\r\nUID:{number}\r\nDTSTAMP:20290101T000000Z\r\n\
             DTSTART:{}T{hour:02}{minute:02}00Z\r\nDURATION:PT15M\r\nEND:VEVENT\r\n",
            day.format("%Y%m%d")
        ));
    }
    let server = Server::with(Feed::new(calendar(&events))).await;
    let busy = provider().free_busy(&server.connection(), days(62)).await.unwrap();
    assert_eq!(busy.len(), 62 * 50);
}

#[tokio::test]
async fn an_event_that_recurs_without_end_is_read_for_the_window() {
    let endless =
        event("standup", "19990104T090000").replace("DURATION", "RRULE:FREQ=DAILY\r\nDURATION");
    let server = Server::with(Feed::new(calendar(&endless))).await;
    let busy = provider().free_busy(&server.connection(), days(62)).await.unwrap();
    assert_eq!(busy.len(), 62);
    let changes = provider().changes(&server.connection(), None, days(62)).await.unwrap();
    let [calendar_provider::Change::Series { occurrences, .. }] = &changes.events[..] else {
        panic!("a feed is told as one series");
    };
    assert_eq!(occurrences.len(), 62);
}
