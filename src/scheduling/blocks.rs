//! Blocks of wall-clock time: when an agent is there, week by week or on one date.

use std::ops::Range;

use chrono::Weekday;
use serde::{Deserialize, Serialize};

use super::LocalTime;
use super::blocks_serde::{BlockRow, WeeklyRow};

/// The most blocks that one day can have.
pub const MAX_BLOCKS_A_DAY: usize = 12;

/// A block of wall-clock time on one day; it starts before it ends.
///
/// Serialised as `{"start": 540, "end": 1020}`, in minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "BlockRow", into = "BlockRow")]
pub struct TimeBlock {
    start: LocalTime,
    end: LocalTime,
}

/// A block of wall-clock time on one day of every week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WeeklyBlock {
    /// The day.
    pub day: Weekday,
    /// The time on that day.
    pub block: TimeBlock,
}

/// The blocks of a week, ordered by day (Monday first), then by start.
///
/// Blocks of one day never overlap, may touch, and are at most [`MAX_BLOCKS_A_DAY`]. Serialised as
/// an array of `{"day": 1, "start": 540, "end": 1020}`: the day of ISO 8601, Monday being 1, and
/// minutes after midnight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<WeeklyRow>", into = "Vec<WeeklyRow>")]
pub struct WeeklyBlocks(Vec<WeeklyBlock>);

/// The blocks of one date, ordered by start; none is a day off.
///
/// They never overlap, may touch, and are at most [`MAX_BLOCKS_A_DAY`]. Serialised as an array of
/// `{"start": 540, "end": 1020}`, in minutes after midnight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<TimeBlock>", into = "Vec<TimeBlock>")]
pub struct DayBlocks(Vec<TimeBlock>);

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockProblem {
    /// The end is not after the start.
    #[error("a block must start before it ends on the same day: {start} to {end}")]
    Backwards {
        /// The start that was given.
        start: LocalTime,
        /// The end that was given.
        end: LocalTime,
    },
    /// Two blocks of one day share time.
    #[error("the block {} to {} overlaps {} to {} of the same day", .block.start, .block.end, .with.start, .with.end)]
    Overlaps {
        /// Where the other block stands in the caller's input, counted from 0.
        other: usize,
        /// The block that is refused.
        block: TimeBlock,
        /// The block that it overlaps.
        with: TimeBlock,
    },
    /// A day has more than [`MAX_BLOCKS_A_DAY`] blocks.
    #[error("a day can have {MAX_BLOCKS_A_DAY} blocks at most, and this one has {count}")]
    TooMany {
        /// How many that day was given.
        count: usize,
    },
}

/// Which block of a list is wrong, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {index}: {problem}")]
pub struct BlocksError {
    /// Where the block stands in the caller's input, counted from 0.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub problem: BlockProblem,
}

impl TimeBlock {
    /// The block from `start` up to, and not with, `end`.
    ///
    /// # Errors
    /// [`BlockProblem::Backwards`] where `start` is not before `end`.
    pub fn new(start: LocalTime, end: LocalTime) -> Result<Self, BlockProblem> {
        if start < end {
            Ok(Self { start, end })
        } else {
            Err(BlockProblem::Backwards { start, end })
        }
    }

    /// When it starts, `00:00` to `23:59`.
    pub const fn start(self) -> LocalTime {
        self.start
    }

    /// When it ends, `00:01` to `24:00`.
    pub const fn end(self) -> LocalTime {
        self.end
    }

    fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

impl WeeklyBlocks {
    /// The blocks in any order, checked and sorted.
    ///
    /// # Errors
    /// Where two blocks of a day overlap, or a day has too many: which block of the input, and why.
    pub fn new(mut blocks: Vec<WeeklyBlock>) -> Result<Self, BlocksError> {
        let mut days: [Vec<Placed>; 7] = Default::default();
        for (index, weekly) in blocks.iter().enumerate() {
            days[day_index(weekly.day)].push(Placed { index, block: weekly.block });
        }
        for day in days {
            check_day(day)?;
        }
        blocks.sort_unstable_by_key(|weekly| (day_index(weekly.day), weekly.block));
        Ok(Self(blocks))
    }

    /// All of them, Monday's first, each day's by start.
    pub fn as_slice(&self) -> &[WeeklyBlock] {
        &self.0
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where each day's blocks lie in [`Self::as_slice`], Monday's first.
    pub(super) fn ranges(&self) -> [Range<usize>; 7] {
        let mut end = 0;
        std::array::from_fn(|day| {
            let start = end;
            end += self.0[start..].iter().take_while(|b| day_index(b.day) == day).count();
            start..end
        })
    }
}

impl DayBlocks {
    /// The blocks in any order, checked and sorted.
    ///
    /// # Errors
    /// Where two overlap, or there are too many: which block of the input, and why.
    pub fn new(mut blocks: Vec<TimeBlock>) -> Result<Self, BlocksError> {
        let placed = blocks.iter().enumerate();
        check_day(placed.map(|(index, &block)| Placed { index, block }).collect())?;
        blocks.sort_unstable();
        Ok(Self(blocks))
    }

    /// All of them, by start.
    pub fn as_slice(&self) -> &[TimeBlock] {
        &self.0
    }

    /// Whether there is none: a day off.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A block and where it stood in the caller's input.
#[derive(Clone, Copy)]
struct Placed {
    index: usize,
    block: TimeBlock,
}

/// Checks the blocks of one day, which come in the caller's order.
fn check_day(mut day: Vec<Placed>) -> Result<(), BlocksError> {
    if let Some(excess) = day.get(MAX_BLOCKS_A_DAY) {
        let problem = BlockProblem::TooMany { count: day.len() };
        return Err(BlocksError { index: excess.index, problem });
    }
    day.sort_unstable_by_key(|placed| placed.block.start);
    for pair in day.windows(2) {
        let &[a, b] = pair else { continue };
        if a.block.overlaps(b.block) {
            let (first, second) = if a.index < b.index { (a, b) } else { (b, a) };
            let problem = BlockProblem::Overlaps {
                other: first.index,
                block: second.block,
                with: first.block,
            };
            return Err(BlocksError { index: second.index, problem });
        }
    }
    Ok(())
}

/// 0 for Monday, 6 for Sunday.
pub(super) const fn day_index(day: Weekday) -> usize {
    day.num_days_from_monday() as usize
}
