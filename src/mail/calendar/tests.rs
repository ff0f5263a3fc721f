use std::process::Command;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

fn part(start: &str, zone: Tz) -> CalendarPart {
    let start: DateTime<Utc> = start.parse().unwrap();
    CalendarPart {
        uid: "0199-booking@frontdesk.example".into(),
        sequence: 2,
        method: CalendarMethod::Request,
        range: TimeRange::lasting(start, TimeDelta::minutes(30)).unwrap(),
        zone,
        stamp: "2026-12-01T08:00:00Z".parse().unwrap(),
        summary: "Meeting with Sam Martin".into(),
        description: Some("Join the meeting: https://meet.example/abc\nMove: a; b, c\\d".into()),
        location: Some("https://meet.example/abc".into()),
        conference_url: Url::parse("https://meet.example/abc").ok(),
        organizer: Mailbox { name: Some("Sam Martin".into()), email: "sam@example.com".into() },
        attendee: Mailbox { name: Some("Ana Silva".into()), email: "ana@example.org".into() },
    }
}

/// Logical lines: folds undone.
fn unfold(ics: &str) -> Vec<String> {
    ics.replace("\r\n ", "").split_terminator("\r\n").map(str::to_owned).collect()
}

fn value<'a>(lines: &'a [String], property: &str) -> &'a str {
    let found = lines.iter().find(|line| line.starts_with(property));
    found.unwrap_or_else(|| panic!("no {property} in {lines:#?}"))
}

/// The counterpart's faults. It must be there where the whole suite is asked for.
#[track_caller]
fn check_with_libical(samples: &[String]) {
    let directory = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/icalendar/check.py");
    let mut command = Command::new("python3");
    command.arg(script);
    for (number, ics) in samples.iter().enumerate() {
        let file = directory.path().join(format!("{number}.ics"));
        std::fs::write(&file, ics).unwrap();
        command.arg(file);
    }
    let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) if output.status.code() == Some(2) && !required => {
            eprintln!("NOT RUN: libical is missing (Debian package libical3)");
        }
        Ok(output) => panic!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) if required => panic!("python3 is missing: {error}"),
        Err(error) => eprintln!("NOT RUN: python3 is missing: {error}"),
    }
}

#[test]
fn an_invitation_reads_as_expected() {
    insta::assert_snapshot!(calendar(&part("2027-01-04T09:00:00Z", Tz::Europe__Paris)));
}

#[test]
fn a_cancellation_keeps_the_uid_and_says_so() {
    let mut cancelled = part("2027-01-04T09:00:00Z", Tz::Europe__Paris);
    cancelled.method = CalendarMethod::Cancel;
    cancelled.sequence = 3;
    let lines = unfold(&calendar(&cancelled));
    assert_eq!(value(&lines, "METHOD"), "METHOD:CANCEL");
    assert_eq!(value(&lines, "STATUS"), "STATUS:CANCELLED");
    assert_eq!(value(&lines, "SEQUENCE"), "SEQUENCE:3");
    assert_eq!(value(&lines, "UID"), "UID:0199-booking@frontdesk.example");
}

#[test]
fn utc_needs_no_definition() {
    let ics = calendar(&part("2027-01-04T09:00:00Z", Tz::UTC));
    assert!(ics.contains("\r\nDTSTART:20270104T090000Z\r\n"), "{ics}");
    assert!(!ics.contains("VTIMEZONE"), "{ics}");
}

#[test]
fn the_second_of_two_equal_local_times_is_told_in_utc() {
    // 02:30 in Paris comes twice on 2027-10-31: at 00:30Z and at 01:30Z.
    let first = calendar(&part("2027-10-31T00:30:00Z", Tz::Europe__Paris));
    assert!(!first.contains("DTSTART;TZID=Europe/Paris:20271031T023000"), "ends in the second");
    let second = calendar(&part("2027-10-31T01:30:00Z", Tz::Europe__Paris));
    assert!(second.contains("DTSTART:20271031T013000Z"), "{second}");
    let before = calendar(&part("2027-10-31T00:00:00Z", Tz::Europe__Paris));
    assert!(before.contains("DTSTART;TZID=Europe/Paris:20271031T020000"), "{before}");
}

#[test]
fn a_zone_without_changes_has_one_standard() {
    let ics = calendar(&part("2027-01-04T09:00:00Z", Tz::Asia__Tokyo));
    assert_eq!(ics.matches("BEGIN:STANDARD").count(), 1, "{ics}");
    assert!(!ics.contains("DAYLIGHT"), "{ics}");
    assert!(ics.contains("TZOFFSETTO:+0900"), "{ics}");
}

/// The offset that a reader of our VTIMEZONE finds for a local time: the last observance that
/// began at or before it.
fn offset_told(lines: &[String], local: &str) -> String {
    let mut found = (String::new(), String::new());
    let mut onset = String::new();
    for line in lines.iter().take_while(|line| *line != "BEGIN:VEVENT") {
        if let Some(start) = line.strip_prefix("DTSTART:") {
            onset = start.to_owned();
        }
        if let Some(offset) = line.strip_prefix("TZOFFSETTO:")
            && found.0.as_str() <= onset.as_str()
            && onset.as_str() <= local
        {
            found = (onset.clone(), offset.to_owned());
        }
    }
    found.1
}

#[test]
fn every_zone_is_defined_as_it_is() {
    let mut samples = Vec::new();
    for zone in chrono_tz::TZ_VARIANTS {
        for start in ["2026-12-31T23:45:00Z", "2027-07-01T12:00:00Z", "2027-03-28T01:00:00Z"] {
            let part = part(start, zone);
            let ics = calendar(&part);
            let lines = unfold(&ics);
            if let Some(start) = lines.iter().find(|line| line.starts_with("DTSTART;TZID=")) {
                let (_, local) = start.split_once(':').unwrap();
                let there = part.range.start().with_timezone(&zone);
                let expected = there.format("%z").to_string();
                assert_eq!(offset_told(&lines, local), expected, "{zone} {ics}");
            }
            samples.push(ics);
        }
    }
    check_with_libical(&samples);
}

#[test]
fn libical_finds_no_fault() {
    let mut samples = Vec::new();
    for method in [CalendarMethod::Request, CalendarMethod::Cancel] {
        for zone in [Tz::UTC, Tz::Europe__Dublin, Tz::Australia__Lord_Howe, Tz::Pacific__Apia] {
            let mut part = part("2027-04-03T15:00:00Z", zone);
            part.method = method;
            part.attendee.name =
                Some("Zoë \"Z\" O’Neil; ATTENDEE=x, ^n : 漢字漢字漢字漢字漢字漢字".into());
            part.attendee.email = "o'neil+a=b@example.org".into();
            part.summary = "漢字".repeat(60);
            samples.push(calendar(&part));
        }
    }
    let event = FeedEvent {
        uid: "1@example.com".into(),
        sequence: 0,
        stamp: "2026-12-01T08:00:00Z".parse().unwrap(),
        range: part("2027-01-04T09:00:00Z", Tz::UTC).range,
        summary: "Busy, or not; who knows".into(),
        description: None,
        location: Some("Room 1".into()),
    };
    let other = FeedEvent { uid: "2@example.com".into(), ..event.clone() };
    let owner = Mailbox { name: Some("Sam".into()), email: "sam@example.com".into() };
    samples.push(feed("Sam’s meetings", &owner, &[event, other]));
    check_with_libical(&samples);
}

#[test]
fn the_counterpart_knows_bad_from_good() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/icalendar/check.py");
    let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
    match Command::new("python3").args([script, "--self-test"]).output() {
        Ok(output) => {
            let missing = output.status.code() == Some(2) && !required;
            assert!(output.status.success() || missing, "{output:?}");
        }
        Err(error) => assert!(!required, "python3 is missing: {error}"),
    }
}

#[test]
fn a_feed_is_published_and_has_every_event() {
    let event = FeedEvent {
        uid: "1@example.com".into(),
        sequence: 4,
        stamp: "2026-12-01T08:00:00Z".parse().unwrap(),
        range: part("2027-01-04T09:00:00Z", Tz::UTC).range,
        summary: "Busy".into(),
        description: None,
        location: None,
    };
    let other = FeedEvent { uid: "2@example.com".into(), ..event.clone() };
    let owner = Mailbox { name: Some("Sam".into()), email: "sam@example.com".into() };
    let lines = unfold(&feed("Sam", &owner, &[event, other]));
    assert_eq!(value(&lines, "METHOD"), "METHOD:PUBLISH");
    assert_eq!(lines.iter().filter(|line| line.starts_with("UID:")).count(), 2);
    assert_eq!(value(&lines, "DTSTART"), "DTSTART:20270104T090000Z");
}

proptest! {
    /// Whatever people are called, the lines are the same lines, with one attendee.
    #[test]
    fn values_add_no_line(
        name in "\\PC{0,60}|[\r\n:;,\"^\\\\a-zA-Z=@]{0,60}",
        email in "[a-z\"<>,;:?&=%\r\n@]{0,30}@example[.]org",
        summary in any::<String>(),
        description in "[\r\n:;,\"^\\\\a-zé漢A-Z=]{0,200}",
    ) {
        let plain = part("2027-01-04T09:00:00Z", Tz::Europe__Paris);
        let mut nasty = plain.clone();
        nasty.attendee = Mailbox { name: Some(name), email };
        nasty.summary = summary;
        nasty.description = Some(description.clone());
        let ics = calendar(&nasty);
        prop_assert!(ics.split("\r\n").all(|line| line.len() <= 75));
        prop_assert!(!ics.replace("\r\n", "").contains(['\r', '\n']));
        let names = |ics: &str| -> Vec<String> {
            let end = |line: &String| line.find([':', ';']).unwrap_or(line.len());
            unfold(ics).iter().map(|line| line[..end(line)].to_owned()).collect()
        };
        prop_assert_eq!(names(&ics), names(&calendar(&plain)));
        let attendee = unfold(&ics).into_iter().find(|line| line.starts_with("ATTENDEE")).unwrap();
        prop_assert!(attendee.ends_with("@example.org"));
        let (_, uri) = attendee.rsplit_once(":mailto:").unwrap();
        prop_assert_eq!(uri.matches('@').count(), 1);
        prop_assert!(!uri.contains([',', '?', ';', ':', '"', '&']), "{}", uri);
        let text = unfold(&ics).into_iter().find(|line| line.starts_with("DESCRIPTION:")).unwrap();
        prop_assert_eq!(unescape(&text["DESCRIPTION:".len()..]), normalised(&description));
    }
}

/// TEXT read back (RFC 5545, section 3.3.11).
fn unescape(text: &str) -> String {
    let mut read = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, if c == '\\' { characters.next() } else { None }) {
            ('\\', Some('n' | 'N')) => read.push('\n'),
            ('\\', Some(escaped)) => read.push(escaped),
            _ => read.push(c),
        }
    }
    read
}

fn normalised(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
