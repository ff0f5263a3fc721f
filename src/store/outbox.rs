//! The outbox: what a change causes, written in the change's own transaction and delivered afterwards.
//!
//! Most rows are about a booking; the others say so by having none. Rows of one booking and kind form a
//! stream: a later version is not claimed before the earlier one has ended, so the visitor reads what
//! happened in the order in which it did.

mod payload;
mod work;

use chrono::{DateTime, Utc};
use sea_orm::Set;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{JsonOf, run_raw};

pub use payload::{
    BookingNews, Change, Channel, ConfirmBooking, Farewell, LiveChatPush, MissedChat, Payload,
    Reauthentication, Reminder, WebhookMessage,
};
pub use work::{Room, claim, finish, forget, give_up, next_due, put_back};

/// `state` of a row that is still to be delivered.
pub const PENDING: &str = "PENDING";
/// How a booking says that a delivery is there.
pub const DELIVERED: &str = "DELIVERED";
/// `state` of a row that was delivered.
pub const DONE: &str = "DONE";
/// `state` of a row that was given up.
pub const FAILED: &str = "FAILED";

/// What is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// The entry in the agent's calendar.
    CalendarEvent,
    /// The confirmation, update or cancellation that the visitor receives.
    VisitorMail,
    /// The same news for the agent.
    AgentMail,
    /// Word to the agent that one of the others was given up.
    FailureMail,
    /// Word to the agent that the calendar must be connected again.
    ReauthenticationMail,
    /// The end of a connection at its provider: its channels, then its tokens.
    CalendarFarewell,
    /// Word of an event to a webhook.
    Webhook,
    /// Word to the visitor that the meeting is coming up.
    ReminderMail,
    /// Word of a live chat that is offered, in a browser of an agent who is not in the app.
    WebPush,
    /// Word of a live chat that nobody took, to an agent who asked for it.
    MissedChatMail,
    /// The link by which a visitor confirms a booking.
    ConfirmBookingMail,
}

impl Kind {
    /// As kept in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CalendarEvent => "CALENDAR_EVENT",
            Self::VisitorMail => "VISITOR_MAIL",
            Self::AgentMail => "AGENT_MAIL",
            Self::FailureMail => "FAILURE_MAIL",
            Self::ReauthenticationMail => "REAUTHENTICATION_MAIL",
            Self::CalendarFarewell => "CALENDAR_FAREWELL",
            Self::Webhook => "WEBHOOK",
            Self::ReminderMail => "REMINDER_MAIL",
            Self::WebPush => "WEB_PUSH",
            Self::MissedChatMail => "MISSED_CHAT_MAIL",
            Self::ConfirmBookingMail => "CONFIRM_BOOKING_MAIL",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::CalendarEvent,
            Self::VisitorMail,
            Self::AgentMail,
            Self::FailureMail,
            Self::ReauthenticationMail,
            Self::CalendarFarewell,
            Self::Webhook,
            Self::ReminderMail,
            Self::WebPush,
            Self::MissedChatMail,
            Self::ConfirmBookingMail,
        ];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A row of `outbox`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// A [`Kind`].
    pub kind: String,
    /// What it is about; none where it is about no booking.
    pub booking_id: Option<Uuid>,
    /// Whose booking it is, or whom it concerns; none where it concerns no agent.
    pub agent_id: Option<Uuid>,
    /// The live-chat request that it is about, where it is about one.
    pub live_chat_id: Option<Uuid>,
    /// The webhook that it is for, where it is for one.
    pub webhook_id: Option<Uuid>,
    /// The booking's sequence that it delivers; 0 where it is about no booking.
    pub version: i32,
    /// What to say.
    pub payload: JsonOf<Payload>,
    /// No two rows do the same.
    pub dedup_key: String,
    /// [`PENDING`], [`DONE`] or [`FAILED`].
    pub state: String,
    /// Not before this.
    pub run_at: DateTime<Utc>,
    /// Who is at it.
    pub lease_id: Option<Uuid>,
    /// Until when nobody else may be.
    pub lease_until: Option<DateTime<Utc>>,
    /// The process that it is in.
    pub lease_process: Option<Uuid>,
    /// How often it was begun.
    pub attempts: i32,
    /// When to stop trying.
    pub give_up_at: DateTime<Utc>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was delivered or given up.
    pub done_at: Option<DateTime<Utc>>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whose booking it is, or whom it concerns; a fault of ours where it concerns no agent.
    ///
    /// # Errors
    /// `RecordNotFound`.
    pub fn agent(&self) -> Result<Uuid, DbErr> {
        self.agent_id
            .ok_or_else(|| DbErr::RecordNotFound(format!("the agent of delivery {}", self.id)))
    }

    /// The booking that it is about and what happened to that; none where it is about no booking.
    pub const fn news(&self) -> Option<(Uuid, &BookingNews)> {
        match (self.booking_id, &self.payload.0) {
            (Some(booking), Payload::Booking(news)) => Some((booking, news)),
            _ => None,
        }
    }
}

/// A row to write.
#[derive(Clone, Debug)]
pub struct New {
    /// UUID version 7.
    pub id: Uuid,
    /// What is delivered.
    pub kind: Kind,
    /// What it is about.
    pub about: About,
    /// What to say.
    pub payload: Payload,
    /// No two rows have the same.
    pub dedup_key: String,
    /// Not before this.
    pub run_at: DateTime<Utc>,
    /// When to stop trying.
    pub give_up_at: DateTime<Utc>,
    /// When it is written.
    pub created_at: DateTime<Utc>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Of which booking, and at which of its versions.
    pub booking: Option<(Uuid, i32)>,
    /// Whose booking it is, or whom it concerns.
    pub agent: Option<Uuid>,
    /// Of which live-chat request.
    pub live_chat: Option<Uuid>,
    /// For which webhook.
    pub webhook: Option<Uuid>,
}

/// The deduplication key of what is delivered once for each version of a booking.
pub fn key_of_version(kind: Kind, booking: Uuid, version: i32) -> String {
    format!("{}/{booking}/{version}", kind.as_str())
}

/// Rows of one statement: databases take so many values in one, SQLite 32,766.
const MOST_AT_ONCE: usize = 500;

/// Writes rows, in the caller's transaction. A row whose deduplication key is there already stays as it is.
///
/// # Errors
/// The database's own.
pub async fn put<C: ConnectionTrait>(db: &C, rows: Vec<New>) -> Result<(), DbErr> {
    let mut rows = rows.into_iter().map(|new| ActiveModel {
        id: Set(new.id),
        kind: Set(new.kind.as_str().to_owned()),
        booking_id: Set(new.about.booking.map(|(id, _)| id)),
        agent_id: Set(new.about.agent),
        live_chat_id: Set(new.about.live_chat),
        webhook_id: Set(new.about.webhook),
        version: Set(new.about.booking.map_or(0, |(_, version)| version)),
        dedup_key: Set(new.dedup_key),
        payload: Set(JsonOf(new.payload)),
        state: Set(PENDING.to_owned()),
        run_at: Set(new.run_at),
        lease_id: Set(None),
        lease_until: Set(None),
        lease_process: Set(None),
        attempts: Set(0),
        give_up_at: Set(new.give_up_at),
        last_error: Set(None),
        created_at: Set(new.created_at),
        done_at: Set(None),
    });
    let on_conflict =
        sea_orm::sea_query::OnConflict::column(Column::DedupKey).do_nothing().to_owned();
    loop {
        let some: Vec<ActiveModel> = rows.by_ref().take(MOST_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        let insert = Entity::insert_many(some).on_conflict(on_conflict.clone());
        insert.exec_without_returning(db).await?;
    }
}

/// Queues a row that was given up once more. False where it is not one of those.
///
/// # Errors
/// The database's own.
pub async fn retry<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    now: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE outbox SET state = 'PENDING', run_at = ?, give_up_at = ?, attempts = 0, \
        done_at = NULL WHERE id = ? AND state = 'FAILED'";
    Ok(run_raw(db, sql, [now.into(), give_up_at.into(), id.into()]).await? == 1)
}

/// Lets an agent's calendar entries that wait, or were given up for meetings that are not over, be
/// tried again now: the calendar was connected again.
///
/// # Errors
/// The database's own.
pub async fn resume_events<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    now: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE outbox SET run_at = ?, give_up_at = ? WHERE agent_id = ? \
        AND kind = 'CALENDAR_EVENT' AND state = 'PENDING'";
    run_raw(db, sql, [now.into(), give_up_at.into(), agent.into()]).await?;
    let sql = "UPDATE outbox SET state = 'PENDING', run_at = ?, give_up_at = ?, attempts = 0, \
        done_at = NULL WHERE agent_id = ? AND kind = 'CALENDAR_EVENT' AND state = 'FAILED' \
        AND booking_id IN (SELECT id FROM bookings WHERE agent_id = ? AND ends_at > ?)";
    let values = [now.into(), give_up_at.into(), agent.into(), agent.into(), now.into()];
    run_raw(db, sql, values).await?;
    let sql = "UPDATE bookings SET event_status = 'PENDING' WHERE agent_id = ? \
        AND event_status = 'FAILED' AND ends_at > ?";
    run_raw(db, sql, [agent.into(), now.into()]).await?;
    Ok(())
}

/// Queues once more the row that does what `new` would, if there is one that has ended. False where there
/// is none.
///
/// # Errors
/// The database's own.
pub async fn deliver_again<C: ConnectionTrait>(db: &C, new: &New) -> Result<bool, DbErr> {
    let sql = "UPDATE outbox SET state = 'PENDING', run_at = ?, give_up_at = ?, attempts = 0, \
        last_error = NULL, done_at = NULL WHERE dedup_key = ? AND state <> 'PENDING'";
    let values = [new.run_at.into(), new.give_up_at.into(), new.dedup_key.as_str().into()];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// Lets the mails of a booking that wait for its conference link go now.
///
/// # Errors
/// The database's own.
pub async fn release_mails<C: ConnectionTrait>(
    db: &C,
    booking: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE outbox SET run_at = ? WHERE booking_id = ? AND kind IN \
        ('VISITOR_MAIL', 'AGENT_MAIL') AND state = 'PENDING' AND run_at > ? AND attempts = 0";
    run_raw(db, sql, [now.into(), booking.into(), now.into()]).await?;
    Ok(())
}

/// Takes back the reminders of a booking that are still to be sent. One that is just being sent looks at
/// the booking itself.
///
/// # Errors
/// The database's own.
pub async fn drop_reminders<C: ConnectionTrait>(
    db: &C,
    booking: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "DELETE FROM outbox WHERE booking_id = ? AND kind = 'REMINDER_MAIL' \
        AND state = 'PENDING' AND (lease_until IS NULL OR lease_until <= ?)";
    run_raw(db, sql, [booking.into(), now.into()]).await?;
    Ok(())
}

/// Queues a delivery once more, from its first try on, whatever came of it before. False where it is just
/// being tried.
///
/// # Errors
/// The database's own.
pub async fn send_again<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    now: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE outbox SET state = 'PENDING', run_at = ?, give_up_at = ?, attempts = 0, \
        done_at = NULL, last_error = NULL WHERE id = ? \
        AND (lease_until IS NULL OR lease_until <= ?)";
    let values = [now.into(), give_up_at.into(), id.into(), now.into()];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// How many rows of the same kind were written before this one for this agent, in the same hour of the clock.
///
/// # Errors
/// The database's own.
pub async fn before_in_hour<C: ConnectionTrait>(
    db: &C,
    row: &Model,
    agent: Uuid,
) -> Result<u64, DbErr> {
    use chrono::DurationRound;
    use sea_orm::PaginatorTrait;
    let hour = row.created_at.duration_trunc(chrono::TimeDelta::hours(1)).unwrap_or(row.created_at);
    Entity::find()
        .filter(Column::Kind.eq(row.kind.as_str()))
        .filter(Column::AgentId.eq(agent))
        .filter(Column::CreatedAt.gte(hour))
        .filter(Column::Id.lt(row.id))
        .count(db)
        .await
}
