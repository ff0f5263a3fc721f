//! Bounds, explanations, rounding, and the ends of the calendar.

use calendar_provider::TimeRange;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use jiff::Timestamp;

use crate::scheduling::{
    BusyTimes, ChatStatus, NotOffered, Schedule, WeeklyBlocks, check, day_window, nearest,
    next_change, override_expiry, scheduled_status, slots,
};

use super::{EVERY_DAY, date, oracle, range, schedule, utc, weekly};

const NOON: &str = "2027-01-04T12:00:00Z";

fn all_day() -> Schedule {
    schedule(Tz::UTC, weekly(&EVERY_DAY, &["00:00-24:00"]), 60)
}

#[track_caller]
fn check_reason(schedule: &Schedule, busy: &[TimeRange], start: &str, expected: NotOffered) {
    let busy: BusyTimes = busy.iter().copied().collect();
    assert_eq!(check(schedule, &busy, utc(start), utc(NOON)), Err(expected));
}

#[test]
fn notice_is_included_and_horizon_is_not() {
    let mut schedule = all_day();
    schedule.notice = TimeDelta::hours(2);
    schedule.horizon = TimeDelta::hours(5);
    let window = range("2027-01-04T00:00:00Z", "2027-01-06T00:00:00Z");
    let offered = slots(&schedule, &BusyTimes::default(), window, utc(NOON));
    let starts = offered.iter().map(|slot| slot.start()).collect::<Vec<_>>();
    let expected = ["2027-01-04T14:00:00Z", "2027-01-04T15:00:00Z", "2027-01-04T16:00:00Z"];
    assert_eq!(starts, expected.map(utc));
}

#[test]
fn a_refused_start_has_a_reason() {
    let mut schedule = schedule(Tz::UTC, weekly(&EVERY_DAY, &["09:00-17:00"]), 60);
    schedule.notice = TimeDelta::hours(2);
    schedule.horizon = TimeDelta::days(2);
    check_reason(&schedule, &[], "2027-01-04T11:00:00Z", NotOffered::Past);
    check_reason(&schedule, &[], "2027-01-04T13:00:00Z", NotOffered::Notice);
    check_reason(&schedule, &[], "2027-01-06T12:00:00Z", NotOffered::Horizon);
    check_reason(&schedule, &[], "2027-01-04T17:00:00Z", NotOffered::OutsideAvailability);
    check_reason(&schedule, &[], "2027-01-05T16:30:00Z", NotOffered::OutsideAvailability);
    check_reason(&schedule, &[], "2027-01-05T09:30:00Z", NotOffered::OffGrid);
    let busy = range("2027-01-05T09:59:59Z", "2027-01-05T10:00:00Z");
    check_reason(&schedule, &[busy], "2027-01-05T09:00:00Z", NotOffered::Busy);
    let slot = check(&schedule, &BusyTimes::default(), utc("2027-01-05T16:00:00Z"), utc(NOON));
    assert_eq!(slot, Ok(range("2027-01-05T16:00:00Z", "2027-01-05T17:00:00Z")));
}

#[test]
fn the_window_holds_starts_and_is_half_open() {
    let window = range("2027-01-05T09:00:00Z", "2027-01-05T11:00:00Z");
    let offered = slots(&all_day(), &BusyTimes::default(), window, utc(NOON));
    assert_eq!(offered.len(), 2);
    assert_eq!(offered[1].end(), window.end());
    let late = range("2027-01-05T09:00:00.000000001Z", "2027-01-05T10:00:00.000000001Z");
    let offered = slots(&all_day(), &BusyTimes::default(), late, utc(NOON));
    assert_eq!(offered, [range("2027-01-05T10:00:00Z", "2027-01-05T11:00:00Z")]);
}

#[test]
fn a_nanosecond_of_busy_time_counts() {
    let window = range("2027-01-05T09:00:00Z", "2027-01-05T12:00:00Z");
    let offered = |start, end| {
        let busy = BusyTimes::default().with(range(start, end));
        slots(&all_day(), &busy, window, utc(NOON)).len()
    };
    assert_eq!(offered("2027-01-05T10:00:00Z", "2027-01-05T11:00:00Z"), 2);
    assert_eq!(offered("2027-01-05T09:59:59.999999999Z", "2027-01-05T11:00:00Z"), 1);
    assert_eq!(offered("2027-01-05T10:00:00Z", "2027-01-05T11:00:00.000000001Z"), 1);
}

#[test]
fn lengths_that_make_no_sense_offer_nothing() {
    let window = range("2027-01-05T00:00:00Z", "2027-01-06T00:00:00Z");
    let count =
        |schedule: &Schedule| slots(schedule, &BusyTimes::default(), window, utc(NOON)).len();
    for length in [TimeDelta::zero(), TimeDelta::minutes(-5), TimeDelta::MIN, TimeDelta::MAX] {
        assert_eq!(count(&Schedule { duration: length, ..all_day() }), 0, "{length}");
    }
    for length in [TimeDelta::zero(), TimeDelta::minutes(-5), TimeDelta::MIN] {
        assert_eq!(count(&Schedule { interval: length, ..all_day() }), 0, "{length}");
        assert_eq!(count(&Schedule { horizon: length, ..all_day() }), 0, "{length}");
        assert_eq!(count(&Schedule { notice: length, ..all_day() }), 24, "{length}");
        assert_eq!(count(&Schedule { buffer: length, ..all_day() }), 24, "{length}");
    }
    assert_eq!(count(&Schedule { interval: TimeDelta::MAX, ..all_day() }), 1);
    assert_eq!(count(&Schedule { notice: TimeDelta::MAX, ..all_day() }), 0);
    assert_eq!(count(&Schedule { horizon: TimeDelta::MAX, ..all_day() }), 24);
    let busy = BusyTimes::default().with(range("2027-01-08T00:00:00Z", "2027-01-08T00:00:01Z"));
    let wide = Schedule { buffer: TimeDelta::MAX, ..all_day() };
    assert_eq!(slots(&wide, &busy, window, utc(NOON)), []);
}

#[test]
fn the_ends_of_the_calendar_do_not_panic() {
    let (min, max) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(3));
    let zones = [Tz::UTC, Tz::Pacific__Kiritimati, Tz::Pacific__Niue, Tz::Europe__Paris];
    for zone in zones {
        let schedule = Schedule { zone, ..all_day() };
        for now in [min, min + hour, max - day, max - hour, max] {
            let _ = check(&schedule, &BusyTimes::default(), now, now);
            let _ = check(&schedule, &BusyTimes::default(), now, min);
            for status in [ChatStatus::Available, ChatStatus::Unavailable] {
                let _ = override_expiry(status, zone, &schedule.weekly, now);
            }
            let _ = scheduled_status(zone, &schedule.weekly, now);
            let _ = next_change(zone, &schedule.weekly, None, now);
        }
        for window in [(min, min + day), (max - day, max)] {
            let window = TimeRange::new(window.0, window.1).unwrap();
            let busy = BusyTimes::default().with(window);
            assert_eq!(slots(&schedule, &busy, window, window.start()), []);
            let free = slots(&schedule, &BusyTimes::default(), window, window.start());
            assert!(free.len() > 24, "{zone}: {} at {window:?}", free.len());
        }
        assert_eq!(day_window(NaiveDate::MIN, NaiveDate::MAX, zone), None);
        assert_eq!(day_window(NaiveDate::MAX, NaiveDate::MAX, zone), None);
    }
    let once = TimeRange::new(min, max).unwrap();
    assert_eq!(nearest([once], max, 1), [once]);
}

#[test]
fn busy_time_is_merged_in_any_order() {
    let (nine, ten) = ("2027-01-04T09:00:00Z", "2027-01-04T10:00:00Z");
    let (eleven, noon) = ("2027-01-04T11:00:00Z", "2027-01-04T12:00:00Z");
    let ranges = [range(eleven, noon), range(nine, noon), range(nine, ten), range(ten, eleven)];
    let busy: BusyTimes = ranges.into_iter().collect();
    assert_eq!(busy.as_slice(), [range(nine, noon)]);
    let mut apart: BusyTimes = [range(eleven, noon), range(nine, ten)].into_iter().collect();
    assert_eq!(apart.as_slice(), [range(nine, ten), range(eleven, noon)]);
    apart.extend([range(ten, eleven)]);
    assert_eq!(apart, busy);
}

#[test]
fn nearest_picks_around_an_instant_in_order_of_start() {
    let hour = |h: u32| {
        let start = date("2027-01-04").and_hms_opt(h, 0, 0).unwrap().and_utc();
        TimeRange::lasting(start, TimeDelta::minutes(30)).unwrap()
    };
    let slots = [15, 9, 11, 13, 9, 12].map(hour);
    assert_eq!(nearest(slots, utc(NOON), 3), [11, 12, 13].map(hour));
    assert_eq!(nearest(slots, utc(NOON), 2), [11, 12].map(hour), "of two equally near the earlier");
    assert_eq!(nearest(slots, utc(NOON), 9), [9, 11, 12, 13, 15].map(hour));
    assert_eq!(nearest(slots, utc(NOON), 0), []);
}

#[test]
fn days_follow_the_zone() {
    let day = |on, zone| {
        let window = day_window(date(on), date(on), zone).unwrap();
        (window.start(), window.length())
    };
    let paris = Tz::Europe__Paris;
    assert_eq!(day("2027-03-28", paris), (utc("2027-03-27T23:00:00Z"), TimeDelta::hours(23)));
    assert_eq!(day("2027-10-31", paris), (utc("2027-10-30T22:00:00Z"), TimeDelta::hours(25)));
    // Midnight does not exist: the day starts with the first instant there is.
    let santiago = Tz::America__Santiago;
    assert_eq!(day("2023-09-03", santiago), (utc("2023-09-03T04:00:00Z"), TimeDelta::hours(23)));
    let week = day_window(date("2027-01-04"), date("2027-01-10"), Tz::UTC).unwrap();
    assert_eq!(week, range("2027-01-04T00:00:00Z", "2027-01-11T00:00:00Z"));
    assert_eq!(day_window(date("2027-01-05"), date("2027-01-04"), Tz::UTC), None);
}

#[test]
fn no_zone_was_ever_further_from_utc_than_the_dates_looked_at() {
    for zone in TZ_VARIANTS {
        let mut seconds = vec![utc("1800-01-01T00:00:00Z").timestamp()];
        let until = Timestamp::from_second(utc("2050-01-01T00:00:00Z").timestamp()).unwrap();
        let transitions = oracle::zone(zone);
        let transitions = transitions.preceding(until);
        seconds.extend(transitions.map(|transition| transition.timestamp().as_second()));
        for second in seconds {
            let offset = oracle::offset_seconds(zone, second).abs();
            assert!(offset < 16 * 60 * 60, "{zone} was {offset} s from UTC");
        }
    }
}

/// What the oracle leaves out because two releases of the zone database differ must stay little.
#[test]
fn the_databases_of_zones_agree_nearly_everywhere() {
    let years = utc("1990-01-01T00:00:00Z").timestamp()..utc("2037-01-01T00:00:00Z").timestamp();
    let day = 24 * 60 * 60;
    let agree = |zone| oracle::databases_agree(zone, years.clone(), 20 * day);
    let differing: Vec<_> = TZ_VARIANTS.into_iter().filter(|zone| !agree(*zone)).collect();
    assert!(differing.len() * 20 < TZ_VARIANTS.len(), "the databases differ in {differing:?}");
}

/// The engine looks at each zone's offset once a day.
#[test]
fn no_zone_ever_changed_its_offset_and_went_back_between_two_midnights() {
    const DAY: i64 = 24 * 60 * 60;
    let until = Timestamp::from_second(utc("2100-01-01T00:00:00Z").timestamp()).unwrap();
    for zone in TZ_VARIANTS {
        let offset = |second| oracle::offset_seconds(zone, second);
        for transition in oracle::zone(zone).preceding(until) {
            let second = transition.timestamp().as_second();
            let midnight = second.div_euclid(DAY) * DAY;
            if offset(midnight) == offset(midnight + DAY) {
                let before = midnight.max(second - 1);
                assert_eq!(offset(second), offset(midnight), "{zone} at {second}");
                assert_eq!(offset(before), offset(midnight), "{zone} before {second}");
            }
        }
    }
}

#[test]
fn an_empty_week_offers_nothing() {
    let window = range("2027-01-05T00:00:00Z", "2027-01-06T00:00:00Z");
    let schedule = schedule(Tz::UTC, WeeklyBlocks::default(), 30);
    assert_eq!(slots(&schedule, &BusyTimes::default(), window, utc(NOON)), []);
}
