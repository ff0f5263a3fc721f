//! What is read of a text, and what is refused.

use calendar_ical::{Expansion, Occurrence, ReadError, busy, expand, parse_free_busy};
use calendar_provider::TimeRange;
use chrono::TimeDelta;
use chrono_tz::Tz;

const PLAIN: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\n\
    DTSTART:20310106T090000Z\r\nDTEND:20310106T100000Z\r\nSUMMARY:Tea\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";

fn expansion<'a>() -> Expansion<'a> {
    let start = "2031-01-01T00:00:00Z".parse().expect("valid");
    let window = TimeRange::lasting(start, TimeDelta::days(62)).expect("valid");
    Expansion::new(window, Tz::Europe__Paris)
}

fn read(text: impl AsRef<[u8]>) -> Result<Vec<Occurrence>, ReadError> {
    let mut found = expand(text, &expansion())?;
    found.sort_by_key(|o| (o.range.start(), o.range.end()));
    Ok(found)
}

fn event(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n")
}

/// The times as `day hour:minute-day hour:minute`, those that are not busy in brackets.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found: Vec<_> = read(text).expect("it can be read").iter().map(shown).collect();
    assert_eq!(found, expected);
}

fn shown(o: &Occurrence) -> String {
    let (start, end) = (o.range.start(), o.range.end());
    let text = format!("{}-{}", start.format("%m%d %H:%M"), end.format("%m%d %H:%M"));
    if o.busy { text } else { format!("({text})") }
}

#[test]
fn line_ends_case_and_byte_order_mark_do_not_matter() {
    let expected = read(PLAIN).expect("valid");
    assert_eq!(expected[0].title.as_deref(), Some("Tea"));
    for text in [
        PLAIN.replace("\r\n", "\n"),
        PLAIN.replace("\r\n", "\r"),
        PLAIN.replace("\r\n", "\r\r\n"),
        format!("\u{feff}{PLAIN}"),
        PLAIN.replace("\r\n", "\r\n\r\n"),
        PLAIN.replace("SUMMARY", "summary").replace("BEGIN:V", "begin:v").replace("DTEND", "dtend"),
        PLAIN.replace("END:VEVENT", "end:vevent").replace("Z\r\n", "z\r\n"),
        PLAIN.trim_end().to_owned(),
        PLAIN.replace("UID:a", "CATEGORIES:x,y\r\nX-FOO;BAR=\"a:b\":c\r\nno colon here\r\nUID:a"),
        PLAIN.replace("SUMMARY:Tea", "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nDURATION:PT9H\r\nSUMMARY:no\r\nEND:VALARM\r\nSUMMARY:Tea"),
    ] {
        assert_eq!(read(&text), Ok(expected.clone()), "{text:?}");
    }
}

#[test]
fn lines_are_unfolded_even_within_a_character() {
    let whole = PLAIN.replace("Tea", "Thé à la menthe, longtemps");
    let expected = read(&whole).expect("valid");
    let at = whole.find("Thé").expect("valid");
    for place in at..at + 12 {
        for fold in [&b"\r\n "[..], b"\n\t", b"\r "] {
            let mut folded = whole.as_bytes().to_vec();
            folded.splice(place..place, fold.iter().copied());
            assert_eq!(read(&folded), Ok(expected.clone()), "{place}");
        }
    }
    let dates = PLAIN.replace("20310106T09", "2031\r\n 01\r\n\t06T09");
    assert_eq!(read(dates).expect("valid")[0].range, expected[0].range);
}

#[test]
fn what_is_no_whole_calendar_is_refused() {
    use ReadError::{CutOff, Nesting, NotCalendar, NotUtf8};
    let cut = &PLAIN[..PLAIN.find("END:VEVENT").expect("valid")];
    for (text, error) in [
        ("", NotCalendar),
        ("\u{feff}", NotCalendar),
        ("<!DOCTYPE html><html><body>Sign in: now</body></html>", NotCalendar),
        ("BEGIN:VCARD\r\nEND:VCARD\r\n", NotCalendar),
        ("BEGIN:VEVENT\r\nEND:VEVENT\r\n", NotCalendar),
        (cut, CutOff),
        (&PLAIN.replace("END:VEVENT\r\n", ""), Nesting),
        (&format!("{PLAIN}<html>"), Nesting),
        (&PLAIN.replace("BEGIN:VEVENT", "BEGIN:X\r\nBEGIN:VEVENT"), Nesting),
        (&"BEGIN:VCALENDAR\r\n".repeat(100_000), Nesting),
        (&format!("BEGIN:VCALENDAR\r\n{}", "BEGIN:X\r\n".repeat(100_000)), Nesting),
    ] {
        assert_eq!(read(text), Err(error), "{}", &text[..text.len().min(100)]);
    }
    for end in 0..PLAIN.trim_end().len() {
        assert!(read(&PLAIN[..end]).is_err(), "cut off at {end}");
    }
    let latin = PLAIN.replace("Tea", "Th?").into_bytes();
    let latin: Vec<_> = latin.into_iter().map(|b| if b == b'?' { 0xE9 } else { b }).collect();
    assert_eq!(read(latin), Err(NotUtf8));
}

#[test]
fn what_busy_time_depends_on_must_be_right() {
    let start = "DTSTART:20310106T090000Z\r\n";
    for (lines, property) in [
        ("SUMMARY:no time\r\n", "DTSTART"),
        ("DTSTART:soon\r\n", "DTSTART"),
        ("DTSTART:20310230T090000Z\r\n", "DTSTART"),
        (&format!("{start}DTEND:later\r\n"), "DTEND"),
        (&format!("{start}DURATION:1h\r\n"), "DURATION"),
        (&format!("{start}RRULE:FREQ=OFTEN\r\n"), "RRULE"),
        (&format!("{start}RRULE:FREQ=DAILY;BYDAY=XX\r\n"), "RRULE"),
        (&format!("{start}RDATE:x\r\n"), "RDATE"),
        (&format!("{start}RECURRENCE-ID:x\r\n"), "RECURRENCE-ID"),
        ("DTSTART;VALUE=DATE:20310106\r\nRRULE:FREQ=HOURLY\r\n", "RRULE"),
    ] {
        assert_eq!(read(event(lines)), Err(ReadError::Invalid { property }), "{lines}");
    }
    let zone = "DTSTART;TZID=Mars/Olympus:20310106T090000\r\n";
    assert_eq!(read(event(zone)), Err(ReadError::UnknownZone));
    let range = format!("{start}RECURRENCE-ID;RANGE=THISANDPRIOR:20310106T090000Z\r\n");
    assert!(matches!(read(event(&range)), Err(ReadError::Unsupported { .. })));
    let unfinished = event(start).replace(
        "BEGIN:VEVENT",
        "BEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT",
    );
    assert_eq!(read(unfinished), Err(ReadError::Invalid { property: "VTIMEZONE" }));
}

#[test]
fn no_error_tells_what_the_text_says() {
    for text in [
        event("DTSTART:hunter2\r\n"),
        "hunter2".to_owned(),
        event("DTSTART;TZID=hunter2:20310106T090000\r\n"),
    ] {
        let error = read(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn whole_days_are_days_of_the_agents_zone() {
    let day = |lines: &str| event(&format!("DTSTART;VALUE=DATE:20310106\r\n{lines}"));
    check(&day(""), &["0105 23:00-0106 23:00"]);
    check(&day("DTEND;VALUE=DATE:20310108\r\n"), &["0105 23:00-0107 23:00"]);
    check(&day("DTEND;VALUE=DATE:20310106\r\n"), &["0105 23:00-0106 23:00"]);
    check(&day("DTEND;VALUE=DATE:20310105\r\n"), &["0105 23:00-0106 23:00"]);
    check(&day("DURATION:P2D\r\n"), &["0105 23:00-0107 23:00"]);
    check(&day("DURATION:PT0S\r\n"), &["0105 23:00-0106 23:00"]);
    check(&event("DTSTART:20310106\r\n"), &["0105 23:00-0106 23:00"]);
    check(
        &day("RRULE:FREQ=WEEKLY;UNTIL=20310120;BYHOUR=9\r\nEXDATE;VALUE=DATE:20310113\r\n"),
        &["0105 23:00-0106 23:00", "0119 23:00-0120 23:00"],
    );
    check(
        &day("RRULE:FREQ=DAILY;UNTIL=20310107T000000Z\r\nEXDATE:20310105T230000Z\r\n"),
        &["0106 23:00-0107 23:00"],
    );
}

#[test]
fn floating_times_are_in_the_agents_zone() {
    check(&event("DTSTART:20310106T090000\r\nDURATION:PT1H\r\n"), &["0106 08:00-0106 09:00"]);
}

#[test]
fn days_follow_the_clock_and_hours_do_not() {
    // The clock of New York is put forward on 2031-03-09; the window is moved there.
    let start = "2031-03-08T00:00:00Z".parse().expect("valid");
    let window = TimeRange::lasting(start, TimeDelta::days(3)).expect("valid");
    let check = |lines: &str, hours: i64| {
        let text = event(&format!("DTSTART;TZID=America/New_York:20310308T120000\r\n{lines}"));
        let found = expand(text, &Expansion::new(window, Tz::UTC)).expect("valid");
        assert_eq!(found[0].range.length(), TimeDelta::hours(hours), "{lines}");
    };
    check("DURATION:P1D\r\n", 23);
    check("DURATION:PT24H\r\n", 24);
    check("DURATION:P1DT1H\r\n", 24);
    check("DTEND;TZID=America/New_York:20310309T120000\r\n", 23);
    // From the week before: with DTEND each is exactly as long as the first.
    let weekly = "DTSTART;TZID=America/New_York:20310301T120000\r\nRRULE:FREQ=WEEKLY\r\n";
    for (end, hours) in
        [("DTEND;TZID=America/New_York:20310302T120000\r\n", 24), ("DURATION:P1D\r\n", 23)]
    {
        let text = event(&format!("{weekly}{end}"));
        let found = expand(text, &Expansion::new(window, Tz::UTC)).expect("valid");
        assert_eq!(found[0].range.length(), TimeDelta::hours(hours), "{end}");
    }
}

#[test]
fn an_end_before_the_start_blocks_the_day() {
    let start = "DTSTART;TZID=Europe/Paris:20310106T090000\r\n";
    for end in [
        "DTEND;TZID=Europe/Paris:20310106T080000\r\n",
        "DURATION:-PT1H\r\n",
        "DTEND;VALUE=DATE:20310105\r\n",
    ] {
        check(&event(&format!("{start}{end}")), &["0105 23:00-0106 23:00"]);
    }
    check(&event(&format!("{start}DTEND;VALUE=DATE:20310107\r\n")), &["0106 08:00-0106 23:00"]);
}

#[test]
fn what_lasts_no_time_blocks_nothing() {
    let start = "DTSTART:20310106T090000Z\r\n";
    for end in ["", "DTEND:20310106T090000Z\r\n", "DURATION:PT0S\r\n"] {
        check(&event(&format!("{start}{end}")), &[]);
    }
}

#[test]
fn the_table_decides_who_is_busy() {
    let me = ["Me@Example.org".to_owned(), "also@example.org".to_owned()];
    let expansion = Expansion { me: &me, ..expansion() };
    let is_busy = |lines: &str| {
        let text = event(&format!("DTSTART:20310106T090000Z\r\nDURATION:PT1H\r\n{lines}"));
        let found = expand(&text, &expansion).expect("valid");
        assert_eq!(busy(&text, &expansion).expect("valid").len(), usize::from(found[0].busy));
        found[0].busy
    };
    for free in [
        "STATUS:CANCELLED\r\n",
        "status:cancelled\r\n",
        "TRANSP:TRANSPARENT\r\n",
        "X-MICROSOFT-CDO-BUSYSTATUS:FREE\r\n",
        "X-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE\r\nTRANSP:OPAQUE\r\n",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:me@example.org\r\n",
        "ATTENDEE;CN=\"A;B:C\";PARTSTAT=declined:MAILTO:ME@EXAMPLE.ORG\r\n",
        "ATTENDEE;PARTSTAT=DECLINED;EMAIL=me@example.org:/principals/7/\r\n",
        "STATUS:CANCELLED\r\nX-MICROSOFT-CDO-BUSYSTATUS:BUSY\r\n",
    ] {
        assert!(!is_busy(free), "{free}");
    }
    for taken in [
        "",
        "STATUS:TENTATIVE\r\n",
        "STATUS:CONFIRMED\r\nTRANSP:OPAQUE\r\n",
        "TRANSP:X-UNKNOWN\r\n",
        "X-MICROSOFT-CDO-BUSYSTATUS:OOF\r\nTRANSP:TRANSPARENT\r\n",
        "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE\r\n",
        "X-MICROSOFT-CDO-BUSYSTATUS:WHATEVER\r\n",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:other@example.org\r\n",
        "ATTENDEE;PARTSTAT=TENTATIVE:mailto:me@example.org\r\n",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:me@example.org\r\nATTENDEE:mailto:also@example.org\r\n",
        "ORGANIZER;PARTSTAT=DECLINED:mailto:me@example.org\r\n",
    ] {
        assert!(is_busy(taken), "{taken}");
    }
}

#[test]
fn other_components_and_further_calendars_are_read_over() {
    let todo = "BEGIN:VTODO\r\nUID:t\r\nDTSTART:20310106T090000Z\r\nDUE:20310106T100000Z\r\nEND:VTODO\r\n\
        BEGIN:VJOURNAL\r\nDTSTART:20310106T090000Z\r\nEND:VJOURNAL\r\n\
        BEGIN:VFREEBUSY\r\nFREEBUSY:20310106T090000Z/PT1H\r\nEND:VFREEBUSY\r\n";
    let text = PLAIN.replace("BEGIN:VEVENT", &format!("METHOD:PUBLISH\r\n{todo}BEGIN:VEVENT"));
    let second = event("DTSTART:20310107T090000Z\r\nDURATION:PT1H\r\n").replace("UID:a", "UID:b");
    check(&format!("{text}{second}"), &["0106 09:00-0106 10:00", "0107 09:00-0107 10:00"]);
    assert_eq!(read("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), Ok(Vec::new()));
}

#[test]
fn the_highest_revision_stands() {
    let one = |sequence: u32, hour: u32| {
        event(&format!(
            "SEQUENCE:{sequence}\r\nDTSTART:20310106T{hour:02}0000Z\r\nDURATION:PT1H\r\n"
        ))
    };
    let newest = ["0106 11:00-0106 12:00"];
    check(&format!("{}{}{}", one(2, 10), one(10, 11), one(9, 12)), &newest);
    // Of one revision, all count; nothing tells which is meant.
    let both = format!("{}{}", one(2, 10), one(2, 12));
    check(&both, &["0106 10:00-0106 11:00", "0106 12:00-0106 13:00"]);
    let found = read(&both).expect("valid");
    assert_ne!(found[0].recurrence_id, found[1].recurrence_id, "each has a name of its own");
    // Without a UID nothing is a revision of anything.
    let nameless = format!("{}{}", one(1, 10), one(2, 12)).replace("UID:a\r\n", "");
    assert_eq!(read(nameless).expect("valid").len(), 2);
}

#[test]
fn free_busy_answers_tell_what_is_taken() {
    let answer = |lines: &str| {
        format!("BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\n{lines}END:VFREEBUSY\r\nEND:VCALENDAR\r\n")
    };
    let text = answer(
        "DTSTART:20310101T000000Z\r\nDTEND:20310201T000000Z\r\n\
         FREEBUSY:20310106T090000Z/20310106T100000Z,20310107T090000Z/PT1H30M\r\n\
         FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20310108T090000Z/P1D\r\n\
         FREEBUSY;FBTYPE=BUSY-TENTATIVE:20310110T090000Z/PT1H\r\n\
         FREEBUSY;FBTYPE=X-OTHER:20310111T090000Z/PT1H\r\n\
         freebusy;fbtype=free:20310112T090000Z/PT1H\r\n",
    );
    let hours: Vec<_> =
        parse_free_busy(text).expect("valid").iter().map(|r| r.length().num_minutes()).collect();
    assert_eq!(hours, [60, 90, 1440, 60, 60]);
    assert_eq!(parse_free_busy(answer("")), Ok(Vec::new()));
    let old = answer("DTSTART:20310106T090000Z\r\nDTEND:20310106T100000Z\r\nFBTYPE:BUSY\r\n");
    assert_eq!(parse_free_busy(&old).expect("valid").len(), 1);
    assert_eq!(parse_free_busy(old.replace("TYPE:BUSY", "TYPE:FREE")), Ok(Vec::new()));
    for wrong in [
        "FREEBUSY:20310106T090000/PT1H\r\n",
        "FREEBUSY:20310106T090000Z\r\n",
        "FREEBUSY:20310106T090000Z/20310106T080000Z\r\n",
        "FREEBUSY:x/y\r\n",
        "FBTYPE:BUSY\r\n",
    ] {
        assert!(parse_free_busy(answer(wrong)).is_err(), "{wrong}");
    }
    assert_eq!(parse_free_busy(PLAIN), Err(ReadError::NotCalendar), "it says nothing of free time");
    assert_eq!(parse_free_busy("<html>"), Err(ReadError::NotCalendar));
    assert_eq!(parse_free_busy(&answer("")[..34]), Err(ReadError::CutOff));
}
