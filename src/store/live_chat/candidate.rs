//! Who could take a live chat, in order of turn, and agents whose status is to change by itself.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::places;
use crate::store::statement;

/// An agent that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The agent.
    pub id: Uuid,
    /// See [`crate::store::agent::Model::weight`].
    pub weight: i32,
    /// Whether what is known of its status is too old, so that blocks and toggle must be asked.
    pub is_outdated: bool,
    /// Chats and open offers that it has.
    pub load: i64,
    /// Most that it takes.
    pub limit: i32,
}

/// Among whom to look.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The queue that says whose turn it is; none where there is no such order.
    pub queue: Option<&'a str>,
    /// Only these; all where none are named.
    pub agents: Option<&'a [Uuid]>,
    /// Profiles that take chats.
    pub profiles: &'a [&'a str],
    /// Who was asked for this request before is not asked again.
    pub request: Uuid,
    /// When.
    pub now: DateTime<Utc>,
}

/// Agents that are active, permitted and available, or may be, in order of turn: `most` of them, `after` so
/// many.
///
/// # Errors
/// The database's own.
pub async fn page<C: ConnectionTrait>(
    db: &C,
    search: &Search<'_>,
    most: u64,
    after: u64,
) -> Result<Vec<Candidate>, DbErr> {
    let (condition, of_condition) = condition(search);
    // By the key, one agent at a time: a join is planned as a loop over all turns for each agent where the
    // database has not counted how many there are.
    let turn = |column: &str| {
        format!(
            "COALESCE((SELECT t.{column} FROM queue_turns t WHERE t.queue_id = ? \
             AND t.agent_id = a.id), 0)"
        )
    };
    let (finish, last_turn) = (turn("finish"), turn("last_turn"));
    let sql = format!(
        "SELECT a.id, a.weight, a.chat_limit, CASE WHEN a.chat_status_until <= ? THEN 1 ELSE 0 END, \
         {LOAD} FROM (SELECT a.id, a.weight, a.chat_limit, a.chat_status_until, a.joined_at, \
            {finish} AS finish, {last_turn} AS last_turn FROM agents a WHERE {condition} \
            ORDER BY finish, last_turn, a.joined_at, a.id LIMIT {most} OFFSET {after}) a \
         ORDER BY a.finish, a.last_turn, a.joined_at, a.id"
    );
    let queue = search.queue.unwrap_or("");
    let mut values: Vec<Value> = vec![search.now.into(), queue.into(), queue.into()];
    values.extend(of_condition);
    let rows = db.query_all_raw(statement(db.get_database_backend(), &sql, values)).await?;
    rows.iter().map(candidate).collect()
}

/// Whether anybody among them may have room for one more chat.
///
/// # Errors
/// The database's own.
pub async fn any<C: ConnectionTrait>(db: &C, search: &Search<'_>) -> Result<bool, DbErr> {
    let (condition, values) = condition(search);
    let sql = format!("SELECT 1 FROM agents a WHERE {condition} AND {LOAD} < a.chat_limit LIMIT 1");
    let row = db.query_one_raw(statement(db.get_database_backend(), &sql, values)).await?;
    Ok(row.is_some())
}

/// Chats and open offers of the agent `a`.
const LOAD: &str = "(SELECT COUNT(*) FROM live_chat_requests r WHERE r.agent_id = a.id AND \
    r.state = 'ACCEPTED') + (SELECT COUNT(*) FROM live_chat_offers o WHERE o.agent_id = a.id AND \
    o.state = 'OPEN')";

/// That the agent `a` is one of those looked for, room aside.
fn condition(search: &Search<'_>) -> (String, Vec<Value>) {
    let Search { agents, profiles, request, now, .. } = *search;
    let mut sql = format!(
        "a.active = true AND a.profile IN ({}) AND (a.chat_status_until <= ? OR \
         (a.chat_status = 'AVAILABLE' AND (a.chat_status_until IS NULL OR ? < a.chat_status_until))) \
         AND NOT EXISTS (SELECT 1 FROM live_chat_offers o WHERE o.request_id = ? AND o.agent_id = a.id)",
        places(profiles.len())
    );
    let mut values: Vec<Value> = profiles.iter().map(|profile| Value::from(*profile)).collect();
    values.extend([Value::from(now), now.into(), request.into()]);
    if let Some(agents) = agents {
        sql.push_str(&format!(" AND a.id IN ({})", places(agents.len())));
        values.extend(agents.iter().map(|agent| Value::from(*agent)));
    }
    (sql, values)
}

fn candidate(row: &QueryResult) -> Result<Candidate, DbErr> {
    Ok(Candidate {
        id: row.try_get_by_index(0)?,
        weight: row.try_get_by_index(1)?,
        limit: row.try_get_by_index(2)?,
        is_outdated: row.try_get_by_index::<i32>(3)? == 1,
        load: row.try_get_by_index(4)?,
    })
}

/// Agents whose status is to change by itself at `now`, the longest due first, locked until the transaction
/// ends. Those that another transaction has locked are left to the next look, so that two processes that
/// look at once never wait for each other.
///
/// # Errors
/// The database's own.
pub async fn due<C: ConnectionTrait>(
    db: &C,
    now: DateTime<Utc>,
    most: u64,
) -> Result<Vec<crate::store::agent::Model>, DbErr> {
    use crate::store::agent::{Column, Entity};
    use sea_orm::sea_query::{LockBehavior, LockType};
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
    Entity::find()
        .filter(Column::ChatStatusUntil.lte(now))
        .order_by_asc(Column::ChatStatusUntil)
        .order_by_asc(Column::Id)
        .limit(most)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .all(db)
        .await
}

/// When the next agent's status changes by itself, if any does.
///
/// # Errors
/// The database's own.
pub async fn next_due<C: ConnectionTrait>(db: &C) -> Result<Option<DateTime<Utc>>, DbErr> {
    let sql = "SELECT MIN(chat_status_until) FROM agents WHERE chat_status_until IS NOT NULL";
    let row = db.query_one_raw(statement(db.get_database_backend(), sql, [])).await?;
    row.map_or(Ok(None), |row| row.try_get_by_index(0))
}

/// What an agent's status has become, and until when that holds by itself.
#[derive(Clone, Copy, Debug)]
pub struct Become<'a> {
    /// The agent.
    pub agent: Uuid,
    /// Until when the former one held.
    pub was_until: DateTime<Utc>,
    /// `AVAILABLE` or `UNAVAILABLE`.
    pub status: &'a str,
    /// As [`crate::store::agent::Model::chat_status_until`].
    pub until: Option<DateTime<Utc>>,
}

/// Writes down what agents' statuses have become, in one statement, and returns whose that was: those whom
/// nobody was faster about.
///
/// # Errors
/// The database's own.
pub async fn set<C: ConnectionTrait>(db: &C, all: &[Become<'_>]) -> Result<Vec<Uuid>, DbErr> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let row = if db.get_database_backend() == sea_orm::DbBackend::Postgres {
        "(CAST(? AS uuid), CAST(? AS timestamptz), ?, CAST(? AS timestamptz))"
    } else {
        "(?, ?, ?, ?)"
    };
    let rows = vec![row; all.len()].join(", ");
    let sql = format!(
        "WITH new (id, was_until, status, until) AS (VALUES {rows}) \
         UPDATE agents SET chat_status = new.status, chat_status_until = new.until FROM new \
         WHERE agents.id = new.id AND agents.chat_status_until = new.was_until RETURNING agents.id"
    );
    let values = all.iter().flat_map(|one| -> [Value; 4] {
        [one.agent.into(), one.was_until.into(), one.status.into(), one.until.into()]
    });
    super::ids(db, &sql, values.collect::<Vec<_>>()).await
}
