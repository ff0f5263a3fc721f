//! Queues of agents: whose turn it is. Each queue (all agents, a team, a rule; meetings and live chats apart)
//! counts its own turns.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::{run_raw, statement};
use crate::scheduling::{STRIDE, Turn};

/// A queue that nobody else assigns from until the transaction ends.
#[derive(Clone, Debug)]
pub struct Locked {
    id: String,
    turn: i64,
    virtual_time: i64,
}

/// Takes the next turn of a queue, which is made where it was not there. The row stays locked until the
/// transaction ends, so that assignments of one queue come one after the other.
///
/// # Errors
/// The database's own.
pub async fn lock<C: ConnectionTrait>(db: &C, queue: &str) -> Result<Locked, DbErr> {
    let sql = "INSERT INTO queues (id, turn, virtual_time) VALUES (?, 1, 0) \
        ON CONFLICT (id) DO UPDATE SET turn = queues.turn + 1 RETURNING turn, virtual_time";
    let query = statement(db.get_database_backend(), sql, [queue.into()]);
    let row = db.query_one_raw(query).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound(format!("queue {queue}")))?;
    Ok(Locked {
        id: queue.to_owned(),
        turn: row.try_get_by_index(0)?,
        virtual_time: row.try_get_by_index(1)?,
    })
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

/// Notes that an agent of this weight has had the turn that the queue was locked for. See
/// [`crate::scheduling::Turn`] for what is reckoned.
///
/// # Errors
/// The database's own.
pub async fn take<C: ConnectionTrait>(
    db: &C,
    queue: &Locked,
    agent: Uuid,
    weight: i32,
) -> Result<(), DbErr> {
    let stride = STRIDE / i64::from(weight.max(1));
    let now = queue.virtual_time;
    let sql = "INSERT INTO queue_turns (queue_id, agent_id, last_turn, finish) VALUES (?, ?, ?, ?) \
        ON CONFLICT (queue_id, agent_id) DO UPDATE SET last_turn = excluded.last_turn, finish = \
        CASE WHEN excluded.finish < queue_turns.finish + ? THEN queue_turns.finish + ? \
        ELSE excluded.finish END RETURNING finish";
    let values = [
        queue.id.as_str().into(),
        agent.into(),
        queue.turn.into(),
        (now + stride).into(),
        stride.into(),
        stride.into(),
    ];
    let row = db.query_one_raw(statement(db.get_database_backend(), sql, values)).await?;
    let finish: i64 = row.ok_or(DbErr::RecordNotInserted)?.try_get_by_index(0)?;
    if now < finish - stride {
        let sql = "UPDATE queues SET virtual_time = ? WHERE id = ?";
        run_raw(db, sql, [(finish - stride).into(), queue.id.as_str().into()]).await?;
    }
    Ok(())
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
