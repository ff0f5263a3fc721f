//! Events: what webhooks are told, written down in the transaction of what happened.

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::give_up_at;
use crate::app::App;
use crate::ids;
use crate::service::{Error, Result};
use crate::store::booking::{Attribute, Company, Person};
use crate::store::outbox::{self, About, Kind, New, Payload, WebhookMessage};
use crate::store::webhook::EventType;
use crate::store::{agent, booking, webhook};

/// Something that webhooks can be told of.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A meeting was booked.
    BookingCreated(&'a booking::Model),
    /// A meeting was moved.
    BookingRescheduled {
        /// As it is now.
        booking: &'a booking::Model,
        /// The start before.
        from: DateTime<Utc>,
        /// Why, in the words of whoever moved it.
        reason: Option<&'a str>,
    },
    /// A meeting was called off.
    BookingCancelled(&'a booking::Model),
    /// A delivery about a meeting was given up.
    BookingFailed {
        /// As it is now.
        booking: &'a booking::Model,
        /// What failed.
        failure: BookingFailure<'a>,
    },
    /// A live chat was asked for.
    LiveChatRequested(&'a LiveChat<'a>),
    /// An agent took a live chat.
    LiveChatAccepted(&'a LiveChat<'a>),
    /// A live chat that an agent had taken ended.
    LiveChatEnded(&'a LiveChat<'a>),
    /// Nobody took a live chat in time.
    LiveChatTimedOut(&'a LiveChat<'a>),
    /// An agent's calendar can't be read any more.
    CalendarDisconnected {
        /// Whose.
        agent: Uuid,
        /// The connection.
        calendar: Uuid,
        /// Its provider's key.
        provider: &'a str,
        /// How it stands now: `REAUTHENTICATION_REQUIRED`, `UNREACHABLE` or [`DISCONNECTED`].
        status: &'a str,
        /// Why, in words.
        problem: Option<&'a str>,
    },
}

/// How a calendar stands that was disconnected on purpose.
pub const DISCONNECTED: &str = "DISCONNECTED";

/// A delivery that was given up.
#[derive(Clone, Copy, Debug)]
pub struct BookingFailure<'a> {
    /// [`Kind::CalendarEvent`] or [`Kind::VisitorMail`].
    pub delivery: Kind,
    /// The last failure, in words.
    pub problem: &'a str,
}

/// A live chat, as of the event.
#[derive(Clone, Copy, Debug)]
pub struct LiveChat<'a> {
    /// The request.
    pub id: Uuid,
    /// Who has it, once somebody does.
    pub agent: Option<Uuid>,
    /// The chat tool's own.
    pub conversation_id: Option<&'a str>,
    /// The chat tool's own.
    pub conversation_url: Option<&'a str>,
    /// The visitor.
    pub person: Option<&'a Person>,
    /// The visitor's company.
    pub company: Option<&'a Company>,
    /// The visitor's, BCP 47.
    pub locale: &'a str,
    /// The visitor's, IANA name.
    pub time_zone: Option<&'a str>,
    /// The visitor's first words.
    pub message: Option<&'a str>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it was taken.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it came to an end.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended, where it had been taken.
    pub end_reason: Option<&'a str>,
}

/// What is sent, in the order of the specification.
#[derive(Serialize)]
struct Body {
    #[serde(rename = "type")]
    event: &'static str,
    timestamp: String,
    data: Value,
}

impl Event<'_> {
    /// What kind of event it is.
    pub const fn kind(&self) -> EventType {
        match self {
            Self::BookingCreated(_) => EventType::BookingCreated,
            Self::BookingRescheduled { .. } => EventType::BookingRescheduled,
            Self::BookingCancelled(_) => EventType::BookingCancelled,
            Self::BookingFailed { .. } => EventType::BookingFailed,
            Self::LiveChatRequested(_) => EventType::LiveChatRequested,
            Self::LiveChatAccepted(_) => EventType::LiveChatAccepted,
            Self::LiveChatEnded(_) => EventType::LiveChatEnded,
            Self::LiveChatTimedOut(_) => EventType::LiveChatTimedOut,
            Self::CalendarDisconnected { .. } => EventType::AgentCalendarDisconnected,
        }
    }

    const fn agent(&self) -> Option<Uuid> {
        match self {
            Self::BookingCreated(booking)
            | Self::BookingRescheduled { booking, .. }
            | Self::BookingCancelled(booking)
            | Self::BookingFailed { booking, .. } => Some(booking.agent_id),
            Self::LiveChatRequested(chat)
            | Self::LiveChatAccepted(chat)
            | Self::LiveChatEnded(chat)
            | Self::LiveChatTimedOut(chat) => chat.agent,
            Self::CalendarDisconnected { agent, .. } => Some(*agent),
        }
    }
}

/// Writes down, in the caller's transaction, what the webhooks are to be told that want to know of
/// `event`. Where there are none, that is one short read. Once the transaction is committed, `app.wake`
/// tells the worker of this process.
///
/// # Errors
/// None but the database's.
pub async fn emit<C: ConnectionTrait>(app: &App, db: &C, event: Event<'_>) -> Result<()> {
    emit_all(app, db, &[event]).await.map(|_| ())
}

/// Does the same for events that are all of one kind, and returns whether anybody wants to know of them.
///
/// # Errors
/// None but the database's.
pub async fn emit_all<C: ConnectionTrait>(app: &App, db: &C, events: &[Event<'_>]) -> Result<bool> {
    let Some(first) = events.first() else { return Ok(false) };
    let webhooks = webhook::subscribed(db, first.kind()).await?;
    if webhooks.is_empty() {
        return Ok(false);
    }
    let mut rows = Vec::with_capacity(webhooks.len() * events.len());
    for event in events {
        rows.extend(deliveries(app, db, event, &webhooks).await?);
    }
    outbox::put(db, rows).await?;
    Ok(true)
}

/// What each of these webhooks is told of an event.
async fn deliveries<C: ConnectionTrait>(
    app: &App,
    db: &C,
    event: &Event<'_>,
    webhooks: &[webhook::Model],
) -> Result<Vec<New>> {
    let now = app.now();
    let id = app.uuid();
    let agent = match event.agent() {
        Some(agent) => agent_data(db, agent).await?,
        None => Value::Null,
    };
    let body =
        Body { event: event.kind().name(), timestamp: instant(now), data: data(event, agent) };
    let message = WebhookMessage {
        message_id: format!("msg_{}", id.simple()),
        event: event.kind(),
        body: serde_json::to_string(&body).map_err(Error::internal)?,
    };
    let rows = webhooks.iter().map(|webhook| New {
        id: app.uuid(),
        kind: Kind::Webhook,
        // Of no booking: deliveries to one webhook must not wait for those to another.
        about: About { webhook: Some(webhook.id), ..About::default() },
        payload: Payload::Webhook(message.clone()),
        dedup_key: format!("{}/{id}/{}", Kind::Webhook.as_str(), webhook.id),
        run_at: now,
        give_up_at: give_up_at(now),
        created_at: now,
    });
    Ok(rows.collect())
}

async fn agent_data<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<Value> {
    let select = agent::Entity::find_by_id(id).select_only().column(agent::Column::Name);
    let name: Option<String> = select.into_tuple().one(db).await?;
    Ok(json!({ "id": ids::AGENT.format(id), "name": name }))
}

fn data(event: &Event<'_>, agent: Value) -> Value {
    match event {
        Event::BookingCreated(booking) | Event::BookingCancelled(booking) => {
            json!({ "booking": booking_data(booking, agent) })
        }
        Event::BookingRescheduled { booking, from, reason } => json!({
            "booking": booking_data(booking, agent),
            "previousStartsAt": instant(*from),
            "reason": reason,
        }),
        Event::BookingFailed { booking, failure } => json!({
            "booking": booking_data(booking, agent),
            "failure": { "delivery": failure.delivery.as_str(), "problem": failure.problem },
        }),
        Event::LiveChatRequested(chat)
        | Event::LiveChatAccepted(chat)
        | Event::LiveChatEnded(chat)
        | Event::LiveChatTimedOut(chat) => json!({ "liveChat": chat_data(chat, agent) }),
        Event::CalendarDisconnected { calendar, provider, status, problem, .. } => json!({
            "agent": agent,
            "calendar": {
                "id": ids::CALENDAR.format(*calendar),
                "provider": provider,
                "status": status,
                "problem": problem,
            },
        }),
    }
}

fn booking_data(booking: &booking::Model, agent: Value) -> Value {
    let conference = booking.conference_url.as_ref();
    json!({
        "id": ids::BOOKING.format(booking.id),
        "status": booking.status,
        "startsAt": instant(booking.starts_at),
        "endsAt": instant(booking.ends_at),
        "timeZone": booking.time_zone,
        "locale": booking.locale,
        "agent": agent,
        "person": person_data(&booking.person.0),
        "company": booking.company.as_ref().map(|company| company_data(&company.0)),
        "notes": booking.notes,
        "conference": conference.map(|url| json!({ "kind": booking.conference_kind, "joinUrl": url })),
        "createdAt": instant(booking.created_at),
        "cancelledAt": booking.cancelled_at.map(instant),
        "cancellationReason": booking.cancellation_reason,
    })
}

fn chat_data(chat: &LiveChat<'_>, agent: Value) -> Value {
    json!({
        "id": ids::LIVE_CHAT_REQUEST.format(chat.id),
        "conversationId": chat.conversation_id,
        "conversationUrl": chat.conversation_url,
        "agent": agent,
        "person": chat.person.map(person_data),
        "company": chat.company.map(company_data),
        "locale": chat.locale,
        "timeZone": chat.time_zone,
        "message": chat.message,
        "requestedAt": instant(chat.requested_at),
        "acceptedAt": chat.accepted_at.map(instant),
        "endedAt": chat.ended_at.map(instant),
        "endReason": chat.end_reason,
    })
}

fn person_data(person: &Person) -> Value {
    json!({
        "email": person.email,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "phone": person.phone,
        "jobTitle": person.job_title,
        "attributes": attribute_data(&person.attributes),
    })
}

fn company_data(company: &Company) -> Value {
    json!({
        "name": company.name,
        "domain": company.domain,
        "industry": company.industry,
        "country": company.country,
        "attributes": attribute_data(&company.attributes),
    })
}

fn attribute_data(attributes: &[Attribute]) -> Vec<Value> {
    attributes.iter().map(|a| json!({ "name": a.name, "value": a.value })).collect()
}

/// By RFC 3339 in UTC, as everywhere in the API.
fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
