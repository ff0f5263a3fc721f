//! Connecting and disconnecting.

use std::collections::BTreeMap;

use calendar_provider::{
    CalendarProvider, ConnectMethod, ConnectRequest, ConnectedAccount, Connection, ProviderError,
};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect, Set,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::parting::{self, Part};
use super::{CONNECTED, ask, is_local, provider, within_deadline};
use crate::app::App;
use crate::service::access::AgentEditor;
use crate::service::webhook::DISCONNECTED;
use crate::service::{Error, Result};
use crate::store::calendar::Listed;
use crate::store::{JsonOf, agent, busy, calendar, outbox};

/// A calendar that was tried and works, to be put in the place of the agent's former one.
pub(super) struct Tried {
    /// The connection's ID, for which its credentials are sealed.
    pub(super) id: Uuid,
    pub(super) account: ConnectedAccount,
    /// The account's calendars; none where they could not be listed, or its provider lists none.
    pub(super) calendars: Option<Vec<Listed>>,
    pub(super) granted_scopes: Vec<String>,
    pub(super) sealed: Vec<u8>,
    pub(super) token_expires_at: Option<DateTime<Utc>>,
}

/// Connects a calendar, after trying the credentials. It replaces the agent's former one, and the
/// agent is in the queue as soon as it was read.
///
/// # Errors
/// `NOT_FOUND`; `BAD_USER_INPUT` for a provider that connects otherwise, or credentials that do not
/// work; `UPSTREAM_UNAVAILABLE` where the provider does not answer.
pub async fn connect(
    app: &App,
    editor: AgentEditor,
    provider_id: &str,
    credentials: BTreeMap<String, SecretString>,
) -> Result<agent::Model> {
    let provider = provider(app, provider_id)?;
    let agent_id = editor.read(app).await?.id;
    check_fields(provider.as_ref(), &credentials)?;
    let mut request = ConnectRequest::new(agent_id.to_string());
    request.credentials = credentials;
    let account = within_deadline(app, provider.connect(request)).await.map_err(refused)?;
    let id = app.uuid();
    let secret = account.credentials.clone();
    let calendars = list(app, provider.as_ref(), agent_id, &account, secret.clone()).await;
    let tried = Tried {
        id,
        account,
        calendars,
        granted_scopes: Vec::new(),
        sealed: app.secrets.seal(secret.expose_secret().as_bytes(), id, &app.ids.secret()),
        token_expires_at: None,
    };
    replace(app, editor, provider.as_ref(), tried).await
}

/// The account's calendars, where its provider lists them. Connecting does not fail for want of the
/// list, unless a selection is to be kept: it is asked for again when the agent picks from it.
pub(super) async fn list(
    app: &App,
    provider: &dyn CalendarProvider,
    agent: Uuid,
    account: &ConnectedAccount,
    secret: SecretString,
) -> Option<Vec<Listed>> {
    if !provider.about().capabilities.calendars {
        return None;
    }
    let connection = Connection::new(agent.to_string(), account.calendar_ref.clone(), secret);
    match within_deadline(app, provider.calendars(&connection)).await {
        Ok(calendars) => Some(calendars.into_iter().map(Listed::from).collect()),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(agent.id = %agent, error, "an account's calendars could not be listed");
            None
        }
    }
}

/// Puts a calendar that works in the place of the agent's former one, whose provider is told of the
/// end of that; all in one transaction. Whatever waited for a calendar that works goes on.
pub(super) async fn replace(
    app: &App,
    editor: AgentEditor,
    provider: &dyn CalendarProvider,
    tried: Tried,
) -> Result<agent::Model> {
    let agent_id = editor.agent();
    let now = app.now();
    let give_up_at = now + TimeDelta::minutes(app.config.delivery.give_up_after_minutes.into());
    let connected =
        crate::service::agent::locked(app, editor, async |transaction, agent, changes| {
            let before = forget(app, transaction, agent_id).await?;
            if before.is_none() {
                changes.joined_at = Set(now);
            }
            let record = record(app, agent_id, provider, tried, before.as_ref())?;
            let row = record.clone().into_active_model().reset_all();
            calendar::Entity::insert(row).exec_without_returning(transaction).await?;
            if is_local(provider) {
                crate::service::busy_time::restore(app, transaction, agent.id).await?;
            }
            crate::service::sync::begin(transaction, app, &record).await?;
            Ok(outbox::resume_events(transaction, agent_id, now, give_up_at).await?)
        });
    let connected = connected.await?;
    app.wake.notify_one();
    app.wake_sync.notify_one();
    Ok(connected)
}

/// The connection's row. An account that is connected again keeps the calendars that its agent picked,
/// as far as they are still there. Whether they are must be known: another server may have an account of
/// the same name, and a calendar that silently no longer counts lets its agent be booked twice.
fn record(
    app: &App,
    agent_id: Uuid,
    provider: &dyn CalendarProvider,
    tried: Tried,
    before: Option<&calendar::Model>,
) -> Result<calendar::Model> {
    let now = app.now();
    let Tried { id, account, calendars, granted_scopes, sealed, token_expires_at } = tried;
    let about = provider.about();
    let same =
        before.filter(|before| before.provider == about.id && before.account == account.account);
    let has_picked = |before: &calendar::Model| {
        before.calendar_ref != account.calendar_ref || !before.also_busy.0.is_empty()
    };
    if about.capabilities.calendars && calendars.is_none() && same.is_some_and(has_picked) {
        return Err(Error::Upstream("the account's calendars could not be listed".to_owned()));
    }
    let is_there = |wanted: &String, must_write: bool| match &calendars {
        Some(listed) => listed
            .iter()
            .any(|listed| listed.calendar_ref == *wanted && (listed.writable || !must_write)),
        None => *wanted == account.calendar_ref,
    };
    let picked = same.filter(|before| is_there(&before.calendar_ref, about.capabilities.writes));
    let (calendar_ref, calendar_name, also_busy) = match picked {
        Some(before) => {
            let also = before.also_busy.0.iter().filter(|other| is_there(other, false)).cloned();
            (before.calendar_ref.clone(), before.calendar_name.clone(), also.collect())
        }
        None => (account.calendar_ref, account.calendar_name, Vec::new()),
    };
    Ok(calendar::Model {
        id,
        agent_id,
        provider: about.id.clone(),
        account: account.account,
        calendar_name,
        calendar_ref,
        status: CONNECTED.to_owned(),
        problem: None,
        granted_scopes: JsonOf(granted_scopes),
        credentials: sealed,
        connected_at: now,
        selected_at: None,
        last_synced_at: is_local(provider).then_some(now),
        time_zone: account.time_zone.map(|zone| zone.name().to_owned()),
        language: account.language,
        calendars: JsonOf(calendars.unwrap_or_default()),
        also_busy: JsonOf(also_busy),
        token_expires_at,
        refresh_lease_id: None,
        refresh_lease_until: None,
        refresh_lease_process: None,
    })
}

/// Disconnects the agent's calendar: out of the queue until another is connected. Bookings and their
/// entries stay.
///
/// # Errors
/// `NOT_FOUND` where there is no agent or none is connected.
pub async fn disconnect(app: &App, editor: AgentEditor) -> Result<agent::Model> {
    let agent_id = editor.agent();
    let disconnected = crate::service::agent::locked(app, editor, async |transaction, _, _| {
        match forget(app, transaction, agent_id).await? {
            Some(calendar) => {
                ask::tell_webhooks(app, transaction, &calendar, DISCONNECTED, None).await
            }
            None => Err(Error::NotFound("the agent has no calendar connected".to_owned())),
        }
    });
    let disconnected = disconnected.await?;
    app.wake.notify_one();
    Ok(disconnected)
}

/// Takes out the connection and what was known from it, and writes down what its provider is to be
/// told. Tokens and channels that are new by then are waited for.
async fn forget(
    app: &App,
    transaction: &DatabaseTransaction,
    agent: Uuid,
) -> Result<Option<calendar::Model>> {
    let select = calendar::Entity::find().filter(calendar::Column::AgentId.eq(agent));
    let before = select.lock_exclusive().one(transaction).await?;
    if let Some(calendar) = &before {
        let read = parting::read_through(transaction, calendar.id).await?;
        parting::write(app, transaction, calendar, Part::Whole, &read).await?;
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
        return Err(super::not_set_up(about));
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
