//! Processes that run on this database, and the agents who are in the app through each.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::{run_raw, statement};

/// Says that a process is alive. False where it was taken for dead meanwhile, and has been noted again.
///
/// # Errors
/// The database's own.
pub async fn beat<C: ConnectionTrait>(
    db: &C,
    process: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE processes SET heartbeat_at = ? WHERE id = ?";
    if run_raw(db, sql, [now.into(), process.into()]).await? == 1 {
        return Ok(true);
    }
    let sql = "INSERT INTO processes (id, started_at, heartbeat_at) VALUES (?, ?, ?) \
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at";
    run_raw(db, sql, [process.into(), now.into(), now.into()]).await?;
    Ok(false)
}

/// Takes away what a process that ended had: who was in the app through it, and the work that it was at,
/// which another may begin at once. In the caller's transaction.
///
/// # Errors
/// The database's own.
pub async fn forget<C: ConnectionTrait>(
    db: &C,
    process: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    run_raw(db, "DELETE FROM processes WHERE id = ?", [process.into()]).await?;
    for table in ["outbox", "calendar_syncs"] {
        let sql = format!(
            "UPDATE {table} SET lease_until = ? WHERE lease_process = ? AND lease_until > ?"
        );
        run_raw(db, &sql, [now.into(), process.into(), now.into()]).await?;
    }
    Ok(())
}

/// Does [`forget`] for each process that was last heard of before `before`, and returns which those were.
/// In the caller's transaction.
///
/// # Errors
/// The database's own.
pub async fn forget_dead<C: ConnectionTrait>(
    db: &C,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, DbErr> {
    let sql = "DELETE FROM processes WHERE heartbeat_at < ? RETURNING id";
    let rows = db.query_all_raw(statement(db.get_database_backend(), sql, [before.into()])).await?;
    let dead: Vec<Uuid> =
        rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    for process in &dead {
        forget(db, *process, now).await?;
    }
    Ok(dead)
}

/// Notes whether an agent is in the app through a process.
///
/// # Errors
/// The database's own; a foreign key's, where the process is not noted.
pub async fn set_presence<C: ConnectionTrait>(
    db: &C,
    process: Uuid,
    agent: Uuid,
    is_here: bool,
) -> Result<(), DbErr> {
    let sql = match is_here {
        true => "INSERT INTO presences (process_id, agent_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        false => "DELETE FROM presences WHERE process_id = ? AND agent_id = ?",
    };
    run_raw(db, sql, [process.into(), agent.into()]).await?;
    Ok(())
}

/// Whether an agent is in the app through any process that lives.
///
/// # Errors
/// The database's own.
pub async fn is_present<C: ConnectionTrait>(db: &C, agent: Uuid) -> Result<bool, DbErr> {
    let sql = "SELECT 1 FROM presences WHERE agent_id = ? LIMIT 1";
    let query = statement(db.get_database_backend(), sql, [agent.into()]);
    Ok(db.query_one_raw(query).await?.is_some())
}
