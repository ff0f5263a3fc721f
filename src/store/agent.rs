//! Agents: who can be booked, and when.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryResult, QuerySelect, TryGetable};
use uuid::Uuid;

use super::{JsonOf, statement};
use crate::scheduling::WeeklyBlocks;

/// A row of `agents`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agents")]
pub struct Model {
    /// UUID version 7: agents in the order in which they were made.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What visitors read.
    pub name: String,
    /// Lower-cased, for searches: SQLite itself lower-cases ASCII alone.
    pub name_key: String,
    /// As given.
    pub email: String,
    /// Lower-cased, unique.
    pub email_key: String,
    /// BCP 47.
    pub locale: String,
    /// False once deactivated.
    pub active: bool,
    /// The name of a profile of permissions.
    pub profile: String,
    /// Grows with every change that bears on what can be booked, bookings included. A write to it
    /// is the lock that bookings of one agent take in turn.
    pub revision: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last joined the queue: breaks ties between equal turns.
    pub joined_at: DateTime<Utc>,
    /// How many times as often as one of weight 1 it is next: 1 to 10.
    pub weight: i32,
    /// IANA name.
    pub meeting_time_zone: String,
    /// The weekly blocks for meetings.
    pub meeting_blocks: JsonOf<WeeklyBlocks>,
    /// 5 to 480.
    pub duration_minutes: i32,
    /// 0 to 240.
    pub buffer_minutes: i32,
    /// 5 to 480; the duration where null.
    pub slot_interval_minutes: Option<i32>,
    /// 0 to 43200.
    pub minimum_notice_minutes: i32,
    /// 1 to 730.
    pub horizon_days: i32,
    /// IANA name.
    pub chat_time_zone: String,
    /// The weekly blocks for live chats.
    pub chat_blocks: JsonOf<WeeklyBlocks>,
    /// `AVAILABLE` or `UNAVAILABLE` where the toggle was set.
    pub chat_override_status: Option<String>,
    /// When it was set.
    pub chat_override_set_at: Option<DateTime<Utc>>,
    /// When it stops to hold.
    pub chat_override_expires_at: Option<DateTime<Utc>>,
    /// Most live chats at once, open offers included: 1 to 100.
    pub chat_limit: i32,
    /// What blocks and toggle say until [`Self::chat_status_until`]: `AVAILABLE` or `UNAVAILABLE`.
    pub chat_status: String,
    /// Until when [`Self::chat_status`] holds by itself; null: until somebody changes something.
    pub chat_status_until: Option<DateTime<Utc>>,
    /// Whether the agent asked to be told of live chats that nobody took.
    pub notify_failed_actions: bool,
    /// Null: the default template.
    pub invite_subject: Option<String>,
    /// Null: the default template.
    pub invite_body: Option<String>,
    /// Whether bookings ask the calendar for a conference link.
    pub include_conference_link: bool,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Who could take a meeting at all, as of this instant: what a request for slots reads first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The agent.
    pub id: Uuid,
    /// Its revision: a kept schedule of the same revision still holds.
    pub revision: i64,
    /// See [`Model::weight`].
    pub weight: i32,
    /// See [`Model::joined_at`].
    pub joined_at: DateTime<Utc>,
    /// The provider of its calendar.
    pub provider: String,
    /// The state of its calendar.
    pub calendar_status: String,
    /// When the calendar was last known to be right.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// Whether it wants a conference link in its bookings.
    pub include_conference_link: bool,
}

const CANDIDATES: &str = "SELECT a.id, a.revision, a.weight, a.joined_at, c.provider, c.status, \
    c.last_synced_at, a.include_conference_link FROM agents a JOIN calendar_connections c ON c.agent_id = a.id \
    WHERE a.active = true";

/// Active agents that have a calendar: all of them, or those of `agents`, in no order.
///
/// # Errors
/// The database's own.
pub async fn candidates<C: ConnectionTrait>(
    db: &C,
    agents: Option<&[Uuid]>,
) -> Result<Vec<Candidate>, DbErr> {
    let backend = db.get_database_backend();
    let query = match agents {
        None => statement(backend, CANDIDATES, []),
        Some([id]) => statement(backend, &format!("{CANDIDATES} AND a.id = ?"), [(*id).into()]),
        Some(ids) => {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids.dedup();
            let places = vec!["?"; ids.len()].join(", ");
            let values = ids.into_iter().map(Into::into);
            statement(backend, &format!("{CANDIDATES} AND a.id IN ({places})"), values)
        }
    };
    db.query_all_raw(query).await?.iter().map(candidate).collect()
}

fn candidate(row: &QueryResult) -> Result<Candidate, DbErr> {
    fn get<T: TryGetable>(row: &QueryResult, index: usize) -> Result<T, DbErr> {
        row.try_get_by_index(index)
    }
    Ok(Candidate {
        id: get(row, 0)?,
        revision: get(row, 1)?,
        weight: get(row, 2)?,
        joined_at: get(row, 3)?,
        provider: get(row, 4)?,
        calendar_status: get(row, 5)?,
        last_synced_at: get(row, 6)?,
        include_conference_link: get(row, 7)?,
    })
}

/// Locks the agent until the transaction ends, by a write to its revision, and returns the new one.
/// `None` where there is no such agent.
///
/// # Errors
/// The database's own.
pub async fn lock<C: ConnectionTrait>(db: &C, agent: Uuid) -> Result<Option<i64>, DbErr> {
    let sql = "UPDATE agents SET revision = revision + 1 WHERE id = ? RETURNING revision";
    revision(db, sql, vec![agent.into()]).await
}

/// Keeps others from changing these agents and their bookings until the transaction ends, without a new
/// revision: for what does not bear on when they are free. In order of ID, so that two who hold several never
/// wait for each other. SQLite has one writer at a time anyway.
///
/// # Errors
/// The database's own.
pub async fn hold<C: ConnectionTrait>(db: &C, agents: &[Uuid]) -> Result<(), DbErr> {
    if agents.is_empty() || db.get_database_backend() != sea_orm::DbBackend::Postgres {
        return Ok(());
    }
    let places = vec!["?"; agents.len()].join(", ");
    let sql = format!("SELECT 1 FROM agents WHERE id IN ({places}) ORDER BY id FOR NO KEY UPDATE");
    super::run_raw(db, &sql, agents.iter().map(|agent| (*agent).into())).await.map(|_| ())
}

/// Locks the agent if it is still at `seen`, and returns the new revision. `None` where it changed
/// meanwhile, or somebody else holds it just now; then nothing was waited for, and it is not locked.
///
/// # Errors
/// The database's own.
pub async fn lock_unchanged<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    seen: i64,
) -> Result<Option<i64>, DbErr> {
    // PostgreSQL would wait for who holds it, and keep the lock even where it has changed then.
    let sql = match db.get_database_backend() {
        sea_orm::DbBackend::Postgres => {
            "UPDATE agents SET revision = revision + 1 WHERE id = (SELECT id FROM agents \
            WHERE id = ? AND revision = ? FOR NO KEY UPDATE SKIP LOCKED) RETURNING revision"
        }
        _ => {
            "UPDATE agents SET revision = revision + 1 WHERE id = ? AND revision = ? \
            RETURNING revision"
        }
    };
    revision(db, sql, vec![agent.into(), seen.into()]).await
}

async fn revision<C: ConnectionTrait>(
    db: &C,
    sql: &str,
    values: Vec<sea_orm::Value>,
) -> Result<Option<i64>, DbErr> {
    let row = db.query_one_raw(statement(db.get_database_backend(), sql, values)).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

/// The zone in which an agent takes meetings; none where there is no such agent.
///
/// # Errors
/// The database's own.
pub async fn meeting_time_zone<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
) -> Result<Option<String>, DbErr> {
    let select = Entity::find_by_id(agent).select_only().column(Column::MeetingTimeZone);
    select.into_tuple().one(db).await
}
