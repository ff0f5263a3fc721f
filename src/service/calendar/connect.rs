//! Connecting and disconnecting.

use std::collections::BTreeMap;

use calendar_provider::{CalendarProvider, ConnectMethod, ConnectRequest, ProviderError};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{CONNECTED, is_local, provider, within_deadline};
use crate::app::App;
use crate::service::{Error, Result};
use crate::store::{JsonOf, agent, busy, calendar};

/// Connects a calendar, after trying the credentials. It replaces the agent's former one, and the
/// agent is in the queue from now on.
///
/// # Errors
/// `NOT_FOUND`; `BAD_USER_INPUT` for a provider that connects otherwise, or credentials that do not
/// work; `UPSTREAM_UNAVAILABLE` where the provider does not answer.
pub async fn connect(
    app: &App,
    agent_id: Uuid,
    provider_id: &str,
    credentials: BTreeMap<String, SecretString>,
) -> Result<agent::Model> {
    let provider = provider(app, provider_id)?;
    crate::service::agent::get(app, agent_id).await?;
    check_fields(provider.as_ref(), &credentials)?;
    let mut request = ConnectRequest::new(agent_id.to_string());
    request.credentials = credentials;
    let account = within_deadline(app, provider.connect(request)).await.map_err(refused)?;
    // Gathered above, outside the transaction.
    let id = app.uuid();
    let now = app.now();
    let secret = account.credentials.expose_secret().as_bytes();
    let record = calendar::ActiveModel {
        id: Set(id),
        agent_id: Set(agent_id),
        provider: Set(provider_id.to_owned()),
        account: Set(account.account),
        calendar_name: Set(account.calendar_name),
        calendar_ref: Set(account.calendar_ref),
        status: Set(CONNECTED.to_owned()),
        problem: Set(None),
        granted_scopes: Set(JsonOf(Vec::new())),
        credentials: Set(app.secrets.seal(secret, id, &app.ids.secret())),
        connected_at: Set(now),
        last_synced_at: Set(is_local(provider.as_ref()).then_some(now)),
        time_zone: Set(account.time_zone.map(|zone| zone.name().to_owned())),
        language: Set(account.language),
        calendars: Set(JsonOf(Vec::new())),
        also_busy: Set(JsonOf(Vec::new())),
        token_expires_at: Set(None),
        refresh_lease_id: Set(None),
        refresh_lease_until: Set(None),
    };
    let connected =
        crate::service::agent::locked(app, agent_id, async |transaction, agent, changes| {
            let before = forget(transaction, agent_id).await?;
            if before.is_none() {
                changes.joined_at = Set(now);
            }
            let record = calendar::Entity::insert(record).exec_with_returning(transaction).await?;
            crate::service::sync::begin(transaction, app, &record).await?;
            if is_local(provider.as_ref()) {
                crate::service::busy_time::restore(app, transaction, agent.id).await?;
            }
            Ok(())
        });
    let connected = connected.await?;
    app.wake_sync.notify_one();
    Ok(connected)
}

/// Begins to connect a calendar through its provider's own pages. No provider of this build connects
/// that way, so every call says which way the named one takes.
///
/// # Errors
/// `NOT_FOUND`; `BAD_USER_INPUT`.
pub async fn start_authorization(
    app: &App,
    agent_id: Uuid,
    provider_id: &str,
    _return_url: Option<String>,
) -> Result<url::Url> {
    let about = provider(app, provider_id)?.about();
    crate::service::agent::get(app, agent_id).await?;
    let message = match about.connect_with {
        ConnectMethod::OAuth2 => format!("{} is not set up on this server", about.name),
        _ => format!("{} connects through connectCalendar", about.name),
    };
    Err(Error::bad_input("input.providerId", message))
}

/// Disconnects the agent's calendar: out of the queue until another is connected.
///
/// # Errors
/// `NOT_FOUND` where there is no agent or none is connected.
pub async fn disconnect(app: &App, agent_id: Uuid) -> Result<agent::Model> {
    crate::service::agent::locked(app, agent_id, async |transaction, _, _| {
        match forget(transaction, agent_id).await? {
            Some(_) => Ok(()),
            None => Err(Error::NotFound("the agent has no calendar connected".to_owned())),
        }
    })
    .await
}

/// Takes out the connection and what was known from it.
async fn forget(
    transaction: &sea_orm::DatabaseTransaction,
    agent: Uuid,
) -> Result<Option<calendar::Model>> {
    let select = calendar::Entity::find().filter(calendar::Column::AgentId.eq(agent));
    let before = select.one(transaction).await?;
    if let Some(calendar) = &before {
        calendar::Entity::delete_by_id(calendar.id).exec(transaction).await?;
    }
    busy::Entity::delete_many().filter(busy::Column::AgentId.eq(agent)).exec(transaction).await?;
    Ok(before)
}

fn check_fields(
    provider: &dyn CalendarProvider,
    given: &BTreeMap<String, SecretString>,
) -> Result<()> {
    let about = provider.about();
    if about.connect_with == ConnectMethod::OAuth2 {
        let message = format!("{} connects through startCalendarAuthorization", about.name);
        return Err(Error::bad_input("input.providerId", message));
    }
    if !about.configured {
        let message = format!("{} is not set up on this server", about.name);
        return Err(Error::bad_input("input.providerId", message));
    }
    let field = "input.credentials";
    if let Some(missing) = about.credential_fields.iter().find(|f| !given.contains_key(&f.name)) {
        return Err(Error::bad_input(field, format!("{} is missing", missing.name)));
    }
    let known = |name: &String| about.credential_fields.iter().any(|field| field.name == *name);
    match given.keys().find(|name| !known(name)) {
        Some(_) => Err(Error::bad_input(field, format!("{} takes no such credential", about.name))),
        None => Ok(()),
    }
}

/// A provider's refusal, in words for the caller. Its own message never holds a secret.
fn refused(error: ProviderError) -> Error {
    tracing::info!(error = &error as &dyn std::error::Error, "a calendar could not be connected");
    match &error {
        ProviderError::InvalidCredentials { .. } | ProviderError::Unauthorized { .. } => {
            Error::bad_input("input.credentials", error.to_string())
        }
        _ => Error::Upstream(error.to_string()),
    }
}
