//! What holds for every text.

use calendar_ical::{Expansion, Occurrence, expand, parse_free_busy};
use calendar_provider::TimeRange;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use proptest::sample::select;

fn start() -> DateTime<Utc> {
    "2031-03-01T00:00:00Z".parse().expect("valid")
}

fn window(from_hours: i64, hours: i64) -> TimeRange {
    TimeRange::lasting(start() + TimeDelta::hours(from_hours), TimeDelta::hours(hours))
        .expect("valid")
}

fn read(text: &str, window: TimeRange) -> Vec<Occurrence> {
    let mut found = expand(text, &Expansion::new(window, Tz::Europe__Paris)).unwrap_or_default();
    let names = |o: &Occurrence| (o.range, o.uid.clone(), o.recurrence_id.clone());
    found.sort_by_key(names);
    found
}

/// Lines that mean something, so that what is put together at random does now and then.
fn line() -> impl Strategy<Value = String> {
    const LINES: [&str; 34] = [
        "BEGIN:VEVENT",
        "END:VEVENT",
        "END:VEVENT",
        "BEGIN:VCALENDAR",
        "END:VCALENDAR",
        "BEGIN:VTIMEZONE\r\nTZID:Own",
        "BEGIN:STANDARD\r\nDTSTART:20000101T000000\r\nTZOFFSETFROM:+2359\r\nTZOFFSETTO:-2359",
        "BEGIN:DAYLIGHT\r\nDTSTART:00010101T000000\r\nTZOFFSETFROM:-2359\r\nTZOFFSETTO:+2359",
        "END:STANDARD",
        "END:DAYLIGHT",
        "END:VTIMEZONE",
        "UID:a",
        "UID:b",
        "DTSTART:20310301T090000Z",
        "DTSTART;TZID=Own:20310330T023000",
        "DTSTART;VALUE=DATE:00010101",
        "DTSTART:99991231T235959",
        "DTEND:00010101T000000Z",
        "DTEND:99991231T235960Z",
        "DURATION:P3660000D",
        "DURATION:-P1W",
        "RRULE:FREQ=DAILY",
        "RRULE:FREQ=YEARLY;BYWEEKNO=-53,53,1;BYSETPOS=-1",
        "RRULE:FREQ=MONTHLY;INTERVAL=4294967295;BYDAY=-5SU",
        "RRULE:FREQ=YEARLY;INTERVAL=4294967295;COUNT=4294967295",
        "RRULE:FREQ=WEEKLY;COUNT=7;WKST=SU",
        "RDATE:20310302T090000Z/P1D,99991231T000000/99991231T235959",
        "EXDATE:00010101,99991231T000000Z",
        "RECURRENCE-ID:20310302T090000Z",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:00010101T000000",
        "RECURRENCE-ID;VALUE=DATE:99991231",
        "SEQUENCE:99999999999",
        "SUMMARY:\\",
        "ATTENDEE;PARTSTAT=\"",
    ];
    select(&LINES[..]).prop_map(str::to_owned)
}

/// An event that recurs, with changes to it.
fn event() -> impl Strategy<Value = String> {
    let starts = select(
        &[
            "DTSTART;TZID=America/New_York:20290101T020000",
            "DTSTART:20310227T233000Z",
            "DTSTART;VALUE=DATE:20310220",
            "DTSTART:20200229T023000",
        ][..],
    );
    let ends = select(&["DURATION:P1D", "DURATION:PT1H", "DURATION:P2DT5H", "DURATION:-PT1H"][..]);
    let rules = select(
        &[
            "RRULE:FREQ=DAILY",
            "RRULE:FREQ=DAILY;INTERVAL=3",
            "RRULE:FREQ=WEEKLY;BYDAY=SU,MO;UNTIL=20310320",
            "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1,9",
            "RRULE:FREQ=DAILY;COUNT=820",
            "RDATE:20310309T070000Z\r\nRDATE;VALUE=PERIOD:20310310T070000Z/P3D",
        ][..],
    );
    let changes = select(
        &[
            "",
            "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20310309\r\nDTSTART;VALUE=DATE:20310305",
            "RECURRENCE-ID;VALUE=DATE:20310309\r\nDTSTART:20310330T013000Z\r\nDURATION:PT3H",
            "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20310309\r\nDTSTART:20310312T120000Z\r\nDURATION:P2D",
        ][..],
    );
    (starts, ends, rules, changes).prop_map(|(start, end, rule, change)| {
        let change = match change {
            "" => String::new(),
            change => format!("BEGIN:VEVENT\r\nUID:a\r\n{change}\r\nEND:VEVENT\r\n"),
        };
        format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\n{start}\r\n{end}\r\n{rule}\r\n\
             EXDATE;VALUE=DATE:20310303\r\nEND:VEVENT\r\n{change}END:VCALENDAR\r\n"
        )
    })
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in vec(any::<u8>(), 0..400)) {
        let _ = expand(&bytes, &Expansion::new(window(0, 24), Tz::UTC));
        let _ = parse_free_busy(&bytes);
    }

    #[test]
    fn no_lines_bring_it_down(lines in vec(line(), 0..30), zone in select(&chrono_tz::TZ_VARIANTS[..])) {
        let body = lines.join("\r\n");
        for text in [
            body.clone(),
            format!("BEGIN:VCALENDAR\r\n{body}\r\nEND:VCALENDAR"),
            format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{body}\r\nEND:VEVENT\r\nEND:VCALENDAR"),
            format!("BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\n{body}\r\nEND:VFREEBUSY\r\nEND:VCALENDAR"),
        ] {
            let _ = expand(&text, &Expansion::new(window(0, 900), zone));
            let _ = parse_free_busy(&text);
        }
    }

    #[test]
    fn no_rule_brings_it_down(rule in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY|HOURLY|SECONDLY)(;(BYDAY=-?[1-5]?(MO|SU)|BYMONTH=[0-9]{1,2}|BYSETPOS=-?[0-9]{1,3}|BYYEARDAY=-?[0-9]{1,3}|INTERVAL=[0-9]{1,9}|COUNT=[0-9]{1,4}|BYHOUR=[0-9]{1,2}))*)|\\PC{0,40}") {
        let text = format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20300101T000000Z\r\nDURATION:PT1H\r\nRRULE:{rule}\r\nEND:VEVENT\r\nEND:VCALENDAR");
        let _ = expand(&text, &Expansion::new(window(0, 24), Tz::UTC));
    }

    #[test]
    fn a_window_is_the_union_of_its_parts(text in event(), parts in vec(1_i64..200, 1..12)) {
        let whole = read(&text, window(0, parts.iter().sum()));
        let mut from = 0;
        let mut union = Vec::new();
        for part in &parts {
            union.extend(read(&text, window(from, *part)));
            from += part;
        }
        union.sort_by_key(|o| (o.range, o.uid.clone(), o.recurrence_id.clone()));
        union.dedup();
        prop_assert_eq!(union, whole);
    }
}

/// So that the union above is not one of nothing.
#[test]
fn the_events_of_the_properties_can_be_read() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut total = 0;
    for _ in 0..50 {
        let text = event().new_tree(&mut runner).expect("valid").current();
        let found = expand(&text, &Expansion::new(window(0, 900), Tz::Europe__Paris));
        total += found.unwrap_or_else(|error| panic!("{error}: {text}")).len();
    }
    assert!(200 < total, "{total}");
}
