//! What the worker does with rows: claims them, and writes down what came of each.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DbBackend, FromQueryResult, QueryOrder};
use uuid::Uuid;

use super::{Column, Entity, Model, PENDING};
use crate::store::{Lease, run_raw, statement};

/// How many rows to claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub all: u32,
    /// Of these, for webhooks.
    pub webhooks: u32,
    /// Of these, for push services.
    pub web_pushes: u32,
}

/// Claims rows that are due, as many as there is room for. One statement that names the lease in its own
/// predicate: a row is claimed by one worker at a time.
///
/// Webhooks that have answered lately go before those that fail, or one whose receiver hangs would
/// hold up the others with all that it was not told yet. For the same reason agents have
/// their pushes in turn, those first of whom none is under way or has failed.
///
/// # Errors
/// The database's own.
pub async fn claim<C: ConnectionTrait>(
    db: &C,
    lease: Lease,
    room: Room,
) -> Result<Vec<Model>, DbErr> {
    let backend = db.get_database_backend();
    let lock = if backend == DbBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    // Materialised, or PostgreSQL may run the limited query again for each row it updates, and claim
    // more than asked for.
    let Room { all, webhooks, web_pushes } = room;
    let sql = format!(
        "WITH due AS MATERIALIZED (SELECT o.id FROM outbox o \
            WHERE o.state = 'PENDING' AND o.run_at <= ? \
            AND (o.lease_until IS NULL OR o.lease_until <= ?) \
            AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.booking_id = o.booking_id \
                AND e.kind = o.kind AND e.version < o.version AND e.state = 'PENDING') \
            AND (o.webhook_id IS NULL OR o.id IN (SELECT d.id FROM outbox d \
                JOIN webhooks w ON w.id = d.webhook_id \
                WHERE d.state = 'PENDING' AND d.run_at <= ? \
                AND (d.lease_until IS NULL OR d.lease_until <= ?) \
                ORDER BY w.failing_since IS NOT NULL, d.run_at LIMIT {webhooks})) \
            AND (o.kind <> 'WEB_PUSH' OR o.id IN (SELECT d.id FROM outbox d \
                WHERE d.state = 'PENDING' AND d.kind = 'WEB_PUSH' AND d.run_at <= ? \
                AND (d.lease_until IS NULL OR d.lease_until <= ?) \
                ORDER BY EXISTS (SELECT 1 FROM outbox f WHERE f.agent_id = d.agent_id \
                    AND f.kind = 'WEB_PUSH' AND f.state = 'PENDING' AND f.attempts > 0), \
                ROW_NUMBER() OVER (PARTITION BY d.agent_id ORDER BY d.attempts, d.run_at, d.id), \
                d.attempts, d.run_at LIMIT {web_pushes})) \
            ORDER BY o.run_at LIMIT {all} {lock}) \
         UPDATE outbox SET lease_id = ?, lease_until = ?, lease_process = ?, \
            attempts = attempts + 1 \
         WHERE id IN (SELECT id FROM due) \
         AND state = 'PENDING' AND (lease_until IS NULL OR lease_until <= ?) RETURNING *"
    );
    let Lease { id, process, now, until } = lease;
    let due = [now; 6].map(Into::into);
    let claim = [id.into(), until.into(), process.into(), now.into()];
    let values = due.into_iter().chain(claim);
    let rows = db.query_all_raw(statement(backend, &sql, values)).await?;
    rows.iter().map(|row| Model::from_query_result(row, "")).collect()
}

/// Marks a row as delivered. False where the lease was lost to another worker meanwhile.
///
/// # Errors
/// The database's own.
pub async fn finish<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    lease: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE outbox SET state = 'DONE', lease_id = NULL, lease_until = NULL, \
        lease_process = NULL, last_error = NULL, done_at = ? WHERE id = ? AND lease_id = ? AND state = 'PENDING'";
    Ok(run_raw(db, sql, [now.into(), id.into(), lease.into()]).await? == 1)
}

/// Puts a row back, to be tried again at `run_at`. False where the lease was lost.
///
/// # Errors
/// The database's own.
pub async fn put_back<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    lease: Uuid,
    run_at: DateTime<Utc>,
    error: Option<&str>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE outbox SET lease_id = NULL, lease_until = NULL, lease_process = NULL, \
        run_at = ?, last_error = ? \
        WHERE id = ? AND lease_id = ? AND state = 'PENDING'";
    let values = [run_at.into(), error.into(), id.into(), lease.into()];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// Gives a row up. False where the lease was lost.
///
/// # Errors
/// The database's own.
pub async fn give_up<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    lease: Uuid,
    now: DateTime<Utc>,
    error: &str,
) -> Result<bool, DbErr> {
    let sql = "UPDATE outbox SET state = 'FAILED', lease_id = NULL, lease_until = NULL, \
        lease_process = NULL, done_at = ?, last_error = ? WHERE id = ? AND lease_id = ? AND state = 'PENDING'";
    let values = [now.into(), error.into(), id.into(), lease.into()];
    Ok(run_raw(db, sql, values).await? == 1)
}

/// When the next row is due, if any is pending.
///
/// # Errors
/// The database's own.
pub async fn next_due<C: ConnectionTrait>(db: &C) -> Result<Option<DateTime<Utc>>, DbErr> {
    let next = Entity::find()
        .filter(Column::State.eq(PENDING))
        .order_by_asc(Column::RunAt)
        .one(db)
        .await?;
    Ok(next.map(|row| row.lease_until.map_or(row.run_at, |lease| lease.max(row.run_at))))
}

/// Forgets rows that were delivered before `before`.
///
/// # Errors
/// The database's own.
pub async fn forget<C: ConnectionTrait>(db: &C, before: DateTime<Utc>) -> Result<u64, DbErr> {
    // A push that failed is of no use to anybody once its offer is over.
    let sql = "DELETE FROM outbox WHERE done_at < ? AND (state = 'DONE' OR kind = 'WEB_PUSH')";
    run_raw(db, sql, [before.into()]).await
}
