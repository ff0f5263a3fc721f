//! Who could take a live chat, in order of turn, and agents whose status is to change by itself.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::places;
use crate::scheduling::Turn;
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
    /// What it has had of the queue.
    pub turn: Turn,
    /// When it joined.
    pub joined_at: DateTime<Utc>,
}

/// Where a candidate stands in its queue: the order of [`crate::scheduling::queue_order`].
pub type Place = (i64, i64, DateTime<Utc>, Uuid);

impl Candidate {
    /// Where it stands.
    pub fn place(&self) -> Place {
        (self.turn.finish, self.turn.last, self.joined_at, self.id)
    }

    /// Whether it has room for one more.
    pub fn has_room(&self) -> bool {
        self.load < i64::from(self.limit)
    }
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
    /// When.
    pub now: DateTime<Utc>,
}

/// Agents that are active, permitted and available, or may be, in order of turn: the first `most` that stand
/// behind `after`.
///
/// # Errors
/// The database's own.
pub async fn page<C: ConnectionTrait>(
    db: &C,
    search: &Search<'_>,
    most: u64,
    after: Option<Place>,
) -> Result<Vec<Candidate>, DbErr> {
    let (condition, of_condition) = condition(search);
    let queue = search.queue.unwrap_or("");
    let mut parts = Vec::new();
    let mut values: Vec<Value> = vec![search.now.into()];
    const OF_AGENT: &str = "a.id, a.weight, a.chat_limit, a.chat_status_until, a.joined_at";
    // Who has had no turn comes before all others, who are read in the order in which turns are kept. Both are written
    // so that PostgreSQL plans them well even where it has not counted the turns yet: NOT IN is looked up in a hash,
    // where NOT EXISTS may be joined in a loop, and turns that come in order are joined until there are enough.
    if after.is_none_or(|(_, last, ..)| last == 0) {
        let behind = if after.is_some() { "AND (a.joined_at, a.id) > (?, ?)" } else { "" };
        parts.push(format!(
            "SELECT * FROM (SELECT {OF_AGENT}, 0 AS finish, 0 AS last_turn FROM agents a \
             WHERE {condition} AND a.id NOT IN (SELECT t.agent_id FROM queue_turns t \
             WHERE t.queue_id = ?) {behind} ORDER BY a.joined_at, a.id LIMIT {most}) fresh"
        ));
        values.extend(of_condition.iter().cloned().chain([queue.into()]));
        if let Some((_, _, joined_at, id)) = after {
            values.extend([Value::from(joined_at), id.into()]);
        }
    }
    let is_behind_turn = after.filter(|(_, last, ..)| 0 < *last);
    let behind = if is_behind_turn.is_some() { "AND (q.finish, q.last_turn) > (?, ?)" } else { "" };
    parts.push(format!(
        "SELECT * FROM (SELECT {OF_AGENT}, t.finish, t.last_turn \
         FROM (SELECT q.agent_id, q.finish, q.last_turn FROM queue_turns q WHERE q.queue_id = ? \
            {behind} ORDER BY q.finish, q.last_turn) t \
         JOIN agents a ON a.id = t.agent_id WHERE {condition} \
         ORDER BY t.finish, t.last_turn LIMIT {most}) known"
    ));
    values.push(queue.into());
    if let Some((finish, last, ..)) = is_behind_turn {
        values.extend([Value::from(finish), last.into()]);
    }
    values.extend(of_condition);
    let sql = format!(
        "SELECT a.id, a.weight, a.chat_limit, CASE WHEN a.chat_status_until <= ? THEN 1 ELSE 0 END, \
         {LOAD}, a.finish, a.last_turn, a.joined_at FROM ({}) a \
         ORDER BY a.finish, a.last_turn, a.joined_at, a.id LIMIT {most}",
        parts.join(" UNION ALL ")
    );
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

/// For how many more chats each of these agents has room; whoever takes none at that time is left out. They are
/// to be held, so that this stays so.
///
/// # Errors
/// The database's own.
pub async fn rooms<C: ConnectionTrait>(
    db: &C,
    agents: &[Uuid],
    profiles: &[&str],
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, i64>, DbErr> {
    let search = Search { queue: None, agents: Some(agents), profiles, now };
    let (condition, mut values) = condition(&search);
    let sql = format!(
        "SELECT a.id, a.chat_limit - {LOAD} FROM agents a WHERE {condition} \
         AND (a.chat_status_until IS NULL OR ? < a.chat_status_until)"
    );
    values.push(now.into());
    let rows = db.query_all_raw(statement(db.get_database_backend(), &sql, values)).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// Chats and open offers of the agent `a`.
const LOAD: &str = "((SELECT COUNT(*) FROM live_chat_requests r WHERE r.agent_id = a.id AND \
    r.state = 'ACCEPTED') + (SELECT COUNT(*) FROM live_chat_offers o WHERE o.agent_id = a.id AND \
    o.state = 'OPEN'))";

/// That the agent `a` is one of those looked for, room aside.
fn condition(search: &Search<'_>) -> (String, Vec<Value>) {
    let Search { agents, profiles, now, .. } = *search;
    let mut sql = format!(
        "a.active = true AND a.profile IN ({}) AND (a.chat_status_until <= ? OR \
         (a.chat_status = 'AVAILABLE' AND (a.chat_status_until IS NULL OR ? < a.chat_status_until)))",
        places(profiles.len())
    );
    let mut values: Vec<Value> = profiles.iter().map(|profile| Value::from(*profile)).collect();
    values.extend([Value::from(now), now.into()]);
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
        turn: Turn { finish: row.try_get_by_index(5)?, last: row.try_get_by_index(6)? },
        joined_at: row.try_get_by_index(7)?,
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
