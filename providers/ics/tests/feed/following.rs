//! What is told as changed, and what is asked for.

use calendar_provider::{CalendarProvider, Change, Changes, Cursor, TimeRange};
use secrecy::ExposeSecret;

use crate::server::{Feed, Server, calendar, day, event, provider, request};

async fn follow(server: &Server, since: Option<&Cursor>) -> Changes {
    provider().changes(&server.connection(), since, day()).await.unwrap()
}

/// The UIDs that the feed is now told to hold; none where nothing is told.
fn replaced(changes: &Changes) -> Option<Vec<String>> {
    match &changes.events[..] {
        [] => None,
        [Change::Series { occurrences, .. }] => {
            Some(occurrences.iter().filter_map(|it| it.uid.clone()).collect())
        }
        other => panic!("a feed is told as one series: {other:?}"),
    }
}

#[tokio::test]
async fn what_vanished_from_a_feed_is_told() {
    let both = event("a", "20310505T090000Z") + &event("b", "20310505T110000Z");
    let server = Server::with(Feed::new(calendar(&both))).await;
    let first = follow(&server, None).await;
    assert_eq!(replaced(&first), Some(vec!["a".into(), "b".into()]));
    server.publish("/secret.ics", Feed::new(calendar(&event("b", "20310505T110000Z"))));
    let second = follow(&server, Some(&first.next)).await;
    assert_eq!(replaced(&second), Some(vec!["b".into()]));
    server.publish("/secret.ics", Feed::new(calendar("")));
    let third = follow(&server, Some(&second.next)).await;
    assert_eq!(replaced(&third), Some(vec![]));
    assert_eq!(replaced(&follow(&server, Some(&third.next)).await), None);
}

#[tokio::test]
async fn a_feed_with_an_etag_is_sent_once() {
    let body = calendar(&event("a", "20310505T090000Z"));
    let server = Server::with(Feed { etag: Some("\"v1\""), ..Feed::new(body) }).await;
    let first = follow(&server, None).await;
    let second = follow(&server, Some(&first.next)).await;
    assert_eq!(replaced(&second), None);
    assert!(!server.requests()[0].contains("if-none-match"));
    assert!(server.requests()[1].contains("if-none-match: \"v1\"\r\n"));
    // The validators outlast an answer that repeats none of them.
    follow(&server, Some(&second.next)).await;
    assert!(server.requests()[2].contains("if-none-match: \"v1\"\r\n"));
}

#[tokio::test]
async fn a_feed_with_a_date_is_sent_once() {
    let date = "Mon, 05 May 2031 08:00:00 GMT";
    let body = calendar(&event("a", "20310505T090000Z"));
    let server = Server::with(Feed { last_modified: Some(date), ..Feed::new(body) }).await;
    let first = follow(&server, None).await;
    assert_eq!(replaced(&follow(&server, Some(&first.next)).await), None);
    assert!(server.requests()[1].contains("if-modified-since: mon, 05 may 2031 08:00:00 gmt"));
}

#[tokio::test]
async fn a_feed_that_differs_only_in_the_time_of_the_request_is_unchanged() {
    let body = calendar(&event("a", "20310505T090000Z"));
    let server = Server::with(Feed::new(body.clone())).await;
    let first = follow(&server, None).await;
    let stamped = body.replace("DTSTAMP:20310101T000000Z", "DTSTAMP:20310505T000000Z");
    assert_ne!(stamped, body);
    server.publish("/secret.ics", Feed::new(stamped));
    assert_eq!(replaced(&follow(&server, Some(&first.next)).await), None);
    let moved = body.replace("T090000Z", "T093000Z");
    server.publish("/secret.ics", Feed::new(moved));
    assert_eq!(replaced(&follow(&server, Some(&first.next)).await), Some(vec!["a".into()]));
}

#[tokio::test]
async fn events_without_a_uid_or_with_the_same_are_told_apart() {
    let nameless = event("x", "20310505T130000Z").replace("UID:x\r\n", "");
    let twice = event("a", "20310505T090000Z") + &event("a", "20310505T110000Z");
    let all = twice + &nameless + &nameless.replace("T130000Z", "T150000Z");
    let server = Server::with(Feed::new(calendar(&all))).await;
    let [Change::Series { occurrences, .. }] = &follow(&server, None).await.events[..] else {
        panic!("a feed is told as one series");
    };
    let mut refs: Vec<_> = occurrences.iter().map(|it| it.event_ref.as_str()).collect();
    refs.sort_unstable();
    refs.dedup();
    assert_eq!(refs.len(), 4, "{refs:?}");
}

#[tokio::test]
async fn times_without_a_zone_are_in_the_feeds_own() {
    let server = Server::with(Feed::new(calendar(&event("a", "20310505T090000")))).await;
    let busy = provider().free_busy(&server.connection(), day()).await.unwrap();
    assert_eq!(busy[0].range.start().to_rfc3339(), "2031-05-05T07:00:00+00:00");
    assert_eq!(server.requests().len(), 1, "a booking waits for one request");
}

/// Without a zone of the feed's own they are in the agent's, and where nobody knows that, anywhere.
#[tokio::test]
async fn times_without_a_zone_are_in_the_agents_own_or_anywhere() {
    let text = calendar(&event("a", "20310505T090000")).replace("X-WR-TIMEZONE", "X-NONE");
    let server = Server::with(Feed::new(text)).await;
    let mut connection = server.connection();
    for (zone, start, end) in [
        (Some(chrono_tz::America::New_York), "2031-05-05T13:00:00Z", "2031-05-05T13:30:00Z"),
        (None, "2031-05-04T19:00:00Z", "2031-05-05T21:30:00Z"),
    ] {
        connection.floating_zone = zone;
        let expected = TimeRange::new(start.parse().unwrap(), end.parse().unwrap()).unwrap();
        let busy = provider().free_busy(&connection, day()).await.unwrap();
        assert_eq!(busy[0].range, expected);
        let changes = provider().changes(&connection, None, day()).await.unwrap();
        let Change::Series { occurrences, .. } = &changes.events[0] else { panic!("{changes:?}") };
        assert_eq!(occurrences[0].range, expected);
    }
}

/// What a database can't take of references and titles is not told.
#[tokio::test]
async fn long_and_odd_texts_are_told_so_that_they_can_be_kept() {
    let long = event(&"x".repeat(300_000), "20310505T090000Z");
    let text = calendar(&(long + &event("a\0b", "20310505T100000Z")));
    let server = Server::with(Feed::new(text.replace("Ada's", "Ada\0's"))).await;
    let changes = provider().changes(&server.connection(), None, day()).await.unwrap();
    let Change::Series { occurrences, .. } = &changes.events[0] else { panic!("{changes:?}") };
    assert_eq!(occurrences.len(), 2);
    for it in occurrences {
        let (uid, title) = (it.uid.as_deref().unwrap(), it.title.as_deref().unwrap());
        assert!(it.event_ref.starts_with("sha256-") && it.event_ref.len() < 100);
        assert!(uid.starts_with("sha256-") && title.chars().count() <= 200);
        assert!(!title.contains('\0'));
    }
    let url = server.connection().credentials;
    let connected = provider().connect(request(url.expose_secret())).await.unwrap();
    assert_eq!(connected.calendar_name.as_deref(), Some("Ada's, work"));
}
