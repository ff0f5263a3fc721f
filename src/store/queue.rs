//! Queues of agents: whose turn it is. Each queue (all agents, a team, a rule; meetings and live chats apart)
//! counts its own turns.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::{run_raw, statement};
use crate::scheduling::{Progress, Turn};

/// A queue that nobody else assigns from until the transaction ends.
#[derive(Clone, Debug)]
pub struct Locked {
    id: String,
    /// How far it has come: to be moved on by who assigns, and written down with [`note`].
    pub progress: Progress,
}

/// Locks a queue until the transaction ends, so that its assignments come one after the other. One that was not
/// there is made.
///
/// # Errors
/// The database's own.
pub async fn lock<C: ConnectionTrait>(db: &C, queue: &str) -> Result<Locked, DbErr> {
    let sql = "INSERT INTO queues (id, turn, virtual_time) VALUES (?, 0, 0) \
        ON CONFLICT (id) DO UPDATE SET turn = queues.turn RETURNING turn, virtual_time";
    let query = statement(db.get_database_backend(), sql, [queue.into()]);
    let row = db.query_one_raw(query).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound(format!("queue {queue}")))?;
    let progress =
        Progress { turn: row.try_get_by_index(0)?, virtual_time: row.try_get_by_index(1)? };
    Ok(Locked { id: queue.to_owned(), progress })
}

/// The turns that agents have had of a queue. Who is not among them has had none.
///
/// # Errors
/// The database's own.
pub async fn turns<C: ConnectionTrait>(db: &C, queue: &str) -> Result<HashMap<Uuid, Turn>, DbErr> {
    let sql = "SELECT agent_id, last_turn, finish FROM queue_turns WHERE queue_id = ?";
    let query = statement(db.get_database_backend(), sql, [queue.into()]);
    let mut turns = HashMap::new();
    for row in db.query_all_raw(query).await? {
        let turn = Turn { last: row.try_get_by_index(1)?, finish: row.try_get_by_index(2)? };
        turns.insert(row.try_get_by_index(0)?, turn);
    }
    Ok(turns)
}

/// Assigns the queue's next turn to an agent of this weight.
///
/// # Errors
/// The database's own.
pub async fn take<C: ConnectionTrait>(
    db: &C,
    mut queue: Locked,
    agent: Uuid,
    weight: i32,
) -> Result<(), DbErr> {
    let sql = "SELECT last_turn, finish FROM queue_turns WHERE queue_id = ? AND agent_id = ?";
    let query = statement(db.get_database_backend(), sql, [queue.id.as_str().into(), agent.into()]);
    let had = match db.query_one_raw(query).await? {
        Some(row) => Turn { last: row.try_get_by_index(0)?, finish: row.try_get_by_index(1)? },
        None => Turn::default(),
    };
    let turn = queue.progress.assign(had, weight);
    note(db, &queue, &[(agent, turn)]).await
}

/// Writes down how far the queue has come, and what each of these agents has had of it now.
///
/// # Errors
/// The database's own.
pub async fn note<C: ConnectionTrait>(
    db: &C,
    queue: &Locked,
    turns: &[(Uuid, Turn)],
) -> Result<(), DbErr> {
    if turns.is_empty() {
        return Ok(());
    }
    let rows = vec!["(?, ?, ?, ?)"; turns.len()].join(", ");
    let sql = format!(
        "INSERT INTO queue_turns (queue_id, agent_id, last_turn, finish) VALUES {rows} \
         ON CONFLICT (queue_id, agent_id) \
         DO UPDATE SET last_turn = excluded.last_turn, finish = excluded.finish"
    );
    let id = queue.id.as_str();
    let values = turns.iter().flat_map(|(agent, turn)| -> [Value; 4] {
        [id.into(), (*agent).into(), turn.last.into(), turn.finish.into()]
    });
    run_raw(db, &sql, values).await?;
    let sql = "UPDATE queues SET turn = ?, virtual_time = ? WHERE id = ?";
    let Progress { turn, virtual_time } = queue.progress;
    run_raw(db, sql, [turn.into(), virtual_time.into(), id.into()]).await.map(|_| ())
}

/// Takes a queue away, with the turns that agents have had of it.
///
/// # Errors
/// The database's own.
pub async fn forget<C: ConnectionTrait>(db: &C, queue: &str) -> Result<(), DbErr> {
    // The queue first, as whoever takes a turn of it does, so that the two never wait for each other.
    run_raw(db, "DELETE FROM queues WHERE id = ?", [queue.into()]).await?;
    run_raw(db, "DELETE FROM queue_turns WHERE queue_id = ?", [queue.into()]).await?;
    Ok(())
}
