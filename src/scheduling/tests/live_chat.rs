//! The live-chat clock and its toggle.

use chrono::{DateTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use proptest::prelude::*;

use crate::scheduling::ChatStatus::{Available, Unavailable};
use crate::scheduling::{
    ChatOverride, ChatStatus, WeeklyBlocks, next_change, override_expiry, scheduled_status, status,
};

use super::case::{scenes, weekly_blocks};
use super::oracle::{self, Oracle};
use super::{EVERY_DAY, utc, weekly};

#[track_caller]
fn check_expiry(
    set: ChatStatus,
    zone: Tz,
    weekly: &WeeklyBlocks,
    set_at: &str,
    expected: Option<&str>,
) {
    assert_eq!(override_expiry(set, zone, weekly, utc(set_at)), expected.map(utc));
}

fn office_hours() -> WeeklyBlocks {
    weekly(&[Weekday::Mon, Weekday::Tue], &["09:00-12:00", "13:00-17:00"])
}

#[test]
fn the_weekly_blocks_are_half_open() {
    let at = |text| scheduled_status(Tz::Europe__Paris, &office_hours(), utc(text));
    assert_eq!(at("2027-01-04T07:59:59.999999999Z"), Unavailable);
    assert_eq!(at("2027-01-04T08:00:00Z"), Available);
    assert_eq!(at("2027-01-04T10:59:59.999999999Z"), Available);
    assert_eq!(at("2027-01-04T11:00:00Z"), Unavailable);
    assert_eq!(at("2027-01-06T08:00:00Z"), Unavailable, "a Wednesday");
}

#[test]
fn the_toggle_ends_at_the_next_block_start() {
    let (paris, week) = (Tz::Europe__Paris, office_hours());
    for set in [Available, Unavailable] {
        let noon = Some("2027-01-04T12:00:00Z");
        check_expiry(set, paris, &week, "2027-01-04T09:00:00Z", noon);
        // Set at the very instant at which a block starts: the next one ends it.
        check_expiry(set, paris, &week, "2027-01-04T08:00:00Z", noon);
        check_expiry(set, paris, &week, "2027-01-04T11:59:59.999999999Z", noon);
    }
    // After Tuesday's last block: unavailable until next Monday, available until midnight.
    let evening = "2027-01-05T18:00:00Z";
    check_expiry(Unavailable, paris, &week, evening, Some("2027-01-11T08:00:00Z"));
    check_expiry(Available, paris, &week, evening, Some("2027-01-05T23:00:00Z"));
}

#[test]
fn without_blocks_only_midnight_ends_it() {
    let none = WeeklyBlocks::default();
    let utc_midnight = Some("2027-01-05T00:00:00Z");
    check_expiry(Unavailable, Tz::UTC, &none, "2027-01-04T12:00:00Z", None);
    check_expiry(Available, Tz::UTC, &none, "2027-01-04T12:00:00Z", utc_midnight);
    check_expiry(Available, Tz::UTC, &none, "2027-01-04T00:00:00Z", utc_midnight);
    let auckland = Some("2027-01-04T11:00:00Z");
    check_expiry(Available, Tz::Pacific__Auckland, &none, "2027-01-04T10:00:00Z", auckland);
}

#[test]
fn a_block_to_midnight_touches_the_next_day() {
    let around_the_clock = weekly(&EVERY_DAY, &["00:00-24:00"]);
    let midnight = Some("2027-01-05T00:00:00Z");
    // Touching blocks start all the same.
    check_expiry(Unavailable, Tz::UTC, &around_the_clock, "2027-01-04T12:00:00Z", midnight);
    assert_eq!(next_change(Tz::UTC, &around_the_clock, None, utc("2027-01-04T12:00:00Z")), None);
    let one_day = weekly(&[Weekday::Mon], &["00:00-24:00"]);
    let change = next_change(Tz::UTC, &one_day, None, utc("2027-01-04T12:00:00Z"));
    assert_eq!(change, midnight.map(utc));
    check_expiry(
        Unavailable,
        Tz::UTC,
        &one_day,
        "2027-01-04T00:00:00Z",
        Some("2027-01-11T00:00:00Z"),
    );
}

#[test]
fn the_toggle_follows_the_clock_when_it_changes() {
    let early = weekly(&EVERY_DAY, &["02:30-03:15", "08:00-09:00"]);
    let paris = Tz::Europe__Paris;
    // The first block is turned round by the gap, and so does not start.
    check_expiry(Unavailable, paris, &early, "2027-03-27T23:30:00Z", Some("2027-03-28T06:00:00Z"));
    // The first 02:30 of two.
    check_expiry(Unavailable, paris, &early, "2027-10-30T22:30:00Z", Some("2027-10-31T00:30:00Z"));
    check_expiry(Unavailable, paris, &early, "2027-10-31T00:30:00Z", Some("2027-10-31T07:00:00Z"));

    let none = WeeklyBlocks::default();
    // Santiago's midnight does not exist; the date starts an hour later by the clock.
    let santiago = Tz::America__Santiago;
    check_expiry(Available, santiago, &none, "2023-09-03T03:00:00Z", Some("2023-09-03T04:00:00Z"));
    // Apia goes from the 29th to the 31st.
    let apia = Tz::Pacific__Apia;
    check_expiry(Available, apia, &none, "2011-12-30T09:00:00Z", Some("2011-12-30T10:00:00Z"));
    // St John's went back at 00:01 to 23:01, and to midnight again.
    let st_johns = Tz::America__St_Johns;
    check_expiry(Available, st_johns, &none, "2010-11-07T02:00:00Z", Some("2010-11-07T02:30:00Z"));
    check_expiry(Available, st_johns, &none, "2010-11-07T03:00:00Z", Some("2010-11-07T03:30:00Z"));
}

#[test]
fn a_weekly_block_that_a_gap_swallows_comes_back_a_week_later() {
    let sunday = weekly(&[Weekday::Sun], &["02:30-03:15"]);
    let expected = Some("2027-04-04T00:30:00Z");
    check_expiry(Unavailable, Tz::Europe__Paris, &sunday, "2027-03-21T01:30:00Z", expected);
}

#[test]
fn the_toggle_wins_until_it_expires() {
    let (zone, week) = (Tz::Europe__Paris, office_hours());
    let set_at = utc("2027-01-04T09:00:00Z");
    let expires_at = utc("2027-01-04T12:00:00Z");
    let toggle = ChatOverride { status: Unavailable, set_at, expires_at: Some(expires_at) };
    let before = expires_at - TimeDelta::nanoseconds(1);
    assert_eq!(status(zone, &week, Some(&toggle), before), Unavailable);
    assert_eq!(status(zone, &week, Some(&toggle), expires_at), Available);
    assert_eq!(status(zone, &week, None, before - TimeDelta::hours(2)), Available);
    assert_eq!(next_change(zone, &week, Some(&toggle), set_at), Some(expires_at));
    let after = next_change(zone, &week, Some(&toggle), expires_at);
    assert_eq!(after, Some(utc("2027-01-04T16:00:00Z")));

    let for_good = ChatOverride { expires_at: None, ..toggle };
    assert_eq!(status(zone, &week, Some(&for_good), utc("2030-01-07T09:00:00Z")), Unavailable);
    assert_eq!(next_change(zone, &week, Some(&for_good), set_at), None);
}

#[test]
fn the_next_change_is_a_start_or_an_end() {
    let next = |text| next_change(Tz::Europe__Paris, &office_hours(), None, utc(text));
    assert_eq!(next("2027-01-04T07:00:00Z"), Some(utc("2027-01-04T08:00:00Z")));
    assert_eq!(next("2027-01-04T08:00:00Z"), Some(utc("2027-01-04T11:00:00Z")));
    assert_eq!(next("2027-01-05T16:00:00Z"), Some(utc("2027-01-11T08:00:00Z")));
    assert_eq!(
        next_change(Tz::UTC, &WeeklyBlocks::default(), None, utc("2027-01-04T07:00:00Z")),
        None
    );
}

fn instant(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn status_of(available: bool) -> ChatStatus {
    if available { Available } else { Unavailable }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_clock_is_that_of_the_oracle(scene in scenes(), week in weekly_blocks()) {
        let (zone, now) = (scene.zone, instant(scene.second));
        let oracle = Oracle::of_weekly(zone, &week, scene.second..scene.second + 20 * 86_400);
        let minute = scene.second / 60;
        let expected = |minute| status_of(oracle.is_available(minute));
        prop_assert_eq!(scheduled_status(zone, &week, now), expected(minute));

        let weeks = minute + 1..minute + 15 * 1440;
        let change = weeks.into_iter().find(|&next| expected(next) != expected(minute));
        let change = change.map(|minute| instant(minute * 60));
        prop_assert_eq!(next_change(zone, &week, None, now), change);

        let block = oracle.next_block_start(scene.second).map(|minute| instant(minute * 60));
        prop_assert_eq!(override_expiry(Unavailable, zone, &week, now), block);
        let midnight = instant(oracle::next_midnight(zone, scene.second));
        let expected = block.map_or(midnight, |block| block.min(midnight));
        prop_assert_eq!(override_expiry(Available, zone, &week, now), Some(expected));
    }
}
