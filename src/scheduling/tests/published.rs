//! Cases with published answers.

use std::collections::BTreeMap;

use calendar_provider::TimeRange;
use chrono::{NaiveDate, TimeDelta, Weekday};
use chrono_tz::Tz;

use crate::scheduling::{BusyTimes, Schedule, WeeklyBlocks, day_window, slots};

use super::{EVERY_DAY, date, day, range, schedule, utc, weekly};

const WORKDAYS: [Weekday; 5] = {
    let [monday, tuesday, wednesday, thursday, friday, _, _] = EVERY_DAY;
    [monday, tuesday, wednesday, thursday, friday]
};

/// What `schedule` offers on `date` in its zone, a day before.
fn offered(schedule: &Schedule, busy: &[TimeRange], date: NaiveDate) -> Vec<TimeRange> {
    let window = day_window(date, date, schedule.zone).unwrap();
    let now = window.start() - TimeDelta::days(1);
    slots(schedule, &busy.iter().copied().collect(), window, now)
}

#[track_caller]
fn check_starts(schedule: &Schedule, busy: &[TimeRange], on: &str, expected: &[&str]) {
    let starts: Vec<_> =
        offered(schedule, busy, date(on)).iter().map(|slot| slot.start()).collect();
    let expected: Vec<_> = expected.iter().map(|text| utc(text)).collect();
    assert_eq!(starts, expected);
}

#[track_caller]
fn check_count(schedule: &Schedule, busy: &[TimeRange], on: &str, expected: usize) {
    assert_eq!(offered(schedule, busy, date(on)).len(), expected);
}

fn every_day(zone: Tz, block: &str, minutes: i64) -> Schedule {
    schedule(zone, weekly(&EVERY_DAY, &[block]), minutes)
}

#[test]
fn paris_goes_forward() {
    let schedule = every_day(Tz::Europe__Paris, "01:00-05:00", 60);
    let expected = ["2027-03-28T00:00:00Z", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"];
    check_starts(&schedule, &[], "2027-03-28", &expected);
}

#[test]
fn paris_goes_back() {
    let schedule = every_day(Tz::Europe__Paris, "01:00-05:00", 60);
    let expected = [
        "2027-10-30T23:00:00Z",
        "2027-10-31T00:00:00Z",
        "2027-10-31T01:00:00Z",
        "2027-10-31T02:00:00Z",
        "2027-10-31T03:00:00Z",
    ];
    check_starts(&schedule, &[], "2027-10-31", &expected);
}

#[test]
fn new_york_the_day_after_it_went_back() {
    let schedule = schedule(Tz::America__New_York, weekly(&WORKDAYS, &["09:00-17:00"]), 60);
    let all = offered(&schedule, &[], date("2023-11-06"));
    assert_eq!(all.len(), 8);
    assert_eq!(all[0].start(), utc("2023-11-06T14:00:00Z"));
    assert_eq!(all[7].end(), utc("2023-11-06T22:00:00Z"));
    check_count(&schedule, &[], "2023-11-05", 0);
}

#[test]
fn a_busy_hour_takes_two_half_hours_of_sixteen() {
    let schedule = every_day(Tz::UTC, "09:00-17:00", 30);
    check_count(&schedule, &[], "2027-01-04", 16);
    let busy = range("2027-01-04T10:00:00Z", "2027-01-04T11:00:00Z");
    check_count(&schedule, &[busy], "2027-01-04", 14);
}

#[test]
fn a_buffer_holds_on_both_sides() {
    let mut schedule = every_day(Tz::UTC, "08:00-11:00", 30);
    schedule.buffer = TimeDelta::minutes(30);
    let busy = range("2027-01-04T09:00:00Z", "2027-01-04T09:30:00Z");
    let expected = ["2027-01-04T08:00:00Z", "2027-01-04T10:00:00Z", "2027-01-04T10:30:00Z"];
    check_starts(&schedule, &[busy], "2027-01-04", &expected);
}

#[test]
fn an_override_replaces_the_day() {
    let mut schedule = every_day(Tz::UTC, "09:00-17:00", 30);
    schedule.overrides = BTreeMap::from([
        (date("2027-01-04"), day(&["10:00-12:00"])),
        (date("2027-01-05"), day(&[])),
    ]);
    check_count(&schedule, &[], "2027-01-04", 4);
    check_count(&schedule, &[], "2027-01-05", 0);
    check_count(&schedule, &[], "2027-01-06", 16);
}

#[test]
fn around_the_clock() {
    let monday = |block| schedule(Tz::UTC, weekly(&[Weekday::Mon], &[block]), 20);
    check_count(&monday("00:00-24:00"), &[], "2027-01-04", 72);
    check_count(&monday("00:00-23:45"), &[], "2027-01-04", 71);
}

#[test]
fn a_slot_runs_past_midnight_where_blocks_touch() {
    let late_and_early = ["00:00-01:00", "23:00-24:00"];
    let mut schedule = schedule(Tz::UTC, weekly(&EVERY_DAY, &late_and_early), 60);
    schedule.interval = TimeDelta::minutes(30);
    let expected = ["2027-01-04T00:00:00Z", "2027-01-04T23:00:00Z", "2027-01-04T23:30:00Z"];
    check_starts(&schedule, &[], "2027-01-04", &expected);
    // The next day is off: nothing to run into.
    schedule.overrides = BTreeMap::from([(date("2027-01-05"), day(&[]))]);
    check_starts(&schedule, &[], "2027-01-04", &expected[..2]);
}

/// Times on the skipped day are read with the offset before the gap, and so lie on the next one.
#[test]
fn apia_skips_a_day() {
    let apia = Tz::Pacific__Apia;
    let friday = date("2011-12-30");
    assert_eq!(day_window(friday, friday, apia), None);
    let mut schedule = schedule(apia, WeeklyBlocks::default(), 60);
    schedule.overrides = BTreeMap::from([
        (friday, day(&["09:00-11:00"])),
        (date("2011-12-31"), day(&["10:30-12:00"])),
    ]);
    let expected = ["2011-12-30T19:00:00Z", "2011-12-30T20:00:00Z", "2011-12-30T20:30:00Z"];
    check_starts(&schedule, &[], "2011-12-31", &expected);
}

/// 02:30 is read as 03:30, so a block to 03:15 ends before it starts.
#[test]
fn a_block_that_a_gap_turns_round_offers_nothing() {
    let paris = |block| every_day(Tz::Europe__Paris, block, 15);
    check_count(&paris("02:30-03:15"), &[], "2027-03-28", 0);
    check_count(&paris("02:30-03:15"), &[], "2027-03-29", 3);
    check_count(&paris("02:30-03:45"), &[], "2027-03-28", 1);
}

#[test]
fn no_busy_time_is_the_default() {
    let window = range("2027-01-04T00:00:00Z", "2027-01-05T00:00:00Z");
    let schedule = every_day(Tz::UTC, "09:00-17:00", 30);
    assert_eq!(slots(&schedule, &BusyTimes::default(), window, window.start()).len(), 16);
}
