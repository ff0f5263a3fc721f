//! When agents take live chats: weekly blocks, and a toggle that wins over them for a while.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sea_orm::Set;

use crate::app::App;
use crate::scheduling::{self, ChatOverride, ChatStatus, WeeklyBlocks};
use crate::service::access::AgentEditor;
use crate::service::changes::{self, Change};
use crate::service::{Error, Result, agent, schedule, text};
use crate::store::agent::{ActiveModel, Model};
use crate::store::live_chat::candidate::{self, Become};
use crate::store::{self, JsonOf};

/// Agents whose status is moved on in one transaction.
const AT_ONCE: u64 = 250;
/// When an agent is looked at again whose settings can't be read.
const AFTER_A_FAULT: TimeDelta = TimeDelta::hours(1);

/// How an agent's live chat stands at an instant.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// What holds.
    pub status: ChatStatus,
    /// What the weekly blocks alone say.
    pub scheduled: ChatStatus,
    /// The override, where one is in force.
    pub in_force: Option<ChatOverride>,
}

/// How the agent's live chat stands now.
///
/// # Errors
/// None but the database's.
pub fn state(app: &App, agent: &Model) -> Result<State> {
    let now = app.now();
    let zone = schedule::zone(&agent.chat_time_zone)?;
    let blocks = &agent.chat_blocks.0;
    let kept = kept_override(agent)?;
    let in_force = kept.filter(|kept| kept.expires_at.is_none_or(|expiry| now < expiry));
    Ok(State {
        status: scheduling::status(zone, blocks, in_force.as_ref(), now),
        scheduled: scheduling::scheduled_status(zone, blocks, now),
        in_force,
    })
}

fn kept_override(agent: &Model) -> Result<Option<ChatOverride>> {
    let (Some(status), Some(set_at)) = (&agent.chat_override_status, agent.chat_override_set_at)
    else {
        return Ok(None);
    };
    let status = match status.as_str() {
        "AVAILABLE" => ChatStatus::Available,
        "UNAVAILABLE" => ChatStatus::Unavailable,
        other => return Err(Error::internal(anyhow::anyhow!("live-chat status {other}"))),
    };
    Ok(Some(ChatOverride { status, set_at, expires_at: agent.chat_override_expires_at }))
}

const fn name(status: ChatStatus) -> &'static str {
    match status {
        ChatStatus::Available => "AVAILABLE",
        ChatStatus::Unavailable => "UNAVAILABLE",
    }
}

/// Changes the zone, the weekly blocks, or how many chats at once. An override in force stays, and its end follows
/// the new blocks.
///
/// # Errors
/// `NOT_FOUND`; `BAD_USER_INPUT` for a limit outside 1 to 100.
pub async fn set_availability(
    app: &App,
    editor: AgentEditor,
    zone: Option<Tz>,
    blocks: Option<WeeklyBlocks>,
    limit: Option<i64>,
) -> Result<Model> {
    let limit = limit.map(|limit| text::number("input.limit", limit, 1..=100)).transpose()?;
    let now = app.now();
    agent::change(app, editor, |agent, record| {
        let zone = match zone {
            Some(zone) => zone,
            None => schedule::zone(&agent.chat_time_zone)?,
        };
        let blocks = blocks.unwrap_or_else(|| agent.chat_blocks.0.clone());
        let kept = kept_override(agent)?;
        let in_force = kept.filter(|kept| kept.expires_at.is_none_or(|expiry| now < expiry));
        // From now, not from when it was set: a block that started in between under the new
        // blocks has not ended it.
        let in_force = in_force.map(|kept| ChatOverride {
            expires_at: scheduling::override_expiry(kept.status, zone, &blocks, now),
            ..kept
        });
        match in_force {
            Some(kept) => record.chat_override_expires_at = Set(kept.expires_at),
            None => clear(record),
        }
        if let Some(limit) = limit {
            record.chat_limit = Set(limit);
        }
        hold(record, zone, &blocks, in_force.as_ref(), now);
        record.chat_time_zone = Set(zone.name().to_owned());
        record.chat_blocks = Set(JsonOf(blocks));
        Ok(())
    })
    .await
}

/// Sets the toggle.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn set_override(app: &App, editor: AgentEditor, status: ChatStatus) -> Result<Model> {
    let now = app.now();
    agent::change(app, editor, |agent, record| {
        let zone = schedule::zone(&agent.chat_time_zone)?;
        let expiry = scheduling::override_expiry(status, zone, &agent.chat_blocks.0, now);
        record.chat_override_status = Set(Some(name(status).to_owned()));
        record.chat_override_set_at = Set(Some(now));
        record.chat_override_expires_at = Set(expiry);
        let toggle = ChatOverride { status, set_at: now, expires_at: expiry };
        hold(record, zone, &agent.chat_blocks.0, Some(&toggle), now);
        Ok(())
    })
    .await
}

/// Lets the weekly blocks hold again.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn clear_override(app: &App, editor: AgentEditor) -> Result<Model> {
    let now = app.now();
    agent::change(app, editor, |agent, record| {
        clear(record);
        hold(record, schedule::zone(&agent.chat_time_zone)?, &agent.chat_blocks.0, None, now);
        Ok(())
    })
    .await
}

fn clear(record: &mut ActiveModel) {
    record.chat_override_status = Set(None);
    record.chat_override_set_at = Set(None);
    record.chat_override_expires_at = Set(None);
}

/// Notes what blocks and toggle say, and until when they say so by themselves.
fn hold(
    record: &mut ActiveModel,
    zone: Tz,
    blocks: &WeeklyBlocks,
    toggle: Option<&ChatOverride>,
    now: DateTime<Utc>,
) {
    let status = scheduling::status(zone, blocks, toggle, now);
    record.chat_status = Set(name(status).to_owned());
    record.chat_status_until = Set(scheduling::next_change(zone, blocks, toggle, now));
}

/// What was noted of the agent's status, as long as that holds; else what blocks and toggle say.
pub(super) fn noted_status(agent: &Model, now: DateTime<Utc>) -> Result<ChatStatus> {
    let noted = match become_of(agent, now)? {
        Some(become_one) => become_one.status,
        None => agent.chat_status.as_str(),
    };
    let is_available = noted == name(ChatStatus::Available);
    Ok(if is_available { ChatStatus::Available } else { ChatStatus::Unavailable })
}

/// What the agent's status has become, where what was noted of it held until `now` or before.
pub(super) fn become_of(agent: &Model, now: DateTime<Utc>) -> Result<Option<Become<'static>>> {
    let Some(was_until) = agent.chat_status_until.filter(|until| *until <= now) else {
        return Ok(None);
    };
    let zone = schedule::zone(&agent.chat_time_zone)?;
    let (blocks, toggle) = (&agent.chat_blocks.0, kept_override(agent)?);
    Ok(Some(Become {
        agent: agent.id,
        was_until,
        status: name(scheduling::status(zone, blocks, toggle.as_ref(), now)),
        until: scheduling::next_change(zone, blocks, toggle.as_ref(), now),
    }))
}

/// Moves on the status of agents whose block began or ended, or whose toggle ran out, and tells whoever
/// listens. Returns how many that were. What another process is at is left to it.
///
/// # Errors
/// None but the database's.
pub async fn follow_schedules(app: &App) -> Result<usize> {
    let mut moved = 0;
    loop {
        // Most often nothing is due, and nobody is to wait for the writer's place because of that.
        if candidate::next_due(&app.db).await?.is_none_or(|due| app.now() < due) {
            return Ok(moved);
        }
        let transaction = store::begin(&app.db).await?;
        let now = app.now();
        let due = candidate::due(&transaction, now, AT_ONCE).await?;
        let mut become_all = Vec::with_capacity(due.len());
        for agent in &due {
            match become_of(agent, now) {
                Ok(become_one) => become_all.extend(become_one),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(agent.id = %agent.id, error, "a live-chat status can't be told");
                    let was_until = agent.chat_status_until.unwrap_or(now);
                    let until = Some(now + AFTER_A_FAULT);
                    let status = name(ChatStatus::Unavailable);
                    become_all.push(Become { agent: agent.id, was_until, status, until });
                }
            }
        }
        let agents = candidate::set(&transaction, &become_all).await?;
        if agents.is_empty() {
            transaction.rollback().await?;
            return Ok(moved);
        }
        moved += agents.len();
        let news = changes::write(app, &transaction, agents.into_iter().map(Change::Agent)).await?;
        transaction.commit().await?;
        news.tell(app);
    }
}
