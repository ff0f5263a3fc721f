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
    let mut ids: Vec<i64> =
        rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    // Numbers are given in the order of the rows; neither database says that it returns them in it.
    ids.sort_unstable();
    Ok(ids)
}

/// How far changes were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// PostgreSQL: which transactions had ended, as `pg_snapshot` writes it.
    Snapshot(String),
    /// SQLite: the last number.
    Number(i64),
}

/// Where reading begins that is to have what is committed from now on.
///
/// # Errors
/// The database's own.
pub async fn newest<C: ConnectionTrait>(db: &C) -> Result<Cursor, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => "SELECT pg_current_snapshot()::text",
        _ => "SELECT COALESCE(MAX(id), 0) FROM changes",
    };
    let row = db.query_one_raw(statement(backend, sql, [])).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("changes".to_owned()))?;
    Ok(match backend {
        DbBackend::Postgres => Cursor::Snapshot(row.try_get_by_index(0)?),
        _ => Cursor::Number(row.try_get_by_index(0)?),
    })
}

/// What a reading found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What was committed, each change in one reading.
    pub changes: Vec<Written>,
    /// Whether there is more than was asked for.
    pub is_cut: bool,
    /// Where to go on; not to be used where there is more.
    pub cursor: Cursor,
}

/// What was committed since, at most `limit` changes.
///
/// On PostgreSQL the changes of a transaction that was under way when the last reading was made are those
/// that it could not see: numbers say nothing there, since transactions end in another order than they
/// begin. Those that seem to come from the future are of a cluster that the database was copied from.
///
/// # Errors
/// The database's own.
pub async fn since<C: ConnectionTrait>(
    db: &C,
    cursor: &Cursor,
    limit: usize,
) -> Result<Found, DbErr> {
    let backend = db.get_database_backend();
    let (sql, values): (_, Vec<Value>) = match cursor {
        // One statement, so that the rows and where to go on are of one snapshot.
        Cursor::Snapshot(before) => (
            "SELECT c.id, c.change, pg_current_snapshot()::text FROM (SELECT 1) one LEFT JOIN changes c \
                ON c.transaction_id >= pg_snapshot_xmin(?::pg_snapshot) \
                AND c.transaction_id < pg_snapshot_xmax(pg_current_snapshot()) \
                AND NOT pg_visible_in_snapshot(c.transaction_id, ?::pg_snapshot) \
                ORDER BY c.id",
            vec![before.as_str().into(), before.as_str().into()],
        ),
        Cursor::Number(from) => {
            ("SELECT id, change FROM changes WHERE id > ? ORDER BY id", vec![(*from).into()])
        }
    };
    let sql = format!("{sql} LIMIT {}", limit.saturating_add(1));
    let rows = db.query_all_raw(statement(backend, &sql, values)).await?;
    let is_cut = limit < rows.len();
    let mut cursor = cursor.clone();
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        if backend == DbBackend::Postgres {
            cursor = Cursor::Snapshot(row.try_get_by_index(2)?);
        }
        let Some(id) = row.try_get_by_index::<Option<i64>>(0)? else { continue };
        if backend != DbBackend::Postgres {
            cursor = Cursor::Number(id);
        }
        // A newer version of this program may write what this one does not know.
        let change: JsonOf<serde_json::Value> = row.try_get_by_index(1)?;
        if let Ok(change) = serde_json::from_value(change.0) {
            changes.push(Written { id, change });
        }
    }
    Ok(Found { changes, is_cut, cursor })
}

/// Forgets what is older than `before`.
///
/// # Errors
/// The database's own.
pub async fn forget<C: ConnectionTrait>(db: &C, before: DateTime<Utc>) -> Result<u64, DbErr> {
    run_raw(db, "DELETE FROM changes WHERE created_at < ?", [before.into()]).await
}
