//! Offers of a live chat: one agent at a time is asked to take a request.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{IntoActiveModel, QueryOrder};
use uuid::Uuid;

use super::{ids, places};
use crate::store::{run_raw, statement};

/// `state` of an offer that may be accepted.
pub const OPEN: &str = "OPEN";
/// `state` of an offer that its agent took.
pub const ACCEPTED: &str = "ACCEPTED";
/// `state` of an offer that its agent refused.
pub const DECLINED: &str = "DECLINED";
/// `state` of an offer that nobody answered in time.
pub const EXPIRED: &str = "EXPIRED";
/// `state` of an offer that was taken back.
pub const WITHDRAWN: &str = "WITHDRAWN";

/// A row of `live_chat_offers`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "live_chat_offers")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What is offered.
    pub request_id: Uuid,
    /// To whom.
    pub agent_id: Uuid,
    /// [`OPEN`], [`ACCEPTED`], [`DECLINED`], [`EXPIRED`] or [`WITHDRAWN`].
    pub state: String,
    /// When it was made.
    pub offered_at: DateTime<Utc>,
    /// From when on it can't be accepted.
    pub expires_at: DateTime<Utc>,
    /// When it was answered, ran out or was taken back.
    pub ended_at: Option<DateTime<Utc>>,
    /// When browsers that were not in the app were told of it.
    pub pushed_at: Option<DateTime<Utc>>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Makes offers. Their agents are to be held, and found to have room.
///
/// # Errors
/// The database's own; a unique violation where a request has an open offer.
pub async fn insert<C: ConnectionTrait>(db: &C, offers: &[Model]) -> Result<(), DbErr> {
    if offers.is_empty() {
        return Ok(());
    }
    let rows = offers.iter().map(|offer| offer.clone().into_active_model().reset_all());
    Entity::insert_many(rows).exec_without_returning(db).await.map(|_| ())
}

/// The request's open offer, if it has one.
///
/// # Errors
/// The database's own.
pub async fn open_of<C: ConnectionTrait>(db: &C, request: Uuid) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::RequestId.eq(request))
        .filter(Column::State.eq(OPEN))
        .one(db)
        .await
}

/// Who was offered a request and is not to be asked again: of whom it was withdrawn may be back.
///
/// # Errors
/// The database's own.
pub async fn asked<C: ConnectionTrait>(db: &C, request: Uuid) -> Result<Vec<Uuid>, DbErr> {
    let sql = "SELECT agent_id FROM live_chat_offers WHERE request_id = ? AND state <> 'WITHDRAWN'";
    ids(db, sql, [request.into()]).await
}

/// Ends an open offer in this state. False where it is no longer open.
///
/// # Errors
/// The database's own.
pub async fn end<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    state: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE live_chat_offers SET state = ?, ended_at = ? WHERE id = ? AND state = 'OPEN'";
    Ok(run_raw(db, sql, [state.into(), now.into(), id.into()]).await? == 1)
}

/// Every offer of a request, in the order in which they were made.
///
/// # Errors
/// The database's own.
pub async fn of_requests<C: ConnectionTrait>(
    db: &C,
    requests: &[Uuid],
) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::RequestId.is_in(requests.iter().copied()))
        .order_by_asc(Column::OfferedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// An agent's offers that are open, and those that ended at `since` or after, in the order in which they
/// were made.
///
/// # Errors
/// The database's own.
pub async fn of_agent_since<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    since: DateTime<Utc>,
) -> Result<Vec<Model>, DbErr> {
    let condition =
        sea_orm::Condition::any().add(Column::State.eq(OPEN)).add(Column::EndedAt.gte(since));
    Entity::find()
        .filter(Column::AgentId.eq(agent))
        .filter(condition)
        .order_by_asc(Column::OfferedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// Requests that are offered to an agent who takes no chats at `now`: with another profile than one of
/// `profiles`, deactivated, or unavailable.
///
/// # Errors
/// The database's own.
pub async fn of_the_unavailable<C: ConnectionTrait>(
    db: &C,
    profiles: &[&str],
    now: DateTime<Utc>,
    most: u32,
) -> Result<Vec<Uuid>, DbErr> {
    let sql = format!(
        "SELECT o.request_id FROM live_chat_offers o JOIN agents a ON a.id = o.agent_id \
         WHERE o.state = 'OPEN' AND (a.active = false OR a.profile NOT IN ({}) OR \
         (a.chat_status = 'UNAVAILABLE' AND (a.chat_status_until IS NULL OR ? < a.chat_status_until))) \
         ORDER BY o.offered_at LIMIT {most}",
        places(profiles.len())
    );
    let values = profiles.iter().map(|profile| (*profile).into()).chain([now.into()]);
    ids(db, &sql, values.collect::<Vec<_>>()).await
}

/// Open offers of agents who have a browser to be told in, are not in the app and were not told: the offer
/// and its request, the oldest first.
///
/// # Errors
/// The database's own.
pub async fn not_pushed<C: ConnectionTrait>(
    db: &C,
    now: DateTime<Utc>,
    most: u32,
) -> Result<Vec<(Uuid, Uuid)>, DbErr> {
    let sql = format!(
        "SELECT o.id, o.request_id FROM live_chat_offers o \
         WHERE o.state = 'OPEN' AND o.pushed_at IS NULL AND o.expires_at > ? \
         AND EXISTS (SELECT 1 FROM push_registrations r WHERE r.agent_id = o.agent_id) \
         AND NOT EXISTS (SELECT 1 FROM presences p WHERE p.agent_id = o.agent_id) \
         ORDER BY o.offered_at LIMIT {most}"
    );
    let query = statement(db.get_database_backend(), &sql, [now.into()]);
    let rows = db.query_all_raw(query).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// Notes that browsers are told of an open offer. False where they were before, or it is over.
///
/// # Errors
/// The database's own.
pub async fn note_pushed<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE live_chat_offers SET pushed_at = ? \
        WHERE id = ? AND state = 'OPEN' AND pushed_at IS NULL";
    Ok(run_raw(db, sql, [now.into(), id.into()]).await? == 1)
}
