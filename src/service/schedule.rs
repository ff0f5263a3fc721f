//! Agents' schedules: read from the database, kept in memory under the revision that they were
//! read at.
//!
//! Every change that bears on what can be booked raises the agent's revision in its own
//! transaction. A schedule is read after its revision, so one kept under revision `r` holds all
//! that was committed up to `r`, perhaps more; under a lock at revision `r` it holds exactly that.

use std::sync::Arc;

use calendar_provider::TimeRange;
use chrono::{DateTime, Days, TimeDelta, Utc};
use chrono_tz::Tz;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Error, Result};
use crate::app::App;
use crate::scheduling::{BusyTimes, Schedule};
use crate::store::{JsonOf, agent, booking, busy, date_override, sync};

/// Most schedules that are kept.
const KEPT: u64 = 10_000;

/// When an agent can be booked, as of one revision.
#[derive(Clone, Debug)]
pub struct AgentSchedule {
    /// The revision that it was read at.
    pub revision: i64,
    /// Blocks, overrides and rules.
    pub rules: Schedule,
    /// Meetings, times held and calendar entries.
    pub busy: BusyTimes,
    /// When the first time that is held is free again, were it not confirmed: no revision tells of that.
    pub held_until: Option<DateTime<Utc>>,
}

/// What agents' schedules were when last read.
#[derive(Clone)]
pub struct ScheduleCache(moka::sync::Cache<Uuid, Arc<AgentSchedule>>);

impl Default for ScheduleCache {
    fn default() -> Self {
        Self(moka::sync::Cache::new(KEPT))
    }
}

impl ScheduleCache {
    /// The schedule kept under just this revision, if it still holds.
    pub fn at(&self, agent: Uuid, revision: i64, now: DateTime<Utc>) -> Option<Arc<AgentSchedule>> {
        let holds = |kept: &Arc<AgentSchedule>| {
            kept.revision == revision && kept.held_until.is_none_or(|until| now < until)
        };
        self.0.get(&agent).filter(holds)
    }

    /// Keeps a schedule, unless a newer one is kept already.
    pub fn keep(&self, agent: Uuid, schedule: Arc<AgentSchedule>) {
        self.0.entry(agent).and_upsert_with(|kept| match kept {
            Some(kept) if schedule.revision < kept.value().revision => kept.into_value(),
            _ => schedule,
        });
    }
}

/// The schedule of `agent`, which was at `revision` a moment ago.
///
/// # Errors
/// `NOT_FOUND` where there is no such agent.
pub async fn at_revision(app: &App, agent: Uuid, revision: i64) -> Result<Arc<AgentSchedule>> {
    let now = app.now();
    if let Some(kept) = app.schedules.at(agent, revision, now) {
        return Ok(kept);
    }
    let read = Arc::new(read(&app.db, agent, None, now).await?);
    app.schedules.keep(agent, read.clone());
    Ok(read)
}

/// A meeting's ID, start and end, how its entry in the calendar differs, and until when its time is held.
type Meeting =
    (Uuid, DateTime<Utc>, DateTime<Utc>, Option<JsonOf<booking::Drift>>, Option<DateTime<Utc>>);

/// How long nothing is known of a calendar elsewhere, from where the last look at it ended: longer than
/// any horizon.
const UNKNOWN: TimeDelta = TimeDelta::days(1000);

/// Time that is taken, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// When.
    pub(crate) range: TimeRange,
    /// By what.
    pub(crate) by: TakenBy,
}

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenBy {
    /// This meeting.
    Booking(Uuid),
    /// A visitor who has not confirmed the booking yet.
    Hold,
    /// This meeting's entry, which the agent moved to another time.
    MovedEntry(Uuid),
    /// This row of `busy_intervals`.
    Entry(Uuid),
    /// Nobody knows: the calendar was not read that far.
    Unknown,
}

/// A schedule as it was read.
pub(crate) struct Facts {
    revision: i64,
    /// See [`AgentSchedule::rules`].
    pub(crate) rules: Schedule,
    /// In no order.
    pub(crate) taken: Vec<Taken>,
    held_until: Option<DateTime<Utc>>,
}

/// Reads a schedule from the database, the meeting `without` left out.
///
/// # Errors
/// `NOT_FOUND` where there is no such agent.
pub async fn read<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    without: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<AgentSchedule> {
    let Facts { revision, rules, taken, held_until } = facts(db, agent, without, now).await?;
    let busy = taken.into_iter().map(|taken| taken.range).collect();
    Ok(AgentSchedule { revision, rules, busy, held_until })
}

/// The same, with what each busy time is.
pub(crate) async fn facts<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    without: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Facts> {
    let record = agent::Entity::find_by_id(agent).one(db).await?;
    let record = record.ok_or_else(|| super::agent::unknown(agent))?;
    // Buffers are at most four hours and zones at most a day from UTC: what ended two days ago can't
    // bear on a slot that is still ahead, and what is kept stays right as time passes.
    let since = now - TimeDelta::days(2);
    let overrides = date_override::Entity::find()
        .filter(date_override::Column::AgentId.eq(agent))
        .filter(date_override::Column::Date.gte(since.date_naive() - Days::new(1)))
        .all(db)
        .await?;
    let is_held_or_booked = Condition::any()
        .add(booking::Column::HeldUntil.is_null())
        .add(booking::Column::HeldUntil.gt(now));
    let meetings: Vec<Meeting> = booking::Entity::find()
        .select_only()
        .columns([booking::Column::Id, booking::Column::StartsAt, booking::Column::EndsAt])
        .columns([booking::Column::Drift, booking::Column::HeldUntil])
        .filter(booking::Column::AgentId.eq(agent))
        .filter(booking::Column::Status.ne(booking::CANCELLED))
        .filter(is_held_or_booked)
        .filter(booking::Column::EndsAt.gt(since))
        .into_tuple()
        .all(db)
        .await?;
    let entries: Vec<(Uuid, DateTime<Utc>, DateTime<Utc>)> = busy::Entity::find()
        .select_only()
        .columns([busy::Column::Id, busy::Column::StartsAt, busy::Column::EndsAt])
        .filter(busy::Column::AgentId.eq(agent))
        .filter(busy::Column::EndsAt.gt(since))
        .into_tuple()
        .all(db)
        .await?;
    let meetings: Vec<Meeting> =
        meetings.into_iter().filter(|(id, ..)| Some(*id) != without).collect();
    // Where the agent has moved an entry to is busy as well, until it is accepted or undone.
    let drifted = meetings.iter().filter_map(|(id, _, _, drift, _)| {
        let range = drift.as_ref()?.0.range?;
        Some(Taken { range, by: TakenBy::MovedEntry(*id) })
    });
    let mut taken: Vec<Taken> = drifted.collect();
    let held_until = meetings.iter().filter_map(|(.., held_until)| *held_until).min();
    let meetings = meetings.into_iter().map(|(id, start, end, _, held_until)| {
        let by = if held_until.is_some() { TakenBy::Hold } else { TakenBy::Booking(id) };
        (by, start, end)
    });
    let entries = entries.into_iter().map(|(id, start, end)| (TakenBy::Entry(id), start, end));
    let unknown = sync::known_until(db, agent).await?;
    let unknown = unknown.map(|end| (TakenBy::Unknown, end, end + UNKNOWN));
    for (by, start, end) in meetings.chain(entries).chain(unknown) {
        let range = TimeRange::new(start, end).map_err(Error::internal)?;
        taken.push(Taken { range, by });
    }
    let mut rules = rules(&record)?;
    rules.overrides = overrides.into_iter().map(|row| (row.date, row.blocks.0)).collect();
    Ok(Facts { revision: record.revision, rules, taken, held_until })
}

/// The agent's rules, without date overrides.
fn rules(record: &agent::Model) -> Result<Schedule> {
    let minutes = |minutes: i32| TimeDelta::minutes(minutes.into());
    Ok(Schedule {
        zone: zone(&record.meeting_time_zone)?,
        weekly: record.meeting_blocks.0.clone(),
        overrides: std::collections::BTreeMap::new(),
        duration: minutes(record.duration_minutes),
        buffer: minutes(record.buffer_minutes),
        interval: minutes(record.slot_interval_minutes.unwrap_or(record.duration_minutes)),
        notice: minutes(record.minimum_notice_minutes),
        horizon: TimeDelta::days(record.horizon_days.into()),
    })
}

/// Reads a zone from the database.
///
/// # Errors
/// `INTERNAL` where this build's zone data does not have it.
pub fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|error| Error::internal(anyhow::anyhow!("zone {name}: {error}")))
}
