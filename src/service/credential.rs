//! API keys and agents' tokens: how they are made, and how they end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, EntityTrait, QueryOrder, Set};
use uuid::Uuid;

use super::access::{self, AgentEditor, Caller, Known, Profile};
use super::changes::{self, Change, Topic};
use super::{Error, Result};
use crate::app::App;
use crate::store::credential::{agent_token, api_key};
use crate::store::{self, agent, run_raw};

/// The pause after the database could not say whether a key or token still works.
const PAUSE: Duration = Duration::from_secs(1);

/// A key just made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key itself, shown once.
    pub key: String,
    /// Its record.
    pub record: api_key::Model,
}

/// Makes an API key.
///
/// # Errors
/// `BAD_USER_INPUT` for a name that is empty or longer than 100 characters.
pub async fn create_api_key(app: &App, name: &str, profile: Profile) -> Result<NewKey> {
    let name = super::text::required("name", name, 100)?;
    let key = crate::secrets::token("fd", &app.ids.secret());
    let record = api_key::ActiveModel {
        id: Set(app.uuid()),
        name: Set(name),
        profile: Set(profile.as_str().to_owned()),
        key_hash: Set(app.secrets.hash(&key)),
        created_at: Set(app.now()),
        revoked_at: Set(None),
    };
    let record = api_key::Entity::insert(record).exec_with_returning(&app.db).await?;
    Ok(NewKey { key, record })
}

/// All API keys, in the order in which they were made.
///
/// # Errors
/// None but the database's.
pub async fn api_keys(app: &App) -> Result<Vec<api_key::Model>> {
    Ok(api_key::Entity::find().order_by_asc(api_key::Column::Id).all(&app.db).await?)
}

/// Takes an API key back, at once. What it has open is closed.
///
/// # Errors
/// `NOT_FOUND` where there is none with this ID, or it was taken back before.
pub async fn revoke_api_key(app: &App, id: Uuid) -> Result<()> {
    let transaction = store::begin(&app.db).await?;
    let sql = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL";
    if run_raw(&transaction, sql, [app.now().into(), id.into()]).await? == 0 {
        return Err(Error::NotFound(format!(
            "there is no API key {} in force",
            crate::ids::API_KEY.format(id)
        )));
    }
    let news = changes::write(app, &transaction, [Change::ApiKey(id)]).await?;
    transaction.commit().await?;
    news.tell(app);
    Ok(())
}

/// A token just made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The token itself, shown once.
    pub token: String,
    /// When it stops working.
    pub expires_at: chrono::DateTime<chrono::Utc>,
}

/// Makes a token for an agent's browser.
///
/// # Errors
/// `FORBIDDEN` for an agent who may do more than the editor; `NOT_FOUND`; `BAD_USER_INPUT` for a time
/// outside 1 to 720 minutes or an agent that is not active.
pub async fn issue_agent_token(
    app: &App,
    editor: AgentEditor,
    ttl_minutes: i64,
) -> Result<NewToken> {
    if !(1..=720).contains(&ttl_minutes) {
        let message = format!("ttlMinutes must be 1 to 720, not {ttl_minutes}");
        return Err(Error::bad_input("ttlMinutes", message));
    }
    let token = crate::secrets::token("fda", &app.ids.secret());
    let expires_at = app.now() + chrono::TimeDelta::minutes(ttl_minutes);
    let transaction = store::begin(&app.db).await?;
    let agent = access::hold(&transaction, editor).await?;
    if !agent.active {
        return Err(Error::bad_input("agentId", "the agent is not active"));
    }
    let record = agent_token::ActiveModel {
        token_hash: Set(app.secrets.hash(&token)),
        agent_id: Set(agent.id),
        expires_at: Set(expires_at),
    };
    agent_token::Entity::insert(record).exec_without_returning(&transaction).await?;
    transaction.commit().await?;
    Ok(NewToken { token, expires_at })
}

/// Ends all tokens of an agent, at once. What they have open is closed, and links to connect a calendar that were
/// asked for with one end: whoever stole it would connect a calendar of its own.
///
/// # Errors
/// `FORBIDDEN` for an agent who may do more than the editor; `NOT_FOUND`.
pub async fn revoke_agent_tokens(app: &App, editor: AgentEditor) -> Result<agent::Model> {
    let transaction = store::begin(&app.db).await?;
    let agent = access::hold(&transaction, editor).await?;
    agent_token::end_all(&transaction, agent.id).await?;
    store::authorization::end_asked(&transaction, agent.id).await?;
    let news = changes::write(app, &transaction, [Change::AgentTokens(agent.id)]).await?;
    transaction.commit().await?;
    news.tell(app);
    Ok(agent)
}

/// Ends what was given out for an agent, in the transaction that deactivates it or gives it another
/// profile: tokens, and links to connect a calendar. Its feed, and links that were mailed to it, end with the
/// deactivation only.
///
/// # Errors
/// None but the database's.
pub(super) async fn end_all_of(
    transaction: &DatabaseTransaction,
    before: &agent::Model,
    after: &agent::Model,
) -> Result<Option<Change>> {
    let is_deactivated = before.active && !after.active;
    if !is_deactivated && before.profile == after.profile {
        return Ok(None);
    }
    agent_token::end_all(transaction, after.id).await?;
    if is_deactivated {
        store::authorization::end_all(transaction, after.id).await?;
        store::calendar::feed::Entity::delete_by_id(after.id).exec(transaction).await?;
    } else {
        store::authorization::end_asked(transaction, after.id).await?;
    }
    Ok(Some(Change::AgentTokens(after.id)))
}

/// Returns once a caller's key or token was revoked, in any process; `None` for a visitor. Who listens to
/// changes is told; all who look at once share one read.
pub fn revoked(app: &Arc<App>, known: Known) -> Option<BoxFuture<'static, ()>> {
    let topic = match &known.caller {
        Caller::Visitor { .. } => return None,
        Caller::Key { id, .. } => Topic::ApiKey(*id),
        Caller::Agent { id, .. } => Topic::AgentTokens(*id),
    };
    let app = Arc::clone(app);
    let revoked = async move {
        let mut news = app.changes.listen(topic);
        loop {
            // Looked at first: it may have been revoked before anybody listened.
            match access::is_in_force(&app, &known).await {
                Ok(true) => {
                    news.next().await;
                }
                Ok(false) => return,
                Err(error) => {
                    log(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    Some(revoked.boxed())
}

fn log(error: &Error) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, "whether a key or token still works is not known");
}
