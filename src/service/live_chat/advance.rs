//! What moves a request on: the first offer and the next, time that runs out, agents who go.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait,
};
use uuid::Uuid;

use super::assign::assign;
use super::availability::noted_status;
use super::told::{self, Told};
use super::{Effects, missed, profiles, transact};
use crate::app::App;
use crate::scheduling::ChatStatus;
use crate::service::changes::Change;
use crate::service::routing::{
    self, CandidateRecord, Outcome, Purpose, Record, Resolved, Route, SkipReason, Tier, TierRecord,
};
use crate::service::{Error, Result};
use crate::store::live_chat::candidate::{self, Search};
use crate::store::live_chat::offer::{self, DECLINED, EXPIRED, WITHDRAWN};
use crate::store::live_chat::request::{self, ACCEPTED, ENDED, IDLE, Model, OFFERED, UNANSWERED};
use crate::store::{self, JsonOf, agent};

/// Requests that one look at the clock reads.
const MOST_DUE: u32 = 200;

/// A request that is being moved on, in a transaction under its row.
pub(super) struct Moving<'a> {
    pub(super) app: &'a App,
    pub(super) transaction: &'a DatabaseTransaction,
    /// Whom it may be offered to, as was read before the transaction.
    pub(super) resolved: &'a Resolved,
    /// What is to be told once the transaction is committed.
    pub(super) effects: &'a mut Effects,
    pub(super) now: DateTime<Utc>,
}

/// Whom a request may be offered to.
///
/// # Errors
/// `NOT_FOUND` for an agent or a team that was asked for and is not there.
pub(super) async fn resolve(app: &App, request: &Model) -> Result<Resolved> {
    let person = request.person.as_ref().map(|person| &person.0);
    let company = request.company.as_ref().map(|company| &company.0);
    routing::resolve(app, Purpose::LiveChat, route(request), person, company).await
}

/// The same for a request that was made before: a team that is gone since leaves all agents.
///
/// # Errors
/// `NOT_FOUND` for an agent that was asked for and is gone.
pub(super) async fn resolve_again(app: &App, request: &Model) -> Result<Resolved> {
    match resolve(app, request).await {
        Err(Error::NotFound(_)) if matches!(route(request), Route::Team(_)) => {
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
    // A chat that goes on needs nobody else, nor does a request that is offered no further: they end even where the
    // rules can't be read.
    let resolved = match found.state == OFFERED && !has_waited_long(app, &found) {
        true => resolve_again(app, &found).await?,
        false => Resolved::nobody(),
    };
    transact!(app, |transaction, effects| {
        let Some(request) = request::lock(transaction, id).await? else { return Ok(()) };
        let (resolved, now) = (&resolved, app.now());
        let mut moving = Moving { app, transaction, resolved, effects, now };
        moving.by_itself(request).await.map(|_| ())
    })?;
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
        self.effects.push(Change::LiveChatOffers(open.agent_id));
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

    /// Offers the request to whoever is next; nobody left, or it has waited too long: it stays unanswered.
    pub(super) async fn offer(&mut self, request: &mut Model) -> Result<()> {
        let before = record(request)?;
        let mut record = go_on(&before, self.resolved);
        let mut made = None;
        let resolved = self.resolved;
        let asked = [HashSet::from_iter(offer::asked(self.transaction, request.id).await?)];
        // Whoever asked may be long gone: agents' places are not held for it for ever.
        let tiers = match has_waited_long(self.app, request) {
            true => &[],
            false => resolved.tiers.as_slice(),
        };
        for (place, tier) in tiers.iter().enumerate() {
            made = self.try_tier(request, &asked, tier, place, &mut record).await?;
            if made.is_some() {
                break;
            }
        }
        keep_counts(&mut record, &before);
        set_record(request, &record)?;
        self.effects.push(Change::LiveChatRequest(request.id));
        match made {
            Some(offer) => {
                request.due_at = Some(offer.expires_at);
                self.effects.push(Change::LiveChatOffers(offer.agent_id));
                request::save(self.transaction, request).await?;
            }
            None => {
                UNANSWERED.clone_into(&mut request.state);
                request.ended_at = Some(self.now);
                request.due_at = None;
                request::save(self.transaction, request).await?;
                self.tell_missed(request).await?;
                self.tell(request, Told::TimedOut).await?;
            }
        }
        Ok(())
    }

    /// Goes through one tier. Where it has nobody, its queue is free again afterwards.
    async fn try_tier(
        &mut self,
        request: &Model,
        asked: &[HashSet<Uuid>; 1],
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
            now: self.now,
        };
        // Most often nobody is free because nobody is: that needs no queue.
        let made = match candidate::any(self.transaction, &search).await? {
            true => self.in_turn(&search, request, asked, place, record).await?,
            false => None,
        };
        let noted: Vec<Uuid> = match record.tiers.get(place) {
            Some(tier) => tier.candidates.iter().map(|candidate| candidate.agent).collect(),
            None => Vec::new(),
        };
        let others = others(self.transaction, tier, made.is_some(), &noted).await?;
        note_others(&others, place, made.is_some(), record, self.now)?;
        Ok(made)
    }

    /// Offers the request to whoever is next of a tier.
    async fn in_turn(
        &mut self,
        search: &Search<'_>,
        request: &Model,
        asked: &[HashSet<Uuid>; 1],
        place: usize,
        record: &mut Record,
    ) -> Result<Option<offer::Model>> {
        let mut unfit = HashMap::new();
        loop {
            let savepoint = self.transaction.begin().await?;
            let mut assigned = assign(&savepoint, search, asked, &unfit).await?;
            let Some(found) = assigned.found.pop() else { return Ok(None) };
            if let Some(agent) = found.agent {
                let offer = new_offer(self.app, request.id, agent);
                offer::insert(&savepoint, std::slice::from_ref(&offer)).await?;
                savepoint.commit().await?;
                self.effects.changes.extend(assigned.refreshed.into_iter().map(Change::Agent));
                record.note_all(place, found.noted);
                return Ok(Some(offer));
            }
            savepoint.rollback().await?;
            if assigned.unfit.is_empty() {
                record.note_all(place, found.noted);
                return Ok(None);
            }
            // Somebody changed while this looked: once more, without them.
            unfit.extend(assigned.unfit);
        }
    }

    /// Ends a chat that goes on.
    pub(super) async fn end_chat(&mut self, request: &mut Model, reason: &str) -> Result<()> {
        ENDED.clone_into(&mut request.state);
        request.ended_at = Some(self.now);
        request.end_reason = Some(reason.to_owned());
        request.due_at = None;
        request::save(self.transaction, request).await?;
        self.effects.push(Change::LiveChatRequest(request.id));
        self.tell(request, Told::Ended).await?;
        if reason == IDLE && request.touched_at.is_none() {
            self.tell_missed(request).await?;
        }
        Ok(())
    }

    /// Webhooks.
    pub(super) async fn tell(&mut self, request: &Model, told: Told) -> Result<()> {
        let has_deliveries = told::tell(self.app, self.transaction, &[request], told).await?;
        self.effects.has_deliveries |= has_deliveries;
        Ok(())
    }

    /// Agents who want to know.
    async fn tell_missed(&mut self, request: &Model) -> Result<()> {
        let is_anybody = missed::tell(self.app, self.transaction, request, self.now).await?;
        self.effects.has_deliveries |= is_anybody;
        Ok(())
    }
}

/// Whether a request is offered no further.
fn has_waited_long(app: &App, request: &Model) -> bool {
    request.created_at + wait(app) <= app.now()
}

/// How long a request is offered to one agent after another.
pub(super) fn wait(app: &App) -> TimeDelta {
    TimeDelta::minutes(app.config.live_chat.wait_minutes.into())
}

/// An offer that is made now: its time does not run while its queue was waited for.
pub(super) fn new_offer(app: &App, request: Uuid, agent: Uuid) -> offer::Model {
    let now = app.now();
    offer::Model {
        id: app.uuid(),
        request_id: request,
        agent_id: agent,
        state: offer::OPEN.to_owned(),
        offered_at: now,
        expires_at: now + TimeDelta::seconds(app.config.live_chat.offer_seconds.into()),
        ended_at: None,
        pushed_at: None,
    }
}

/// Agents of a tier besides those that are `noted`, of whom it is to be said why they were not asked: of a tier
/// that names its agents always, of all agents where none of them could be.
pub(super) async fn others(
    transaction: &DatabaseTransaction,
    tier: &Tier,
    is_made: bool,
    noted: &[Uuid],
) -> Result<Vec<agent::Model>> {
    let select = match &tier.agents {
        Some(agents) => {
            let others = agents.iter().filter(|id| !noted.contains(id));
            agent::Entity::find().filter(agent::Column::Id.is_in(others.copied()))
        }
        None if !is_made => agent::Entity::find()
            .filter(agent::Column::Active.eq(true))
            .filter(agent::Column::Id.is_not_in(noted.iter().copied())),
        None => return Ok(Vec::new()),
    };
    let most = u64::try_from(routing::MOST_CANDIDATES.saturating_sub(noted.len())).unwrap_or(0);
    Ok(select.order_by_asc(agent::Column::Id).limit(most).all(transaction).await?)
}

/// Notes why they were not asked, unless something is noted of them.
pub(super) fn note_others(
    others: &[agent::Model],
    place: usize,
    is_made: bool,
    record: &mut Record,
    now: DateTime<Utc>,
) -> Result<()> {
    for agent in others {
        if record.has(place, agent.id) {
            continue;
        }
        let outcome = match (asked_before(record, agent.id), why_not(agent, now)?) {
            (Some(outcome), _) => outcome,
            (None, Some(reason)) => Outcome::Skipped(reason),
            (None, None) if is_made => Outcome::NotReached,
            (None, None) => Outcome::Skipped(SkipReason::LiveChatLimit),
        };
        record.note(place, agent.id, outcome);
    }
    Ok(())
}

/// What was kept of how the request's agent was looked for.
pub(super) fn record(request: &Model) -> Result<Record> {
    if request.routing.0.is_null() {
        return Ok(Record::default());
    }
    serde_json::from_value(request.routing.0.clone()).map_err(Error::internal)
}

pub(super) fn set_record(request: &mut Model, record: &Record) -> Result<()> {
    request.routing = JsonOf(serde_json::to_value(record).map_err(Error::internal)?);
    Ok(())
}

/// Keeps what is known of the tiers, which may be others than when the record was begun.
fn go_on(before: &Record, resolved: &Resolved) -> Record {
    let mut record = Record::new(resolved);
    for tier in &mut record.tiers {
        if let Some(was) = same_tier(before, tier) {
            tier.candidates = was.candidates.clone();
            // Those of whom nothing is kept are counted when they are looked at again.
            tier.count = was.candidates.len();
        }
    }
    record
}

/// Those of whom nothing is kept may not have been looked at again: as many as before there were at least.
fn keep_counts(record: &mut Record, before: &Record) {
    for tier in &mut record.tiers {
        if let Some(was) = same_tier(before, tier) {
            tier.count = tier.count.max(was.count);
        }
    }
}

fn same_tier<'a>(record: &'a Record, tier: &TierRecord) -> Option<&'a TierRecord> {
    record.tiers.iter().find(|was| (was.kind, was.id) == (tier.kind, tier.id))
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
    let at_once = store::transactions_at_once(&app.db);
    let mut moved =
        futures_util::stream::iter(requests).map(|id| advance(app, id)).buffer_unordered(at_once);
    let mut first_error = Ok(count);
    while let Some(done) = moved.next().await {
        if let Err(error) = done {
            first_error = first_error.and(Err(error));
        }
    }
    first_error
}
