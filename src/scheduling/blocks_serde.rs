//! The plain form in which blocks are kept, checked again when they are read.

use chrono::Weekday;
use serde::{Deserialize, Serialize};

use super::blocks::{
    BlockProblem, BlocksError, DayBlocks, TimeBlock, WeeklyBlock, WeeklyBlocks, day_index,
};
use super::local_time::LocalTime;

/// A [`TimeBlock`] in minutes after midnight.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockRow {
    start: u16,
    end: u16,
}

/// A [`WeeklyBlock`], its day as ISO 8601 numbers it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeeklyRow {
    day: u8,
    start: u16,
    end: u16,
}

/// Why a stored row is no block.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error("a time of day is 0 to 1440 minutes after midnight, not {0}")]
    Minutes(u16),
    #[error("a day of the week is 1 to 7, not {0}")]
    Day(u8),
    #[error(transparent)]
    Block(#[from] BlockProblem),
    #[error(transparent)]
    Blocks(#[from] BlocksError),
}

impl TryFrom<BlockRow> for TimeBlock {
    type Error = RowError;

    fn try_from(row: BlockRow) -> Result<Self, RowError> {
        let time = |minutes| LocalTime::from_minutes(minutes).ok_or(RowError::Minutes(minutes));
        Ok(Self::new(time(row.start)?, time(row.end)?)?)
    }
}

impl From<TimeBlock> for BlockRow {
    fn from(block: TimeBlock) -> Self {
        Self { start: block.start().minutes(), end: block.end().minutes() }
    }
}

impl TryFrom<WeeklyRow> for WeeklyBlock {
    type Error = RowError;

    fn try_from(row: WeeklyRow) -> Result<Self, RowError> {
        let from_monday = row.day.checked_sub(1).ok_or(RowError::Day(row.day))?;
        let day = Weekday::try_from(from_monday).map_err(|_| RowError::Day(row.day))?;
        Ok(Self { day, block: BlockRow { start: row.start, end: row.end }.try_into()? })
    }
}

impl From<WeeklyBlock> for WeeklyRow {
    fn from(weekly: WeeklyBlock) -> Self {
        let BlockRow { start, end } = weekly.block.into();
        // A day of the week is below 7, so the cast keeps it.
        Self { day: day_index(weekly.day) as u8 + 1, start, end }
    }
}

impl TryFrom<Vec<WeeklyRow>> for WeeklyBlocks {
    type Error = RowError;

    fn try_from(rows: Vec<WeeklyRow>) -> Result<Self, RowError> {
        let blocks: Result<_, RowError> = rows.into_iter().map(WeeklyBlock::try_from).collect();
        Ok(Self::new(blocks?)?)
    }
}

impl From<WeeklyBlocks> for Vec<WeeklyRow> {
    fn from(blocks: WeeklyBlocks) -> Self {
        blocks.as_slice().iter().map(|&block| block.into()).collect()
    }
}

impl TryFrom<Vec<TimeBlock>> for DayBlocks {
    type Error = BlocksError;

    fn try_from(blocks: Vec<TimeBlock>) -> Result<Self, BlocksError> {
        Self::new(blocks)
    }
}

impl From<DayBlocks> for Vec<TimeBlock> {
    fn from(blocks: DayBlocks) -> Self {
        blocks.as_slice().to_vec()
    }
}
