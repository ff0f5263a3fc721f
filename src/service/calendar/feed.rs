//! The feed of an agent's built-in calendar.

use chrono::TimeDelta;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, Set};
use uuid::Uuid;

use super::keeps_bookings;
use crate::app::App;
use crate::service::access::{self, AgentEditor};
use crate::service::{Error, Result};
use crate::store::{self, agent, busy, calendar};

/// The secret address under which calendar programs read an agent's built-in calendar. Asking for
/// it again makes a new one, and the former stops working.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN`; `BAD_USER_INPUT` where the agent's bookings are written elsewhere.
pub async fn create_feed(app: &App, editor: AgentEditor) -> Result<url::Url> {
    let transaction = store::begin(&app.db).await?;
    let agent_id = access::hold(&transaction, editor).await?.id;
    require_kept_here(app, &transaction, agent_id).await?;
    let token = crate::secrets::token("fdf", &app.ids.secret());
    let record = calendar::feed::ActiveModel {
        agent_id: Set(agent_id),
        token_hash: Set(app.secrets.hash(&token)),
        created_at: Set(app.now()),
    };
    let replace = sea_orm::sea_query::OnConflict::column(calendar::feed::Column::AgentId)
        .update_columns([calendar::feed::Column::TokenHash, calendar::feed::Column::CreatedAt])
        .to_owned();
    calendar::feed::Entity::insert(record)
        .on_conflict(replace)
        .exec_without_returning(&transaction)
        .await?;
    transaction.commit().await?;
    let mut url = app.config.public_url.clone();
    crate::service::push_path(&mut url, &["feeds", &format!("{token}.ics")]);
    Ok(url)
}

/// Refuses agents whose bookings are written to a calendar elsewhere.
async fn require_kept_here(
    app: &App,
    transaction: &DatabaseTransaction,
    agent_id: Uuid,
) -> Result<()> {
    if keeps_bookings(app, transaction, agent_id).await? {
        return Ok(());
    }
    let message = "the agent's bookings are written to a calendar elsewhere";
    Err(Error::bad_input("agentId", message))
}

/// Makes the feed's address stop working. False where there was none.
///
/// # Errors
/// `FORBIDDEN`; `NOT_FOUND` where there is no such agent.
pub async fn revoke_feed(app: &App, editor: AgentEditor) -> Result<bool> {
    let transaction = store::begin(&app.db).await?;
    let agent_id = access::hold(&transaction, editor).await?.id;
    let deleted = calendar::feed::Entity::delete_by_id(agent_id).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(deleted.rows_affected == 1)
}

/// The calendar behind a feed's secret: its agent and its entries from 90 days ago on.
///
/// # Errors
/// `NOT_FOUND` for a secret that opens nothing, or a calendar whose agent was deactivated or has
/// disconnected it.
pub async fn read_feed(
    app: &App,
    token: &str,
) -> Result<(agent::Model, Vec<busy::builtin::Model>)> {
    let hash = app.secrets.hash(token);
    let select = calendar::feed::Entity::find().filter(calendar::feed::Column::TokenHash.eq(hash));
    let feed = select.one(&app.db).await?;
    let unknown = || Error::NotFound("there is no such feed".to_owned());
    let agent = crate::service::agent::get(app, feed.ok_or_else(unknown)?.agent_id).await?;
    if !agent.active || !keeps_bookings(app, &app.db, agent.id).await? {
        return Err(unknown());
    }
    let since = app.now() - TimeDelta::days(90);
    let events = store::busy::builtin::since(&app.db, agent.id, since).await?;
    Ok((agent, events))
}
