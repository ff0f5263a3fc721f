//! What is written, and that it reads back as it was meant.

use calendar_ical::{Expansion, expand, write_event};
use calendar_provider::{EventDraft, Participant, TimeRange};
use chrono::TimeDelta;
use chrono_tz::Tz;

fn draft() -> EventDraft {
    let start = "2031-03-30T00:30:00Z".parse().expect("valid");
    let range = TimeRange::lasting(start, TimeDelta::minutes(45)).expect("valid");
    let organizer =
        Participant::new(Some("Ada \"A\" Lovelace; x:y, z".to_owned()), "ada@example.org");
    let mut draft =
        EventDraft::new("b-1@frontdesk", range, Tz::Europe__Paris, "Tea, or; more\\", organizer);
    draft.sequence = 3;
    draft.description = Some(format!("First\r\nEND:VEVENT\n{}", "längere Zeile ".repeat(20)));
    draft.location = Some("Room 1\u{7}".to_owned());
    draft.attendees = vec![Participant::new(None, "a?b&c d@example.org")];
    draft
}

fn written() -> String {
    write_event(&draft(), "2031-01-01T00:00:00Z".parse().expect("valid"))
}

#[test]
fn an_event_is_written_as_a_server_wants_it() {
    let text = written();
    let unfolded = text.replace("\r\n ", "");
    let lines: Vec<_> = unfolded.split("\r\n").collect();
    assert_eq!(
        [&lines[..10], &lines[11..]].concat(),
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Frontdesk//Frontdesk//EN",
            "BEGIN:VEVENT",
            "UID:b-1@frontdesk",
            "DTSTAMP:20310101T000000Z",
            "SEQUENCE:3",
            "DTSTART:20310330T003000Z",
            "DTEND:20310330T011500Z",
            "SUMMARY:Tea\\, or\\; more\\\\",
            "LOCATION:Room 1",
            "ORGANIZER;SCHEDULE-AGENT=CLIENT;CN=\"Ada ^'A^' Lovelace; x:y, z\":mailto:ada@example.org",
            "ATTENDEE;SCHEDULE-AGENT=CLIENT;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:a%3Fb%26c%20d@example.org",
            "STATUS:CONFIRMED",
            "TRANSP:OPAQUE",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    );
    assert!(
        lines[10].starts_with("DESCRIPTION:First\\nEND:VEVENT\\nlängere Zeile"),
        "{}",
        lines[10]
    );
}

#[test]
fn lines_have_at_most_75_octets_and_end_in_crlf() {
    let text = written();
    assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
    let longest = text.split("\r\n").map(str::len).max();
    assert!(longest <= Some(75) && Some(73) <= longest, "{longest:?}");
}

#[test]
fn what_is_written_reads_back() {
    let day =
        TimeRange::lasting("2031-03-30T00:00:00Z".parse().expect("valid"), TimeDelta::days(1))
            .expect("valid");
    let found = expand(written(), &Expansion::new(day, Tz::UTC)).expect("valid");
    let [event] = &found[..] else { panic!("one event") };
    let draft = draft();
    assert_eq!((event.range, event.busy, event.sequence), (draft.range, true, 3));
    assert_eq!(
        (event.uid.as_str(), event.title.as_deref()),
        ("b-1@frontdesk", Some("Tea, or; more\\"))
    );
    assert_eq!(event.recurrence_id, None);
}
