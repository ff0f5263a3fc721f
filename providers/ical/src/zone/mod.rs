//! Zones: from a wall clock to instants and back (RFC 5545, section 3.3.5).
//!
//! A time that a clock shows twice is the first of the two; one that it skips is read with the
//! offset before the gap.

mod custom;
mod names;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

pub(crate) use custom::{Observance, custom};
pub(crate) use names::{is_own_word, known};

const DAY: i64 = 86_400;

/// How far from UTC any offset is believed to be.
const FURTHEST: i64 = DAY;

/// A zone: the instants at which its offset changes.
///
/// An IANA zone is asked day by day for the changes in and around the window, once: looking up
/// chrono-tz's binary search for every occurrence took most of the time of a whole expansion.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    /// Ascending; the first one holds from the beginning of time.
    offsets: Vec<Since>,
    /// What to ask beyond the instants that `offsets` are exact for.
    beyond: Option<(Tz, std::ops::Range<i64>)>,
}

/// An offset and the instant from which on it holds.
#[derive(Clone, Copy, Debug)]
struct Since {
    instant: i64,
    /// Seconds east of UTC.
    offset: i64,
    /// What the clock shows, under this offset, when the next one comes.
    shows_until: i64,
}

impl Since {
    const fn new(instant: i64, offset: i64) -> Self {
        Self { instant, offset, shows_until: i64::MAX }
    }
}

impl Zone {
    /// UTC.
    pub(crate) fn utc() -> Self {
        Self::of(vec![Since::new(i64::MIN, 0)], None)
    }

    fn of(mut offsets: Vec<Since>, beyond: Option<(Tz, std::ops::Range<i64>)>) -> Self {
        for at in 1..offsets.len() {
            offsets[at - 1].shows_until = offsets[at].instant + offsets[at - 1].offset;
        }
        Self { offsets, beyond }
    }

    /// An IANA zone, made quick for instants within `window` and near it.
    pub(crate) fn iana(zone: Tz, window: std::ops::Range<i64>) -> Self {
        let exact = window.start - 3 * DAY..window.end + 3 * DAY;
        let offset = offset_at(zone, exact.start);
        let mut offsets = vec![Since::new(i64::MIN, offset)];
        let mut before = Since::new(exact.start, offset);
        while before.instant < exact.end {
            let instant = before.instant + DAY;
            let offset = offset_at(zone, instant);
            if offset != before.offset {
                offsets.push(Since::new(change(zone, before, instant), offset));
            }
            before = Since::new(instant, offset);
        }
        Self::of(offsets, Some((zone, exact)))
    }

    /// The instant of a wall-clock time, both in seconds since 1970-01-01T00:00:00.
    pub(crate) fn instant(&self, local: i64) -> i64 {
        if let Some((zone, exact)) = &self.beyond
            && !(exact.start + FURTHEST <= local && local < exact.end - FURTHEST)
        {
            return far_instant(*zone, local);
        }
        // The first offset under which the clock still shows the time before the next one.
        let here = self.offsets.partition_point(|since| since.shows_until <= local);
        let here = here.min(self.offsets.len() - 1);
        let since = self.offsets[here];
        let in_gap = since.instant != i64::MIN && local - since.offset < since.instant;
        let offset = if in_gap { self.offsets[here - 1].offset } else { since.offset };
        local - offset
    }

    /// What the clock shows at an instant.
    pub(crate) fn local(&self, instant: i64) -> i64 {
        if let Some((zone, exact)) = &self.beyond
            && !exact.contains(&instant)
        {
            return instant + offset_at(*zone, instant);
        }
        let later = self.offsets.partition_point(|since| since.instant <= instant);
        instant + self.offsets[later.max(1) - 1].offset
    }

    /// All that the clock shows between two instants: from its least time to its greatest.
    pub(crate) fn local_span(&self, from: i64, to: i64) -> (i64, i64) {
        // A gap or fold near an end moves it by the difference of offsets: never past a day.
        let near = |at: i64| [at - FURTHEST, at, at + FURTHEST].map(|t| self.local(t) - t);
        let least = near(from).into_iter().min().unwrap_or_default();
        let greatest = near(to).into_iter().max().unwrap_or_default();
        (from + least, to + greatest)
    }
}

/// The offset of an IANA zone in seconds; far beyond the calendar's ends, that in 1970.
fn offset_at(zone: Tz, instant: i64) -> i64 {
    let utc = DateTime::from_timestamp(instant, 0).unwrap_or_default().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

/// The instant between the two at which the offset changes.
fn change(zone: Tz, before: Since, after: i64) -> i64 {
    let (mut low, mut high) = (before.instant, after);
    while low + 1 < high {
        let middle = low.midpoint(high);
        if offset_at(zone, middle) == before.offset {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// [`Zone::instant`] without a table: of the offsets of the days around, the one before a change
/// decides both what is shown twice and what is skipped.
fn far_instant(zone: Tz, local: i64) -> i64 {
    let before = offset_at(zone, local - FURTHEST);
    let after = offset_at(zone, local + FURTHEST);
    let early = local - before;
    if before == after || offset_at(zone, early) == before {
        return early;
    }
    let late = local - after;
    if offset_at(zone, late) == after { late } else { early }
}
