//! Webhooks, and the tries to reach them.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::LockType;
use sea_orm::{QueryOrder, QuerySelect, Set};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{JsonOf, run_raw, statement};

/// What a webhook can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventType {
    /// A meeting was booked.
    BookingCreated,
    /// A meeting was moved.
    BookingRescheduled,
    /// A meeting was called off.
    BookingCancelled,
    /// The calendar's entry or the visitor's mail of a booking was given up.
    BookingFailed,
    /// A live chat was asked for.
    LiveChatRequested,
    /// An agent took a live chat.
    LiveChatAccepted,
    /// A live chat that an agent had taken ended.
    LiveChatEnded,
    /// Nobody took a live chat in time.
    LiveChatTimedOut,
    /// An agent's calendar can't be read any more.
    AgentCalendarDisconnected,
}

impl EventType {
    /// As receivers read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BookingCreated => "booking.created",
            Self::BookingRescheduled => "booking.rescheduled",
            Self::BookingCancelled => "booking.cancelled",
            Self::BookingFailed => "booking.failed",
            Self::LiveChatRequested => "live_chat.requested",
            Self::LiveChatAccepted => "live_chat.accepted",
            Self::LiveChatEnded => "live_chat.ended",
            Self::LiveChatTimedOut => "live_chat.timed_out",
            Self::AgentCalendarDisconnected => "agent.calendar_disconnected",
        }
    }

    /// Whether its bodies tell what visitors say in live chats.
    pub const fn is_live_chat(self) -> bool {
        matches!(
            self,
            Self::LiveChatRequested
                | Self::LiveChatAccepted
                | Self::LiveChatEnded
                | Self::LiveChatTimedOut
        )
    }
}

/// A row of `webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Where it is told.
    pub url: String,
    /// What it is for, in its maker's words.
    pub description: Option<String>,
    /// What it is told of.
    pub events: JsonOf<Vec<EventType>>,
    /// What it is signed with, sealed for this row.
    pub secret: Vec<u8>,
    /// What it was signed with before, sealed for this row.
    pub former_secret: Option<Vec<u8>>,
    /// Until when it is signed with that too.
    pub former_secret_until: Option<DateTime<Utc>>,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why not, where this server decided so.
    pub disabled_reason: Option<String>,
    /// Since when every try failed; none where the last one did not.
    pub failing_since: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// All webhooks, in the order in which they were made.
///
/// # Errors
/// The database's own.
pub async fn all<C: ConnectionTrait>(db: &C) -> Result<Vec<Model>, DbErr> {
    Entity::find().order_by_asc(Column::Id).all(db).await
}

/// The webhooks that want to be told of `event`. They can't be deleted until the transaction ends.
///
/// # Errors
/// The database's own.
pub async fn subscribed<C: ConnectionTrait>(db: &C, event: EventType) -> Result<Vec<Model>, DbErr> {
    let select = Entity::find().filter(Column::Enabled.eq(true)).lock(LockType::KeyShare);
    let enabled = select.all(db).await?;
    Ok(enabled.into_iter().filter(|webhook| webhook.events.0.contains(&event)).collect())
}

/// Reads a webhook that nobody else changes until the transaction ends. Whoever writes its deliveries
/// too takes it first, so that no two wait for each other in a circle.
///
/// # Errors
/// The database's own.
pub async fn hold<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(db).await
}

/// Whether a delivery of a live-chat event to the webhook is kept, which may still be sent, or sent again.
///
/// # Errors
/// The database's own.
pub async fn keeps_live_chats<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<bool, DbErr> {
    // Quotes within the body are escaped, so that nothing in there looks like the event.
    // PostgreSQL writes a space after colons.
    let sql = "SELECT id FROM outbox WHERE webhook_id = ? \
        AND (CAST(payload AS text) LIKE '%\"event\":\"LIVE_CHAT_%' \
        OR CAST(payload AS text) LIKE '%\"event\": \"LIVE_CHAT_%') LIMIT 1";
    let query = statement(db.get_database_backend(), sql, [id.into()]);
    Ok(db.query_one_raw(query).await?.is_some())
}

/// Ends what waits to be sent to a webhook, for the reason given. What is just being sent ends by itself.
///
/// # Errors
/// The database's own.
pub async fn end_deliveries<C: ConnectionTrait>(
    db: &C,
    webhook: Uuid,
    now: DateTime<Utc>,
    reason: &str,
) -> Result<(), DbErr> {
    let sql = "UPDATE outbox SET state = 'FAILED', done_at = ?, last_error = ?, lease_id = NULL, \
        lease_until = NULL, lease_process = NULL WHERE webhook_id = ? AND state = 'PENDING' \
        AND (lease_until IS NULL OR lease_until <= ?)";
    run_raw(db, sql, [now.into(), reason.into(), webhook.into(), now.into()]).await?;
    Ok(())
}

/// Deletes a webhook with all that was sent to it. False where there is none.
///
/// # Errors
/// The database's own.
pub async fn delete<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<bool, DbErr> {
    if Entity::find_by_id(id).lock(LockType::Update).one(db).await?.is_none() {
        return Ok(false);
    }
    let sql = "DELETE FROM webhook_attempts WHERE delivery_id IN \
        (SELECT id FROM outbox WHERE webhook_id = ?)";
    run_raw(db, sql, [id.into()]).await?;
    // Its deliveries go with it.
    Entity::delete_by_id(id).exec(db).await?;
    Ok(true)
}

/// A try to deliver to a webhook.
pub mod attempt {
    use super::*;

    /// A row of `webhook_attempts`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "webhook_attempts")]
    pub struct Model {
        /// UUID version 7.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// The outbox's row.
        pub delivery_id: Uuid,
        /// When it began.
        pub attempted_at: DateTime<Utc>,
        /// How long it took.
        pub duration_ms: i32,
        /// The answer's HTTP status; none where there was no answer.
        pub status: Option<i32>,
        /// Why it counts as failed.
        pub problem: Option<String>,
        /// The beginning of the answer's body, where it is text.
        pub response: Option<String>,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    /// Writes a try down.
    ///
    /// # Errors
    /// The database's own.
    pub async fn put<C: ConnectionTrait>(db: &C, attempt: Model) -> Result<(), DbErr> {
        let Model { id, delivery_id, attempted_at, duration_ms, status, problem, response } =
            attempt;
        let row = ActiveModel {
            id: Set(id),
            delivery_id: Set(delivery_id),
            attempted_at: Set(attempted_at),
            duration_ms: Set(duration_ms),
            status: Set(status),
            problem: Set(problem),
            response: Set(response),
        };
        Entity::insert(row).exec_without_returning(db).await?;
        Ok(())
    }

    /// The tries of these deliveries, the earliest first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn of<C: ConnectionTrait>(
        db: &C,
        deliveries: impl IntoIterator<Item = Uuid>,
    ) -> Result<Vec<Model>, DbErr> {
        let select = Entity::find().filter(Column::DeliveryId.is_in(deliveries));
        select.order_by_asc(Column::AttemptedAt).order_by_asc(Column::Id).all(db).await
    }
}

/// Forgets deliveries to webhooks that ended before `before`, and tries from before it.
///
/// # Errors
/// The database's own.
pub async fn forget<C: ConnectionTrait>(db: &C, before: DateTime<Utc>) -> Result<(), DbErr> {
    let sql = "DELETE FROM outbox WHERE webhook_id IS NOT NULL AND done_at < ?";
    run_raw(db, sql, [before.into()]).await?;
    run_raw(db, "DELETE FROM webhook_attempts WHERE attempted_at < ?", [before.into()]).await?;
    Ok(())
}
