//! Making a booking: gather, then commit in one transaction. Delivery is the outbox's.

use std::collections::HashMap;
use std::sync::Arc;

use calendar_provider::TimeRange;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, DbErr, EntityTrait, Set};
use uuid::Uuid;

use super::{Booked, TAKEN, consequences};
use crate::app::App;
use crate::scheduling::{self, InLine, Turn};
use crate::service::access::Caller;
use crate::service::calendar::{self, Answer};
use crate::service::changes::{self, Change, News};
use crate::service::schedule::{self, AgentSchedule};
use crate::service::slots::{self, Bookable, Refusals, Route};
use crate::service::{Error, Result, text, visitor};
use crate::store::booking::{CONFIRMED, Company, Model, Person};
use crate::store::{
    self, JsonOf, agent, booking, idempotency, is_guard_violation, outbox::PENDING, queue,
};

/// How long an idempotency key is remembered.
const KEY_KEPT: TimeDelta = TimeDelta::hours(48);
/// Longest idempotency key, in characters.
const KEY_CHARS: usize = 200;
/// Most calendars that are asked at once for one booking.
const MOST_ASKED: usize = 16;
/// The queue whose turns are taken on this route.
fn queue_of(route: Route) -> Option<String> {
    match route {
        Route::Queue => Some("all".to_owned()),
        Route::Team(id) => Some(format!("team/{id}")),
        Route::Agent(_) => None,
    }
}

/// What a visitor asks for.
#[derive(Clone, Debug)]
pub struct BookMeeting {
    /// The slot's start.
    pub starts_at: DateTime<Utc>,
    /// The slot's end, where slots of several lengths start together.
    pub ends_at: Option<DateTime<Utc>>,
    /// The visitor's zone.
    pub zone: Tz,
    /// The visitor's language; the server's default where none is given.
    pub locale: Option<String>,
    /// The visitor, unchecked.
    pub person: Person,
    /// The visitor's company, unchecked.
    pub company: Option<Company>,
    /// The visitor's words.
    pub notes: Option<String>,
    /// Whom to meet.
    pub route: Route,
    /// Lets a request that is sent again answer with the first one's booking.
    pub idempotency_key: Option<String>,
}

/// A request that was found sound, before any look at what is free.
struct Checked {
    starts_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
    zone: Tz,
    locale: String,
    person: Person,
    company: Option<Company>,
    notes: Option<String>,
    route: Route,
    key: Option<Key>,
}

/// An idempotency key, with what came with it.
#[derive(Clone)]
struct Key {
    hash: Vec<u8>,
    input: Vec<u8>,
}

/// Books a time, or says which others are free.
///
/// # Errors
/// `BAD_USER_INPUT`; `NOT_FOUND` for an unknown agent; `CONFLICT` for an idempotency key that came
/// with another input; `RATE_LIMITED` where a caller without a key sends one address too many mails.
pub async fn book(app: &App, caller: &Caller, request: BookMeeting) -> Result<Booked> {
    let request = check(app, caller, request)?;
    if let Some(key) = &request.key
        && let Some(before) = replay(app, key).await?
    {
        return Ok(before);
    }
    let (free, refusals) = gather(app, &request).await?;
    match commit(app, caller, &request, free).await? {
        Outcome::Made(booking, news) => {
            app.wake.notify_one();
            news.tell(app);
            let manage_token = app.secrets.manage_token(booking.id);
            Ok(Booked::Made { booking, manage_token })
        }
        Outcome::Replayed(key) => replay(app, &key).await?.ok_or_else(|| {
            // The first request with the key was rolled back: nothing came of it.
            Error::Conflict("the request with this idempotency key did not end".to_owned())
        }),
        Outcome::Taken => {
            // The time may have been taken by this very request, sent a moment before.
            if let Some(key) = &request.key
                && let Some(before) = replay(app, key).await?
            {
                return Ok(before);
            }
            let (route, start) = (request.route, request.starts_at);
            let end = request.ends_at;
            let alternatives = slots::alternatives(app, route, start, end, &refusals).await?;
            Ok(Booked::Unavailable { message: TAKEN.to_owned(), alternatives })
        }
    }
}

fn check(app: &App, caller: &Caller, request: BookMeeting) -> Result<Checked> {
    let key = match &request.idempotency_key {
        None => None,
        Some(key) => {
            let field = "input.idempotencyKey";
            let key = text::required(field, key, KEY_CHARS)?;
            let input = crate::secrets::digest(fingerprint(&request).as_bytes());
            let hash = app.secrets.hash(&format!("idempotency/{}/{key}", caller.scope()));
            Some(Key { hash, input })
        }
    };
    let locale = match &request.locale {
        Some(locale) => text::locale("input.locale", locale)?,
        None => app.config.default_locale.clone(),
    };
    if request.ends_at.is_some_and(|end| end <= request.starts_at) {
        let message = "input.endsAt must be after input.startsAt";
        return Err(Error::bad_input("input.endsAt", message));
    }
    let notes = text::optional_lines("input.notes", request.notes.as_deref(), text::TEXT_CHARS)?;
    Ok(Checked {
        starts_at: request.starts_at,
        ends_at: request.ends_at,
        zone: request.zone,
        locale,
        person: visitor::person("input.person", request.person)?,
        company: request.company.map(|c| visitor::company("input.company", c)).transpose()?,
        notes,
        route: request.route,
        key,
    })
}

/// The same for the same input, whatever order of fields it was sent in.
fn fingerprint(request: &BookMeeting) -> String {
    let route = match request.route {
        Route::Queue => serde_json::Value::Null,
        Route::Agent(id) => id.to_string().into(),
        Route::Team(id) => serde_json::json!({ "team": id }),
    };
    let ends_at = request.ends_at.map(|end| end.timestamp_micros());
    let same = serde_json::json!([
        request.starts_at.timestamp_micros(),
        ends_at,
        request.zone.name(),
        request.locale,
        request.person,
        request.company,
        request.notes,
        route,
    ]);
    same.to_string()
}

/// What came of the first request with this key, if there was one.
async fn replay(app: &App, key: &Key) -> Result<Option<Booked>> {
    let kept = idempotency::Entity::find_by_id(key.hash.clone()).one(&app.db).await?;
    let Some(kept) = kept else { return Ok(None) };
    if kept.input_hash != key.input {
        let message = "this idempotency key was used with another input".to_owned();
        return Err(Error::Conflict(message));
    }
    let booking = super::find(app, kept.booking_id).await?;
    let booking =
        booking.ok_or_else(|| Error::internal(anyhow::anyhow!("a key's booking is gone")))?;
    let manage_token = app.secrets.manage_token(booking.id);
    Ok(Some(Booked::Made { booking: Box::new(booking), manage_token }))
}

/// An agent that was free for the slot, as of the schedule's revision.
struct Free {
    agent: agent::Candidate,
    slot: TimeRange,
    schedule: Arc<AgentSchedule>,
}

/// Who could take the meeting, as far as can be told before the transaction, in order of turn.
async fn gather(app: &App, request: &Checked) -> Result<(Vec<Free>, Refusals)> {
    let now = app.now();
    let mut free = Vec::new();
    for Bookable { agent, schedule } in slots::bookable(app, request.route).await? {
        let offered = scheduling::check(&schedule.rules, &schedule.busy, request.starts_at, now);
        match offered {
            Ok(slot) if request.ends_at.is_none_or(|end| end == slot.end()) => {
                free.push(Free { agent, slot, schedule });
            }
            _ => {}
        }
    }
    let ordered = match queue_of(request.route) {
        Some(queue) if 1 < free.len() => in_order(free, &queue::turns(&app.db, &queue).await?),
        _ => free,
    };
    fresh(app, ordered).await
}

/// In order of turn.
fn in_order(free: Vec<Free>, turns: &HashMap<Uuid, Turn>) -> Vec<Free> {
    let place = |(index, free): (usize, &Free)| InLine {
        key: (free.agent.id, index),
        turn: turns.get(&free.agent.id).copied().unwrap_or_default(),
        joined_at: free.agent.joined_at,
    };
    let mut line: Vec<_> = free.iter().enumerate().map(place).collect();
    scheduling::queue_order(&mut line);
    let mut free: Vec<Option<Free>> = free.into_iter().map(Some).collect();
    line.into_iter().filter_map(|place| free[place.key.1].take()).collect()
}

/// Leaves out those whose calendar, asked now, says otherwise or does not answer. A calendar in our own
/// database is looked at in the transaction. Of the others, the first that is free is enough: it is
/// asked alone, which is one round trip; if it is not free, the next ones are asked at once, twice as
/// many each time, so that calendars that don't answer are not waited for one after the other.
async fn fresh(app: &App, ordered: Vec<Free>) -> Result<(Vec<Free>, Refusals)> {
    let mut refusals = Refusals::new();
    let mut is_out = vec![false; ordered.len()];
    let mut elsewhere = Vec::new();
    for (place, candidate) in ordered.iter().enumerate() {
        let provider = calendar::provider(app, &candidate.agent.provider)?;
        if !calendar::is_local(provider.as_ref()) {
            is_out[place] = true;
            elsewhere.push(place);
        }
    }
    let mut left = elsewhere.as_slice();
    let mut at_once = 1;
    while !left.is_empty() {
        let (asked, rest) = left.split_at(at_once.min(left.len()));
        let answers = asked.iter().map(|place| look(app, &ordered[*place]));
        let answers = futures_util::future::try_join_all(answers).await?;
        let free = answers.iter().position(|answer| *answer == Answer::Free);
        let agents = asked.iter().map(|place| ordered[*place].agent.id);
        refusals.extend(agents.zip(answers));
        if let Some(first) = free {
            is_out[asked[first]] = false;
            break;
        }
        (left, at_once) = (rest, (at_once * 2).min(MOST_ASKED));
    }
    let left = ordered.into_iter().zip(is_out).filter(|(_, is_out)| !is_out);
    Ok((left.map(|(free, _)| free).collect(), refusals))
}

async fn look(app: &App, candidate: &Free) -> Result<Answer> {
    let (slot, buffer) = (candidate.slot, candidate.schedule.rules.buffer);
    let asked = calendar::Asked { agent: candidate.agent.id, slot, buffer, moved: None };
    calendar::look(app, asked).await
}

enum Outcome {
    Made(Box<Model>, News),
    Replayed(Key),
    Taken,
}

/// The one transaction. Whoever comes second on an agent waits for the first, then sees its work.
async fn commit(app: &App, caller: &Caller, request: &Checked, free: Vec<Free>) -> Result<Outcome> {
    if free.is_empty() {
        return Ok(Outcome::Taken);
    }
    let id = app.uuid();
    let transaction = store::begin(&app.db).await?;
    if let Some(key) = &request.key
        && !take_key(&transaction, key, id, app.now() + KEY_KEPT).await?
    {
        transaction.rollback().await?;
        return Ok(Outcome::Replayed(key.clone()));
    }
    consequences::count_mail(app, &transaction, caller, &request.person.email).await?;
    let Some(won) = assign(app, &transaction, request, free).await? else {
        transaction.rollback().await?;
        return Ok(Outcome::Taken);
    };
    let booking = insert(app, &transaction, request, id, &won).await;
    if booking.as_ref().is_err_and(is_guard_violation) {
        // The engine allowed what the guard refused: a fault of ours, and still no double booking.
        tracing::error!(agent.id = %won.agent.id, "the database's guard stopped a double booking");
        transaction.rollback().await?;
        return Ok(Outcome::Taken);
    }
    let booking = booking?;
    consequences::of_booking(app, &transaction, &booking).await?;
    let change = Change::Booking { id: booking.id, agent: booking.agent_id };
    let news = changes::write(app, &transaction, [change]).await?;
    transaction.commit().await?;
    let schedule = AgentSchedule { busy: won.schedule.busy.with(won.slot), ..won.schedule };
    app.schedules.keep(booking.agent_id, schedule.into());
    Ok(Outcome::Made(Box::new(booking), news))
}

/// Writes the key down. False where another request with it was first: this one waited for it.
async fn take_key(
    transaction: &DatabaseTransaction,
    key: &Key,
    booking: Uuid,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let row = idempotency::ActiveModel {
        key_hash: Set(key.hash.clone()),
        input_hash: Set(key.input.clone()),
        booking_id: Set(booking),
        expires_at: Set(expires_at),
    };
    match idempotency::Entity::insert(row).exec_without_returning(transaction).await {
        Ok(_) => Ok(true),
        Err(error) if store::is_unique_violation(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Who takes the meeting, locked until the transaction ends.
struct Won {
    agent: agent::Candidate,
    slot: TimeRange,
    /// As of now, under the lock.
    schedule: AgentSchedule,
}

/// Goes through the candidates in order of turn, and locks the first that is free.
async fn assign(
    app: &App,
    transaction: &DatabaseTransaction,
    request: &Checked,
    free: Vec<Free>,
) -> Result<Option<Won>> {
    let (queue, free) = match queue_of(request.route) {
        None => (None, free),
        Some(name) => {
            // From here on nobody else is assigned from the queue, so the order read now holds.
            let queue = queue::lock(transaction, &name).await?;
            (Some(queue), read_turns(transaction, &name, free).await?)
        }
    };
    for Free { agent, slot, schedule } in free {
        // By the candidate's revision: what was read of its calendar's state holds too, then.
        if let Some(revision) = agent::lock_unchanged(transaction, agent.id, agent.revision).await?
        {
            take_turn(transaction, queue.as_ref(), &agent).await?;
            let schedule = AgentSchedule { revision, ..schedule.as_ref().clone() };
            return Ok(Some(Won { agent, slot, schedule }));
        }
        // Something of this agent changed since it was read: look again, under the lock.
        if let Some(won) = look_again(app, transaction, request.route, &agent, slot).await? {
            take_turn(transaction, queue.as_ref(), &won.agent).await?;
            return Ok(Some(won));
        }
    }
    Ok(None)
}

async fn take_turn(
    transaction: &DatabaseTransaction,
    queue: Option<&queue::Locked>,
    agent: &agent::Candidate,
) -> Result<()> {
    match queue {
        Some(queue) => Ok(queue::take(transaction, queue, agent.id, agent.weight).await?),
        None => Ok(()),
    }
}

/// Puts the candidates in the order that holds now that the queue is locked.
async fn read_turns(
    transaction: &DatabaseTransaction,
    queue: &str,
    free: Vec<Free>,
) -> Result<Vec<Free>> {
    if free.len() < 2 {
        return Ok(free);
    }
    let turns = queue::turns(transaction, queue).await?;
    Ok(in_order(free, &turns))
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

async fn insert(
    app: &App,
    transaction: &DatabaseTransaction,
    request: &Checked,
    id: Uuid,
    won: &Won,
) -> Result<Model, DbErr> {
    let host = app.config.public_url.host_str().unwrap_or("localhost");
    let token = app.secrets.manage_token(id);
    let booking = booking::Model {
        id,
        agent_id: won.agent.id,
        status: CONFIRMED.to_owned(),
        starts_at: won.slot.start(),
        ends_at: won.slot.end(),
        guard_ends_at: won.slot.end() + won.schedule.rules.buffer,
        time_zone: request.zone.name().to_owned(),
        locale: request.locale.clone(),
        search_text: search_text(&request.person, request.company.as_ref()),
        person: JsonOf(request.person.clone()),
        company: request.company.clone().map(JsonOf),
        notes: request.notes.clone(),
        wants_conference: calendar::adds_conference(app, &won.agent),
        conference_kind: None,
        conference_url: None,
        uid: format!("{}@{host}", id.simple()),
        sequence: 0,
        event_status: PENDING.to_owned(),
        event_ref: None,
        event_url: None,
        event_problem: None,
        event_calendar: None,
        drift: None,
        mail_status: PENDING.to_owned(),
        mail_delivered_at: None,
        mail_problem: None,
        manage_hash: app.secrets.hash(&token),
        routing: None,
        created_at: app.now(),
        cancelled_at: None,
        cancellation_reason: None,
    };
    let row = booking::ActiveModel::from(booking.clone()).reset_all();
    booking::Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(booking)
}

/// What a search looks at.
fn search_text(person: &Person, company: Option<&Company>) -> String {
    let company = company.map(|company| [company.name.as_deref(), company.domain.as_deref()]);
    let parts = [person.first_name.as_deref(), person.last_name.as_deref(), Some(&*person.email)];
    let parts = parts.into_iter().chain(company.into_iter().flatten()).flatten();
    parts.collect::<Vec<_>>().join(" ").to_lowercase()
}
