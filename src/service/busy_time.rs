//! Busy times that agents keep in the built-in calendar.

use std::collections::HashMap;

use calendar_provider::TimeRange;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, Set};
use uuid::Uuid;

use super::access::AgentEditor;
use super::{Error, Result, text};
use crate::app::App;
use crate::store::busy::{self, builtin};

/// Most busy times of one agent that have not ended.
const MOST: u64 = 5000;

/// A busy time that an agent keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyTime {
    /// Names it among the agent's.
    pub id: Uuid,
    /// Whose it is.
    pub agent_id: Uuid,
    /// When.
    pub range: TimeRange,
    /// What for.
    pub title: Option<String>,
}

/// Adds a busy time: no slot meets it from now on. Meetings that are booked stay.
///
/// # Errors
/// `BAD_USER_INPUT` for a title, a range longer than a year, or an agent whose calendar is not the
/// built-in one; `LIMIT_EXCEEDED`; `NOT_FOUND`.
pub async fn create(
    app: &App,
    editor: AgentEditor,
    range: TimeRange,
    title: Option<&str>,
) -> Result<BusyTime> {
    let agent_id = editor.agent();
    let title = text::optional("input.title", title, text::LINE_CHARS)?;
    if chrono::TimeDelta::days(366) < range.length() {
        let message = "a busy time must last at most 366 days";
        return Err(Error::bad_input("input.endsAt", message));
    }
    let id = app.uuid();
    let now = app.now();
    if range.end() <= now {
        return Err(Error::bad_input("input.endsAt", "a busy time must not be over"));
    }
    let uid = uid(id);
    super::agent::locked(app, editor, async |transaction, _, _| {
        require_local_calendar(app, transaction, agent_id).await?;
        if MOST <= builtin::count_busy_times(transaction, agent_id, now).await? {
            let message = format!("at most {MOST} busy times may lie ahead");
            return Err(Error::LimitExceeded(message));
        }
        builtin::put_busy_time(transaction, agent_id, &uid, range, title.as_deref()).await?;
        let known = busy::ActiveModel {
            id: Set(id),
            agent_id: Set(agent_id),
            uid: Set(uid.clone()),
            starts_at: Set(range.start()),
            ends_at: Set(range.end()),
            ..Default::default()
        };
        busy::Entity::insert(known).exec_without_returning(transaction).await?;
        Ok(())
    })
    .await?;
    Ok(BusyTime { id, agent_id, range, title })
}

/// Takes a busy time out.
///
/// # Errors
/// `NOT_FOUND` where the agent has no such busy time.
pub async fn delete(app: &App, editor: AgentEditor, id: Uuid) -> Result<()> {
    let agent_id = editor.agent();
    super::agent::locked(app, editor, async |transaction, _, _| {
        let uid = uid(id);
        if !builtin::delete_busy_time(transaction, agent_id, &uid).await? {
            return Err(Error::NotFound("the agent has no such busy time".to_owned()));
        }
        busy::forget(transaction, agent_id, &uid).await?;
        Ok(())
    })
    .await?;
    Ok(())
}

/// Busy times of several agents that have not ended before `since`, each agent's in order of start,
/// in one statement.
///
/// # Errors
/// None but the database's.
pub async fn list_of_agents(
    app: &App,
    agents: &[Uuid],
    since: chrono::DateTime<chrono::Utc>,
) -> Result<HashMap<Uuid, Vec<BusyTime>>> {
    let mut found: HashMap<Uuid, Vec<BusyTime>> = HashMap::new();
    for event in builtin::busy_times_of(&app.db, agents, since).await? {
        found.entry(event.agent_id).or_default().push(of_event(event)?);
    }
    Ok(found)
}

/// The busy time with this ID, whoever asks.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<BusyTime>> {
    let event = builtin::Entity::find()
        .filter(builtin::Column::Uid.eq(uid(id)))
        .filter(builtin::Column::Kind.eq(builtin::BUSY_TIME))
        .filter(builtin::Column::Deleted.eq(false))
        .one(&app.db)
        .await?;
    event.map(of_event).transpose()
}

fn of_event(event: builtin::Model) -> Result<BusyTime> {
    let id = event.uid.strip_prefix(PREFIX).and_then(|id| Uuid::try_parse(id).ok());
    Ok(BusyTime {
        id: id.ok_or_else(|| Error::internal(anyhow::anyhow!("busy time {}", event.uid)))?,
        agent_id: event.agent_id,
        range: TimeRange::new(event.starts_at, event.ends_at).map_err(Error::internal)?,
        title: (!event.title.is_empty()).then_some(event.title),
    })
}

const PREFIX: &str = "busy-";

fn uid(id: Uuid) -> String {
    format!("{PREFIX}{}", id.simple())
}

/// Lets the agent's kept busy times count again, after the calendar is connected again.
pub(crate) async fn restore(
    app: &App,
    transaction: &DatabaseTransaction,
    agent_id: Uuid,
) -> Result<()> {
    let events = builtin::since(transaction, agent_id, app.now()).await?;
    let mine = events.into_iter().filter(|event| event.kind == builtin::BUSY_TIME);
    let rows: Vec<busy::ActiveModel> = mine
        .map(|event| busy::ActiveModel {
            id: Set(app.uuid()),
            agent_id: Set(agent_id),
            uid: Set(event.uid),
            starts_at: Set(event.starts_at),
            ends_at: Set(event.ends_at),
            ..Default::default()
        })
        .collect();
    for some in rows.chunks(1000) {
        busy::Entity::insert_many(some.to_vec()).exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// Refuses agents whose calendar we do not keep ourselves.
pub(crate) async fn require_local_calendar<C: ConnectionTrait>(
    app: &App,
    db: &C,
    agent_id: Uuid,
) -> Result<()> {
    if super::calendar::has_local(app, db, agent_id).await? {
        return Ok(());
    }
    let message = "only agents with the built-in calendar keep busy times here";
    Err(Error::bad_input("input.agentId", message))
}
