//! What a few lines can make of memory. Alone in its process, since the peak is the process's.

use calendar_ical::{Expansion, ReadError, expand};
use calendar_provider::TimeRange;
use chrono::TimeDelta;
use chrono_tz::Tz;

/// More than any of the texts may take, in KiB.
const MOST: u64 = 100 * 1024;

fn numbers(range: std::ops::Range<u32>) -> String {
    range.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}

/// Every second of a day.
fn every_second() -> String {
    let (hours, sixty) = (numbers(0..24), numbers(0..60));
    format!("BYHOUR={hours};BYMINUTE={sixty};BYSECOND={sixty}")
}

fn calendar(body: &str) -> String {
    format!("BEGIN:VCALENDAR\r\n{body}END:VCALENDAR\r\n")
}

fn events(many: usize, lines: &str) -> String {
    let event = |n| format!("BEGIN:VEVENT\r\nUID:{n}\r\n{lines}END:VEVENT\r\n");
    calendar(&(0..many).map(event).collect::<String>())
}

/// The most memory that this process ever had resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn hostile() -> Vec<(&'static str, String)> {
    let second = every_second();
    let year = format!(
        "DTSTART:20310101T000000Z\r\nDURATION:PT1S\r\n\
         RRULE:FREQ=YEARLY;BYMONTH={};BYSETPOS=-1;{second}\r\n",
        numbers(1..13)
    );
    let since_year_one =
        format!("DTSTART:00010101T000000Z\r\nRRULE:FREQ=DAILY;COUNT=4294967295;{second}\r\n");
    let title = "\u{1f600}".repeat(200);
    let minutely = format!(
        "SUMMARY:{title}\r\nUID:{}\r\nDTSTART:20310101T000000Z\r\nDURATION:PT1M\r\n\
         RRULE:FREQ=MINUTELY;COUNT=9999\r\n",
        "u".repeat(255)
    );
    let part = "BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n\
        TZOFFSETTO:+0200\r\nRRULE:FREQ=HOURLY;INTERVAL=3\r\nEND:STANDARD\r\n";
    let zone = format!("BEGIN:VTIMEZONE\r\nTZID:Own\r\n{}END:VTIMEZONE\r\n", part.repeat(200));
    let event = "BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Own:20310101T000000\r\nEND:VEVENT\r\n";
    vec![
        ("every second of a year, of which the last is chosen", events(50, &year)),
        ("every second since year 1, counted", events(50, &since_year_one)),
        ("a long title, many times", events(20, &minutely)),
        ("a zone that changes all the time", calendar(&format!("{zone}{event}"))),
    ]
}

#[test]
fn a_few_lines_never_take_much_memory() {
    let start = "2031-01-01T00:00:00Z".parse().expect("valid");
    let window = TimeRange::lasting(start, TimeDelta::days(62)).expect("valid");
    for (what, text) in hostile() {
        let before = peak();
        let read = expand(&text, &Expansion::new(window, Tz::Europe__Paris));
        let (read, took) = (read.map(|found| found.len()), peak() - before);
        assert!(took < MOST, "{what}: {took} KiB for {} bytes, {read:?}", text.len());
        let refused = [ReadError::TooMuchWork, ReadError::TooManyOccurrences];
        let is_refused = read.as_ref().is_err_and(|error| refused.contains(error));
        // One of many seconds is no work at all: the 50 starts are all that the window has.
        assert!(is_refused || read == Ok(50), "{what}: {read:?}");
    }
}

/// A list that says the same a thousand times costs what it says once.
#[test]
fn what_is_said_many_times_is_looked_up_once() {
    let days = vec!["1MO,-1FR,2TU"; 100_000].join(",");
    let year_days = vec!["1,-1,100"; 100_000].join(",");
    let start = "2031-01-01T00:00:00Z".parse().expect("valid");
    let window = TimeRange::lasting(start, TimeDelta::days(365)).expect("valid");
    for (rule, many) in [
        (format!("FREQ=YEARLY;COUNT=9999;BYDAY={days}"), 3),
        (format!("FREQ=YEARLY;COUNT=9999;BYYEARDAY={year_days}"), 3),
    ] {
        let text =
            events(1, &format!("DTSTART:15000601T090000Z\r\nDURATION:PT1H\r\nRRULE:{rule}\r\n"));
        let read = expand(&text, &Expansion::new(window, Tz::UTC));
        assert_eq!(read.map(|found| found.len()), Ok(many));
    }
    let many_parts: String = (0..1000).map(|n| format!(";X-{n}=1")).collect();
    let text = events(1, &format!("DTSTART:20310101T090000Z\r\nRRULE:FREQ=DAILY{many_parts}\r\n"));
    let invalid = Err(ReadError::Invalid { property: "RRULE" });
    assert_eq!(expand(&text, &Expansion::new(window, Tz::UTC)), invalid);
}
