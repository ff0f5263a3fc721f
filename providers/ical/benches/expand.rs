//! How long it takes to read calendars: `cargo bench -p calendar-ical`.

use std::fmt::Write;
use std::hint::black_box;

use calendar_ical::{Expansion, expand};
use calendar_provider::TimeRange;
use chrono::TimeDelta;
use criterion::{Criterion, criterion_group, criterion_main};

/// Recurring events with no end that began over the last 25 years: daily on workdays, weekly and
/// monthly in equal parts, in four zones, half of them with three EXDATEs.
fn recurring(events: usize) -> String {
    let zones = ["Europe/Paris", "America/New_York", "Asia/Kolkata", "W. Europe Standard Time"];
    let rules = [
        "FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        "FREQ=MONTHLY;BYDAY=2WE",
        "FREQ=YEARLY;BYMONTH=1;BYDAY=MO",
    ];
    let mut text = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n");
    for n in 0..events {
        let (zone, rule) = (zones[n % 4], rules[n % 6]);
        let (year, month, day) = (2001 + n % 25, n % 12 + 1, n % 28 + 1);
        let start = format!("{year}{month:02}{day:02}T{:02}0000", 7 + n % 12);
        write!(
            text,
            "BEGIN:VEVENT\r\nUID:event-{n}@example.org\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART;TZID={zone}:{start}\r\nDURATION:PT30M\r\nSUMMARY:Meeting {n}\r\n\
             RRULE:{rule}\r\n"
        )
        .expect("a string takes all");
        if n % 2 == 0 {
            let hour = 7 + n % 12;
            write!(
                text,
                "EXDATE;TZID={zone}:{start},20310108T{hour:02}0000,20310114T{hour:02}0000\r\n"
            )
            .expect("a string takes all");
        }
        text.push_str("END:VEVENT\r\n");
    }
    text.push_str("END:VCALENDAR\r\n");
    text
}

/// Single events, eight a day.
fn single(events: usize) -> String {
    let start = chrono::DateTime::from_timestamp(1_900_000_000, 0).expect("in range");
    let mut text = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n");
    for n in 0..events {
        let start = start + TimeDelta::hours(3 * i64::try_from(n).expect("a small number"));
        write!(
            text,
            "BEGIN:VEVENT\r\nUID:event-{n}@example.org\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART;TZID=Europe/Paris:{0}\r\nDTEND;TZID=Europe/Paris:{0}\r\n\
             SUMMARY:Meeting {n}\r\nDESCRIPTION:{1}\r\n {1}\r\nEND:VEVENT\r\n",
            start.format("%Y%m%dT%H%M%S"),
            "What is to be said about it. ".repeat(2),
        )
        .expect("a string takes all");
    }
    text.push_str("END:VCALENDAR\r\n");
    text
}

fn benches(c: &mut Criterion) {
    let start = "2031-01-01T00:00:00Z".parse().expect("a time");
    let window = TimeRange::lasting(start, TimeDelta::days(62)).expect("not empty");
    let expansion = Expansion::new(window, chrono_tz::Europe::Berlin);
    for (name, text) in [
        ("10,000 recurring events over 62 days", recurring(10_000)),
        ("50,000 single events", single(50_000)),
    ] {
        let found = expand(&text, &expansion).expect("it can be read").len();
        println!("{name}: {} KiB, {found} occurrences", text.len() / 1024);
        c.bench_function(name, |b| b.iter(|| expand(black_box(&text), &expansion)));
    }
}

criterion_group! {
    name = groups;
    config = Criterion::default().sample_size(20);
    targets = benches
}
criterion_main!(groups);
