//! What stands in a start's way: nothing where the engine offers it, and else what is really there.

use calendar_provider::TimeRange;
use chrono::{TimeDelta, Weekday};
use chrono_tz::Tz;
use proptest::prelude::*;

use crate::scheduling::{BusyTimes, DatedBlock, Obstacle, Schedule, check, explain};

use super::case::cases;
use super::{block, date, day, range, schedule, utc, weekly};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_stands_in_the_way_of_what_is_offered_and_something_of_all_else(
        case in cases(),
        step in 7..97_i64,
        nanos in prop_oneof![3 => Just(0_i64), 1 => 1..2_000_i64],
    ) {
        let busy: BusyTimes = case.busy.iter().copied().collect();
        let mut instant = case.window.start() + TimeDelta::nanoseconds(nanos);
        while instant < case.window.end() {
            let offered = check(&case.schedule, &busy, instant, case.now);
            let found = explain(&case.schedule, &case.busy, instant, case.now);
            prop_assert_eq!(offered.is_ok(), found.is_empty(), "{}: {:?}", instant, found);
            instant += TimeDelta::minutes(step);
        }
    }

    /// Each obstacle is one: the start is not offered while only that is left in its way.
    #[test]
    fn each_obstacle_is_enough(case in cases(), step in 31..197_i64) {
        let Schedule { notice, horizon, .. } = case.schedule;
        let mut instant = case.window.start();
        while instant < case.window.end() {
            for obstacle in explain(&case.schedule, &case.busy, instant, case.now) {
                let mut schedule = case.schedule.clone();
                let mut busy = Vec::new();
                (schedule.notice, schedule.horizon) = (TimeDelta::zero(), TimeDelta::days(9000));
                let mut now = instant - TimeDelta::days(1);
                match obstacle {
                    Obstacle::Past => now = case.now,
                    Obstacle::Notice { earliest } => {
                        prop_assert!(instant < earliest);
                        (schedule.notice, now) = (notice, case.now);
                    }
                    Obstacle::Horizon { latest } => {
                        prop_assert!(latest <= instant);
                        (schedule.horizon, now) = (horizon, case.now);
                    }
                    Obstacle::Busy(index) | Obstacle::Buffer(index) => {
                        let met = case.busy[index];
                        let end = instant + schedule.duration;
                        let meets = met.start() < end && instant < met.end();
                        prop_assert_eq!(meets, matches!(obstacle, Obstacle::Busy(_)));
                        busy.push(met);
                    }
                    _ => {}
                }
                let left = check(&schedule, &busy.into_iter().collect(), instant, now);
                prop_assert!(left.is_err(), "{}: {:?}", instant, obstacle);
            }
            instant += TimeDelta::minutes(step);
        }
    }

    /// The neighbours are starts of slots, and none lies between.
    #[test]
    fn neighbours_are_the_nearest_starts(case in cases(), step in 7..97_i64) {
        let (notice, horizon) = (TimeDelta::zero(), TimeDelta::days(9000));
        let open = Schedule { notice, horizon, ..case.schedule.clone() };
        let mut instant = case.window.start();
        while instant < case.window.end() {
            let now = instant - TimeDelta::days(2);
            let starts = |from, length| {
                let window = TimeRange::lasting(from, length).unwrap();
                crate::scheduling::slots(&open, &BusyTimes::default(), window, now)
            };
            for obstacle in explain(&open, &[], instant, now) {
                let Obstacle::OffGrid { before, after } = obstacle else { continue };
                let day = TimeDelta::days(1);
                let expected = starts(instant, day).first().map(|slot| slot.start());
                prop_assert_eq!(after, expected);
                let expected = starts(instant - day, day).last().map(|slot| slot.start());
                prop_assert_eq!(before, expected);
            }
            instant += TimeDelta::minutes(step);
        }
    }
}

/// Half hours from 9:00 to 12:00 and 13:00 to 17:00 on Mondays in Paris, a day off on 11 January.
fn paris() -> Schedule {
    let blocks = weekly(&[Weekday::Mon], &["09:00-12:00", "13:00-17:00"]);
    let mut schedule = schedule(Tz::Europe__Paris, blocks, 30);
    schedule.buffer = TimeDelta::minutes(15);
    schedule.notice = TimeDelta::hours(2);
    schedule.horizon = TimeDelta::days(30);
    schedule.overrides.insert(date("2027-01-11"), day(&[]));
    schedule.overrides.insert(date("2027-01-12"), day(&["10:00-11:00"]));
    schedule
}

fn dated(on: &str, time: &str) -> Option<DatedBlock> {
    Some(DatedBlock { date: date(on), block: block(time) })
}

#[track_caller]
fn explained(start: &str, taken: &[TimeRange], expected: &[Obstacle]) {
    let found = explain(&paris(), taken, utc(start), utc("2027-01-04T07:00:00Z"));
    assert_eq!(found, expected, "{start}");
}

#[test]
fn each_kind_of_obstacle_is_told() {
    let earliest = utc("2027-01-04T09:00:00Z");
    let latest = utc("2027-02-03T07:00:00Z");
    explained("2027-01-04T09:00:00Z", &[], &[]);
    explained("2027-01-04T06:59:00Z", &[], &[Obstacle::Past]);
    explained("2027-01-04T08:00:00Z", &[], &[Obstacle::Notice { earliest }]);
    explained("2027-02-08T08:00:00Z", &[], &[Obstacle::Horizon { latest }]);
    let noon = Obstacle::OutOfHours { nearest: dated("2027-01-04", "09:00-12:00") };
    explained("2027-01-04T11:00:00Z", &[], &[noon]);
    let wednesday = Obstacle::OutOfHours { nearest: dated("2027-01-04", "13:00-17:00") };
    explained("2027-01-06T09:00:00Z", &[], &[wednesday]);
    let (before, after) = (Some(utc("2027-01-04T09:00:00Z")), Some(utc("2027-01-04T09:30:00Z")));
    explained("2027-01-04T09:15:00Z", &[], &[Obstacle::OffGrid { before, after }]);
    let off = Obstacle::DateOverride {
        date: date("2027-01-11"),
        nearest: dated("2027-01-12", "10:00-11:00"),
    };
    explained("2027-01-11T09:00:00Z", &[], &[off]);
    let short = Obstacle::DateOverride {
        date: date("2027-01-12"),
        nearest: dated("2027-01-12", "10:00-11:00"),
    };
    explained("2027-01-12T09:45:00Z", &[], &[short]);
}

#[test]
fn busy_time_comes_before_what_is_within_the_buffer() {
    let taken = [
        range("2027-01-04T12:30:00Z", "2027-01-04T12:50:00Z"),
        range("2027-01-04T13:20:00Z", "2027-01-04T14:00:00Z"),
        range("2027-01-04T12:00:00Z", "2027-01-04T12:45:00Z"),
        range("2027-01-04T13:45:00Z", "2027-01-04T15:00:00Z"),
        range("2027-01-04T13:29:59Z", "2027-01-04T13:30:00Z"),
    ];
    let expected = [Obstacle::Busy(1), Obstacle::Busy(4), Obstacle::Buffer(0)];
    explained("2027-01-04T13:00:00Z", &taken, &expected);
}

#[test]
fn all_that_holds_is_told() {
    let taken = [range("2027-02-10T00:00:00Z", "2027-02-11T00:00:00Z")];
    let latest = utc("2027-02-03T07:00:00Z");
    let nearest = dated("2027-02-08", "13:00-17:00");
    let expected =
        [Obstacle::Horizon { latest }, Obstacle::OutOfHours { nearest }, Obstacle::Busy(0)];
    explained("2027-02-10T09:00:00Z", &taken, &expected);
}

#[test]
fn an_override_at_the_end_is_to_blame_where_the_weekly_blocks_had_room() {
    let nights = weekly(&[Weekday::Mon, Weekday::Tue], &["00:00-24:00"]);
    let mut schedule = schedule(Tz::UTC, nights, 60);
    schedule.interval = TimeDelta::minutes(30);
    let (start, now) = (utc("2027-01-04T23:30:00Z"), utc("2027-01-04T00:00:00Z"));
    assert_eq!(explain(&schedule, &[], start, now), []);
    schedule.overrides.insert(date("2027-01-05"), day(&["08:00-09:00"]));
    let nearest = dated("2027-01-04", "00:00-24:00");
    let to_blame = Obstacle::DateOverride { date: date("2027-01-05"), nearest };
    assert_eq!(explain(&schedule, &[], start, now), [to_blame]);
}

#[test]
fn whoever_has_no_block_is_told_just_that() {
    let schedule = schedule(Tz::UTC, weekly(&[], &[]), 30);
    let (start, now) = (utc("2027-01-04T09:00:00Z"), utc("2027-01-04T00:00:00Z"));
    assert_eq!(explain(&schedule, &[], start, now), [Obstacle::NoBlocks]);
}
