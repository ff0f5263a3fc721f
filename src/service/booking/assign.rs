//! Who takes a meeting: decided under locks, in the booking's transaction.

use calendar_provider::TimeRange;
use sea_orm::{DatabaseTransaction, TransactionTrait};

use crate::app::App;
use crate::scheduling;
use crate::service::routing::meeting::{Free, Line, Standing};
use crate::service::routing::{Route, SkipReason};
use crate::service::schedule::{self, AgentSchedule};
use crate::service::{Result, calendar, slots};
use crate::store::{agent, queue};

/// Who takes the meeting, locked until the transaction ends.
pub(super) struct Won {
    pub(super) agent: agent::Candidate,
    pub(super) slot: TimeRange,
    /// As of now, under the lock.
    pub(super) schedule: AgentSchedule,
}

/// Goes through the tiers in order, and in each through the candidates in order of turn, and locks the
/// first that is free. Whoever is not free after all is marked so.
///
/// Bookings of several queues can be after the same agents, so no more than one queue and one agent are
/// held at a time: a queue without anybody left, and an agent that was looked at in vain, are let go
/// by rolling back to where they were locked.
pub(super) async fn assign(
    app: &App,
    transaction: &DatabaseTransaction,
    route: Route,
    lines: &mut [Line],
) -> Result<Option<Won>> {
    let last = lines.iter().rposition(|line| 0 < line.free());
    for (place, line) in lines.iter_mut().enumerate() {
        if line.free() == 0 {
            continue;
        }
        if line.queue.is_none() || Some(place) == last {
            if let Some(won) = of_line(app, transaction, route, line).await? {
                return Ok(Some(won));
            }
            continue;
        }
        let scope = transaction.begin().await?;
        if let Some(won) = of_line(app, &scope, route, line).await? {
            scope.commit().await?;
            return Ok(Some(won));
        }
        scope.rollback().await?;
    }
    Ok(None)
}

async fn of_line(
    app: &App,
    transaction: &DatabaseTransaction,
    route: Route,
    line: &mut Line,
) -> Result<Option<Won>> {
    let mut locked = None;
    if let Some(name) = &line.queue {
        // From here on nobody else is assigned from the queue, so the order read now holds.
        locked = Some(queue::lock(transaction, name).await?);
        if 1 < line.free() {
            let turns = queue::turns(transaction, name).await?;
            line.order(&turns);
        }
    }
    for candidate in &mut line.candidates {
        let Standing::Free(free) = &candidate.standing else { continue };
        match lock(app, transaction, route, free).await? {
            None => candidate.standing = Standing::Skipped(SkipReason::Busy),
            Some(won) => {
                if let Some(queue) = locked.take() {
                    queue::take(transaction, queue, won.agent.id, won.agent.weight).await?;
                }
                return Ok(Some(won));
            }
        }
    }
    Ok(None)
}

async fn lock(
    app: &App,
    transaction: &DatabaseTransaction,
    route: Route,
    free: &Free,
) -> Result<Option<Won>> {
    let Free { agent, slot, schedule } = free;
    // By the candidate's revision: what was read of its calendar's state holds too, then.
    if let Some(revision) = agent::lock_unchanged(transaction, agent.id, agent.revision).await? {
        let schedule = AgentSchedule { revision, ..schedule.as_ref().clone() };
        return Ok(Some(Won { agent: agent.clone(), slot: *slot, schedule }));
    }
    // Something of this agent changed since it was read, or is changing: look again, under the lock.
    let scope = transaction.begin().await?;
    let won = look_again(app, &scope, route, agent, *slot).await?;
    match won {
        Some(_) => scope.commit().await?,
        None => scope.rollback().await?,
    }
    Ok(won)
}

async fn look_again(
    app: &App,
    transaction: &DatabaseTransaction,
    route: Route,
    agent: &agent::Candidate,
    slot: TimeRange,
) -> Result<Option<Won>> {
    if agent::lock(transaction, agent.id).await?.is_none() {
        return Ok(None);
    }
    let Some(found) = agent::candidates(transaction, Some(&[agent.id])).await?.pop() else {
        return Ok(None);
    };
    // Another provider's calendar has not been asked whether the slot is free.
    if found.provider != agent.provider || !calendar::Health::of(&found).is_good(app) {
        return Ok(None);
    }
    let now = app.now();
    let schedule = schedule::read(transaction, agent.id, None, now).await?;
    let offered = scheduling::check(&schedule.rules, &schedule.busy, slot.start(), now);
    let takes = slots::is_in(route, &schedule) && offered == Ok(slot);
    Ok(takes.then_some(Won { agent: found, slot, schedule }))
}
