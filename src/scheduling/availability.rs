//! Blocks laid onto the calendar: from wall-clock time to spans of real time.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::blocks::{DayBlocks, TimeBlock, WeeklyBlocks, day_index};
use super::micros;
use super::wall_clock::{LocalDay, local_days};

/// The furthest that any zone has been from UTC, rounded up: 15:56 in Manila, until 1844.
const MAX_OFFSET: TimeDelta = TimeDelta::hours(16);

/// The blocks that apply, and the zone that they are read in.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a> {
    pub(super) zone: Tz,
    pub(super) weekly: &'a WeeklyBlocks,
    /// Dates that have other blocks than the weekly ones.
    pub(super) overrides: &'a BTreeMap<NaiveDate, DayBlocks>,
}

/// One block on one date in real time, never empty, and the stretch of availability it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
    /// Where the blocks that touch or overlap this one come to an end, one after the other.
    pub(super) stretch_end: i64,
}

impl Blocks<'_> {
    /// The block of each date that can meet `range`, by start; some lie outside.
    ///
    /// A stretch may begin before the first of them and end after the last: what is asked about
    /// must lie in `range`.
    pub(super) fn spans(self, range: Range<i64>) -> Vec<Span> {
        let mut spans = Vec::new();
        if range.is_empty() || (self.weekly.is_empty() && self.overrides.is_empty()) {
            return spans;
        }
        let days = self.weekly.ranges();
        let (first, last) = dates_meeting(range);
        for day in local_days(self.zone, first, last) {
            if let Some(blocks) = self.overrides.get(&day.date) {
                spans.extend(blocks.as_slice().iter().filter_map(|block| span(day, *block)));
            } else {
                let blocks = &self.weekly.as_slice()[days[day_index(day.date.weekday())].clone()];
                spans.extend(blocks.iter().filter_map(|weekly| span(day, weekly.block)));
            }
        }
        join_stretches(&mut spans);
        spans
    }
}

/// The block in real time; `None` where a change of the clock leaves nothing of it, and past the
/// calendar's ends.
fn span(day: LocalDay, block: TimeBlock) -> Option<Span> {
    let start = day.micros(block.start())?;
    let end = day.micros(block.end())?;
    (start < end).then_some(Span { start, end, stretch_end: end })
}

/// The first and the last date whose wall-clock time can lie in the range, whatever the zone.
fn dates_meeting(range: Range<i64>) -> (NaiveDate, NaiveDate) {
    let date_of = |micros: i64, shift: TimeDelta| {
        let instant = micros::instant(micros).unwrap_or(DateTime::<Utc>::MAX_UTC);
        instant.checked_add_signed(shift).map(|shifted| shifted.date_naive())
    };
    // A date lasts until its next midnight in the westernmost zone, hence the day more.
    let first = date_of(range.start, -MAX_OFFSET - TimeDelta::days(1));
    let last = date_of(range.end, MAX_OFFSET);
    (first.unwrap_or(NaiveDate::MIN), last.unwrap_or(NaiveDate::MAX))
}

/// Sorts by start and finds the stretches.
///
/// Where the clock goes forward, times read with the offset before the gap come to lie behind
/// times after it: blocks can change places there and overlap.
fn join_stretches(spans: &mut [Span]) {
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut rest = spans;
    while let Some(first) = rest.first() {
        let (mut length, mut end) = (1, first.end);
        while let Some(next) = rest.get(length).filter(|next| next.start <= end) {
            end = end.max(next.end);
            length += 1;
        }
        let (stretch, after) = rest.split_at_mut(length);
        for span in stretch {
            span.stretch_end = end;
        }
        rest = after;
    }
}
