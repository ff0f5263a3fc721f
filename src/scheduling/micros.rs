//! Instants as whole microseconds since 1970, the engine's inner unit.
//!
//! One `i64` holds every instant that chrono knows with a factor of ten to spare for sums, and
//! compares and adds in one instruction. What is finer than a microsecond is rounded so that
//! nothing more is offered: bounds and lengths up, busy time outwards.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

/// The microsecond that `instant` lies in.
pub(super) fn floor(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

/// The first whole microsecond that is not before `instant`.
pub(super) fn ceil(instant: DateTime<Utc>) -> i64 {
    let rest = instant.timestamp_subsec_nanos() % 1_000;
    floor(instant) + i64::from(rest != 0)
}

/// A length in microseconds, rounded up; what is past the range becomes its end.
pub(super) fn length(delta: TimeDelta) -> i64 {
    match delta.num_microseconds() {
        Some(micros) => micros + i64::from(delta > TimeDelta::microseconds(micros)),
        None if delta < TimeDelta::zero() => i64::MIN,
        None => i64::MAX,
    }
}

/// The instant, where the calendar has it.
pub(super) fn instant(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}

/// Turns microseconds into instants, and remembers the last one's date: finding it is most of the
/// work, and slots come many a day.
pub(super) struct Instants {
    day: i64,
    date: NaiveDate,
}

impl Instants {
    pub(super) const fn new() -> Self {
        Self { day: 0, date: DateTime::UNIX_EPOCH.naive_utc().date() }
    }

    /// The same as [`instant`].
    pub(super) fn instant(&mut self, micros: i64) -> Option<DateTime<Utc>> {
        const DAY: i64 = 86_400_000_000;
        let (day, within) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        if day != self.day {
            self.date = instant(micros)?.date_naive();
            self.day = day;
        }
        let second = u32::try_from(within / 1_000_000).ok()?;
        let nanosecond = u32::try_from(within % 1_000_000).ok()? * 1_000;
        let time = NaiveTime::from_num_seconds_from_midnight_opt(second, nanosecond)?;
        Some(self.date.and_time(time).and_utc())
    }
}
