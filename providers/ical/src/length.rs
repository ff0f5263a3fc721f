//! How long an occurrence lasts (RFC 5545, sections 3.3.6, 3.6.1 and 3.8.5.3).

use std::rc::Rc;

use crate::event::{End, Moment};
use crate::value::{Duration, Written};
use crate::zone::Zone;

const DAY: i64 = 86_400;

/// A length that all occurrences of a series share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// No time at all.
    Zero,
    /// Seconds of real time: of an event with DTEND, every occurrence is exactly as long.
    Exact(i64),
    /// DURATION, and whole days: days follow the clock, the rest is exact.
    Nominal(Duration),
    /// Unknown: all of the day that it begins on.
    ItsDay,
}

impl Length {
    /// The length of what starts at a moment. What ends before it starts lasts all of its day:
    /// when it ends is not known, and what is unknown is busy.
    pub(crate) fn of(start: Moment, end: End, zones: &[Rc<Zone>]) -> Self {
        let is_date = matches!(start.written, Written::Date(_));
        let length = match end {
            End::None if is_date => Self::days(1),
            End::None => Self::Zero,
            End::Unknown => Self::ItsDay,
            End::After(duration) => match duration.days * DAY + duration.seconds {
                ..0 => Self::ItsDay,
                0 => Self::Zero,
                _ => Self::Nominal(duration),
            },
            End::At(end) => Self::between(start, end, zones),
        };
        // Many write the same date twice for a single day.
        if is_date && length == Self::Zero { Self::days(1) } else { length }
    }

    fn between(start: Moment, end: Moment, zones: &[Rc<Zone>]) -> Self {
        let both = (start.written, end.written);
        if let (Written::Date(_), Written::Date(_)) = both {
            return match end.written.day() - start.written.day() {
                ..=0 => Self::days(1),
                days => Self::days(days),
            };
        }
        // A date beside a time is its midnight, in the other's zone.
        let start_zone =
            &zones[if matches!(start.written, Written::Date(_)) { end.zone } else { start.zone }];
        let end_zone =
            &zones[if matches!(end.written, Written::Date(_)) { start.zone } else { end.zone }];
        let start = start_zone.instant(start.written.seconds());
        match end_zone.instant(end.written.seconds()) - start {
            ..0 => Self::ItsDay,
            0 => Self::Zero,
            seconds => Self::Exact(seconds),
        }
    }

    const fn days(days: i64) -> Self {
        Self::Nominal(Duration { days, seconds: 0 })
    }

    /// The instants of start and end of what stands at a time on a zone's clock.
    pub(crate) fn ends(self, local: i64, instant: i64, zone: &Zone) -> (i64, i64) {
        match self {
            Self::Zero => (instant, instant),
            Self::Exact(seconds) => (instant, instant + seconds),
            Self::Nominal(Duration { days: 0, seconds }) => (instant, instant + seconds),
            Self::Nominal(Duration { days, seconds }) => {
                (instant, zone.instant(local + days * DAY) + seconds)
            }
            Self::ItsDay => {
                let midnight = local.div_euclid(DAY) * DAY;
                (zone.instant(midnight), zone.instant(midnight + DAY))
            }
        }
    }

    /// No occurrence lasts longer, in seconds of real time.
    pub(crate) const fn at_most(self) -> i64 {
        match self {
            Self::Zero => 0,
            Self::Exact(seconds) => seconds,
            Self::Nominal(Duration { days: 0, seconds }) => seconds,
            // A clock put back makes a day longer.
            Self::Nominal(Duration { days, seconds }) => (days + 1) * DAY + seconds,
            Self::ItsDay => 2 * DAY,
        }
    }
}
