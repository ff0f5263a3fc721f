//! The engine's rules once more, minute by minute and with jiff for the wall clock: slow, and as
//! plain as can be.
//!
//! Two databases of zones meet here, jiff's and chrono-tz's, and they are not of the same release.
//! Where they disagree about the days of a case, it proves nothing: [`databases_agree`] tells.
//! Cases start in 1972-02, since before that Liberia's clocks were not on whole minutes of UTC,
//! and stop in 2037, where chrono-tz's tables end for some zones.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{Datelike, NaiveDate, TimeZone as _, Utc};
use chrono_tz::Tz;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

use crate::scheduling::{LocalTime, Schedule, TimeBlock, WeeklyBlocks};

use super::case::Case;

const MINUTE: i64 = 60;
const DAY_MINUTES: i64 = 24 * 60;

/// What one schedule says of the minutes of some days; minutes are counted from 1970 in UTC.
pub(super) struct Oracle {
    minutes: Range<i64>,
    available: Vec<bool>,
    block_starts: Vec<i64>,
    grid: BTreeSet<i64>,
}

impl Oracle {
    /// Lays the blocks of each date onto minutes, three days around `range` included.
    pub(super) fn new(schedule: &Schedule, range: Range<i64>) -> Self {
        let first = range.start.div_euclid(MINUTE) - 3 * DAY_MINUTES;
        let last = range.end.div_euclid(MINUTE) + 3 * DAY_MINUTES;
        let mut oracle = Self {
            minutes: first..last,
            available: vec![false; usize::try_from(last - first).unwrap()],
            block_starts: Vec::new(),
            grid: BTreeSet::new(),
        };
        let zone = zone(schedule.zone);
        let days = first.div_euclid(DAY_MINUTES) - 2..=last.div_euclid(DAY_MINUTES) + 2;
        for date in days.map(|day| NaiveDate::from_epoch_days(i32::try_from(day).unwrap()).unwrap())
        {
            for block in blocks_of(schedule, date) {
                let start = minute_of(&zone, date, block.start());
                let end = minute_of(&zone, date, block.end());
                oracle.add(start..end, schedule.interval.num_minutes());
            }
        }
        oracle
    }

    pub(super) fn of_weekly(zone: Tz, weekly: &WeeklyBlocks, range: Range<i64>) -> Self {
        Self::new(&super::schedule(zone, weekly.clone(), 1), range)
    }

    fn add(&mut self, block: Range<i64>, interval: i64) {
        if block.is_empty() {
            return;
        }
        self.block_starts.push(block.start);
        for minute in block.clone() {
            if self.minutes.contains(&minute) {
                self.available[usize::try_from(minute - self.minutes.start).unwrap()] = true;
            }
        }
        let mut start = block.start;
        while start < block.end {
            self.grid.insert(start);
            start += interval;
        }
    }

    /// Whether a block covers the minute.
    pub(super) fn is_available(&self, minute: i64) -> bool {
        assert!(self.minutes.contains(&minute), "the oracle must have laid out this minute");
        self.available[usize::try_from(minute - self.minutes.start).unwrap()]
    }

    /// The first start of a block after `second`, in minutes.
    pub(super) fn next_block_start(&self, second: i64) -> Option<i64> {
        self.block_starts.iter().copied().filter(|start| start * MINUTE > second).min()
    }
}

/// The starts that are offered, in seconds.
pub(super) fn starts(case: &Case) -> Vec<i64> {
    let Case { schedule, window, now, busy } = case;
    let oracle = Oracle::new(schedule, window.start().timestamp()..window.end().timestamp());
    let duration = schedule.duration.num_minutes();
    let buffer = schedule.buffer.num_minutes();
    let mut taken = BTreeSet::new();
    for range in busy {
        taken.extend(range.start().timestamp() / MINUTE..range.end().timestamp() / MINUTE);
    }
    let offered = oracle.grid.iter().copied().filter(|&start| {
        let instant = Utc.timestamp_opt(start * MINUTE, 0).unwrap();
        window.contains_instant(instant)
            && *now + schedule.notice <= instant
            && instant < *now + schedule.horizon
            && (start..start + duration).all(|minute| oracle.is_available(minute))
            && taken.range(start - buffer..start + duration + buffer).next().is_none()
    });
    offered.map(|start| start * MINUTE).collect()
}

/// The first second after `second` at which the zone's date is a later one.
pub(super) fn next_midnight(zone_name: Tz, second: i64) -> i64 {
    let zone = zone(zone_name);
    let date_at = |second: i64| zone.to_datetime(Timestamp::from_second(second).unwrap()).date();
    let today = date_at(second);
    let mut minute = second.div_euclid(MINUTE) + 1;
    while date_at(minute * MINUTE) <= today {
        minute += 1;
    }
    minute * MINUTE
}

/// The first change of the zone's clock after `second`, in seconds.
pub(super) fn next_transition(zone_name: Tz, second: i64) -> Option<i64> {
    let after = Timestamp::from_second(second).unwrap();
    zone(zone_name).following(after).next().map(|transition| transition.timestamp().as_second())
}

/// Whether both databases have the same offsets in the seconds of `range`: at jiff's changes, and
/// every `step` seconds lest chrono-tz knows another.
pub(super) fn databases_agree(zone_name: Tz, range: Range<i64>, step: i64) -> bool {
    let zone = zone(zone_name);
    let step = usize::try_from(step).unwrap();
    let mut probes: Vec<i64> = (range.start..range.end).step_by(step).collect();
    for transition in zone.following(Timestamp::from_second(range.start).unwrap()) {
        let second = transition.timestamp().as_second();
        if range.end <= second {
            break;
        }
        probes.extend([second - 1, second]);
    }
    probes.into_iter().all(|second| {
        let expected = zone.to_offset(Timestamp::from_second(second).unwrap()).seconds();
        expected == offset_seconds(zone_name, second)
    })
}

/// chrono-tz's offset from UTC.
pub(super) fn offset_seconds(zone: Tz, second: i64) -> i32 {
    use chrono::Offset;
    let utc = Utc.timestamp_opt(second, 0).unwrap().naive_utc();
    zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()
}

/// jiff's zone of the same name.
pub(super) fn zone(zone: Tz) -> TimeZone {
    TimeZone::get(zone.name()).unwrap()
}

fn blocks_of(schedule: &Schedule, date: NaiveDate) -> Vec<TimeBlock> {
    if let Some(day) = schedule.overrides.get(&date) {
        return day.as_slice().to_vec();
    }
    let weekly = schedule.weekly.as_slice().iter();
    weekly.filter(|weekly| weekly.day == date.weekday()).map(|weekly| weekly.block).collect()
}

fn minute_of(zone: &TimeZone, date: NaiveDate, time: LocalTime) -> i64 {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let mut date =
        civil::date(year.try_into().unwrap(), month.try_into().unwrap(), day.try_into().unwrap());
    let mut minutes = i8::try_from(time.minutes() % 60).unwrap();
    let mut hours = i8::try_from(time.minutes() / 60).unwrap();
    if hours == 24 {
        (date, hours, minutes) = (date.tomorrow().unwrap(), 0, 0);
    }
    let local = date.at(hours, minutes, 0, 0);
    let second = zone.to_ambiguous_zoned(local).compatible().unwrap().timestamp().as_second();
    assert_eq!(second % MINUTE, 0, "cases keep to times when offsets are whole minutes");
    second / MINUTE
}
