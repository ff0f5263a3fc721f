//! The slots that an agent offers.

use std::collections::BTreeMap;
use std::ops::Range;

use calendar_provider::TimeRange;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::availability::{Blocks, Span};
use super::blocks::{DayBlocks, WeeklyBlocks};
use super::busy::BusyTimes;
use super::micros;

/// When an agent takes meetings, and of what kind.
///
/// Lengths are real time. A duration or an interval that is not positive offers nothing, nor does
/// a duration past 366 days; a negative buffer or notice is none. What is finer than a microsecond
/// is rounded up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The zone that the blocks and the dates of overrides are read in.
    pub zone: Tz,
    /// The blocks of every week.
    pub weekly: WeeklyBlocks,
    /// Dates that have these blocks instead of the weekly ones.
    pub overrides: BTreeMap<NaiveDate, DayBlocks>,
    /// How long a meeting lasts.
    pub duration: TimeDelta,
    /// Least time between a meeting and whatever comes before or after it.
    pub buffer: TimeDelta,
    /// From one slot's start to the next, counted from the start of each block.
    pub interval: TimeDelta,
    /// How long before its start a slot can still be booked.
    pub notice: TimeDelta,
    /// How far ahead a slot can be booked: it starts before now and this.
    pub horizon: TimeDelta,
}

/// Every slot that is offered and starts within `window`, in order, each once.
///
/// A slot `[s, e)` is offered when it starts a whole number of intervals after the start of a
/// block and within it, lies within one stretch of availability (blocks that touch are one
/// stretch, across midnight too), `now + notice <= s < now + horizon`, and each busy interval ends
/// a buffer before `s` or starts a buffer after `e`.
///
/// ```
/// use std::collections::BTreeMap;
/// use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
/// use frontdesk::scheduling::{BusyTimes, DayBlocks, Schedule, TimeBlock, WeeklyBlocks};
/// use frontdesk::scheduling::{day_window, slots};
///
/// let monday = NaiveDate::from_ymd_opt(2027, 1, 4).expect("a date");
/// let morning = TimeBlock::new("09:00".parse()?, "12:00".parse()?)?;
/// let schedule = Schedule {
///     zone: chrono_tz::Europe::Paris,
///     weekly: WeeklyBlocks::default(),
///     overrides: BTreeMap::from([(monday, DayBlocks::new(vec![morning])?)]),
///     duration: TimeDelta::minutes(60),
///     buffer: TimeDelta::minutes(15),
///     interval: TimeDelta::minutes(30),
///     notice: TimeDelta::hours(4),
///     horizon: TimeDelta::days(60),
/// };
/// let window = day_window(monday, monday, schedule.zone).expect("a day");
/// let now: DateTime<Utc> = "2027-01-01T00:00:00Z".parse()?;
/// let offered = slots(&schedule, &BusyTimes::default(), window, now);
/// assert_eq!(offered.len(), 5, "09:00, 09:30, 10:00, 10:30 and 11:00");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn slots(
    schedule: &Schedule,
    busy: &BusyTimes,
    window: TimeRange,
    now: DateTime<Utc>,
) -> Vec<TimeRange> {
    let Some(lengths) = Lengths::of(schedule) else { return Vec::new() };
    let starts = bounds(schedule, window, now);
    if starts.is_empty() {
        return Vec::new();
    }
    // A slot needs its stretch to go on until it ends.
    let reach = starts.start..starts.end.saturating_add(lengths.duration);
    let candidates = candidate_starts(&schedule.blocks().spans(reach), &starts, &lengths);
    slots_at(&free_starts(candidates, busy.as_slice(), &lengths), &lengths)
}

/// At most `count` slots, those nearest to `instant`, in order of start.
///
/// The slots may come in any order; equal ones count once, and of two that are equally near the
/// earlier one is taken.
pub fn nearest(
    slots: impl IntoIterator<Item = TimeRange>,
    instant: DateTime<Utc>,
    count: usize,
) -> Vec<TimeRange> {
    let mut slots: Vec<_> = slots.into_iter().collect();
    slots.sort_unstable_by_key(|slot| ((slot.start() - instant).abs(), *slot));
    slots.dedup();
    slots.truncate(count);
    slots.sort_unstable();
    slots
}

impl Schedule {
    pub(super) const fn blocks(&self) -> Blocks<'_> {
        Blocks { zone: self.zone, weekly: &self.weekly, overrides: &self.overrides }
    }
}

/// The longest meeting. All its days are looked at, so their number must have a bound.
const MAX_DURATION: TimeDelta = TimeDelta::days(366);

/// A schedule's lengths in microseconds.
pub(super) struct Lengths {
    pub(super) duration: i64,
    pub(super) buffer: i64,
    interval: i64,
}

impl Lengths {
    /// `None` where no slot can come of them.
    pub(super) fn of(schedule: &Schedule) -> Option<Self> {
        let step = TimeDelta::zero() < schedule.interval;
        let meeting = TimeDelta::zero() < schedule.duration && schedule.duration <= MAX_DURATION;
        (step && meeting).then(|| Self {
            duration: micros::length(schedule.duration),
            buffer: micros::length(schedule.buffer).max(0),
            interval: micros::length(schedule.interval),
        })
    }
}

/// Where a slot can start: in the window, after the notice, before the horizon.
fn bounds(schedule: &Schedule, window: TimeRange, now: DateTime<Utc>) -> Range<i64> {
    let now = micros::ceil(now);
    let earliest = now.saturating_add(micros::length(schedule.notice).max(0));
    let horizon = now.saturating_add(micros::length(schedule.horizon));
    micros::ceil(window.start()).max(earliest)..micros::ceil(window.end()).min(horizon)
}

/// The starts that the blocks give within `starts`, in order, each once.
fn candidate_starts(spans: &[Span], starts: &Range<i64>, lengths: &Lengths) -> Vec<i64> {
    let mut candidates = Vec::new();
    for span in spans {
        let mut start = first_step(span.start, starts.start, lengths.interval);
        let latest = span.stretch_end.saturating_sub(lengths.duration);
        let end = span.end.min(starts.end);
        while start < end && start <= latest {
            candidates.push(start);
            start = start.saturating_add(lengths.interval);
        }
    }
    // Only blocks that overlap in real time, after a gap, give starts out of order.
    if !candidates.is_sorted_by(|a, b| a < b) {
        candidates.sort_unstable();
        candidates.dedup();
    }
    candidates
}

/// The first of `origin`, `origin + interval`, … that is not before `earliest`.
fn first_step(origin: i64, earliest: i64, interval: i64) -> i64 {
    let behind = earliest.saturating_sub(origin);
    if behind <= 0 {
        return origin;
    }
    let steps = behind / interval + i64::from(behind % interval != 0);
    origin.saturating_add(steps.saturating_mul(interval))
}

/// Those of `candidates` that keep a buffer to everything in `busy`; both are in order.
fn free_starts(mut candidates: Vec<i64>, busy: &[TimeRange], lengths: &Lengths) -> Vec<i64> {
    let free_from = |taken: &TimeRange| micros::ceil(taken.end()).saturating_add(lengths.buffer);
    let last_before = |taken: &TimeRange| {
        micros::floor(taken.start()).saturating_sub(lengths.buffer).saturating_sub(lengths.duration)
    };
    // Busy time may reach far back; what is over before the first candidate is skipped at once.
    let first = candidates.first().copied().unwrap_or(i64::MAX);
    let over = busy.partition_point(|taken| free_from(taken) <= first);
    let mut ahead = busy[over..].iter().map(|taken| (last_before(taken), free_from(taken)));
    let mut taken = ahead.next();
    candidates.retain(|&start| {
        while taken.is_some_and(|(_, free_from)| free_from <= start) {
            taken = ahead.next();
        }
        // Busy intervals are merged and in order: if the next one is clear, so are all after it.
        taken.is_none_or(|(last_before, _)| start <= last_before)
    });
    candidates
}

fn slots_at(starts: &[i64], lengths: &Lengths) -> Vec<TimeRange> {
    let mut instants = micros::Instants::new();
    let mut slots = Vec::with_capacity(starts.len());
    slots.extend(starts.iter().filter_map(|start| {
        let end = instants.instant(start.checked_add(lengths.duration)?)?;
        TimeRange::new(instants.instant(*start)?, end).ok()
    }));
    slots
}
