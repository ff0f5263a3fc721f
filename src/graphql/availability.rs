//! When agents take meetings: weekly blocks, their rules, and dates that differ.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::Weekday;

use super::access::{app, authorise_edit};
use super::agent::Agent;
use super::error::Result;
use super::scalars::{Date, LocalTime, TimeZone};
use crate::ids;
use crate::scheduling::{self, BlocksError, DayBlocks, WeeklyBlock, WeeklyBlocks};
use crate::service::agent::{MeetingAvailabilityUpdate, set_meeting_availability};
use crate::service::{self, Error, date_override};
use crate::store;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Weekday")]
#[expect(missing_docs, reason = "days of the week")]
pub enum DayOfWeek {
    #[graphql(name = "MONDAY")]
    Mon,
    #[graphql(name = "TUESDAY")]
    Tue,
    #[graphql(name = "WEDNESDAY")]
    Wed,
    #[graphql(name = "THURSDAY")]
    Thu,
    #[graphql(name = "FRIDAY")]
    Fri,
    #[graphql(name = "SATURDAY")]
    Sat,
    #[graphql(name = "SUNDAY")]
    Sun,
}

/// A weekly block of time on the agent's wall clock.
#[derive(Clone, Debug, SimpleObject)]
pub struct AvailabilityBlock {
    /// Its day.
    day_of_week: DayOfWeek,
    /// Its start.
    start: LocalTime,
    /// Its end, on the same day; 24:00 for the end of the day.
    end: LocalTime,
}

/// A weekly block of time on the agent's wall clock.
#[derive(Clone, Debug, InputObject)]
pub struct AvailabilityBlockInput {
    day_of_week: DayOfWeek,
    start: LocalTime,
    /// After start, on the same day; 24:00 for the end of the day.
    end: LocalTime,
}

/// A block of one date.
#[derive(Clone, Debug, SimpleObject)]
pub struct TimeBlock {
    /// Its start.
    start: LocalTime,
    /// Its end.
    end: LocalTime,
}

/// A block of one date.
#[derive(Clone, Debug, InputObject)]
pub struct TimeBlockInput {
    start: LocalTime,
    /// After start, on the same day; 24:00 for the end of the day.
    end: LocalTime,
}

pub(crate) fn blocks_of(weekly: &WeeklyBlocks) -> Vec<AvailabilityBlock> {
    let block = |weekly: &WeeklyBlock| AvailabilityBlock {
        day_of_week: weekly.day.into(),
        start: weekly.block.start().into(),
        end: weekly.block.end().into(),
    };
    weekly.as_slice().iter().map(block).collect()
}

fn read_block(
    start: &LocalTime,
    end: &LocalTime,
    field: &str,
) -> Result<scheduling::TimeBlock, Error> {
    let start = start.read(&format!("{field}.start"))?;
    let end = end.read(&format!("{field}.end"))?;
    scheduling::TimeBlock::new(start, end)
        .map_err(|problem| Error::bad_input(format!("{field}.end"), problem.to_string()))
}

fn misplaced(error: &BlocksError) -> Error {
    Error::bad_input(format!("input.blocks.{}", error.index), error.problem.to_string())
}

/// Most blocks that a week can have: twelve a day.
const MOST_BLOCKS: usize = 7 * 12;

/// Reads weekly blocks.
///
/// # Errors
/// `BAD_USER_INPUT` naming the block at fault.
pub(crate) fn read_weekly(blocks: &[AvailabilityBlockInput]) -> Result<WeeklyBlocks, Error> {
    if MOST_BLOCKS < blocks.len() {
        let message = format!("a week has at most {MOST_BLOCKS} blocks, not {}", blocks.len());
        return Err(Error::bad_input("input.blocks", message));
    }
    let weekly = blocks.iter().enumerate().map(|(index, block)| {
        let field = format!("input.blocks.{index}");
        let day = block.day_of_week.into();
        read_block(&block.start, &block.end, &field).map(|block| WeeklyBlock { day, block })
    });
    WeeklyBlocks::new(weekly.collect::<Result<_, _>>()?).map_err(|error| misplaced(&error))
}

fn read_day(blocks: &[TimeBlockInput]) -> Result<DayBlocks, Error> {
    let day = blocks.iter().enumerate().map(|(index, block)| {
        read_block(&block.start, &block.end, &format!("input.blocks.{index}"))
    });
    DayBlocks::new(day.collect::<Result<_, _>>()?).map_err(|error| misplaced(&error))
}

/// When an agent takes meetings.
#[derive(Clone, Debug, SimpleObject)]
pub struct MeetingAvailability {
    /// The zone of the blocks; UTC until set.
    time_zone: TimeZone,
    /// Ordered by day, then start; several a day allowed, never overlapping.
    blocks: Vec<AvailabilityBlock>,
    /// How long a meeting lasts; 30 until set.
    duration_minutes: i32,
    /// Least time between the end of one meeting and the start of the next; 0 until set.
    buffer_minutes: i32,
    /// Spacing of slot starts, counted from the start of each block. durationMinutes until set.
    slot_interval_minutes: i32,
    /// How long before its start a slot can still be booked; 60 until set.
    minimum_notice_minutes: i32,
    /// How many days ahead, from now, a slot can be booked; 60 until set.
    horizon_days: i32,
}

impl MeetingAvailability {
    pub(crate) fn of(agent: &store::agent::Model) -> Self {
        Self {
            time_zone: TimeZone(agent.meeting_time_zone.clone()),
            blocks: blocks_of(&agent.meeting_blocks.0),
            duration_minutes: agent.duration_minutes,
            buffer_minutes: agent.buffer_minutes,
            slot_interval_minutes: agent.slot_interval_minutes.unwrap_or(agent.duration_minutes),
            minimum_notice_minutes: agent.minimum_notice_minutes,
            horizon_days: agent.horizon_days,
        }
    }
}

/// A date on which other blocks apply than the weekly ones. No blocks: a day off.
#[derive(Clone, Debug)]
pub struct DateOverride(pub(crate) store::date_override::Model);

/// A date on which other blocks apply than the weekly ones. No blocks: a day off.
#[Object]
impl DateOverride {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::DATE_OVERRIDE.format(self.0.id).into()
    }

    /// In the agent's meeting time zone.
    async fn date(&self) -> Date {
        self.0.date.into()
    }

    /// In order of start.
    async fn blocks(&self) -> Vec<TimeBlock> {
        let block = |block: &scheduling::TimeBlock| TimeBlock {
            start: block.start().into(),
            end: block.end().into(),
        };
        self.0.blocks.0.as_slice().iter().map(block).collect()
    }

    /// For the agent's own eyes.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
}

/// Fields left out stay as they are; blocks, when given, replace them all.
#[derive(Clone, Debug, InputObject)]
pub struct SetMeetingAvailabilityInput {
    agent_id: ID,
    /// Of the blocks and date overrides.
    time_zone: Option<TimeZone>,
    /// At most 12 a day; they may touch but not overlap.
    blocks: Option<Vec<AvailabilityBlockInput>>,
    /// 5 to 480.
    duration_minutes: Option<i64>,
    /// 0 to 240.
    buffer_minutes: Option<i64>,
    /// 5 to 480; follows durationMinutes until set.
    slot_interval_minutes: Option<i64>,
    /// 0 to 43200.
    minimum_notice_minutes: Option<i64>,
    /// 1 to 730.
    horizon_days: Option<i64>,
}

/// What holds on one date.
#[derive(Clone, Debug, InputObject)]
pub struct SetDateOverrideInput {
    agent_id: ID,
    /// In the agent's meeting time zone.
    date: Date,
    /// Empty: a day off. At most 12; they may touch but not overlap.
    blocks: Vec<TimeBlockInput>,
    /// For the agent's own eyes; at most 1000 characters.
    note: Option<String>,
}

/// Mutations about meeting availability.
#[derive(Clone, Copy, Debug, Default)]
pub struct AvailabilityMutation;

#[Object]
impl AvailabilityMutation {
    /// Changes when an agent takes meetings. Needs MANAGE_CALENDAR_AVAILABILITY for oneself, else
    /// MANAGE_AGENTS.
    async fn set_meeting_availability(
        &self,
        ctx: &Context<'_>,
        input: SetMeetingAvailabilityInput,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let update = MeetingAvailabilityUpdate {
            zone: input.time_zone.map(|zone| zone.read("input.timeZone")).transpose()?,
            blocks: input.blocks.map(|blocks| read_weekly(&blocks)).transpose()?,
            duration_minutes: input.duration_minutes,
            buffer_minutes: input.buffer_minutes,
            slot_interval_minutes: input.slot_interval_minutes,
            minimum_notice_minutes: input.minimum_notice_minutes,
            horizon_days: input.horizon_days,
        };
        Ok(Agent(set_meeting_availability(app(ctx), editor, update).await?))
    }

    /// Sets what holds on one date instead of the weekly blocks. Needs
    /// MANAGE_CALENDAR_AVAILABILITY for oneself, else MANAGE_AGENTS.
    async fn set_date_override(
        &self,
        ctx: &Context<'_>,
        input: SetDateOverrideInput,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let date = input.date.read("input.date")?;
        let blocks = read_day(&input.blocks)?;
        let note = input.note.as_deref();
        Ok(Agent(date_override::set(app(ctx), editor, date, blocks, note).await?))
    }

    /// Lets the weekly blocks hold on a date again. Needs MANAGE_CALENDAR_AVAILABILITY for oneself,
    /// else MANAGE_AGENTS.
    async fn remove_date_override(
        &self,
        ctx: &Context<'_>,
        agent_id: ID,
        date: Date,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        let date = date.read("date")?;
        Ok(Agent(service::date_override::remove(app(ctx), editor, date).await?))
    }
}
