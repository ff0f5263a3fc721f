//! Instants as whole microseconds since 1970, the engine's inner unit.
//!
//! One `i64` holds every instant that chrono knows with a factor of ten to spare for sums, and
//! compares and adds in one instruction. What is finer than a microsecond is rounded so that
//! nothing more is offered: bounds and lengths up, busy time outwards.

use chrono::{DateTime, TimeDelta, Utc};

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
