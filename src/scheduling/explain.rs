//! Why a start is not offered, in full: for people who wonder where a slot is.

use std::collections::BTreeMap;

use calendar_provider::TimeRange;
use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};

use super::blocks::{TimeBlock, day_index};
use super::busy::BusyTimes;
use super::check::{NotOffered, check, fits_a_stretch, offered};
use super::micros;
use super::slots::{Lengths, Schedule, slots};
use super::wall_clock::{local_date, local_days};

/// How many days around a start its nearest block is looked for: a week has each weekly one.
const NEAR: Days = Days::new(8);

/// One reason why a start is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It lies in the past.
    Past,
    /// It is nearer than the notice that the agent asks for.
    Notice {
        /// The first instant that is not.
        earliest: DateTime<Utc>,
    },
    /// It is further ahead than the agent can be booked.
    Horizon {
        /// A slot must start before this.
        latest: DateTime<Utc>,
    },
    /// The agent has no block at all.
    NoBlocks,
    /// The blocks of a date, which are other than the weekly ones, leave no room for the meeting.
    DateOverride {
        /// The date.
        date: NaiveDate,
        /// The nearest block.
        nearest: Option<DatedBlock>,
    },
    /// The meeting would not lie within one stretch of availability.
    OutOfHours {
        /// The nearest block within eight days.
        nearest: Option<DatedBlock>,
    },
    /// No slot starts then, though the meeting would lie within a stretch of availability.
    OffGrid {
        /// The last start before, within a day.
        before: Option<DateTime<Utc>>,
        /// The first start after, within a day.
        after: Option<DateTime<Utc>>,
    },
    /// The meeting would meet busy time: that at this place of the list.
    Busy(usize),
    /// The meeting would be nearer than the buffer to busy time: that at this place of the list.
    Buffer(usize),
}

/// A block on one date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatedBlock {
    /// The date, in the schedule's zone.
    pub date: NaiveDate,
    /// The time on it.
    pub block: TimeBlock,
}

/// Every reason why `start` is not offered, in order of weight; none where [`check`] accepts it. Of a start
/// that is past, only that. `taken` is the busy time, in any order, as it was found.
pub fn explain(
    schedule: &Schedule,
    taken: &[TimeRange],
    start: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Vec<Obstacle> {
    let busy: BusyTimes = taken.iter().copied().collect();
    let Err(refused) = check(schedule, &busy, start, now) else { return Vec::new() };
    if refused == NotOffered::Past {
        return vec![Obstacle::Past];
    }
    let mut found = Vec::new();
    let ahead = start - now;
    if ahead < schedule.notice {
        found.push(Obstacle::Notice { earliest: now + schedule.notice });
    }
    if schedule.horizon <= ahead {
        found.push(Obstacle::Horizon { latest: now + schedule.horizon });
    }
    found.extend(misplaced(schedule, start));
    found.extend(met(schedule, taken, start));
    found
}

/// Why the blocks give no start then, whatever is busy and whenever it is.
fn misplaced(schedule: &Schedule, start: DateTime<Utc>) -> Option<Obstacle> {
    let always =
        Schedule { notice: TimeDelta::zero(), horizon: TimeDelta::days(4), ..schedule.clone() };
    let nothing = BusyTimes::default();
    if offered(&always, &nothing, start, start).is_some() {
        return None;
    }
    if schedule.weekly.is_empty() && schedule.overrides.values().all(super::DayBlocks::is_empty) {
        return Some(Obstacle::NoBlocks);
    }
    if !fits_a_stretch(schedule, start) {
        let nearest = nearest_block(schedule, start);
        return Some(match overridden(schedule, start) {
            Some(date) => Obstacle::DateOverride { date, nearest },
            None => Obstacle::OutOfHours { nearest },
        });
    }
    let around = |from: Option<DateTime<Utc>>| {
        let window = from.and_then(|from| TimeRange::lasting(from, TimeDelta::days(1)).ok());
        let on_grid = |window: TimeRange| slots(&always, &nothing, window, window.start());
        window.map_or_else(Vec::new, on_grid)
    };
    // From the instant itself on, which is none of them.
    let after = around(Some(start)).first().map(|slot| slot.start());
    let before = around(start.checked_sub_signed(TimeDelta::days(1)));
    let before = before.last().map(|slot| slot.start());
    Some(Obstacle::OffGrid { before, after })
}

/// The date whose own blocks are to blame: that of the start, or that of the end where the weekly blocks
/// would have left room.
fn overridden(schedule: &Schedule, start: DateTime<Utc>) -> Option<NaiveDate> {
    let date = local_date(schedule.zone, start)?;
    if schedule.overrides.contains_key(&date) {
        return Some(date);
    }
    let end = local_date(schedule.zone, start.checked_add_signed(schedule.duration)?)?;
    let mut overrides: BTreeMap<NaiveDate, _> = schedule.overrides.clone();
    overrides.remove(&end)?;
    fits_a_stretch(&Schedule { overrides, ..schedule.clone() }, start).then_some(end)
}

/// The block that the start lies in or is nearest to.
fn nearest_block(schedule: &Schedule, start: DateTime<Utc>) -> Option<DatedBlock> {
    let at = micros::floor(start);
    let date = local_date(schedule.zone, start)?;
    let first = date.checked_sub_days(NEAR)?;
    let last = date.checked_add_days(NEAR)?;
    let weekly = |date: NaiveDate| {
        let day = schedule.weekly.ranges()[day_index(date.weekday())].clone();
        schedule.weekly.as_slice()[day].iter().map(|weekly| weekly.block).collect::<Vec<_>>()
    };
    let days = local_days(schedule.zone, first, last).flat_map(|day| {
        let own = schedule.overrides.get(&day.date).map(|own| own.as_slice().to_vec());
        let blocks = own.unwrap_or_else(|| weekly(day.date));
        blocks.into_iter().filter_map(move |block| {
            let (from, to) = (day.micros(block.start())?, day.micros(block.end())?);
            let distance = if at < from { from - at } else { (at - to).max(0) };
            (from < to).then_some((distance, DatedBlock { date: day.date, block }))
        })
    });
    days.min_by_key(|(distance, _)| *distance).map(|(_, block)| block)
}

/// The busy time that a meeting at `start` meets, then that which is nearer than the buffer.
fn met(schedule: &Schedule, taken: &[TimeRange], start: DateTime<Utc>) -> Vec<Obstacle> {
    let Some(lengths) = Lengths::of(schedule) else { return Vec::new() };
    let start = micros::floor(start);
    let end = start.saturating_add(lengths.duration);
    let meets = |range: &TimeRange, buffer: i64| {
        let (from, to) = (micros::floor(range.start()), micros::ceil(range.end()));
        from.saturating_sub(buffer) < end && start < to.saturating_add(buffer)
    };
    let mut order: Vec<usize> = (0..taken.len()).collect();
    order.retain(|index| meets(&taken[*index], lengths.buffer));
    order.sort_by_key(|index| taken[*index]);
    let (busy, near): (Vec<usize>, Vec<usize>) =
        order.into_iter().partition(|index| meets(&taken[*index], 0));
    let busy = busy.into_iter().map(Obstacle::Busy);
    busy.chain(near.into_iter().map(Obstacle::Buffer)).collect()
}
