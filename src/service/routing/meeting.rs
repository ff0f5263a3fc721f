//! Who of some tiers could take a meeting, in order of turn. What `slots` offers, what `bookMeeting` takes
//! and what `explainRouting` says are all asked here of the same schedules.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use calendar_provider::TimeRange;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Outcome, Record, Resolved, Route, SkipReason, Tier};
use crate::app::App;
use crate::scheduling::{self, InLine, NotOffered, Turn};
use crate::service::schedule::AgentSchedule;
use crate::service::{Result, calendar, schedule, slots};
use crate::store::agent::{self, Candidate};
use crate::store::queue;
use crate::work::Work;

/// A stretch of time that is looked through at once for an earliest slot.
const STRETCH: TimeDelta = TimeDelta::days(7);

/// Agents of some tiers, by ID.
pub(crate) struct Known {
    agents: HashMap<Uuid, Agent>,
    /// All agents, as far as they were read: active ones with a calendar.
    all: Vec<Uuid>,
}

struct Agent {
    joined_at: DateTime<Utc>,
    /// How it can be booked; or why not, whenever it be.
    bookable: Result<(Candidate, Arc<AgentSchedule>), SkipReason>,
}

/// The candidates of one tier, in order of turn. An agent of several tiers is in the first one alone.
pub(crate) struct Line {
    /// The tier's place in [`Resolved::tiers`].
    pub(crate) tier: usize,
    /// See [`Tier::queue`].
    pub(crate) queue: Option<String>,
    pub(crate) candidates: Vec<Seen>,
}

/// An agent who was looked at.
pub(crate) struct Seen {
    pub(crate) agent: Uuid,
    joined_at: DateTime<Utc>,
    pub(crate) standing: Standing,
}

/// Whether an agent could take the meeting.
pub(crate) enum Standing {
    /// As far as is known.
    Free(Free),
    /// Perhaps: its calendar elsewhere was not asked, since another's was enough.
    Unasked,
    /// No.
    Skipped(SkipReason),
}

/// An agent that is free for the slot, as of the schedule's revision.
#[derive(Clone)]
pub(crate) struct Free {
    pub(crate) agent: Candidate,
    pub(crate) slot: TimeRange,
    pub(crate) schedule: Arc<AgentSchedule>,
}

/// Reads the agents of some tiers, with their schedules: one statement, and one more where a tier names
/// agents who can't be booked at all. Schedules are kept in memory.
///
/// # Errors
/// `NOT_FOUND` where an agent is asked for that is not there.
pub(crate) async fn read(app: &App, route: Route, tiers: &[Tier]) -> Result<Known> {
    let named: Option<Vec<&Vec<Uuid>>> = tiers.iter().map(|tier| tier.agents.as_ref()).collect();
    let named = named.map(|lists| lists.into_iter().flatten().copied().collect());
    // As many as there were last time, where all are looked at.
    let named_count = named.as_ref().map(|named: &Vec<Uuid>| named.len());
    let estimate =
        named_count.map_or(app.agents_seen(), |count| u64::try_from(count).unwrap_or(u64::MAX));
    Work::current().charge(estimate)?;
    let rows = slots::candidates(app, named).await?;
    let all = rows.iter().map(|row| row.id).collect();
    let mut agents = HashMap::with_capacity(rows.len());
    for row in rows {
        let (id, joined_at) = (row.id, row.joined_at);
        agents.insert(id, Agent { joined_at, bookable: bookable(app, route, row).await? });
    }
    let missing: HashSet<Uuid> = tiers
        .iter()
        .filter_map(|tier| tier.agents.as_ref())
        .flatten()
        .filter(|id| !agents.contains_key(*id))
        .copied()
        .collect();
    if !missing.is_empty() {
        agents.extend(absent(app, missing).await?);
    }
    if let Route::Agent(id) = route
        && agents.is_empty()
    {
        return Err(crate::service::agent::unknown(id));
    }
    Ok(Known { agents, all })
}

async fn bookable(
    app: &App,
    route: Route,
    row: Candidate,
) -> Result<Result<(Candidate, Arc<AgentSchedule>), SkipReason>> {
    if row.calendar_status == calendar::REAUTHENTICATION_REQUIRED {
        return Ok(Err(SkipReason::CalendarNeedsReauthentication));
    }
    if !calendar::Health::of(&row).is_good(app) {
        return Ok(Err(SkipReason::CalendarUnreachable));
    }
    let schedule = schedule::at_revision(app, row.id, row.revision).await?;
    if !slots::is_in(route, &schedule) {
        return Ok(Err(SkipReason::OutOfHours));
    }
    Ok(Ok((row, schedule)))
}

/// Agents who are not active, or have no calendar.
async fn absent(app: &App, ids: HashSet<Uuid>) -> Result<Vec<(Uuid, Agent)>> {
    let rows: Vec<(Uuid, bool, DateTime<Utc>)> = agent::Entity::find()
        .select_only()
        .columns([agent::Column::Id, agent::Column::Active, agent::Column::JoinedAt])
        .filter(agent::Column::Id.is_in(ids))
        .into_tuple()
        .all(&app.db)
        .await?;
    let agent = |(id, is_active, joined_at)| {
        let reason = if is_active { SkipReason::NoCalendar } else { SkipReason::Inactive };
        (id, Agent { joined_at, bookable: Err(reason) })
    };
    Ok(rows.into_iter().map(agent).collect())
}

impl Known {
    /// Who of each tier could take a meeting that starts then, and ends at `end` where that is said; in
    /// order of turn.
    pub(crate) async fn lines(
        &self,
        app: &App,
        resolved: &Resolved,
        start: DateTime<Utc>,
        end: Option<DateTime<Utc>>,
    ) -> Result<Vec<Line>> {
        let now = app.now();
        let stand = |agent: &Agent| match &agent.bookable {
            Err(reason) => Standing::Skipped(*reason),
            Ok((row, schedule)) => {
                match scheduling::check(&schedule.rules, &schedule.busy, start, now) {
                    Ok(slot) if end.is_none_or(|end| end == slot.end()) => {
                        let (agent, schedule) = (row.clone(), Arc::clone(schedule));
                        Standing::Free(Free { agent, slot, schedule })
                    }
                    Ok(_) => Standing::Skipped(SkipReason::NoSlotThen),
                    Err(reason) => Standing::Skipped(reason.into()),
                }
            }
        };
        let mut seen = HashSet::new();
        let mut lines = Vec::with_capacity(resolved.tiers.len());
        for (index, tier) in resolved.tiers.iter().enumerate() {
            let mut candidates = Vec::new();
            for id in tier.agents.as_ref().unwrap_or(&self.all) {
                if let Some(agent) = self.agents.get(id)
                    && seen.insert(*id)
                {
                    let (joined_at, standing) = (agent.joined_at, stand(agent));
                    candidates.push(Seen { agent: *id, joined_at, standing });
                }
            }
            let mut line = Line { tier: index, queue: tier.queue.clone(), candidates };
            if let Some(queue) = &line.queue
                && 1 < line.candidates.len()
            {
                let turns = queue::turns(&app.db, queue).await?;
                line.order(&turns);
            }
            lines.push(line);
        }
        Ok(lines)
    }

    /// The earliest slot of each agent that has one. Where that takes long, it is done on the heavy threads.
    pub(crate) async fn earliest(
        &self,
        now: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, DateTime<Utc>>> {
        let bookable = self.agents.iter().filter_map(|(id, agent)| {
            let (_, schedule) = agent.bookable.as_ref().ok()?;
            Some((*id, Arc::clone(schedule)))
        });
        let bookable: Vec<_> = bookable.collect();
        // The first stretch is enough for most; the others are paid for once they were looked at.
        let cost = u64::try_from(bookable.len()).unwrap_or(u64::MAX).saturating_mul(stretches(1));
        let work = Work::current();
        work.charge(cost)?;
        let part = async move {
            let mut found = HashMap::with_capacity(bookable.len());
            for (index, (id, schedule)) in bookable.into_iter().enumerate() {
                if index % BETWEEN_YIELDS == BETWEEN_YIELDS - 1 {
                    tokio::task::yield_now().await;
                }
                let (start, looked) = earliest(&schedule, now);
                found.extend(start.map(|start| (id, start)));
                Work::current().charge_after(stretches(looked.saturating_sub(1)));
            }
            found
        };
        Ok(work.part(cost, part).await?)
    }
}

/// How many agents are looked at before others have a turn.
const BETWEEN_YIELDS: usize = 16;

/// Days in so many stretches.
fn stretches(count: u64) -> u64 {
    count * u64::try_from(STRETCH.num_days()).unwrap_or(1)
}

/// The earliest slot, and how many stretches were looked through.
fn earliest(schedule: &AgentSchedule, now: DateTime<Utc>) -> (Option<DateTime<Utc>>, u64) {
    let (mut from, mut looked) = (now, 0);
    while from < now + schedule.rules.horizon {
        let Ok(window) = TimeRange::lasting(from, STRETCH) else { break };
        looked += 1;
        let slots = scheduling::slots(&schedule.rules, &schedule.busy, window, now);
        if let Some(first) = slots.first() {
            return (Some(first.start()), looked);
        }
        from = window.end();
    }
    (None, looked)
}

impl Line {
    /// Puts the candidates in order of turn.
    pub(crate) fn order(&mut self, turns: &HashMap<Uuid, Turn>) {
        let place = |(index, seen): (usize, &Seen)| InLine {
            key: (seen.agent, index),
            turn: turns.get(&seen.agent).copied().unwrap_or_default(),
            joined_at: seen.joined_at,
        };
        let mut line: Vec<_> = self.candidates.iter().enumerate().map(place).collect();
        scheduling::queue_order(&mut line);
        let mut seen: Vec<Option<Seen>> = self.candidates.drain(..).map(Some).collect();
        self.candidates = line.into_iter().filter_map(|place| seen[place.key.1].take()).collect();
    }

    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        self.candidates.iter().filter(|seen| seen.is_free()).count()
    }

    /// Whether somebody's calendar elsewhere was not asked.
    pub(crate) fn has_unasked(&self) -> bool {
        self.candidates.iter().any(|seen| matches!(seen.standing, Standing::Unasked))
    }
}

impl Seen {
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.standing, Standing::Free(_))
    }

    fn outcome(&self, chosen: Option<Uuid>) -> Outcome {
        match self.standing {
            Standing::Free(_) if chosen == Some(self.agent) => Outcome::Chosen,
            Standing::Free(_) | Standing::Unasked => Outcome::NotReached,
            Standing::Skipped(reason) => Outcome::Skipped(reason),
        }
    }
}

/// What is kept of it.
pub(crate) fn record(resolved: &Resolved, lines: &[Line], chosen: Option<Uuid>) -> Record {
    let mut record = Record::new(resolved);
    for line in lines {
        let outcomes = line.candidates.iter().map(|seen| (seen.agent, seen.outcome(chosen)));
        record.set_candidates(line.tier, outcomes);
    }
    record.chosen = chosen;
    record
}

impl From<NotOffered> for SkipReason {
    fn from(reason: NotOffered) -> Self {
        match reason {
            NotOffered::Notice => Self::Notice,
            NotOffered::Horizon => Self::Horizon,
            NotOffered::OutsideAvailability => Self::OutOfHours,
            NotOffered::Busy => Self::Busy,
            NotOffered::Past | NotOffered::OffGrid => Self::NoSlotThen,
        }
    }
}
