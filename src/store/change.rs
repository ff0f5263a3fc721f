//! What changed, in the order in which it was written: for processes that were not told.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Value};
use uuid::Uuid;

use super::{JsonOf, run_raw, statement};
use crate::service::changes::{Change, Written};

/// Writes changes down, and returns their numbers in the same order.
///
/// # Errors
/// The database's own.
pub async fn put<C: ConnectionTrait>(
    db: &C,
    process: Uuid,
    changes: &[Change],
    now: DateTime<Utc>,
) -> Result<Vec<i64>, DbErr> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = vec!["(?, ?, ?)"; changes.len()].join(", ");
    let sql =
        format!("INSERT INTO changes (process_id, change, created_at) VALUES {rows} RETURNING id");
    let values = changes
        .iter()
        .flat_map(|change| -> [Value; 3] { [process.into(), JsonOf(*change).into(), now.into()] });
    let rows = db.query_all_raw(statement(db.get_database_backend(), &sql, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// How far changes were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// PostgreSQL: the oldest transaction that may have been under way.
    Transaction(String),
    /// SQLite: the last number.
    Number(i64),
}

/// Where reading begins that is to have what is written from now on.
///
/// # Errors
/// The database's own.
pub async fn newest<C: ConnectionTrait>(db: &C) -> Result<Cursor, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => "SELECT pg_snapshot_xmin(pg_current_snapshot())::text",
        _ => "SELECT COALESCE(MAX(id), 0) FROM changes",
    };
    let row = db.query_one_raw(statement(backend, sql, [])).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("changes".to_owned()))?;
    Ok(match backend {
        DbBackend::Postgres => Cursor::Transaction(row.try_get_by_index(0)?),
        _ => Cursor::Number(row.try_get_by_index(0)?),
    })
}

/// What was committed since, and where to go on. On PostgreSQL some of it may have been read before: what a
/// transaction wrote is met until every one that began before its end has ended.
///
/// # Errors
/// The database's own.
pub async fn since<C: ConnectionTrait>(
    db: &C,
    cursor: &Cursor,
) -> Result<(Vec<Written>, Cursor), DbErr> {
    let backend = db.get_database_backend();
    let (sql, from): (_, Value) = match cursor {
        // One statement, so that both columns are of one snapshot.
        Cursor::Transaction(from) => (
            "SELECT c.id, c.change, pg_snapshot_xmin(pg_current_snapshot())::text FROM (SELECT 1) one \
             LEFT JOIN changes c ON c.transaction_id >= ?::xid8 ORDER BY c.id",
            from.as_str().into(),
        ),
        Cursor::Number(from) => {
            ("SELECT id, change FROM changes WHERE id > ? ORDER BY id", (*from).into())
        }
    };
    let rows = db.query_all_raw(statement(backend, sql, [from])).await?;
    let mut cursor = cursor.clone();
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if backend == DbBackend::Postgres {
            cursor = Cursor::Transaction(row.try_get_by_index(2)?);
        }
        let Some(id) = row.try_get_by_index::<Option<i64>>(0)? else { continue };
        if backend != DbBackend::Postgres {
            cursor = Cursor::Number(id);
        }
        // A newer version of this program may write what this one does not know.
        let change: JsonOf<serde_json::Value> = row.try_get_by_index(1)?;
        if let Ok(change) = serde_json::from_value(change.0) {
            found.push(Written { id, change });
        }
    }
    Ok((found, cursor))
}

/// Forgets what is older than `before`.
///
/// # Errors
/// The database's own.
pub async fn forget<C: ConnectionTrait>(db: &C, before: DateTime<Utc>) -> Result<u64, DbErr> {
    run_raw(db, "DELETE FROM changes WHERE created_at < ?", [before.into()]).await
}
