//! Connecting an agent's calendar, and how it stands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use calendar_provider::{
    CalendarProvider, ConnectMethod, ConnectRequest, Connection, ProviderError, Residence,
    TimeRange,
};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{Error, Result};
use crate::app::App;
use crate::store::agent::Candidate;
use crate::store::{self, JsonOf, agent, busy, calendar};

/// `status` of a calendar that can be read.
pub const CONNECTED: &str = "CONNECTED";

/// `status` of a calendar that its agent has to connect again.
pub const REAUTHENTICATION_REQUIRED: &str = "REAUTHENTICATION_REQUIRED";
/// `status` of a calendar that could not be read for too long.
pub const UNREACHABLE: &str = "UNREACHABLE";

/// `conference_kind` of a Google Meet link.
pub const GOOGLE_MEET: &str = "GOOGLE_MEET";
/// `conference_kind` of a Microsoft Teams link.
pub const MICROSOFT_TEAMS: &str = "MICROSOFT_TEAMS";

/// What decides whether a calendar can be trusted to say when its agent is free.
#[derive(Clone, Copy, Debug)]
pub struct Health<'a> {
    provider: &'a str,
    status: &'a str,
    last_synced_at: Option<DateTime<Utc>>,
}

impl<'a> Health<'a> {
    /// Of a candidate for a meeting.
    pub fn of(candidate: &'a Candidate) -> Self {
        Self {
            provider: &candidate.provider,
            status: &candidate.calendar_status,
            last_synced_at: candidate.last_synced_at,
        }
    }

    /// Whether it can be trusted now: connected, its provider at hand, and its busy time kept by
    /// ourselves or known to be fresh.
    pub fn is_good(self, app: &App) -> bool {
        let Some(provider) = app.providers.get(self.provider) else { return false };
        let staleness = TimeDelta::minutes(app.config.limits.calendar_staleness_minutes.into());
        let is_fresh = match provider.about().capabilities.residence {
            Residence::Local => true,
            Residence::Remote => {
                self.last_synced_at.is_some_and(|synced| app.now() < synced + staleness)
            }
        };
        self.status == CONNECTED && is_fresh
    }
}

/// Whether a calendar can be trusted now.
pub fn is_healthy(app: &App, calendar: &calendar::Model) -> bool {
    let health = Health {
        provider: &calendar.provider,
        status: &calendar.status,
        last_synced_at: calendar.last_synced_at,
    };
    health.is_good(app)
}

/// The provider with this key.
///
/// # Errors
/// `NOT_FOUND`.
pub fn provider<'a>(app: &'a App, id: &str) -> Result<&'a Arc<dyn CalendarProvider>> {
    app.providers.get(id).ok_or_else(|| {
        let known: Vec<&str> = app.providers.keys().map(String::as_str).collect();
        Error::NotFound(format!(
            "there is no such calendar provider; there are {}",
            known.join(", ")
        ))
    })
}

/// The agent's calendar, if one is connected.
///
/// # Errors
/// None but the database's.
pub async fn of_agent(app: &App, agent: Uuid) -> Result<Option<calendar::Model>> {
    let select = calendar::Entity::find().filter(calendar::Column::AgentId.eq(agent));
    Ok(select.one(&app.db).await?)
}

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
    super::agent::get(app, agent_id).await?;
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
    };
    super::agent::locked(app, agent_id, async |transaction, agent, changes| {
        let before = forget(transaction, agent_id).await?;
        if before.is_none() {
            changes.joined_at = Set(now);
        }
        calendar::Entity::insert(record).exec_without_returning(transaction).await?;
        if is_local(provider.as_ref()) {
            super::busy_time::restore(app, transaction, agent.id).await?;
        }
        Ok(())
    })
    .await
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
    super::agent::get(app, agent_id).await?;
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
    super::agent::locked(app, agent_id, async |transaction, _, _| {
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

/// What a provider is given to find the calendar again.
///
/// # Errors
/// `INTERNAL` where the credentials do not open: another secret key is in use.
pub fn open(app: &App, calendar: &calendar::Model) -> Result<Connection> {
    let plain = app.secrets.open(&calendar.credentials, calendar.id).map_err(Error::internal)?;
    let secret = String::from_utf8(plain).map_err(Error::internal)?;
    let owner = calendar.agent_id.to_string();
    Ok(Connection::new(owner, calendar.calendar_ref.clone(), secret.into()))
}

/// Notes that a calendar can't be used as it is, and why, in words for its agent. One that was
/// replaced or noted so meanwhile is left as it is.
///
/// # Errors
/// `NOT_FOUND` where there is no such agent.
pub(crate) async fn mark(
    app: &App,
    connection: &calendar::Model,
    status: &str,
    problem: &str,
) -> Result<()> {
    super::agent::locked(app, connection.agent_id, async |transaction, _, _| {
        let sql = "UPDATE calendar_connections SET status = ?, problem = ? \
            WHERE id = ? AND status <> ?";
        let values = [status.into(), problem.into(), connection.id.into(), status.into()];
        store::run_raw(transaction, sql, values).await?;
        Ok(())
    })
    .await?;
    Ok(())
}

/// Whether the provider's events live in our own database.
pub fn is_local(provider: &dyn CalendarProvider) -> bool {
    provider.about().capabilities.residence == Residence::Local
}

/// Whether bookings of this agent are to have a conference link: it wants one, and its calendar has
/// them to give.
pub fn adds_conference(app: &App, agent: &Candidate) -> bool {
    let provider = app.providers.get(&agent.provider);
    agent.include_conference_link
        && provider.is_some_and(|provider| provider.about().conference.is_some())
}

/// Asks the agent's calendar whether a slot, with the buffer around it, is free now. One that does
/// not answer is not free. Entries of our own bookings are left out: those are known better here.
///
/// # Errors
/// None but the database's.
pub async fn says_free(app: &App, agent: Uuid, slot: TimeRange, buffer: TimeDelta) -> Result<bool> {
    let Some(calendar) = of_agent(app, agent).await? else { return Ok(false) };
    let connection = match open(app, &calendar) {
        Ok(connection) => connection,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(agent.id = %agent, error, "a calendar's credentials can't be read");
            return Ok(false);
        }
    };
    let around = TimeRange::new(slot.start() - buffer, slot.end() + buffer);
    let around = around.map_err(Error::internal)?;
    let provider = provider(app, &calendar.provider)?;
    let answer = within_deadline(app, provider.free_busy(&connection, around)).await;
    let busy = match answer {
        Ok(busy) => busy,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(agent.id = %agent, error, "a calendar could not be read");
            return Ok(false);
        }
    };
    for interval in busy.into_iter().filter(|interval| interval.range.overlaps(around)) {
        let ours = match &interval.uid {
            Some(uid) => store::booking::is_ours(&app.db, agent, uid).await?,
            None => false,
        };
        if !ours {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the agent's calendar is one that lives in our own database.
///
/// # Errors
/// None but the database's.
pub async fn has_local<C: ConnectionTrait>(app: &App, db: &C, agent: Uuid) -> Result<bool> {
    let select = calendar::Entity::find().filter(calendar::Column::AgentId.eq(agent));
    let provider = select.one(db).await?.and_then(|found| app.providers.get(&found.provider));
    Ok(provider.is_some_and(|provider| is_local(provider.as_ref())))
}

/// Waits for a provider, but not for ever.
///
/// # Errors
/// The provider's own, or a transient one at the deadline.
pub async fn within_deadline<T>(
    app: &App,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let seconds = app.config.limits.provider_timeout_seconds.into();
    match tokio::time::timeout(Duration::from_secs(seconds), call).await {
        Ok(answer) => answer,
        Err(_) => Err(ProviderError::transient("it did not answer in time")),
    }
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

/// The providers that agents can connect, in order of their keys.
pub fn providers(app: &App) -> impl Iterator<Item = &Arc<dyn CalendarProvider>> {
    app.providers.values()
}

/// The secret address under which calendar programs read an agent's built-in calendar. Asking for
/// it again makes a new one, and the former stops working.
///
/// # Errors
/// `NOT_FOUND`; `BAD_USER_INPUT` where the agent's calendar is not the built-in one.
pub async fn create_feed(app: &App, agent_id: Uuid) -> Result<url::Url> {
    super::agent::get(app, agent_id).await?;
    super::busy_time::require_local_calendar(app, &app.db, agent_id).await?;
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
        .exec_without_returning(&app.db)
        .await?;
    let mut url = app.config.public_url.clone();
    crate::service::push_path(&mut url, &["feeds", &format!("{token}.ics")]);
    Ok(url)
}

/// Makes the feed's address stop working. False where there was none.
///
/// # Errors
/// `NOT_FOUND` where there is no such agent.
pub async fn revoke_feed(app: &App, agent_id: Uuid) -> Result<bool> {
    super::agent::get(app, agent_id).await?;
    let deleted = calendar::feed::Entity::delete_by_id(agent_id).exec(&app.db).await?;
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
    let agent = super::agent::get(app, feed.ok_or_else(unknown)?.agent_id).await?;
    if !agent.active || !has_local(app, &app.db, agent.id).await? {
        return Err(unknown());
    }
    let since = app.now() - TimeDelta::days(90);
    let events = store::busy::builtin::since(&app.db, agent.id, since).await?;
    Ok((agent, events))
}
