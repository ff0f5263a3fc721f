//! Making a booking: gather, then commit in one transaction. Delivery is the outbox's.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, DbErr, EntityTrait, Set};
use uuid::Uuid;

use super::assign::{Won, assign};
use super::gather::{MOST_ASKED, gather};
use super::{Booked, consequences, taken, turned_away};
use crate::app::App;
use crate::service::access::Caller;
use crate::service::calendar;
use crate::service::changes::{self, Change, News};
use crate::service::routing::meeting::Line;
use crate::service::routing::{self, Purpose, Resolved, Route};
use crate::service::schedule::AgentSchedule;
use crate::service::slots::{self, Refusals};
use crate::service::{Error, Result, blocked_visitor, quota, text, visitor};
use crate::store::booking::{CONFIRMED, Company, Model, Person};
use crate::store::{self, JsonOf, booking, idempotency, is_guard_violation, outbox::PENDING};

/// How long an idempotency key is remembered.
const KEY_KEPT: TimeDelta = TimeDelta::hours(48);
/// Longest idempotency key, in characters.
const KEY_CHARS: usize = 200;
/// How often candidates are gathered for one booking, at most.
const MOST_ROUNDS: usize = 6;

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
pub(super) struct Checked {
    pub(super) starts_at: DateTime<Utc>,
    pub(super) ends_at: Option<DateTime<Utc>>,
    zone: Tz,
    locale: String,
    person: Person,
    company: Option<Company>,
    notes: Option<String>,
    pub(super) route: Route,
    key: Option<Key>,
}

/// An idempotency key, with what came with it.
#[derive(Clone)]
struct Key {
    hash: Vec<u8>,
    input: Vec<u8>,
}

/// Books a time, or says which others are free: none for a visitor who is blocked.
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
    if blocked_visitor::is_blocked(app, &request.person.email).await? {
        return turned_away(app, &request.locale).await;
    }
    let (person, company) = (Some(&request.person), request.company.as_ref());
    let resolved = routing::resolve(app, Purpose::Meeting, request.route, person, company).await?;
    let (outcome, refusals) = make(app, caller, &request, &resolved).await?;
    match outcome {
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
            Ok(Booked::Unavailable { message: taken(&request.locale), alternatives })
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

enum Outcome {
    Made(Box<Model>, News),
    Replayed(Key),
    Taken,
}

/// Gathers and commits. Only as many calendars elsewhere are asked as it takes to find one that is free:
/// where that agent was lost to another booking meanwhile, the slot may still be free with one whose
/// calendar was not asked, so they are gathered anew, and more are asked at once: many may be after the same.
async fn make(
    app: &App,
    caller: &Caller,
    request: &Checked,
    resolved: &Resolved,
) -> Result<(Outcome, Refusals)> {
    let mut refusals = Refusals::new();
    let (mut round, mut at_once) = (1, 1);
    loop {
        let (mut lines, refused) = gather(app, request, resolved, at_once, &refusals).await?;
        refusals.extend(refused);
        let outcome = commit(app, caller, request, resolved, &mut lines).await?;
        let is_taken = matches!(outcome, Outcome::Taken);
        if !is_taken || round == MOST_ROUNDS || !lines.iter().any(Line::has_unasked) {
            return Ok((outcome, refusals));
        }
        (round, at_once) = (round + 1, (at_once * 4).min(MOST_ASKED));
    }
}

/// The one transaction. Whoever comes second on an agent waits for the first, then sees its work.
async fn commit(
    app: &App,
    caller: &Caller,
    request: &Checked,
    resolved: &Resolved,
    lines: &mut [Line],
) -> Result<Outcome> {
    if lines.iter().all(|line| line.free() == 0) {
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
    quota::count_mail(app, &transaction, caller, &request.person.email).await?;
    let Some(won) = assign(app, &transaction, request.route, lines).await? else {
        transaction.rollback().await?;
        return Ok(Outcome::Taken);
    };
    let record = routing::meeting::record(resolved, lines, Some(won.agent.id));
    let record = serde_json::to_value(record).map_err(Error::internal)?;
    let booking = insert(app, &transaction, request, id, &won, record).await;
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

async fn insert(
    app: &App,
    transaction: &DatabaseTransaction,
    request: &Checked,
    id: Uuid,
    won: &Won,
    record: serde_json::Value,
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
        routing: Some(JsonOf(record)),
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
