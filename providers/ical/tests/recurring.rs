//! Recurrence sets, and what was changed in them.

use calendar_ical::{Budget, Expansion, Occurrence, ReadError, expand, expand_with};
use calendar_provider::TimeRange;
use chrono::TimeDelta;
use chrono_tz::Tz;

fn window(start: &str, days: i64) -> TimeRange {
    TimeRange::lasting(start.parse().expect("valid"), TimeDelta::days(days)).expect("valid")
}

fn january() -> TimeRange {
    window("2031-01-01T00:00:00Z", 31)
}

fn read(text: &str, window: TimeRange) -> Result<Vec<Occurrence>, ReadError> {
    let mut found = expand(text, &Expansion::new(window, Tz::Europe__Paris))?;
    found.sort_by_key(|o| (o.range.start(), o.range.end()));
    Ok(found)
}

fn calendar(events: &[&str]) -> String {
    let events = events.iter().map(|e| format!("BEGIN:VEVENT\r\nUID:a\r\n{e}END:VEVENT\r\n"));
    format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", events.collect::<String>())
}

/// Each as `recurrence-id start+minutes`, those that are not busy in brackets.
#[track_caller]
fn check(events: &[&str], window: TimeRange, expected: &[&str]) {
    let found = read(&calendar(events), window).expect("it can be read");
    let found: Vec<_> = found.iter().map(shown).collect();
    assert_eq!(found, expected);
}

fn shown(o: &Occurrence) -> String {
    let text = format!(
        "{} {}+{}",
        o.recurrence_id.as_deref().unwrap_or("-"),
        o.range.start().format("%m%d %H:%M"),
        o.range.length().num_minutes(),
    );
    if o.busy { text } else { format!("({text})") }
}

/// Every Monday at 9:00 in Paris, from long ago.
const MONDAYS: &str =
    "DTSTART;TZID=Europe/Paris:20010101T090000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY\r\n";

#[test]
fn exceptions_are_taken_away_however_they_are_written() {
    for exceptions in [
        "EXDATE;TZID=Europe/Paris:20310113T090000,20310120T090000\r\n",
        "EXDATE:20310113T080000Z\r\nEXDATE:20310120T080000Z\r\n",
        "EXDATE;VALUE=DATE:20310113,20310120\r\n",
        "EXDATE;TZID=America/New_York:20310113T030000,20310120T030000\r\nEXDATE:garbage\r\n",
    ] {
        check(
            &[&format!("{MONDAYS}{exceptions}")],
            january(),
            &["20310106T080000Z 0106 08:00+60", "20310127T080000Z 0127 08:00+60"],
        );
    }
}

#[test]
fn the_start_may_be_taken_away_and_need_not_fit_the_rule() {
    let rule =
        "DTSTART:20310107T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=2\r\n";
    check(
        &[rule],
        january(),
        &["20310107T090000Z 0107 09:00+60", "20310113T090000Z 0113 09:00+60"],
    );
    let without = format!("{rule}EXDATE:20310107T090000Z\r\n");
    check(&[&without], january(), &["20310113T090000Z 0113 09:00+60"]);
}

#[test]
fn until_is_a_date_a_local_time_or_an_instant() {
    let rule = |until: &str| MONDAYS.replace("WEEKLY", &format!("WEEKLY;UNTIL={until}"));
    for (until, count) in [
        ("20310113", 2),
        ("20310112", 1),
        ("20310113T090000", 2),
        ("20310113T085959", 1),
        ("20310113T080000Z", 2),
        ("20310113T075959Z", 1),
    ] {
        let found = read(&calendar(&[&rule(until)]), january()).expect("valid");
        assert_eq!(found.len(), count, "{until}");
    }
}

#[test]
fn listed_dates_are_added_once_and_periods_have_their_own_length() {
    let start = "DTSTART:20310106T090000Z\r\nDURATION:PT1H\r\n";
    let dates = "RDATE:20310107T090000Z,20310106T090000Z\r\nRDATE;VALUE=DATE:20310108\r\n\
        RDATE;VALUE=PERIOD:20310109T090000Z/PT2H,20310110T090000Z/20310110T093000Z\r\n\
        EXDATE:20310107T090000Z\r\n";
    check(
        &[&format!("{start}{dates}")],
        january(),
        &[
            "20310106T090000Z 0106 09:00+60",
            "20310108T090000Z 0108 09:00+60",
            "20310109T090000Z 0109 09:00+120",
            "20310110T090000Z 0110 09:00+30",
        ],
    );
}

#[test]
fn several_rules_are_one_set() {
    let rules = "DTSTART:20310106T090000Z\r\nDURATION:PT1H\r\n\
        RRULE:FREQ=WEEKLY;COUNT=2\r\nRRULE:FREQ=DAILY;INTERVAL=7;COUNT=3\r\n";
    assert_eq!(read(&calendar(&[rules]), january()).expect("valid").len(), 3);
}

#[test]
fn an_occurrence_can_be_moved_and_cancelled() {
    let moved = "RECURRENCE-ID;TZID=Europe/Paris:20310113T090000\r\n\
        DTSTART;TZID=Europe/Paris:20310114T150000\r\nDURATION:PT30M\r\n";
    let cancelled = "RECURRENCE-ID:20310120T080000Z\r\nDTSTART:20310120T080000Z\r\n\
        DURATION:PT1H\r\nSTATUS:CANCELLED\r\n";
    let expected = [
        "20310106T080000Z 0106 08:00+60",
        "20310113T080000Z 0114 14:00+30",
        "(20310120T080000Z 0120 08:00+60)",
        "20310127T080000Z 0127 08:00+60",
    ];
    check(&[MONDAYS, moved, cancelled], january(), &expected);
    check(&[cancelled, moved, MONDAYS], january(), &expected);
    let by_date = moved.replace(";TZID=Europe/Paris:20310113T090000", ";VALUE=DATE:20310113");
    check(&[MONDAYS, &by_date, cancelled], january(), &expected);
}

#[test]
fn an_occurrence_can_be_moved_into_the_window_and_out_of_it() {
    let out = "RECURRENCE-ID:20310113T080000Z\r\nDTSTART:20310601T080000Z\r\nDURATION:PT1H\r\n";
    let week = window("2031-01-12T00:00:00Z", 7);
    check(&[MONDAYS, out], week, &[]);
    let into = "RECURRENCE-ID:20310602T070000Z\r\nDTSTART:20310115T080000Z\r\nDURATION:PT1H\r\n";
    check(&[MONDAYS, out, into], week, &["20310602T070000Z 0115 08:00+60"]);
}

#[test]
fn a_whole_day_can_be_moved_and_cancelled() {
    let days = "DTSTART;VALUE=DATE:20310106\r\nRRULE:FREQ=DAILY;COUNT=3\r\n";
    let moved =
        "RECURRENCE-ID;VALUE=DATE:20310107\r\nDTSTART:20310107T090000Z\r\nDURATION:PT1H\r\n";
    let cancelled =
        "RECURRENCE-ID;VALUE=DATE:20310108\r\nDTSTART;VALUE=DATE:20310108\r\nSTATUS:CANCELLED\r\n";
    check(
        &[days, moved, cancelled],
        january(),
        &["20310106 0105 23:00+1440", "20310107 0107 09:00+60", "(20310108 0107 23:00+1440)"],
    );
}

#[test]
fn an_occurrence_whose_event_is_absent_is_an_event() {
    let alone = "RECURRENCE-ID:20310113T080000Z\r\nDTSTART:20310114T080000Z\r\nDURATION:PT1H\r\n";
    check(&[alone], january(), &["20310113T080000Z 0114 08:00+60"]);
    let other = "RECURRENCE-ID:20310120T080000Z\r\n";
    check(
        &[alone, other],
        january(),
        &["20310113T080000Z 0114 08:00+60", "20310120T080000Z 0120 00:00+1440"],
    );
}

#[test]
fn of_two_changes_to_one_occurrence_the_newer_stands() {
    let change = |sequence: u32, stamp: u32, hour: u32| {
        format!(
            "RECURRENCE-ID:20310113T080000Z\r\nSEQUENCE:{sequence}\r\nDTSTAMP:203001{stamp:02}T000000Z\r\n\
             DTSTART:20310113T{hour}0000Z\r\nDURATION:PT1H\r\n"
        )
    };
    let week = window("2031-01-12T00:00:00Z", 7);
    let newest = ["20310113T080000Z 0113 12:00+60"];
    check(&[MONDAYS, &change(1, 1, 12), &change(0, 9, 11)], week, &newest);
    check(&[MONDAYS, &change(1, 2, 12), &change(1, 1, 11)], week, &newest);
    check(&[MONDAYS, &change(1, 1, 11), &change(1, 1, 12)], week, &newest);
}

#[test]
fn this_and_future_moves_all_that_follows() {
    let from = "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Paris:20310113T090000\r\n\
        DTSTART;TZID=Europe/Paris:20310114T103000\r\nDURATION:PT30M\r\n";
    let one = "RECURRENCE-ID;TZID=Europe/Paris:20310127T090000\r\n\
        DTSTART;TZID=Europe/Paris:20310127T090000\r\nDURATION:PT2H\r\n";
    let cancelled = format!("{MONDAYS}EXDATE:20310106T080000Z\r\n");
    check(
        &[MONDAYS, from, one],
        january(),
        &[
            "20310106T080000Z 0106 08:00+60",
            "20310113T080000Z 0114 09:30+30",
            "20310120T080000Z 0121 09:30+30",
            "20310127T080000Z 0127 08:00+120",
        ],
    );
    let august = window("2031-08-05T00:00:00Z", 1);
    check(&[&cancelled, from], august, &["20310804T070000Z 0805 08:30+30"]);
    // The later of two holds from its own time on; a cancelled one cancels the rest.
    let end = "RECURRENCE-ID;RANGE=THISANDFUTURE:20310120T080000Z\r\n\
        DTSTART:20310120T080000Z\r\nDURATION:PT1H\r\nSTATUS:CANCELLED\r\n";
    check(
        &[&cancelled, end, from],
        january(),
        &[
            "20310113T080000Z 0114 09:30+30",
            "(20310120T080000Z 0120 08:00+60)",
            "(20310127T080000Z 0127 08:00+60)",
        ],
    );
}

#[test]
fn this_and_future_can_move_far() {
    let from = "RECURRENCE-ID;RANGE=THISANDFUTURE:20310602T070000Z\r\n\
        DTSTART;TZID=Europe/Paris:20310107T090000\r\nDURATION:PT1H\r\n";
    // 2031-06-09 is 146 days early too.
    let week = window("2031-01-13T12:00:00Z", 3);
    check(&[MONDAYS, from], week, &["20310609T070000Z 0114 08:00+60"]);
}

#[test]
fn names_float_where_the_event_does() {
    let floating = "DTSTART:20310106T090000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=2\r\n";
    let moved = "RECURRENCE-ID:20310107T090000\r\nDTSTART:20310107T100000\r\nDURATION:PT1H\r\n";
    check(
        &[floating, moved],
        january(),
        &["20310106T090000 0106 08:00+60", "20310107T090000 0107 09:00+60"],
    );
}

#[test]
fn rules_with_no_end_are_as_cheap_as_any() {
    for rule in ["SECONDLY;INTERVAL=86400", "MINUTELY;INTERVAL=1440", "HOURLY;BYHOUR=9", "DAILY"] {
        let text = format!("DTSTART:19000101T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ={rule}\r\n");
        let week = window("2031-01-12T00:00:00Z", 7);
        let found = read(&calendar(&[text.as_str()]), week).expect("not too much work");
        assert_eq!(found.len(), 7, "{rule}");
    }
}

#[test]
fn too_many_occurrences_and_too_much_work_are_refused() {
    let rule = |rule: &str| {
        calendar(&[&format!("DTSTART:19000101T090000Z\r\nDURATION:PT1S\r\nRRULE:FREQ={rule}\r\n")])
    };
    let too_many = Err(ReadError::TooManyOccurrences);
    assert_eq!(read(&rule("SECONDLY"), january()), too_many);
    assert_eq!(read(&rule("MINUTELY"), january()), too_many);
    let minutes = read(&rule("MINUTELY"), window("2031-01-12T00:00:00Z", 1)).expect("valid");
    assert_eq!(minutes.len(), 1440);
    let counted = rule("SECONDLY;BYSECOND=0,1;COUNT=4000000000");
    assert_eq!(read(&counted, january()), Err(ReadError::TooMuchWork));
    assert_eq!(read(&rule("YEARLY;BYMONTH=2;BYMONTHDAY=30"), january()), Ok(Vec::new()));
}

#[test]
fn a_week_number_alone_is_the_weekday_of_the_start() {
    let rule = "DTSTART:20310106T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=YEARLY;BYWEEKNO=4\r\n";
    check(
        &[rule],
        january(),
        &["20310106T090000Z 0106 09:00+60", "20310120T090000Z 0120 09:00+60"],
    );
}

/// Each occurrence holds a copy of the title and the UID: neither may be as large as the text.
#[test]
fn long_texts_are_not_copied_into_every_occurrence() {
    let uid = "u".repeat(100_000);
    let title = "t".repeat(100_000);
    let text = calendar(&[&format!(
        "SUMMARY:{title}\r\nDTSTART:20310101T000000Z\r\nDURATION:PT1M\r\nRRULE:FREQ=HOURLY\r\n"
    )]);
    let text = text.replace("UID:a", &format!("UID:{uid}"));
    let found = read(&text, january()).expect("it can be read");
    assert_eq!(found.len(), 31 * 24);
    for one in found {
        assert_eq!(one.title.map(|it| it.len()), Some(200));
        assert_eq!(one.uid.len(), "sha256-".len() + 64);
    }
}

#[test]
fn too_many_occurrences_of_one_event_or_of_all_are_refused() {
    let minutely = "DTSTART:20310101T000000Z\r\nDURATION:PT1M\r\nRRULE:FREQ=MINUTELY\r\n";
    let most = TimeDelta::minutes(10_000);
    for (more, expected) in [(0, Ok(10_000)), (1, Err(ReadError::TooManyOccurrences))] {
        let start = "2031-01-01T00:00:00Z".parse().expect("valid");
        let window = TimeRange::lasting(start, most + TimeDelta::minutes(more)).expect("valid");
        let found = read(&calendar(&[minutely]), window).map(|found| found.len());
        assert_eq!(found, expected);
    }
    let week = window("2031-01-01T00:00:00Z", 6);
    let many = |events: usize| {
        let texts =
            (0..events).map(|n| calendar(&[minutely]).replace("UID:a", &format!("UID:{n}")));
        read(&texts.collect::<String>(), week).map(|found| found.len())
    };
    assert_eq!(many(23), Ok(23 * 6 * 1440));
    assert_eq!(many(24), Err(ReadError::TooManyOccurrences));
    // Several rules of one event are not all worked out first.
    let rules = "RRULE:FREQ=MINUTELY\r\n".repeat(50);
    let event = format!("DTSTART:20310101T000000Z\r\nDURATION:PT1M\r\n{rules}");
    let year = window("2031-01-01T00:00:00Z", 120);
    assert_eq!(read(&calendar(&[&event]), year), Err(ReadError::TooManyOccurrences));
}

/// Of an unknown zone, an event blocks wherever it may be.
#[track_caller]
fn check_unplaced(event: &str, expected: &[&str]) {
    let text = calendar(&[event]);
    let mut found = expand(text, &Expansion::new(january(), None)).expect("it can be read");
    found.sort_by_key(|o| o.range.start());
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected);
}

#[test]
fn without_a_zone_known_whole_days_and_floating_times_are_widened() {
    let day = 24 * 60 + 26 * 60;
    check_unplaced("DTSTART:20310106\r\n", &[&format!("- 0105 10:00+{day}")]);
    check_unplaced("DTSTART:20310106T090000\r\nDURATION:PT1H\r\n", &["- 0105 19:00+1620"]);
    check_unplaced("DTSTART:20310106T090000Z\r\nDURATION:PT1H\r\n", &["- 0106 09:00+60"]);
    check_unplaced(
        "DTSTART;TZID=Europe/Paris:20310106T090000\r\nDURATION:PT1H\r\n",
        &["- 0106 08:00+60"],
    );
    // At the window's ends, where it depends on the zone whether they overlap.
    check_unplaced("DTSTART:20301231\r\n", &[&format!("- 1230 10:00+{day}")]);
    check_unplaced("DTSTART:20310201\r\n", &[&format!("- 0131 10:00+{day}")]);
    check_unplaced("DTSTART:20310202\r\n", &[]);
    check_unplaced("DTSTART:20310202\r\nRRULE:FREQ=DAILY\r\n", &[]);
    check_unplaced(
        "DTSTART:20301001\r\nRRULE:FREQ=MONTHLY\r\n",
        &[&format!("20310101 1231 10:00+{day}"), &format!("20310201 0131 10:00+{day}")],
    );
    check_unplaced(
        "DTSTART:20301201\r\nRRULE:FREQ=YEARLY;BYYEARDAY=-1\r\n",
        &[&format!("20301231 1230 10:00+{day}")],
    );
}

/// What can't be told apart takes nothing away.
#[test]
fn without_a_zone_known_ends_and_exceptions_in_utc_are_not_believed() {
    check_unplaced(
        "DTSTART:20310106T090000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;UNTIL=20310106T230000Z\r\n",
        &["20310106T090000 0105 19:00+1620", "20310107T090000 0106 19:00+1620"],
    );
    for (exception, left) in [("20310106T000000Z", 1), ("20310106", 0)] {
        let text = calendar(&[&format!(
            "DTSTART:20310106\r\nRRULE:FREQ=DAILY;COUNT=1\r\nEXDATE:{exception}\r\n"
        )]);
        let found = expand(text, &Expansion::new(january(), None)).expect("it can be read");
        assert_eq!(found.len(), left, "{exception}");
    }
}

/// Looked up one by one in a list, these took minutes.
#[test]
fn many_zones_are_found_quickly_or_refused() {
    let text = |zones: usize| {
        let mut text = "BEGIN:VCALENDAR\r\n".to_owned();
        for zone in 0..zones {
            text += &format!(
                "BEGIN:VTIMEZONE\r\nTZID:z{zone}\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
                 TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
            );
        }
        text += "BEGIN:VEVENT\r\nDTSTART:20310106T090000Z\r\nDURATION:PT1H\r\n";
        for zone in 0..zones {
            text += &format!("EXDATE;TZID=z{zone}:20310107T090000\r\n");
        }
        text + "END:VEVENT\r\nEND:VCALENDAR\r\n"
    };
    assert_eq!(read(&text(1_000), january()).map(|found| found.len()), Ok(1));
    assert_eq!(read(&text(30_000), january()).err(), Some(ReadError::TooMuchWork));
}

/// All of the texts, with one budget, or the first error; and how many were read.
fn read_together(texts: &[String]) -> (usize, Option<ReadError>) {
    let mut budget = Budget::for_texts(texts.len());
    let expansion = Expansion::new(january(), Tz::UTC);
    for (read, text) in texts.iter().enumerate() {
        match expand_with(text, &expansion, &mut budget) {
            Ok(found) => assert_eq!(found.len(), 1),
            Err(error) => return (read, Some(error)),
        }
    }
    (texts.len(), None)
}

#[test]
fn many_small_texts_share_a_budget() {
    let costly = calendar(&["DTSTART:19000101T000000Z\r\nDURATION:PT1S\r\n\
        RRULE:FREQ=MINUTELY;BYSECOND=0;COUNT=1800000\r\nRDATE:20310106T090000Z\r\n"]);
    assert_eq!(read(&costly, january()).map(|found| found.len()), Ok(1));
    let (read, error) = read_together(&vec![costly; 500]);
    assert_eq!(error, Some(ReadError::TooMuchWork));
    assert!((5..15).contains(&read), "{read}");
}

/// Together they are larger than what one reading may keep.
#[test]
fn zones_of_texts_that_have_been_read_count_no_more() {
    let dates: Vec<_> =
        (0..1_000).map(|n| format!("{}{:02}01T020000", 1950 + n / 12, n % 12 + 1)).collect();
    let zone = format!(
        "BEGIN:VTIMEZONE\r\nTZID:Office\r\nBEGIN:STANDARD\r\nDTSTART:19500101T020000\r\n\
         TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRDATE:{}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
        dates.join(",")
    );
    let event = "DTSTART;TZID=Office:20310106T090000\r\nDURATION:PT1H\r\n";
    let text = calendar(&[event]).replacen("BEGIN:VEVENT", &format!("{zone}BEGIN:VEVENT"), 1);
    assert_eq!(read_together(&vec![text; 1_000]), (1_000, None));
}
