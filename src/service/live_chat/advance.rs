//! What moves a request on: the first offer and the next, time that runs out, agents who go.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait,
};
use uuid::Uuid;

use super::availability::{become_of, noted_status};
use super::told::{self, Told};
use super::{missed, profiles, transact};
use crate::app::App;
use crate::scheduling::ChatStatus;
use crate::service::changes::Change;
use crate::service::routing::{
    self, CandidateRecord, Outcome, Purpose, Record, Resolved, Route, SkipReason, Tier,
};
use crate::service::{Error, Result, push};
use crate::store::live_chat::candidate::{self, Candidate, Search};
use crate::store::live_chat::offer::{self, DECLINED, EXPIRED, WITHDRAWN};
use crate::store::live_chat::request::{self, ACCEPTED, ENDED, IDLE, Model, OFFERED, UNANSWERED};
use crate::store::{JsonOf, agent, queue};

/// Candidates read first, and how many times as many each time after.
const PAGE: u64 = 10;
/// Requests that are moved on at once by one look at the clock.
const AT_ONCE: usize = 8;
/// Requests that one look at the clock reads.
const MOST_DUE: u32 = 200;

/// A request that is being moved on, in a transaction under its row.
pub(super) struct Moving<'a> {
    pub(super) app: &'a App,
    pub(super) transaction: &'a DatabaseTransaction,
    /// Whom it may be offered to, as was read before the transaction.
    pub(super) resolved: &'a Resolved,
    /// What is to be told once the transaction is committed.
    pub(super) changes: &'a mut Vec<Change>,
    pub(super) now: DateTime<Utc>,
}

/// Whom a request may be offered to. A team that is gone leaves all agents.
///
/// # Errors
/// `NOT_FOUND` for an agent that was asked for and is gone.
pub(super) async fn resolve(app: &App, request: &Model) -> Result<Resolved> {
    let route = route(request);
    let person = request.person.as_ref().map(|person| &person.0);
    let company = request.company.as_ref().map(|company| &company.0);
    match routing::resolve(app, Purpose::LiveChat, route, person, company).await {
        Err(Error::NotFound(_)) if matches!(route, Route::Team(_)) => {
            Ok(Resolved::all_agents(Purpose::LiveChat))
        }
        resolved => resolved,
    }
}

/// Whom the visitor asked for.
pub(super) fn route(request: &Model) -> Route {
    match request.route.0 {
        request::Route { agent: Some(agent), .. } => Route::Agent(agent),
        request::Route { team: Some(team), .. } => Route::Team(team),
        request::Route { .. } => Route::Queue,
    }
}

/// Moves a request on as far as it goes by itself now. Nothing happens where nothing is due.
///
/// # Errors
/// None but the database's.
pub(super) async fn advance(app: &App, id: Uuid) -> Result<()> {
    let found = request::Entity::find_by_id(id).one(&app.db).await?;
    let Some(found) = found.filter(|found| !found.is_over()) else { return Ok(()) };
    // A chat that goes on needs nobody else: it ends even where the rules can't be read.
    let resolved = match found.state == OFFERED {
        true => resolve(app, &found).await?,
        false => Resolved::nobody(),
    };
    transact!(app, |transaction, changes| {
        let Some(request) = request::lock(transaction, id).await? else { return Ok(()) };
        let (resolved, now) = (&resolved, app.now());
        let mut moving = Moving { app, transaction, resolved, changes, now };
        moving.by_itself(request).await.map(|_| ())
    })?;
    app.wake.notify_one();
    Ok(())
}

impl Moving<'_> {
    /// Does what is due by itself.
    pub(super) async fn by_itself(&mut self, mut request: Model) -> Result<Model> {
        if request.state == ACCEPTED && request.due_at.is_some_and(|due| due <= self.now) {
            self.end_chat(&mut request, IDLE).await?;
            return Ok(request);
        }
        if request.state != OFFERED {
            return Ok(request);
        }
        let Some(open) = offer::open_of(self.transaction, request.id).await? else {
            self.offer(&mut request).await?;
            return Ok(request);
        };
        let (state, reason) = if open.expires_at <= self.now {
            (EXPIRED, SkipReason::DidNotAnswer)
        } else {
            match self.why_not(open.agent_id).await? {
                Some(reason) => (WITHDRAWN, reason),
                None => return Ok(request),
            }
        };
        self.pass_on(&mut request, &open, state, reason).await?;
        Ok(request)
    }

    /// Ends an open offer and makes the next.
    pub(super) async fn pass_on(
        &mut self,
        request: &mut Model,
        open: &offer::Model,
        state: &str,
        reason: SkipReason,
    ) -> Result<()> {
        debug_assert!([EXPIRED, DECLINED, WITHDRAWN].contains(&state), "an end: {state}");
        if !offer::end(self.transaction, open.id, state, self.now).await? {
            return Ok(());
        }
        self.changes.push(Change::LiveChatOffers(open.agent_id));
        let mut record = record(request)?;
        let is_open =
            |c: &CandidateRecord| c.agent == open.agent_id && c.outcome == Outcome::Chosen;
        let place = record.tiers.iter().position(|tier| tier.candidates.iter().any(is_open));
        record.note(place.unwrap_or(0), open.agent_id, Outcome::Skipped(reason));
        set_record(request, &record)?;
        self.offer(request).await
    }

    /// Why an agent who was asked can't take a chat any more.
    async fn why_not(&self, id: Uuid) -> Result<Option<SkipReason>> {
        match agent::Entity::find_by_id(id).one(self.transaction).await? {
            Some(agent) => why_not(&agent, self.now),
            None => Ok(Some(SkipReason::Inactive)),
        }
    }

    /// Offers the request to whoever is next; nobody left: it stays unanswered.
    pub(super) async fn offer(&mut self, request: &mut Model) -> Result<()> {
        let mut record = go_on(record(request)?, self.resolved);
        let mut made = None;
        let resolved = self.resolved;
        for (place, tier) in resolved.tiers.iter().enumerate() {
            made = self.try_tier(request, tier, place, &mut record).await?;
            if made.is_some() {
                break;
            }
        }
        set_record(request, &record)?;
        self.changes.push(Change::LiveChatRequest(request.id));
        match made {
            Some(offer) => {
                request.due_at = Some(offer.expires_at);
                self.changes.push(Change::LiveChatOffers(offer.agent_id));
                request::save(self.transaction, request).await?;
            }
            None => {
                UNANSWERED.clone_into(&mut request.state);
                request.ended_at = Some(self.now);
                request.due_at = None;
                request::save(self.transaction, request).await?;
                missed::tell(self.app, self.transaction, request, self.now).await?;
                told::tell(self.app, self.transaction, request, Told::TimedOut).await?;
            }
        }
        Ok(())
    }

    /// Goes through one tier. Where it has nobody, its queue is free again afterwards.
    async fn try_tier(
        &mut self,
        request: &Model,
        tier: &Tier,
        place: usize,
        record: &mut Record,
    ) -> Result<Option<offer::Model>> {
        if tier.agents.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let profiles = profiles();
        let search = Search {
            queue: tier.queue.as_deref(),
            agents: tier.agents.as_deref(),
            profiles: &profiles,
            request: request.id,
            now: self.now,
        };
        // Most often nobody is free because nobody is: that needs no queue.
        let is_any = candidate::any(self.transaction, &search).await?;
        let made = if is_any {
            let savepoint = self.transaction.begin().await?;
            let made = self.in_turn(&savepoint, &search, request, place, record).await?;
            match made {
                Some(_) => savepoint.commit().await?,
                None => savepoint.rollback().await?,
            }
            made
        } else {
            None
        };
        self.note_others(tier, place, made.is_some(), record).await?;
        Ok(made)
    }

    /// Goes through the candidates in order of turn, under the queue's lock.
    async fn in_turn(
        &mut self,
        savepoint: &DatabaseTransaction,
        search: &Search<'_>,
        request: &Model,
        place: usize,
        record: &mut Record,
    ) -> Result<Option<offer::Model>> {
        let locked = match search.queue {
            Some(name) => Some(queue::lock(savepoint, name).await?),
            None => None,
        };
        let (mut most, mut after) = (PAGE, 0);
        loop {
            let page = candidate::page(savepoint, search, most, after).await?;
            for (index, candidate) in page.iter().enumerate() {
                if i64::from(candidate.limit) <= candidate.load {
                    note_skipped(record, place, candidate.id, SkipReason::LiveChatLimit);
                    continue;
                }
                let Some(offer) = self.ask(savepoint, search, request, candidate).await? else {
                    note_skipped(record, place, candidate.id, SkipReason::LiveChatUnavailable);
                    continue;
                };
                if let Some(locked) = &locked {
                    queue::take(savepoint, locked, candidate.id, candidate.weight).await?;
                }
                record.note(place, candidate.id, Outcome::Chosen);
                for other in &page[index + 1..] {
                    record.note(place, other.id, Outcome::NotReached);
                }
                return Ok(Some(offer));
            }
            if u64::try_from(page.len()).is_ok_and(|read| read < most) {
                return Ok(None);
            }
            (after, most) = (after + most, most * 10);
        }
    }

    /// Makes the offer, if its agent can take it now that nobody else changes that.
    async fn ask(
        &mut self,
        queue: &DatabaseTransaction,
        search: &Search<'_>,
        request: &Model,
        candidate: &Candidate,
    ) -> Result<Option<offer::Model>> {
        let savepoint = queue.begin().await?;
        agent::hold(&savepoint, candidate.id).await?;
        let was_outdated =
            candidate.is_outdated && refresh(&savepoint, candidate.id, self.now).await?;
        let seconds = self.app.config.live_chat.offer_seconds;
        let offer = offer::Model {
            id: self.app.uuid(),
            request_id: request.id,
            agent_id: candidate.id,
            state: offer::OPEN.to_owned(),
            offered_at: self.now,
            expires_at: self.now + TimeDelta::seconds(seconds.into()),
            ended_at: None,
            pushed_at: None,
        };
        if !offer::make(&savepoint, &offer, search.profiles).await? {
            savepoint.rollback().await?;
            return Ok(None);
        }
        push::for_offer(self.app, &savepoint, &offer).await?;
        savepoint.commit().await?;
        if was_outdated {
            self.changes.push(Change::Agent(candidate.id));
        }
        Ok(Some(offer))
    }

    /// Notes why those of a named tier were not asked whom the search left out.
    async fn note_others(
        &self,
        tier: &Tier,
        place: usize,
        is_made: bool,
        record: &mut Record,
    ) -> Result<()> {
        let Some(noted) = record.tiers.get(place) else { return Ok(()) };
        let noted: Vec<Uuid> = noted.candidates.iter().map(|candidate| candidate.agent).collect();
        let select = match &tier.agents {
            Some(agents) => {
                let others = agents.iter().filter(|id| !noted.contains(id));
                agent::Entity::find().filter(agent::Column::Id.is_in(others.copied()))
            }
            // Of all agents that is said where none of them could be asked.
            None if !is_made => agent::Entity::find()
                .filter(agent::Column::Active.eq(true))
                .filter(agent::Column::Id.is_not_in(noted)),
            None => return Ok(()),
        };
        let most = u64::try_from(routing::MOST_CANDIDATES).unwrap_or(u64::MAX);
        let select = select.order_by_asc(agent::Column::Id).limit(most);
        for agent in select.all(self.transaction).await? {
            let outcome = match (asked_before(record, agent.id), why_not(&agent, self.now)?) {
                (Some(outcome), _) => outcome,
                (None, Some(reason)) => Outcome::Skipped(reason),
                (None, None) if is_made => Outcome::NotReached,
                (None, None) => Outcome::Skipped(SkipReason::LiveChatLimit),
            };
            record.note(place, agent.id, outcome);
        }
        Ok(())
    }

    /// Ends a chat that goes on.
    pub(super) async fn end_chat(&mut self, request: &mut Model, reason: &str) -> Result<()> {
        ENDED.clone_into(&mut request.state);
        request.ended_at = Some(self.now);
        request.end_reason = Some(reason.to_owned());
        request.due_at = None;
        request::save(self.transaction, request).await?;
        self.changes.push(Change::LiveChatRequest(request.id));
        told::tell(self.app, self.transaction, request, Told::Ended).await?;
        if reason == IDLE && request.touched_at.is_none() {
            missed::tell(self.app, self.transaction, request, self.now).await?;
        }
        Ok(())
    }
}

/// Moves on what is noted of an agent's status, which is too old. The agent is to be held.
async fn refresh(savepoint: &DatabaseTransaction, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let Some(agent) = agent::Entity::find_by_id(id).one(savepoint).await? else { return Ok(false) };
    let Some(become_one) = become_of(&agent, now)? else { return Ok(false) };
    Ok(!candidate::set(savepoint, &[become_one]).await?.is_empty())
}

/// What was kept of how the request's agent was looked for.
pub(super) fn record(request: &Model) -> Result<Record> {
    if request.routing.0.is_null() {
        return Ok(Record::default());
    }
    serde_json::from_value(request.routing.0.clone()).map_err(Error::internal)
}

fn set_record(request: &mut Model, record: &Record) -> Result<()> {
    request.routing = JsonOf(serde_json::to_value(record).map_err(Error::internal)?);
    Ok(())
}

/// Keeps what is known of the tiers, which may be others than when the record was begun.
fn go_on(before: Record, resolved: &Resolved) -> Record {
    let mut record = Record::new(resolved);
    for tier in &mut record.tiers {
        let same = before.tiers.iter().find(|was| (was.kind, was.id) == (tier.kind, tier.id));
        if let Some(was) = same {
            tier.candidates = was.candidates.clone();
            tier.count = was.count;
        }
    }
    record
}

/// Why an agent can't take a chat at all, room aside.
pub(super) fn why_not(agent: &agent::Model, now: DateTime<Utc>) -> Result<Option<SkipReason>> {
    if !agent.active {
        return Ok(Some(SkipReason::Inactive));
    }
    if !profiles().contains(&agent.profile.as_str()) {
        return Ok(Some(SkipReason::NotPermitted));
    }
    let reason = SkipReason::LiveChatUnavailable;
    Ok((noted_status(agent, now)? == ChatStatus::Unavailable).then_some(reason))
}

/// What came of asking an agent, whichever tier it was in.
fn asked_before(record: &Record, agent: Uuid) -> Option<Outcome> {
    let asked =
        [Outcome::Skipped(SkipReason::Declined), Outcome::Skipped(SkipReason::DidNotAnswer)];
    let all = record.tiers.iter().flat_map(|tier| &tier.candidates);
    let of_agent = all.filter(|candidate| candidate.agent == agent);
    of_agent.map(|candidate| candidate.outcome).find(|outcome| asked.contains(outcome))
}

/// What was noted of somebody who was asked stays.
fn note_skipped(record: &mut Record, place: usize, agent: Uuid, reason: SkipReason) {
    let outcome = asked_before(record, agent).unwrap_or(Outcome::Skipped(reason));
    record.note(place, agent, outcome);
}

/// Moves on every request of which something is due by now, whichever process made it. Returns how many
/// that were.
///
/// # Errors
/// None but the database's.
pub async fn follow_clock(app: &App) -> Result<usize> {
    let due = request::due(&app.db, app.now(), MOST_DUE).await?;
    advance_all(app, due).await
}

/// Takes offers back that are open to agents who take no chats any more: they went, or may no longer.
/// Returns how many that were.
///
/// # Errors
/// None but the database's.
pub async fn withdraw_from_unavailable(app: &App) -> Result<usize> {
    let left = offer::of_the_unavailable(&app.db, &profiles(), app.now(), MOST_DUE).await?;
    advance_all(app, left).await
}

async fn advance_all(app: &App, requests: Vec<Uuid>) -> Result<usize> {
    let count = requests.len();
    let mut moved =
        futures_util::stream::iter(requests).map(|id| advance(app, id)).buffer_unordered(AT_ONCE);
    let mut first_error = Ok(count);
    while let Some(done) = moved.next().await {
        if let Err(error) = done {
            first_error = first_error.and(Err(error));
        }
    }
    first_error
}
