//! What visitors can book: the engine over what is known of each agent.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use calendar_provider::TimeRange;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::calendar::Answer;
pub use super::routing::Route;
use super::schedule::{self, AgentSchedule};
use super::{Error, Result, blocked_visitor, calendar};
use crate::app::App;
use crate::scheduling;
use crate::store::booking::Person;
use crate::store::{self, agent::Candidate};
use crate::work::Work;

/// Most days that one request may ask for, counted from the first to the last.
pub const MOST_DAYS: i64 = 62;
/// Days that a read of slots is expected to ask for, before its input is read: the most.
pub(crate) const DAYS_OF_ONE_READ: u64 = 63;
/// How far around a time that is taken others are looked for.
const ALTERNATIVES_WITHIN: TimeDelta = TimeDelta::days(14);
/// Most alternatives to a time that is taken.
const ALTERNATIVES: usize = 5;

/// Days, and the zone that says where each begins.
#[derive(Clone, Copy, Debug)]
pub struct Days {
    /// The first.
    pub from: NaiveDate,
    /// The last, inclusive.
    pub to: NaiveDate,
    /// The visitor's zone.
    pub zone: Tz,
}

/// An agent that takes meetings, with its schedule.
pub(crate) struct Bookable {
    pub(crate) agent: Candidate,
    pub(crate) schedule: std::sync::Arc<AgentSchedule>,
}

/// Every slot that starts within `days`, in order of start, then end; each once, however many agents
/// could take it.
///
/// # Errors
/// `BAD_USER_INPUT` for days in the wrong order or too many; `NOT_FOUND` for an unknown agent.
pub async fn slots(app: &App, route: Route, days: Days) -> Result<Vec<TimeRange>> {
    match window(days)? {
        Some(window) => slots_within(app, route, window, &Refusals::new()).await,
        // A date that the zone skipped: it has no instant.
        None => Ok(Vec::new()),
    }
}

/// The same for a visitor who may have said who it is: nothing for one who is blocked.
///
/// # Errors
/// As [`slots`].
pub async fn slots_for(
    app: &App,
    route: Route,
    days: Days,
    visitor: Option<&Person>,
) -> Result<Vec<TimeRange>> {
    if let Some(visitor) = visitor
        && window(days)?.is_some()
        && blocked_visitor::is_blocked(app, &visitor.email).await?
    {
        return Ok(Vec::new());
    }
    slots(app, route, days).await
}

/// What calendars said a moment ago that did not stand here before, by agent.
pub(crate) type Refusals = HashMap<Uuid, Answer>;

/// The slots nearest to `start` that are still free, in order of start; at most five. The one that
/// was asked for, up to `end` where that was said, is not among them: it was refused just now. Nor is
/// what its calendars' answers, the `refusals`, rule out.
///
/// # Errors
/// `NOT_FOUND` for an unknown agent.
pub async fn alternatives(
    app: &App,
    route: Route,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    refusals: &Refusals,
) -> Result<Vec<TimeRange>> {
    // An instant near the calendar's ends has nothing around it.
    let (Some(from), Some(to)) = (
        start.checked_sub_signed(ALTERNATIVES_WITHIN),
        start.checked_add_signed(ALTERNATIVES_WITHIN),
    ) else {
        return Ok(Vec::new());
    };
    let window = TimeRange::new(from, to).map_err(Error::internal)?;
    let mut free = slots_within(app, route, window, refusals).await?;
    free.retain(|slot| slot.start() != start || end.is_some_and(|end| end != slot.end()));
    free.dedup_by_key(|slot| slot.start());
    Ok(scheduling::nearest(free, start, ALTERNATIVES))
}

/// How far ahead [`next`] looks first, which is most often enough, and then.
const NEXT_WITHIN: [TimeDelta; 2] = [TimeDelta::days(3), TimeDelta::days(14)];

/// The next slots from now on, within 14 days, in order of start: at most so many, each start once.
///
/// # Errors
/// `NOT_FOUND` for an unknown agent or team.
pub async fn next(app: &App, route: Route, most: usize) -> Result<Vec<TimeRange>> {
    let now = app.now();
    let mut next = Vec::new();
    for within in NEXT_WITHIN {
        let window = TimeRange::lasting(now, within).map_err(Error::internal)?;
        next = slots_within(app, route, window, &Refusals::new()).await?;
        next.dedup_by_key(|slot| slot.start());
        if most <= next.len() {
            break;
        }
    }
    next.truncate(most);
    Ok(next)
}

async fn slots_within(
    app: &App,
    route: Route,
    window: TimeRange,
    refusals: &Refusals,
) -> Result<Vec<TimeRange>> {
    let work = Work::current();
    let cost = |agents: u64| agents.saturating_mul(days(window).saturating_add(EACH_AGENT));
    let estimate = cost(expected(app, route).await?);
    work.charge(estimate)?;
    let bookable = bookable(app, route).await?;
    let cost = cost(u64::try_from(bookable.len()).unwrap_or(u64::MAX));
    work.settle(estimate, cost)?;
    let now = app.now();
    if let [only] = bookable.as_slice() {
        let slots = slots_of(only, refusals.get(&only.agent.id), window, now);
        work.charge_after(listing(slots.len()));
        return Ok(slots);
    }
    let pieces = bookable.into_iter().map(|agent| {
        let refusal = refusals.get(&agent.agent.id).cloned();
        (agent, refusal)
    });
    let all = work.part(cost, merged(pieces.collect(), window, now)).await?;
    work.charge_after(listing(all.len()));
    Ok(all)
}

/// Points for each agent that is looked at, whatever the days: its row, and its schedule in memory.
const EACH_AGENT: u64 = 2;
/// Points of slots that come to one.
const SLOTS_A_POINT: usize = 10;

/// Points for slots that are listed.
fn listing(slots: usize) -> u64 {
    u64::try_from(slots / SLOTS_A_POINT).unwrap_or(u64::MAX)
}

/// Days of a window, each that was begun.
fn days(window: TimeRange) -> u64 {
    let seconds = u64::try_from(window.length().num_seconds()).unwrap_or(0);
    seconds.div_ceil(24 * 60 * 60).max(1)
}

/// How many agents a route is expected to have: for all of them, as many as it had last.
async fn expected(app: &App, route: Route) -> Result<u64> {
    Ok(match route {
        Route::Agent(_) => 1,
        Route::Queue => app.agents_seen(),
        Route::Team(id) => {
            let rules = super::routing_rule::snapshot(app).await?;
            let members = rules.teams.get(&id).map_or(0, |team| team.members.len());
            u64::try_from(members).unwrap_or(u64::MAX)
        }
    })
}

fn slots_of(
    agent: &Bookable,
    refusal: Option<&Answer>,
    window: TimeRange,
    now: DateTime<Utc>,
) -> Vec<TimeRange> {
    let (rules, busy) = (&agent.schedule.rules, &agent.schedule.busy);
    match refusal {
        None | Some(Answer::Free) => scheduling::slots(rules, busy, window, now),
        Some(Answer::Busy(seen)) => {
            let busy = seen.iter().fold(busy.clone(), |busy, range| busy.with(*range));
            scheduling::slots(rules, &busy, window, now)
        }
        Some(Answer::Unread) => Vec::new(),
    }
}

/// How much of it is done before others have a turn: a part of a millisecond.
const SLOTS_BETWEEN_YIELDS: usize = 10_000;
const AGENTS_BETWEEN_YIELDS: usize = 16;

/// The slots of several agents, in order, each once. It yields to others now and then, and ends there when
/// its request is given up.
async fn merged(
    agents: Vec<(Bookable, Option<Answer>)>,
    window: TimeRange,
    now: DateTime<Utc>,
) -> Vec<TimeRange> {
    let mut all = Vec::new();
    // Those of some agents are merged at once: most offer the same times.
    let mut fresh = Vec::new();
    let mut since = 0;
    for (agent, refusal) in agents {
        fresh.append(&mut slots_of(&agent, refusal.as_ref(), window, now));
        since += 1;
        if SLOTS_BETWEEN_YIELDS.max(all.len()) <= fresh.len() {
            merge(&mut all, &mut fresh);
            since = AGENTS_BETWEEN_YIELDS;
        }
        if AGENTS_BETWEEN_YIELDS <= since {
            since = 0;
            tokio::task::yield_now().await;
        }
    }
    merge(&mut all, &mut fresh);
    all
}

fn merge(all: &mut Vec<TimeRange>, fresh: &mut Vec<TimeRange>) {
    all.append(fresh);
    // Stable, for it takes the runs as they are.
    all.sort();
    all.dedup();
}

/// Who can take meetings on this route, whether or not they are free.
///
/// Every tier of the route without a name is part of its last one, all agents: so what all of them offer
/// is what the tiers offer together, whoever asks.
pub(crate) async fn bookable(app: &App, route: Route) -> Result<Vec<Bookable>> {
    let only = match route {
        Route::Queue => None,
        Route::Agent(id) => Some(vec![id]),
        Route::Team(id) => {
            let rules = super::routing_rule::snapshot(app).await?;
            let team = rules.teams.get(&id).ok_or_else(|| super::team::unknown(id))?;
            Some(team.members.clone())
        }
    };
    let is_all = only.is_none();
    let candidates = candidates(app, only).await?;
    if is_all {
        let seen = u64::try_from(candidates.len()).unwrap_or(u64::MAX);
        app.agents_seen.store(seen, Ordering::Relaxed);
    }
    if let (Route::Agent(id), true) = (route, candidates.is_empty()) {
        super::agent::get(app, id).await?;
    }
    let mut bookable = Vec::with_capacity(candidates.len());
    for (index, agent) in candidates.into_iter().enumerate() {
        if index % CANDIDATES_BETWEEN_YIELDS == CANDIDATES_BETWEEN_YIELDS - 1 {
            tokio::task::yield_now().await;
        }
        let health = calendar::Health::of(&agent);
        if !health.is_good(app) {
            continue;
        }
        let schedule = schedule::at_revision(app, agent.id, agent.revision).await?;
        if is_in(route, &schedule) {
            bookable.push(Bookable { agent, schedule });
        }
    }
    Ok(bookable)
}

/// How many candidates are looked at before others have a turn.
const CANDIDATES_BETWEEN_YIELDS: usize = 256;

/// More agents than this are not named when candidates are read: all are read then.
const MOST_NAMED: usize = 1000;

/// Active agents that have a calendar: all of them, or only those of `agents`.
pub(crate) async fn candidates(app: &App, agents: Option<Vec<Uuid>>) -> Result<Vec<Candidate>> {
    if agents.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let db = app.db.clone();
    let read = move |asked: Vec<Option<Vec<Uuid>>>| {
        let db = db.clone();
        async move {
            let asked: Option<Vec<Vec<Uuid>>> = asked.into_iter().collect();
            // Each once: many ask for the same, and the fewer are named, the fewer statements there are.
            let asked = asked.map(|lists| lists.into_iter().flatten().collect::<BTreeSet<_>>());
            let asked = asked.filter(|ids| ids.len() <= MOST_NAMED).map(Vec::from_iter);
            store::agent::candidates(&db, asked.as_deref()).await
        }
    };
    let rows = app.candidates.rows(agents.clone(), read).await?;
    Ok(match agents.as_deref() {
        None => rows.to_vec(),
        Some([only]) => rows.iter().filter(|row| row.id == *only).cloned().collect(),
        Some(agents) => {
            let asked: HashSet<&Uuid> = agents.iter().collect();
            rows.iter().filter(|row| asked.contains(&row.id)).cloned().collect()
        }
    })
}

/// Whether an agent with this schedule can be met on this route: the queues are for those with a weekly
/// block, a date override of one who has none is for those who ask for the agent.
pub(crate) fn is_in(route: Route, schedule: &AgentSchedule) -> bool {
    matches!(route, Route::Agent(_)) || !schedule.rules.weekly.is_empty()
}

fn window(days: Days) -> Result<Option<TimeRange>> {
    let count = (days.to - days.from).num_days();
    if count < 0 {
        return Err(Error::bad_input("input.to", "input.to must not be before input.from"));
    }
    if MOST_DAYS < count {
        let message = format!("input.to must be at most {MOST_DAYS} days after input.from");
        return Err(Error::bad_input("input.to", message));
    }
    Ok(scheduling::day_window(days.from, days.to, days.zone))
}
