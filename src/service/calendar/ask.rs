//! Asking a calendar's provider, and noting that it can't be asked.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use calendar_provider::{CalendarProvider, Connection, ProviderError};
use chrono::TimeDelta;
use chrono_tz::Tz;
use sea_orm::DatabaseTransaction;

use super::{REAUTHENTICATION_REQUIRED, is_local, tokens};
use crate::app::App;
use crate::service::access::AgentEditor;
use crate::service::webhook::{Event, emit};
use crate::service::{Error, Result, schedule};
use crate::store::outbox::{self, About, Kind, New, Payload, Reauthentication};
use crate::store::{self, calendar};

/// Asks the provider of a calendar, with credentials that are good as far as we know. `call` is given
/// the provider and a connection of its own, and may be made twice:
///
/// ```ignore
/// let busy = ask(app, &record, |provider, connection| async move {
///     provider.free_busy(&connection, window).await
/// });
/// ```
///
/// # Errors
/// The provider's own; a transient one at the deadline and for a fault of ours. One that says
/// `Unauthorized` has taken the agent out of the queue already.
pub async fn ask<T, F, Answer>(
    app: &App,
    record: &calendar::Model,
    call: F,
) -> Result<T, ProviderError>
where
    F: Fn(Arc<dyn CalendarProvider>, Connection) -> Answer + Send + Sync,
    Answer: Future<Output = Result<T, ProviderError>> + Send,
    T: Send,
{
    ask_for(app, record, deadline(app), call).await
}

/// The same with a deadline of its own, for what may take many requests.
///
/// # Errors
/// As [`ask`].
pub async fn ask_for<T, F, Answer>(
    app: &App,
    record: &calendar::Model,
    deadline: Duration,
    call: F,
) -> Result<T, ProviderError>
where
    F: Fn(Arc<dyn CalendarProvider>, Connection) -> Answer + Send + Sync,
    Answer: Future<Output = Result<T, ProviderError>> + Send,
    T: Send,
{
    if record.status == REAUTHENTICATION_REQUIRED {
        return Err(ProviderError::unauthorized());
    }
    ask_in_spite(app, record, deadline, call).await
}

/// The same also where the agent has to mend the connection: it may be that not the authorization is
/// to be mended, but which calendars count.
///
/// # Errors
/// As [`ask`].
pub(super) async fn ask_in_spite<T, F, Answer>(
    app: &App,
    record: &calendar::Model,
    deadline: Duration,
    call: F,
) -> Result<T, ProviderError>
where
    F: Fn(Arc<dyn CalendarProvider>, Connection) -> Answer + Send + Sync,
    Answer: Future<Output = Result<T, ProviderError>> + Send,
    T: Send,
{
    let Some(provider) = app.providers.get(&record.provider) else {
        return Err(ProviderError::transient("this server does not have its provider"));
    };
    if !provider.about().configured {
        return Err(not_set_up());
    }
    let answer = attempt(app, provider, record, deadline, call).await;
    if let Err(error) = &answer
        && tokens::ended(error)
    {
        mark(app, record, REAUTHENTICATION_REQUIRED, &error.to_string()).await.map_err(fault)?;
    }
    answer
}

/// Asks once, and once more with other tokens where those at hand were not taken.
async fn attempt<T, F, Answer>(
    app: &App,
    provider: &Arc<dyn CalendarProvider>,
    record: &calendar::Model,
    deadline: Duration,
    call: F,
) -> Result<T, ProviderError>
where
    F: Fn(Arc<dyn CalendarProvider>, Connection) -> Answer + Send + Sync,
    Answer: Future<Output = Result<T, ProviderError>> + Send,
    T: Send,
{
    let mut opened = tokens::fresh(app, provider, record).await?;
    let floating_zone = floating_zone(app, provider.as_ref(), record).await.map_err(fault)?;
    opened.connection.floating_zone = floating_zone;
    let first = call(Arc::clone(provider), opened.connection.clone());
    let error = match within(deadline, first).await {
        Err(error) if tokens::ended(&error) => error,
        answer => return answer,
    };
    let Some(mut other) = tokens::other(app, provider, &opened).await? else { return Err(error) };
    other.connection.floating_zone = floating_zone;
    within(deadline, call(Arc::clone(provider), other.connection)).await
}

/// The agent's own zone, for events that name none; a calendar that is kept here has no such events.
async fn floating_zone(
    app: &App,
    provider: &dyn CalendarProvider,
    record: &calendar::Model,
) -> Result<Option<Tz>> {
    if is_local(provider) {
        return Ok(None);
    }
    let zone = store::agent::meeting_time_zone(&app.db, record.agent_id).await?;
    zone.as_deref().map(schedule::zone).transpose()
}

/// The operator has not given what the provider needs, or it was not there since this server started.
pub(super) fn not_set_up() -> ProviderError {
    ProviderError::transient("it is not set up on this server, or did not answer yet")
}

/// The agent can't mend it, but an operator who puts the key back can.
pub(super) fn unopened(error: Error) -> ProviderError {
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "a calendar's credentials don't open"
    );
    ProviderError::transient("its credentials do not open with this server's secret key")
}

/// A fault of ours, in words for whoever asked a provider.
pub(super) fn fault(error: Error) -> ProviderError {
    tracing::error!(error = error.source(), "a calendar can't be asked for a fault of ours");
    ProviderError::transient("this server met a fault")
}

/// Waits for a provider, but not for ever.
///
/// # Errors
/// The provider's own, or a transient one at the deadline.
pub async fn within_deadline<T>(
    app: &App,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    within(deadline(app), call).await
}

/// How long a provider may take to answer a request.
pub(super) fn deadline(app: &App) -> Duration {
    Duration::from_secs(app.config.limits.provider_timeout_seconds.into())
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer,
        Err(_) => Err(ProviderError::transient("it did not answer in time")),
    }
}

/// Notes that a calendar can't be used as it is, and why, in words for its agent. One that was
/// replaced or noted so meanwhile is left as it is, so the agent reads of each outage once.
///
/// # Errors
/// `NOT_FOUND` where there is no such agent.
pub(crate) async fn mark(
    app: &App,
    connection: &calendar::Model,
    status: &str,
    problem: &str,
) -> Result<()> {
    let server = AgentEditor::server(connection.agent_id);
    crate::service::agent::locked(app, server, async |transaction, _, _| {
        let sql = "UPDATE calendar_connections SET status = ?, problem = ? \
            WHERE id = ? AND status <> ?";
        let values = [status.into(), problem.into(), connection.id.into(), status.into()];
        let marked = store::run_raw(transaction, sql, values).await?;
        if marked == 1 && status == REAUTHENTICATION_REQUIRED {
            outbox::put(transaction, vec![word(app, connection)]).await?;
        }
        if marked == 1 {
            tell_webhooks(app, transaction, connection, status, Some(problem)).await?;
        }
        Ok(())
    })
    .await?;
    app.wake.notify_one();
    Ok(())
}

/// Tells webhooks that a calendar can't be read any more.
pub(super) async fn tell_webhooks(
    app: &App,
    transaction: &DatabaseTransaction,
    connection: &calendar::Model,
    status: &str,
    problem: Option<&str>,
) -> Result<()> {
    let event = Event::CalendarDisconnected {
        agent: connection.agent_id,
        calendar: connection.id,
        provider: &connection.provider,
        status,
        problem,
    };
    emit(app, transaction, event).await
}

/// Word to the agent that the calendar must be connected again.
fn word(app: &App, connection: &calendar::Model) -> New {
    let now = app.now();
    let kept = TimeDelta::minutes(app.config.delivery.give_up_after_minutes.into());
    let id = app.uuid();
    New {
        id,
        kind: Kind::ReauthenticationMail,
        about: About { agent: Some(connection.agent_id), ..About::default() },
        payload: Payload::Reauthentication(Reauthentication { reauthenticate: connection.id }),
        dedup_key: format!("{}/{id}", Kind::ReauthenticationMail.as_str()),
        run_at: now,
        give_up_at: now + kept,
        created_at: now,
    }
}
