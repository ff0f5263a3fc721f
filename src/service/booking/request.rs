//! What a visitor asks for: checked, kept until it is confirmed, and made a booking of.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::assign::Won;
use crate::app::App;
use crate::service::access::Caller;
use crate::service::routing::Route;
use crate::service::{Error, Result, calendar, mailbox, schedule, text, visitor};
use crate::store::booking::{CONFIRMED, Company, Model, Person};
use crate::store::booking_confirmation::Requested;
use crate::store::{JsonOf, outbox::PENDING};

/// Longest idempotency key, in characters.
const KEY_CHARS: usize = 200;
/// Shortest one of a caller without a key: it must not be guessed.
const VISITORS_KEY_CHARS: usize = 16;
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
    /// The answer to the challenge of [`Booked::ProofRequired`](super::Booked::ProofRequired).
    pub proof: Option<String>,
}

/// A request that was found sound, before any look at what is free.
pub(super) struct Checked {
    pub(super) starts_at: DateTime<Utc>,
    pub(super) ends_at: Option<DateTime<Utc>>,
    zone: Tz,
    pub(super) locale: String,
    pub(super) person: Person,
    pub(super) company: Option<Company>,
    notes: Option<String>,
    pub(super) route: Route,
    pub(super) key: Option<Key>,
}

/// An idempotency key, with what came with it.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) hash: Vec<u8>,
    pub(super) input: Vec<u8>,
}

/// Checks a request.
pub(super) fn check(app: &App, caller: &Caller, request: BookMeeting) -> Result<Checked> {
    let input = request.idempotency_key.as_ref().map(|_| fingerprint(&request));
    let locale = match &request.locale {
        Some(locale) => text::locale("input.locale", locale)?,
        None => app.config.default_locale.clone(),
    };
    if request.ends_at.is_some_and(|end| end <= request.starts_at) {
        let message = "input.endsAt must be after input.startsAt";
        return Err(Error::bad_input("input.endsAt", message));
    }
    let notes = text::optional_lines("input.notes", request.notes.as_deref(), text::TEXT_CHARS)?;
    let person = visitor::person("input.person", request.person)?;
    let key = match request.idempotency_key.as_deref().zip(input) {
        None => None,
        Some((key, input)) => {
            let key = idempotency_key(caller, key)?;
            let scope = match caller {
                // So nobody who repeats a key is answered with what another mailbox did with it.
                Caller::Visitor { .. } => format!("mailbox/{}", mailbox::canonical(&person.email)),
                Caller::Key { .. } | Caller::Agent { .. } => caller.scope(),
            };
            let hash = app.secrets.hash(&format!("idempotency/{scope}/{key}"));
            Some(Key { hash, input: crate::secrets::digest(input.as_bytes()) })
        }
    };
    Ok(Checked {
        starts_at: request.starts_at,
        ends_at: request.ends_at,
        zone: request.zone,
        locale,
        person,
        company: request.company.map(|c| visitor::company("input.company", c)).transpose()?,
        notes,
        route: request.route,
        key,
    })
}

fn idempotency_key(caller: &Caller, key: &str) -> Result<String> {
    let field = "input.idempotencyKey";
    let key = text::required(field, key, KEY_CHARS)?;
    let length = key.chars().count();
    if caller.is_visitor() && length < VISITORS_KEY_CHARS {
        let message = format!(
            "{field} must have {VISITORS_KEY_CHARS} to {KEY_CHARS} characters, not {length}: use a random UUID"
        );
        return Err(Error::bad_input(field, message));
    }
    Ok(key)
}

impl Checked {
    /// What is kept until it is confirmed.
    pub(super) fn kept(&self) -> Requested {
        let (agent, team) = match self.route {
            Route::Queue => (None, None),
            Route::Agent(id) => (Some(id), None),
            Route::Team(id) => (None, Some(id)),
        };
        Requested {
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            time_zone: self.zone.name().to_owned(),
            locale: self.locale.clone(),
            person: self.person.clone(),
            company: self.company.clone(),
            notes: self.notes.clone(),
            agent,
            team,
        }
    }

    /// The same request again.
    pub(super) fn restore(kept: Requested) -> Result<Self> {
        Ok(Self {
            starts_at: kept.starts_at,
            ends_at: kept.ends_at,
            zone: schedule::zone(&kept.time_zone)?,
            locale: kept.locale,
            person: kept.person,
            company: kept.company,
            notes: kept.notes,
            route: match (kept.agent, kept.team) {
                (Some(id), _) => Route::Agent(id),
                (None, Some(id)) => Route::Team(id),
                (None, None) => Route::Queue,
            },
            key: None,
        })
    }
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

/// The booking that comes of a request.
pub(super) fn model(
    app: &App,
    request: &Checked,
    id: Uuid,
    won: &Won,
    record: serde_json::Value,
) -> Model {
    let host = app.config.public_url.host_str().unwrap_or("localhost");
    let token = app.secrets.manage_token(id);
    Model {
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
        held_until: None,
        mailbox_hash: None,
    }
}

/// What a search looks at.
fn search_text(person: &Person, company: Option<&Company>) -> String {
    let company = company.map(|company| [company.name.as_deref(), company.domain.as_deref()]);
    let parts = [person.first_name.as_deref(), person.last_name.as_deref(), Some(&*person.email)];
    let parts = parts.into_iter().chain(company.into_iter().flatten()).flatten();
    parts.collect::<Vec<_>>().join(" ").to_lowercase()
}
