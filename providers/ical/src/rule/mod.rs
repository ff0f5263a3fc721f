//! Recurrence rules (RFC 5545, section 3.3.10), on the wall clock alone: which instant an
//! occurrence is, its zone decides afterwards.
//!
//! The arithmetic is this crate's own. `rrule` 0.14 walks every period from DTSTART on (1.1 ms
//! for a daily rule of 2015, 30 µs for one that began with the window) and `calcard` 0.3 can only
//! do so too; here a rule without COUNT begins where the window does.

mod days;
mod occurrences;
mod parse;

use chrono::Weekday;

pub use occurrences::Budget;
pub(crate) use occurrences::{Span, occurrences};

use crate::value::Written;

/// A rule as it is written; a part that is absent is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    freq: Frequency,
    /// At least 1.
    interval: u32,
    pub(crate) count: Option<u32>,
    pub(crate) until: Option<Written>,
    /// The first day of the week.
    week_start: Weekday,
    /// Bit 1 to 12.
    months: u64,
    /// Bit 1 to 31, counted from the month's start.
    month_days: u64,
    /// Bit 1 to 31, counted from the month's end.
    month_days_from_end: u64,
    /// Ascending, each once, as are all lists: looking something up must not take longer for who
    /// writes it a thousand times.
    year_days: Vec<i32>,
    week_numbers: Vec<i32>,
    /// The days of the week: each with its ordinal in the month or year, or 0 for every one. In the
    /// order of [`weekday_key`].
    weekdays: Vec<(i32, Weekday)>,
    /// Bit 0 to 23.
    hours: u64,
    /// Bit 0 to 59.
    minutes: u64,
    /// Bit 0 to 59; 60 is read as 59.
    seconds: u64,
    set_positions: Vec<i32>,
}

/// How often; in the order of growing length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Frequency {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Frequency {
    /// The length in seconds of a period shorter than a day.
    const fn seconds(self) -> Option<i64> {
        match self {
            Self::Secondly => Some(1),
            Self::Minutely => Some(60),
            Self::Hourly => Some(3600),
            _ => None,
        }
    }
}

/// What orders days of the week with their ordinals.
fn weekday_key((ordinal, day): &(i32, Weekday)) -> (i32, u32) {
    (*ordinal, day.num_days_from_monday())
}

impl Rule {
    fn has_weekday(&self, ordinal: i32, day: Weekday) -> bool {
        let key = weekday_key(&(ordinal, day));
        self.weekdays.binary_search_by_key(&key, weekday_key).is_ok()
    }

    /// Whether it can serve a DTSTART that is a date: nothing happens within a day then.
    pub(crate) fn serves_dates(&self) -> bool {
        self.freq.seconds().is_none()
    }

    /// Leaves out BYHOUR, BYMINUTE and BYSECOND, as is prescribed where DTSTART is a date.
    pub(crate) fn for_dates(mut self) -> Self {
        (self.hours, self.minutes, self.seconds) = (0, 0, 0);
        self
    }
}
