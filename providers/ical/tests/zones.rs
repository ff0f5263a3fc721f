//! Times in zones, against jiff as another implementation.

use calendar_ical::{Expansion, expand};
use calendar_provider::TimeRange;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use jiff::civil::DateTime as Civil;
use jiff::tz::TimeZone;

fn window(days: i64, start: &str) -> TimeRange {
    TimeRange::lasting(start.parse().expect("valid"), TimeDelta::days(days)).expect("valid")
}

fn starts(text: &str, window: TimeRange) -> Vec<DateTime<Utc>> {
    let expansion = Expansion::new(window, chrono_tz::UTC);
    let mut starts: Vec<_> =
        expand(text, &expansion).expect("valid").iter().map(|o| o.range.start()).collect();
    starts.sort_unstable();
    starts
}

fn calendar(body: &str) -> String {
    format!("BEGIN:VCALENDAR\r\n{body}END:VCALENDAR\r\n")
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\r\nUID:a\r\nDURATION:PT1M\r\n{lines}END:VEVENT\r\n")
}

/// jiff's "compatible" rule is that of RFC 5545: the first of two, and the offset before a gap.
fn jiff_instant(zone: &TimeZone, day: NaiveDate, minutes: i64) -> DateTime<Utc> {
    let text = format!("{day}T{:02}:{:02}:00", minutes / 60, minutes % 60);
    let civil: Civil = text.parse().expect("valid");
    let zoned = zone.to_ambiguous_zoned(civil).compatible().expect("valid");
    DateTime::from_timestamp(zoned.timestamp().as_second(), 0).expect("valid")
}

/// Every half hour of four past years, on which all versions of the zone database agree, in zones
/// with gaps and folds of many kinds.
#[test]
fn wall_clock_times_are_the_instants_that_jiff_finds() {
    let zones = [
        "Europe/Paris",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "America/Santiago",
        "Africa/Cairo",
        "Pacific/Chatham",
        "Europe/London",
    ];
    for name in zones {
        let zone = TimeZone::get(name).expect("valid");
        for year in 2020..2024 {
            let text = calendar(&event(&format!(
                "DTSTART;TZID={name}:{year}0101T000000\r\nRRULE:FREQ=MINUTELY;INTERVAL=30;UNTIL={year}0701T120000\r\n"
            )));
            check_half(&zone, year, 1, &text);
            let text = calendar(&event(&format!(
                "DTSTART;TZID={name}:{year}0702T000000\r\nRRULE:FREQ=MINUTELY;INTERVAL=30;UNTIL={year}1231T120000\r\n"
            )));
            check_half(&zone, year, 7, &text);
        }
    }
}

#[track_caller]
fn check_half(zone: &TimeZone, year: i32, month: u32, text: &str) {
    let (day, last) = match month {
        1 => ((1, 1), (7, 1)),
        _ => ((7, 2), (12, 31)),
    };
    let first = NaiveDate::from_ymd_opt(year, day.0, day.1).expect("valid");
    let last = NaiveDate::from_ymd_opt(year, last.0, last.1).expect("valid");
    let mut expected: Vec<_> = first
        .iter_days()
        .take_while(|day| *day <= last)
        .flat_map(|day| (0..48).map(move |half| (day, half * 30)))
        .filter(|(day, minutes)| *day < last || *minutes <= 720)
        .map(|(day, minutes)| jiff_instant(zone, day, minutes))
        .collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(starts(text, window(430, &format!("{}-12-01T00:00:00Z", year - 1))), expected);
}

/// Far from the window another way is taken, which must lead to the same instant.
#[test]
fn times_far_from_the_window_are_the_same_instants() {
    for name in ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"] {
        let zone = TimeZone::get(name).expect("valid");
        let days = NaiveDate::from_ymd_opt(1995, 1, 1).expect("valid").iter_days().take(366 * 3);
        for (day, minutes) in days.flat_map(|day| [60, 90, 120, 150, 210].map(|m| (day, m))) {
            let start = jiff_instant(&zone, day, minutes);
            let end = "2031-01-01T00:00:00Z".parse::<DateTime<Utc>>().expect("valid");
            let text = calendar(&event(&format!(
                "DTSTART;TZID={name}:{}T{:02}{:02}00\r\n",
                day.format("%Y%m%d"),
                minutes / 60,
                minutes % 60
            )))
            .replace("DURATION:PT1M", "DTEND:20310101T000001Z");
            let last_second = TimeRange::lasting(end, TimeDelta::days(1)).expect("valid");
            let found = expand(text, &Expansion::new(last_second, chrono_tz::UTC)).expect("valid");
            assert_eq!(found.len(), 1, "{name} {day} {minutes}");
            assert_eq!(found[0].range.start(), start, "{name} {day} {minutes}");
        }
    }
}

const PARIS_BY_HAND: &str = "BEGIN:VTIMEZONE\r\nTZID:Somewhere\r\n\
    BEGIN:DAYLIGHT\r\nDTSTART:19810329T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
    RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n\
    BEGIN:STANDARD\r\nDTSTART:19961027T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n\
    RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";

#[test]
fn a_zone_that_the_text_defines_is_followed() {
    let rule = "19990101T023000\r\nRRULE:FREQ=DAILY\r\n";
    let own = event(&format!("DTSTART;TZID=Somewhere:{rule}"));
    let paris = calendar(&event(&format!("DTSTART;TZID=Europe/Paris:{rule}")));
    let window = window(800, "2029-12-01T00:00:00Z");
    let expected = starts(&paris, window);
    assert_eq!(expected.len(), 800);
    assert_eq!(starts(&calendar(&format!("{PARIS_BY_HAND}{own}")), window), expected);
    let after = calendar(&format!("{own}{PARIS_BY_HAND}"));
    assert_eq!(starts(&after, window), expected, "a definition may come after its use");
}

#[test]
fn a_zone_of_dates_and_of_rules_that_end_is_followed() {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Odd\r\n\
        BEGIN:STANDARD\r\nDTSTART:19500101T000000\r\nTZOFFSETFROM:+0000\r\nTZOFFSETTO:-0330\r\nEND:STANDARD\r\n\
        BEGIN:DAYLIGHT\r\nDTSTART:20310110T020000\r\nRDATE:20310301T020000\r\nTZOFFSETFROM:-0330\r\nTZOFFSETTO:-0230\r\nEND:DAYLIGHT\r\n\
        BEGIN:STANDARD\r\nDTSTART:20310120T020000\r\nRRULE:FREQ=DAILY;INTERVAL=60;UNTIL=20310321T043000Z\r\nTZOFFSETFROM:-0230\r\nTZOFFSETTO:-0330\r\nEND:STANDARD\r\n\
        END:VTIMEZONE\r\n";
    let text = calendar(&format!(
        "{zone}{}",
        event(
            "DTSTART;TZID=Odd:20310101T120000\r\nRDATE;TZID=Odd:20310115T120000,20310210T120000,20310310T120000,20310401T120000\r\n"
        )
    ));
    let hours: Vec<_> = starts(&text, window(200, "2031-01-01T00:00:00Z"))
        .iter()
        .map(|start| start.format("%d %H%M").to_string())
        .collect();
    assert_eq!(hours, ["01 1530", "15 1430", "10 1530", "10 1430", "01 1530"]);
}

#[test]
fn a_name_that_everybody_knows_comes_before_the_definition() {
    // Outlook writes this year's rules alone, under Windows's name.
    let fixed = |tzid: &str| {
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\n\
             TZOFFSETFROM:+0500\r\nTZOFFSETTO:+0500\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
    };
    let hour = |tzid: &str| {
        let event = event(&format!("DTSTART;TZID=\"{tzid}\":20310701T120000\r\n"));
        let text = calendar(&format!("{}{event}", fixed(tzid)));
        starts(&text, window(200, "2031-03-01T00:00:00Z"))[0].format("%H").to_string()
    };
    assert_eq!(hour("Europe/Paris"), "10");
    assert_eq!(hour("/freeassociation.sourceforge.net/Europe/Paris"), "10");
    assert_eq!(hour("W. Europe Standard Time"), "10");
    assert_eq!(hour("(UTC+01:00) Amsterdam, Berlin"), "07", "only the definition says what it is");
    assert_eq!(hour("EST"), "07", "a word is what the text says");
}

#[test]
fn an_unquoted_name_with_a_colon_is_read() {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:GMT+01:00\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
        TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    let text = calendar(&format!("{zone}{}", event("DTSTART;TZID=GMT+01:00:20310701T120000\r\n")));
    let found = starts(&text, window(200, "2031-03-01T00:00:00Z"));
    assert_eq!(found[0].format("%H%M").to_string(), "1100");
}
