//! Why a slot is missing.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::access::{app, authorise_for, caller};
use super::availability::DateOverride;
use super::booking::Booking;
use super::error::Result;
use super::scalars::{Date, DateTime, LocalTime};
use super::slots::Slot;
use crate::scheduling;
use crate::service::why as service;

/// Kinds of reason, in order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "service::Kind")]
pub enum UnavailabilityKind {
    /// The agent is deactivated.
    Inactive,
    /// The agent has connected no calendar.
    NoCalendar,
    /// The agent has to connect the calendar again.
    CalendarNeedsReauthentication,
    /// The calendar does not answer, or could not be read for too long.
    CalendarUnreachable,
    /// The time is past. No other reason is looked for then.
    Past,
    /// It is nearer than the agent's notice.
    Notice,
    /// It is further ahead than the agent can be booked.
    Horizon,
    /// The agent has no block at all.
    NoBlocks,
    /// The date has other blocks than the weekly ones, and the meeting does not fit into them.
    DateOverride,
    /// The meeting would not lie within the agent's blocks.
    OutOfHours,
    /// It lies within them, but no slot starts then.
    OffGrid,
    /// The meeting would meet a booking or an entry in the calendar.
    Busy,
    /// The meeting would be nearer than the buffer to one.
    Buffer,
    /// The calendar was not read that far, and what is not known is busy.
    NotKnown,
}

/// What takes an agent's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ConflictSource {
    /// A booking.
    Booking,
    /// An entry in the agent's calendar.
    Calendar,
}

/// A block on one date.
#[derive(Clone, Debug, SimpleObject)]
pub struct DatedBlock {
    /// In the agent's meeting time zone.
    date: Date,
    /// Its start.
    start: LocalTime,
    /// Its end.
    end: LocalTime,
}

impl From<scheduling::DatedBlock> for DatedBlock {
    fn from(dated: scheduling::DatedBlock) -> Self {
        let scheduling::DatedBlock { date, block } = dated;
        Self { date: date.into(), start: block.start().into(), end: block.end().into() }
    }
}

/// What is there already.
#[derive(Clone, Debug, SimpleObject)]
pub struct UnavailabilityConflict {
    /// Its start.
    starts_at: DateTime,
    /// Its end.
    ends_at: DateTime,
    /// What it is.
    source: ConflictSource,
    /// The booking, for those who may see it; else null.
    booking: Option<Booking>,
    /// What the agent calls the entry. For the agent itself and callers who manage agents; else null.
    title: Option<String>,
}

impl From<service::Conflict> for UnavailabilityConflict {
    fn from(conflict: service::Conflict) -> Self {
        let source = match conflict.is_booking {
            true => ConflictSource::Booking,
            false => ConflictSource::Calendar,
        };
        Self {
            starts_at: conflict.range.start().into(),
            ends_at: conflict.range.end().into(),
            source,
            booking: conflict.booking.map(Booking),
            title: conflict.title,
        }
    }
}

/// One reason why no slot starts at a time.
#[derive(Clone, Debug, SimpleObject)]
pub struct UnavailabilityReason {
    /// Of what kind.
    kind: UnavailabilityKind,
    /// In words, with times in the agent's zone.
    message: String,
    /// For OUT_OF_HOURS and DATE_OVERRIDE: the nearest block within eight days.
    block: Option<DatedBlock>,
    /// For DATE_OVERRIDE. For the agent itself and callers who manage agents; else null.
    date_override: Option<DateOverride>,
    /// For BUSY and BUFFER.
    conflict: Option<UnavailabilityConflict>,
    /// For NOTICE: the first instant that is not too soon.
    earliest: Option<DateTime>,
    /// For HORIZON: slots must start before this.
    latest: Option<DateTime>,
    /// For OFF_GRID: the nearest starts before and after, free or not.
    neighbours: Vec<DateTime>,
}

impl From<service::Reason> for UnavailabilityReason {
    fn from(reason: service::Reason) -> Self {
        Self {
            kind: reason.kind.into(),
            message: reason.message,
            block: reason.block.map(Into::into),
            date_override: reason.date_override.map(DateOverride),
            conflict: reason.conflict.map(Into::into),
            earliest: reason.earliest.map(Into::into),
            latest: reason.latest.map(Into::into),
            neighbours: reason.neighbours.into_iter().map(Into::into).collect(),
        }
    }
}

/// Whether a slot starts at a time with an agent, and if not, why.
#[derive(Clone, Debug, SimpleObject)]
pub struct WhyUnavailable {
    /// Whether it does, as `slots` and `bookMeeting` have it for this agent.
    available: bool,
    /// The slot, where it can be booked.
    slot: Option<Slot>,
    /// Each reason why not, in order of weight; at most 20 conflicts are listed. Empty where there is a slot.
    reasons: Vec<UnavailabilityReason>,
}

/// Queries about missing slots.
#[derive(Clone, Copy, Debug, Default)]
pub struct WhyQuery;

#[Object]
impl WhyQuery {
    /// Why no slot starts at this instant with this agent, if none does. For the agent itself; else needs
    /// VIEW_ROUTING or MANAGE_AGENTS.
    async fn why_unavailable(
        &self,
        ctx: &Context<'_>,
        agent_id: ID,
        #[graphql(desc = "When the slot would start.")] at: DateTime,
    ) -> Result<WhyUnavailable> {
        let agent = authorise_for(ctx, &agent_id, "agentId")?;
        let at = at.read_exact("at")?;
        let why = service::why(app(ctx), caller(ctx), agent, at).await?;
        Ok(WhyUnavailable {
            available: why.slot.is_some(),
            slot: why.slot.map(Into::into),
            reasons: why.reasons.into_iter().map(Into::into).collect(),
        })
    }
}
