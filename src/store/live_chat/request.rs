//! Requests for a live chat, from the first offer to the end of the chat.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use uuid::Uuid;

use super::ids;
use crate::store::booking::{Company, Person};
use crate::store::{JsonOf, run_raw, statement};

/// `state` of a request that is offered to an agent.
pub const OFFERED: &str = "OFFERED";
/// `state` of a chat that goes on.
pub const ACCEPTED: &str = "ACCEPTED";
/// `state` of a chat that was taken and is over.
pub const ENDED: &str = "ENDED";
/// `state` of a request that nobody took.
pub const UNANSWERED: &str = "UNANSWERED";
/// `state` of a request whose visitor gave up waiting.
pub const CANCELLED: &str = "CANCELLED";

/// `end_reason` of a chat that somebody ended.
pub const CLOSED: &str = "CLOSED";
/// `end_reason` of a chat in which nothing happened for too long.
pub const IDLE: &str = "IDLE";

/// A row of `live_chat_requests`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "live_chat_requests")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// [`OFFERED`], [`ACCEPTED`], [`ENDED`], [`UNANSWERED`] or [`CANCELLED`].
    pub state: String,
    /// Who asked: a caller's scope, see [`crate::service::access::Caller`].
    pub requester: String,
    /// The chat tool's own name of the conversation.
    pub conversation_id: Option<String>,
    /// Where the agent finds it.
    pub conversation_url: Option<String>,
    /// The visitor, where it said who it is.
    pub person: Option<JsonOf<Person>>,
    /// The visitor's company.
    pub company: Option<JsonOf<Company>>,
    /// The visitor's, BCP 47.
    pub locale: String,
    /// The visitor's, IANA name.
    pub time_zone: Option<String>,
    /// The visitor's first words.
    pub message: Option<String>,
    /// Whom the visitor asked for.
    pub route: JsonOf<Route>,
    /// How its agent was looked for: a [`crate::service::routing::Record`].
    pub routing: JsonOf<serde_json::Value>,
    /// Who took it.
    pub agent_id: Option<Uuid>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was taken.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When something last happened in it, as far as the chat tool said.
    pub touched_at: Option<DateTime<Utc>>,
    /// When it came to an end, whichever.
    pub ended_at: Option<DateTime<Utc>>,
    /// [`CLOSED`] or [`IDLE`] for a chat that was taken and is over.
    pub end_reason: Option<String>,
    /// When something is to be done by itself: the offer's or the chat's time is up.
    pub due_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub revision: i64,
    /// What it is counted by while it is open, where a caller without a key asked: a keyed hash of the visitor's
    /// mailbox, or of its network where it did not say who it is.
    pub place_hash: Option<Vec<u8>>,
    /// A keyed hash of the visitor's network, where that is known and it is open.
    pub network_hash: Option<Vec<u8>>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Whom the visitor asked for; neither: whoever the rules name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// This agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Uuid>,
    /// A member of this team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Uuid>,
}

impl Model {
    /// What is locked while it is counted: its place and its network, which may be the same.
    pub fn places(&self) -> impl Iterator<Item = &[u8]> {
        let both = [&self.place_hash, &self.network_hash];
        both.into_iter().filter_map(|hash| hash.as_deref())
    }

    /// The conversation that it is about, and whose that is, where it has one.
    pub fn conversation(&self) -> Option<(&str, &str)> {
        Some((&self.requester, self.conversation_id.as_deref()?))
    }

    /// Whether nothing more can come of it.
    pub fn is_over(&self) -> bool {
        self.state != OFFERED && self.state != ACCEPTED
    }
}

/// The request as it is now, which nobody else changes until the transaction ends.
///
/// # Errors
/// The database's own.
pub async fn lock<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<Option<Model>, DbErr> {
    use sea_orm::QuerySelect;
    Entity::find_by_id(id).lock(sea_orm::sea_query::LockType::NoKeyUpdate).one(db).await
}

/// Writes down how a request stands; what was asked for never changes. It is to be locked.
///
/// # Errors
/// The database's own.
pub async fn save<C: ConnectionTrait>(db: &C, request: &mut Model) -> Result<(), DbErr> {
    request.revision += 1;
    if request.is_over() {
        (request.place_hash, request.network_hash) = (None, None);
    }
    let sql = "UPDATE live_chat_requests SET state = ?, routing = ?, agent_id = ?, accepted_at = ?, \
        touched_at = ?, ended_at = ?, end_reason = ?, due_at = ?, revision = ?, place_hash = ?, \
        network_hash = ? WHERE id = ?";
    let values = [
        request.state.as_str().into(),
        request.routing.clone().into(),
        request.agent_id.into(),
        request.accepted_at.into(),
        request.touched_at.into(),
        request.ended_at.into(),
        request.end_reason.as_deref().into(),
        request.due_at.into(),
        request.revision.into(),
        request.place_hash.clone().into(),
        request.network_hash.clone().into(),
        request.id.into(),
    ];
    run_raw(db, sql, values).await.map(|_| ())
}

/// Notes that something happened in a chat, which ends by itself at `due_at` where nothing more does. False
/// where it does not go on.
///
/// # Errors
/// The database's own.
pub async fn touch<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    now: DateTime<Utc>,
    due_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE live_chat_requests SET touched_at = ?, due_at = ? \
        WHERE id = ? AND state = 'ACCEPTED'";
    Ok(run_raw(db, sql, [now.into(), due_at.into(), id.into()]).await? == 1)
}

/// Lets nobody else ask about these conversations, and take these places or others of these networks, until the transaction ends. On SQLite, which has
/// one writer at a time, there is nothing to do.
///
/// # Errors
/// The database's own.
pub async fn lock_names<C: ConnectionTrait>(
    db: &C,
    conversations: &[(&str, &str)],
    places: &[&[u8]],
) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let count = conversations.len() + places.len();
    if count == 0 || backend != sea_orm::DbBackend::Postgres {
        return Ok(());
    }
    // In order, so that two who lock several never wait for each other.
    let sql = format!(
        "SELECT pg_advisory_xact_lock(key) FROM (SELECT hashtextextended(name, 0) AS key \
         FROM (VALUES {}) AS names (name) ORDER BY 1) AS keys",
        vec!["(CAST(? AS text))"; count].join(", ")
    );
    let conversations = conversations
        .iter()
        .map(|(requester, conversation)| format!("live-chat/{requester}/{conversation}"));
    let places = places.iter().map(|place| format!("live-chat-place/{place:?}"));
    let names = conversations.chain(places).map(sea_orm::Value::from);
    db.query_all_raw(statement(backend, &sql, names)).await.map(|_| ())
}

/// The requests that take up these places, in the order in which they were made.
///
/// # Errors
/// The database's own.
pub async fn open_of_places<C: ConnectionTrait>(
    db: &C,
    places: &[&[u8]],
) -> Result<Vec<Model>, DbErr> {
    open_with(db, Column::PlaceHash, places).await
}

/// The requests from these networks that are not over, in the order in which they were made.
///
/// # Errors
/// The database's own.
pub async fn open_of_networks<C: ConnectionTrait>(
    db: &C,
    networks: &[&[u8]],
) -> Result<Vec<Model>, DbErr> {
    open_with(db, Column::NetworkHash, networks).await
}

async fn open_with<C: ConnectionTrait>(
    db: &C,
    column: Column,
    hashes: &[&[u8]],
) -> Result<Vec<Model>, DbErr> {
    use sea_orm::QueryOrder;
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    Entity::find()
        .filter(column.is_in(hashes.iter().map(|hash| hash.to_vec())))
        .filter(Column::State.is_in([OFFERED, ACCEPTED]))
        .order_by_asc(Column::Id)
        .all(db)
        .await
}

/// How many requests from each of these networks are not over; a network that has none is left out.
///
/// # Errors
/// The database's own.
pub async fn open_per_network<C: ConnectionTrait>(
    db: &C,
    networks: &[&[u8]],
) -> Result<Vec<(Vec<u8>, i64)>, DbErr> {
    use sea_orm::QuerySelect;
    if networks.is_empty() {
        return Ok(Vec::new());
    }
    Entity::find()
        .select_only()
        .column(Column::NetworkHash)
        .column_as(Column::Id.count(), "count")
        .filter(Column::NetworkHash.is_in(networks.iter().map(|network| network.to_vec())))
        .filter(Column::State.is_in([OFFERED, ACCEPTED]))
        .group_by(Column::NetworkHash)
        .into_tuple()
        .all(db)
        .await
}

/// The requests about these conversations that are not over.
///
/// # Errors
/// The database's own.
pub async fn open_of_conversations<C: ConnectionTrait>(
    db: &C,
    conversations: &[(&str, &str)],
) -> Result<Vec<Model>, DbErr> {
    if conversations.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_requester: HashMap<&str, Vec<&str>> = HashMap::new();
    for (requester, conversation) in conversations {
        by_requester.entry(requester).or_default().push(conversation);
    }
    let mut any = sea_orm::Condition::any();
    for (requester, conversations) in by_requester {
        let of_one = sea_orm::Condition::all()
            .add(Column::Requester.eq(requester))
            .add(Column::ConversationId.is_in(conversations));
        any = any.add(of_one);
    }
    Entity::find().filter(any).filter(Column::State.is_in([OFFERED, ACCEPTED])).all(db).await
}

/// Requests of which something is to be done by itself at `now`, the longest due first.
///
/// # Errors
/// The database's own.
pub async fn due<C: ConnectionTrait>(
    db: &C,
    now: DateTime<Utc>,
    most: u32,
) -> Result<Vec<Uuid>, DbErr> {
    let sql = format!(
        "SELECT id FROM live_chat_requests WHERE due_at IS NOT NULL AND due_at <= ? \
         ORDER BY due_at LIMIT {most}"
    );
    ids(db, &sql, [now.into()]).await
}

/// When the next request is due, if any is.
///
/// # Errors
/// The database's own.
pub async fn next_due<C: ConnectionTrait>(db: &C) -> Result<Option<DateTime<Utc>>, DbErr> {
    let sql = "SELECT MIN(due_at) FROM live_chat_requests WHERE due_at IS NOT NULL";
    let row = db.query_one_raw(statement(db.get_database_backend(), sql, [])).await?;
    row.map_or(Ok(None), |row| row.try_get_by_index(0))
}

/// How many chats each of these agents has now; who has none is left out.
///
/// # Errors
/// The database's own.
pub async fn active<C: ConnectionTrait>(
    db: &C,
    agents: &[Uuid],
) -> Result<Vec<(Uuid, i64)>, DbErr> {
    use sea_orm::QuerySelect;
    Entity::find()
        .select_only()
        .column(Column::AgentId)
        .column_as(Column::Id.count(), "count")
        .filter(Column::State.eq(ACCEPTED))
        .filter(Column::AgentId.is_in(agents.iter().copied()))
        .group_by(Column::AgentId)
        .into_tuple()
        .all(db)
        .await
}
