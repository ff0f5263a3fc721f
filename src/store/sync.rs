//! What is known of how far each calendar elsewhere was read.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DbBackend, FromQueryResult};
use uuid::Uuid;

use super::{Lease, run_raw, statement};

/// A row of `calendar_syncs`: one calendar of a connection whose busy time counts. It goes with its
/// connection.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "calendar_syncs")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The connection that it is read through.
    pub connection_id: Uuid,
    /// Whose calendar it is.
    pub agent_id: Uuid,
    /// The provider's reference to the calendar.
    pub calendar_ref: String,
    /// Where to go on from; none: from the beginning.
    pub cursor: Option<String>,
    /// The first instant that the last look covered.
    pub window_start: Option<DateTime<Utc>>,
    /// The first instant that it no longer covered: nothing is known of what lies behind.
    pub window_end: Option<DateTime<Utc>>,
    /// When what is known of it was last known to be right.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// Looks that failed since.
    pub failures: i32,
    /// Why the last one failed, in words that hold no secret.
    pub problem: Option<String>,
    /// When to look next.
    pub due_at: DateTime<Utc>,
    /// Grows with each wish to look, so that one that comes during a look is not lost.
    pub asked: i32,
    /// Who is looking.
    pub lease_id: Option<Uuid>,
    /// Until when nobody else may.
    pub lease_until: Option<DateTime<Utc>>,
    /// The process that is looking.
    pub lease_process: Option<Uuid>,
    /// The channel on which the provider tells of changes.
    pub watch_channel: Option<Uuid>,
    /// The channel that is being made.
    pub next_channel: Option<Uuid>,
    /// What the provider needs to prolong or end the channel.
    pub watch_ref: Option<String>,
    /// When the channel ends by itself.
    pub watch_expires_at: Option<DateTime<Utc>>,
    /// When to make or prolong it; none where there is to be none.
    pub watch_due_at: Option<DateTime<Utc>>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Calendars that are due and that nobody is at. Those of a connection that only its agent can mend
/// rest.
const DUE: &str = "FROM calendar_syncs s JOIN calendar_connections c ON c.id = s.connection_id \
    WHERE c.status <> 'REAUTHENTICATION_REQUIRED' AND s.due_at <= ? \
    AND (s.lease_until IS NULL OR s.lease_until <= ?)";

/// How many calendars of a provider are due.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Due {
    /// The provider's key.
    pub provider: String,
    /// How many, at least one.
    pub count: i64,
}

/// How many calendars are due, by provider, the longest overdue first.
///
/// # Errors
/// The database's own.
pub async fn due<C: ConnectionTrait>(db: &C, now: DateTime<Utc>) -> Result<Vec<Due>, DbErr> {
    let sql = format!(
        "SELECT c.provider AS provider, COUNT(*) AS count {DUE} GROUP BY c.provider \
         ORDER BY MIN(s.due_at)"
    );
    let values = [now.into(), now.into()];
    let rows = db.query_all_raw(statement(db.get_database_backend(), &sql, values)).await?;
    rows.iter().map(|row| Due::from_query_result(row, "")).collect()
}

/// Claims up to `limit` calendars of `provider` that are due, in one statement that names the lease
/// in its own predicate: a calendar is looked at by one process at a time.
///
/// # Errors
/// The database's own.
pub async fn claim<C: ConnectionTrait>(
    db: &C,
    provider: &str,
    lease: Lease,
    limit: usize,
) -> Result<Vec<Model>, DbErr> {
    let backend = db.get_database_backend();
    let lock = if backend == DbBackend::Postgres { "FOR UPDATE OF s SKIP LOCKED" } else { "" };
    // Materialised, or PostgreSQL may run the limited query again for each row it updates, and claim
    // more than asked for.
    let sql = format!(
        "WITH due AS MATERIALIZED (SELECT s.id {DUE} AND c.provider = ? \
            ORDER BY s.due_at LIMIT {limit} {lock}) \
         UPDATE calendar_syncs SET lease_id = ?, lease_until = ?, lease_process = ? \
         WHERE id IN (SELECT id FROM due) AND (lease_until IS NULL OR lease_until <= ?) RETURNING *"
    );
    let Lease { id, process, now, until } = lease;
    let values = [
        now.into(),
        now.into(),
        provider.into(),
        id.into(),
        until.into(),
        process.into(),
        now.into(),
    ];
    let rows = db.query_all_raw(statement(backend, &sql, values)).await?;
    rows.iter().map(|row| Model::from_query_result(row, "")).collect()
}

/// What a look that succeeded leaves behind.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Where to go on from.
    pub cursor: Option<String>,
    /// The first instant that it covered.
    pub window_start: DateTime<Utc>,
    /// The first instant that it no longer covered.
    pub window_end: DateTime<Utc>,
    /// When it began: what is known is right as of then.
    pub began: DateTime<Utc>,
    /// When it ended.
    pub now: DateTime<Utc>,
    /// When to look next, where nobody asked for a look meanwhile.
    pub due_at: DateTime<Utc>,
}

/// Ends a claim after a look that succeeded. False where the lease was lost.
///
/// # Errors
/// The database's own.
pub async fn finish<C: ConnectionTrait>(
    db: &C,
    claimed: &Model,
    looked: &Looked,
) -> Result<bool, DbErr> {
    let sql = "UPDATE calendar_syncs SET cursor = ?, window_start = ?, window_end = ?, \
        last_synced_at = ?, failures = 0, problem = NULL, \
        due_at = CASE WHEN asked = ? THEN ? ELSE ? END, lease_id = NULL, lease_until = NULL, \
        lease_process = NULL WHERE id = ? AND lease_id = ?";
    let values = [
        looked.cursor.clone().into(),
        looked.window_start.into(),
        looked.window_end.into(),
        looked.began.into(),
        claimed.asked.into(),
        looked.due_at.into(),
        looked.now.into(),
        claimed.id.into(),
        claimed.lease_id.into(),
    ];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// Ends a claim after a look that failed. False where the lease was lost.
///
/// # Errors
/// The database's own.
pub async fn put_back<C: ConnectionTrait>(
    db: &C,
    claimed: &Model,
    due_at: DateTime<Utc>,
    problem: &str,
) -> Result<bool, DbErr> {
    let sql = "UPDATE calendar_syncs SET failures = failures + 1, problem = ?, due_at = ?, \
        lease_id = NULL, lease_until = NULL, lease_process = NULL WHERE id = ? AND lease_id = ?";
    let values = [problem.into(), due_at.into(), claimed.id.into(), claimed.lease_id.into()];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// Keeps others from changing a connection until the transaction ends. Whoever writes to both locks it
/// before its calendars, so that no two wait for each other in a circle. SQLite has one writer anyway.
///
/// # Errors
/// The database's own.
pub async fn hold_connection<C: ConnectionTrait>(db: &C, connection: Uuid) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        let sql = "SELECT 1 FROM calendar_connections WHERE id = ? FOR NO KEY UPDATE";
        run_raw(db, sql, [connection.into()]).await?;
    }
    Ok(())
}

/// Notes on the connection how fresh all of its calendars are together: as the stalest of them.
///
/// # Errors
/// The database's own.
pub async fn note_freshness<C: ConnectionTrait>(db: &C, connection: Uuid) -> Result<(), DbErr> {
    let sql = "UPDATE calendar_connections SET last_synced_at = (SELECT \
        CASE WHEN COUNT(*) = COUNT(s.last_synced_at) THEN MIN(s.last_synced_at) END \
        FROM calendar_syncs s WHERE s.connection_id = calendar_connections.id) WHERE id = ?";
    run_raw(db, sql, [connection.into()]).await?;
    Ok(())
}

/// Shows a connection as connected again that could not be reached, if all of its calendars were
/// read after `since`. False where it did not change.
///
/// # Errors
/// The database's own.
pub async fn note_recovery<C: ConnectionTrait>(
    db: &C,
    connection: Uuid,
    since: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE calendar_connections SET status = 'CONNECTED', problem = NULL \
        WHERE id = ? AND status = 'UNREACHABLE' AND last_synced_at > ?";
    Ok(run_raw(db, sql, [connection.into(), since.into()]).await? == 1)
}

/// A connection whose calendars have not been read for too long.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Stale {
    /// The connection.
    pub id: Uuid,
    /// Whose it is.
    pub agent_id: Uuid,
    /// Its provider's key.
    pub provider: String,
    /// Why the last look failed, where one did.
    pub problem: Option<String>,
}

/// Connections that still show as connected although none of their calendars, or not all, were read
/// after `since`. Calendars kept here have no row to be read and are never among them.
///
/// # Errors
/// The database's own.
pub async fn stale<C: ConnectionTrait>(db: &C, since: DateTime<Utc>) -> Result<Vec<Stale>, DbErr> {
    let sql = "SELECT c.id, c.agent_id, c.provider, MAX(s.problem) AS problem FROM calendar_connections c \
        JOIN calendar_syncs s ON s.connection_id = c.id \
        WHERE c.status = 'CONNECTED' AND COALESCE(c.last_synced_at, c.selected_at, c.connected_at) <= ? \
        GROUP BY c.id, c.agent_id, c.provider";
    let rows = db.query_all_raw(statement(db.get_database_backend(), sql, [since.into()])).await?;
    rows.iter().map(|row| Stale::from_query_result(row, "")).collect()
}

/// Shows such a connection as unreachable, if nothing has been read since. False where it did not
/// change.
///
/// # Errors
/// The database's own.
pub async fn note_staleness<C: ConnectionTrait>(
    db: &C,
    connection: Uuid,
    since: DateTime<Utc>,
    problem: Option<&str>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE calendar_connections SET status = 'UNREACHABLE', problem = ? \
        WHERE id = ? AND status = 'CONNECTED' \
        AND COALESCE(last_synced_at, selected_at, connected_at) <= ?";
    Ok(run_raw(db, sql, [problem.into(), connection.into(), since.into()]).await? == 1)
}

/// The calendar whose channel, in use or in the making, this is, with its provider's key.
///
/// # Errors
/// The database's own.
pub async fn by_channel<C: ConnectionTrait>(
    db: &C,
    channel: Uuid,
) -> Result<Option<(Uuid, String)>, DbErr> {
    let sql = "SELECT s.id, c.provider FROM calendar_syncs s \
        JOIN calendar_connections c ON c.id = s.connection_id \
        WHERE s.watch_channel = ? OR s.next_channel = ?";
    let values = [channel.into(), channel.into()];
    let row = db.query_one_raw(statement(db.get_database_backend(), sql, values)).await?;
    row.map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).transpose()
}

/// Asks for a look at a calendar now. A look that fails keeps its pause: who pushes must not hasten
/// what the provider asked to be left alone.
///
/// # Errors
/// The database's own.
pub async fn ask<C: ConnectionTrait>(db: &C, id: Uuid, now: DateTime<Utc>) -> Result<(), DbErr> {
    let sql = "UPDATE calendar_syncs SET asked = asked + 1, \
        due_at = CASE WHEN failures = 0 AND due_at > ? THEN ? ELSE due_at END WHERE id = ?";
    run_raw(db, sql, [now.into(), now.into(), id.into()]).await?;
    Ok(())
}

/// Asks for the channel of a calendar to be made anew with the next look.
///
/// # Errors
/// The database's own.
pub async fn ask_watch<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE calendar_syncs SET watch_due_at = ? WHERE id = ?";
    run_raw(db, sql, [now.into(), id.into()]).await?;
    Ok(())
}

/// Asks for a look at all calendars of an agent now.
///
/// # Errors
/// The database's own.
pub async fn ask_all<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE calendar_syncs SET asked = asked + 1, \
        due_at = CASE WHEN failures = 0 AND due_at > ? THEN ? ELSE due_at END WHERE agent_id = ?";
    run_raw(db, sql, [now.into(), now.into(), agent.into()]).await?;
    Ok(())
}

/// Notes the channel that is about to be made, so that a call on it is known. False where the lease
/// was lost.
///
/// # Errors
/// The database's own.
pub async fn prepare_watch<C: ConnectionTrait>(
    db: &C,
    claimed: &Model,
    channel: Uuid,
) -> Result<bool, DbErr> {
    let sql = "UPDATE calendar_syncs SET next_channel = ? WHERE id = ? AND lease_id = ?";
    let values = [channel.into(), claimed.id.into(), claimed.lease_id.into()];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// Notes how the claimed calendar's channel stands, as in its `watch_…` columns. False where the
/// lease was lost.
///
/// # Errors
/// The database's own.
pub async fn note_watch<C: ConnectionTrait>(db: &C, claimed: &Model) -> Result<bool, DbErr> {
    let sql = "UPDATE calendar_syncs SET watch_channel = ?, next_channel = NULL, watch_ref = ?, \
        watch_expires_at = ?, watch_due_at = ? WHERE id = ? AND lease_id = ?";
    let values = [
        claimed.watch_channel.into(),
        claimed.watch_ref.clone().into(),
        claimed.watch_expires_at.into(),
        claimed.watch_due_at.into(),
        claimed.id.into(),
        claimed.lease_id.into(),
    ];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// The first instant of which not all calendars of the agent are known; none where there are none
/// elsewhere, or none was read yet.
///
/// # Errors
/// The database's own.
pub async fn known_until<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    use sea_orm::QuerySelect;
    let least: Option<Option<DateTime<Utc>>> = Entity::find()
        .select_only()
        .column_as(Column::WindowEnd.min(), "least")
        .filter(Column::AgentId.eq(agent))
        .into_tuple()
        .one(db)
        .await?;
    Ok(least.flatten())
}

/// Has the calendars of a connection that was mended looked at now, as if no look had failed.
///
/// # Errors
/// The database's own.
pub async fn begin_again<C: ConnectionTrait>(
    db: &C,
    connection: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE calendar_syncs SET asked = asked + 1, failures = 0, problem = NULL, \
        due_at = CASE WHEN due_at > ? THEN ? ELSE due_at END WHERE connection_id = ?";
    run_raw(db, sql, [now.into(), now.into(), connection.into()]).await?;
    Ok(())
}

/// Has all calendars of an agent read from the beginning, now: what was read of them is read otherwise
/// since. A look under way loses its lease. One that fails keeps its pause.
///
/// # Errors
/// The database's own.
pub async fn read_anew<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE calendar_syncs SET cursor = NULL, asked = asked + 1, lease_id = NULL, \
        lease_until = NULL, lease_process = NULL, \
        due_at = CASE WHEN failures = 0 AND due_at > ? THEN ? ELSE due_at END \
        WHERE agent_id = ?";
    run_raw(db, sql, [now.into(), now.into(), agent.into()]).await?;
    Ok(())
}
