//! Word of live chats that nobody took, for agents who asked for it.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set};
use uuid::Uuid;

use crate::app::App;
use crate::service::access::AgentEditor;
use crate::service::{Result, agent as agents};
use crate::store::agent;
use crate::store::live_chat::request::Model;
use crate::store::outbox::{self, About, Kind, MissedChat, New, Payload};

/// Whether an agent is written to about chats that nobody took, or that were taken and came to nothing.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn set_failed_action_notifications(
    app: &App,
    editor: AgentEditor,
    enabled: bool,
) -> Result<agent::Model> {
    agents::change(app, editor, |_, record| {
        record.notify_failed_actions = Set(enabled);
        Ok(())
    })
    .await
}

/// Writes down, in the caller's transaction, that everybody who asked is to be told of a chat, and returns whether
/// anybody did.
pub(super) async fn tell<C: ConnectionTrait>(
    app: &App,
    db: &C,
    request: &Model,
    now: DateTime<Utc>,
) -> Result<bool> {
    let readers: Vec<Uuid> = agent::Entity::find()
        .select_only()
        .column(agent::Column::Id)
        .filter(agent::Column::NotifyFailedActions.eq(true))
        .filter(agent::Column::Active.eq(true))
        .into_tuple()
        .all(db)
        .await?;
    if readers.is_empty() {
        return Ok(false);
    }
    let give_up_after = TimeDelta::minutes(app.config.delivery.give_up_after_minutes.into());
    let rows = readers.into_iter().map(|reader| New {
        id: app.uuid(),
        kind: Kind::MissedChatMail,
        about: About { agent: Some(reader), live_chat: Some(request.id), ..About::default() },
        payload: Payload::MissedChat(MissedChat { missed_chat: request.id }),
        dedup_key: format!("{}/{}/{reader}", Kind::MissedChatMail.as_str(), request.id),
        run_at: now,
        give_up_at: now + give_up_after,
        created_at: now,
    });
    outbox::put(db, rows.collect()).await?;
    Ok(true)
}
