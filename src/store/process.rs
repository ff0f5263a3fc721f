//! Processes that run on this database, and the agents who are in the app through each.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::{run_raw, statement};

/// Most agents of one statement.
const MOST_AT_ONCE: usize = 500;

/// Says that a process is alive. False where it was taken for dead meanwhile, or is new, and has been
/// noted.
///
/// # Errors
/// The database's own.
pub async fn beat<C: ConnectionTrait>(
    db: &C,
    process: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE processes SET beats = beats + 1, heartbeat_at = ? WHERE id = ?";
    if run_raw(db, sql, [now.into(), process.into()]).await? == 1 {
        return Ok(true);
    }
    let sql = "INSERT INTO processes (id, started_at, heartbeat_at, beats) VALUES (?, ?, ?, 0) \
        ON CONFLICT (id) DO NOTHING";
    run_raw(db, sql, [process.into(), now.into(), now.into()]).await?;
    Ok(false)
}

/// A process as another sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Which one.
    pub id: Uuid,
    /// How often it said that it is alive. None where it is not noted and still has work: it died before
    /// its first sign of life, or goes on after it was taken for dead.
    pub beats: Option<i64>,
}

/// Every process but `me` that is noted or has work.
///
/// # Errors
/// The database's own.
pub async fn others<C: ConnectionTrait>(db: &C, me: Uuid) -> Result<Vec<Seen>, DbErr> {
    let sql = "SELECT id, beats FROM processes WHERE id <> ? UNION ALL SELECT w.process, NULL FROM \
        (SELECT lease_process AS process FROM outbox \
            WHERE lease_process IS NOT NULL AND lease_until IS NOT NULL \
        UNION SELECT lease_process FROM calendar_syncs \
            WHERE lease_process IS NOT NULL AND lease_until IS NOT NULL \
        UNION SELECT refresh_lease_process FROM calendar_connections \
            WHERE refresh_lease_process IS NOT NULL AND refresh_lease_until IS NOT NULL) w \
        WHERE w.process <> ? AND NOT EXISTS (SELECT 1 FROM processes p WHERE p.id = w.process)";
    let query = statement(db.get_database_backend(), sql, [me.into(), me.into()]);
    let rows = db.query_all_raw(query).await?;
    let seen = rows
        .iter()
        .map(|row| Ok(Seen { id: row.try_get_by_index(0)?, beats: row.try_get_by_index(1)? }));
    seen.collect()
}

/// Does [`forget`] where a process is still as it was seen. False where it gave a sign of life since. In
/// the caller's transaction.
///
/// # Errors
/// The database's own.
pub async fn forget_unless_alive<C: ConnectionTrait>(db: &C, seen: Seen) -> Result<bool, DbErr> {
    let is_as_seen = match seen.beats {
        Some(beats) => {
            let sql = "DELETE FROM processes WHERE id = ? AND beats = ?";
            run_raw(db, sql, [seen.id.into(), beats.into()]).await? == 1
        }
        None => {
            let sql = "SELECT 1 FROM processes WHERE id = ?";
            let query = statement(db.get_database_backend(), sql, [seen.id.into()]);
            db.query_one_raw(query).await?.is_none()
        }
    };
    if is_as_seen {
        forget(db, seen.id).await?;
    }
    Ok(is_as_seen)
}

/// Takes away what a process that ended had: who was in the app through it, and the work that it was at,
/// which another may begin at once. Should it go on after all, it can still write down what came of work
/// that nobody else has begun. In the caller's transaction.
///
/// # Errors
/// The database's own.
pub async fn forget<C: ConnectionTrait>(db: &C, process: Uuid) -> Result<(), DbErr> {
    for sql in [
        "DELETE FROM processes WHERE id = ?",
        "UPDATE outbox SET lease_until = NULL, lease_process = NULL WHERE lease_process = ?",
        "UPDATE calendar_syncs SET lease_until = NULL, lease_process = NULL WHERE lease_process = ?",
        "UPDATE calendar_connections SET refresh_lease_until = NULL, \
            refresh_lease_process = NULL WHERE refresh_lease_process = ?",
    ] {
        run_raw(db, sql, [process.into()]).await?;
    }
    Ok(())
}

/// Notes that agents are in the app through a process, or no longer are.
///
/// # Errors
/// The database's own; a foreign key's, where the process is not noted.
pub async fn set_presence<C: ConnectionTrait>(
    db: &C,
    process: Uuid,
    agents: &[Uuid],
    are_here: bool,
) -> Result<(), DbErr> {
    for agents in agents.chunks(MOST_AT_ONCE) {
        let (sql, values): (_, Vec<Value>) = if are_here {
            let rows = vec!["(?, ?)"; agents.len()].join(", ");
            let pairs = agents.iter().flat_map(|agent| [process.into(), (*agent).into()]);
            let sql = format!(
                "INSERT INTO presences (process_id, agent_id) VALUES {rows} ON CONFLICT DO NOTHING"
            );
            (sql, pairs.collect())
        } else {
            let marks = vec!["?"; agents.len()].join(", ");
            let ids = agents.iter().map(|agent| (*agent).into());
            let sql =
                format!("DELETE FROM presences WHERE process_id = ? AND agent_id IN ({marks})");
            (sql, std::iter::once(process.into()).chain(ids).collect())
        };
        run_raw(db, &sql, values).await?;
    }
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
