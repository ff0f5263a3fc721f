//! When agents take live chats: weekly blocks, and a toggle that wins over them for a while.

use chrono_tz::Tz;
use sea_orm::Set;
use uuid::Uuid;

use super::{Error, Result, agent, schedule};
use crate::app::App;
use crate::scheduling::{self, ChatOverride, ChatStatus, WeeklyBlocks};
use crate::store::JsonOf;
use crate::store::agent::Model;

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

/// Changes the zone, the weekly blocks, or both. An override in force stays, and its end follows
/// the new blocks.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn set_availability(
    app: &App,
    id: Uuid,
    zone: Option<Tz>,
    blocks: Option<WeeklyBlocks>,
) -> Result<Model> {
    let now = app.now();
    agent::change(app, id, |agent, record| {
        let zone = match zone {
            Some(zone) => zone,
            None => schedule::zone(&agent.chat_time_zone)?,
        };
        let blocks = blocks.unwrap_or_else(|| agent.chat_blocks.0.clone());
        let kept = kept_override(agent)?;
        let in_force = kept.filter(|kept| kept.expires_at.is_none_or(|expiry| now < expiry));
        match in_force {
            Some(kept) => {
                // From now, not from when it was set: a block that started in between under the new
                // blocks has not ended it.
                let expiry = scheduling::override_expiry(kept.status, zone, &blocks, now);
                record.chat_override_expires_at = Set(expiry);
            }
            None => clear(record),
        }
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
pub async fn set_override(app: &App, id: Uuid, status: ChatStatus) -> Result<Model> {
    let now = app.now();
    agent::change(app, id, |agent, record| {
        let zone = schedule::zone(&agent.chat_time_zone)?;
        let expiry = scheduling::override_expiry(status, zone, &agent.chat_blocks.0, now);
        record.chat_override_status = Set(Some(name(status).to_owned()));
        record.chat_override_set_at = Set(Some(now));
        record.chat_override_expires_at = Set(expiry);
        Ok(())
    })
    .await
}

/// Lets the weekly blocks hold again.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn clear_override(app: &App, id: Uuid) -> Result<Model> {
    agent::change(app, id, |_, record| {
        clear(record);
        Ok(())
    })
    .await
}

fn clear(record: &mut crate::store::agent::ActiveModel) {
    record.chat_override_status = Set(None);
    record.chat_override_set_at = Set(None);
    record.chat_override_expires_at = Set(None);
}
