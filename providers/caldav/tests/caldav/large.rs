//! A calendar of 50,000 events.

use std::fmt::Write;
use std::sync::OnceLock;

use calendar_provider::{CalendarProvider, Change, ErrorClass};

use crate::following::{connection, days, provider};
use crate::support::fake::{Asked, Fake, Reply, event, object};

const PATH: &str = "/dav/calendars/ada/work/";
const EVENTS: usize = 50_000;

/// All of them are in the window, 5 a minute over 7 days, and all of them change.
fn reply(asked: &Asked) -> Reply {
    let text = |number: usize| {
        let minute = number / 5;
        let (day, hour) = (5 + minute / 1440, minute / 60 % 24);
        event(&number.to_string(), &format!("203105{day:02}T{hour:02}{:02}00Z", minute % 60))
    };
    if asked.method == "PROPFIND" {
        return Reply::props(PATH, "<d:sync-token>1</d:sync-token>");
    }
    let mut responses = String::new();
    if asked.body.contains("sync-collection") {
        for number in 0..EVENTS {
            write!(responses, "<d:response><d:href>{PATH}{number}.ics</d:href><d:propstat><d:prop><d:getetag>\"{number}\"</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>").unwrap();
        }
        responses.push_str("<d:sync-token>2</d:sync-token>");
    } else {
        // Made once: it is asked for twice.
        static ALL: OnceLock<String> = OnceLock::new();
        let one = |number| object(&format!("{PATH}{number}.ics"), &text(number));
        responses.push_str(ALL.get_or_init(|| (0..EVENTS).map(one).collect()));
    }
    Reply::multistatus(&responses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_read_and_followed_whole() {
    let fake = Fake::start(reply).await;
    let (provider, connection) = (provider(&fake), connection(&fake));
    let first = provider.changes(&connection, None, days(8)).await.unwrap();
    assert_eq!(first.events.len(), EVENTS);
    assert!(first.events.iter().all(|it| matches!(it, Change::Present(_))));
    // That all have changed is not followed one by one: the window is read again.
    let error = provider.changes(&connection, Some(&first.next), days(8)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::CursorExpired);
    assert_eq!(fake.asked().len(), 3);
    let before = fake.asked().len();
    let busy = provider.free_busy(&connection, days(8)).await.unwrap();
    assert_eq!((busy.len(), fake.asked().len() - before), (EVENTS, 1));
}
