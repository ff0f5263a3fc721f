//! Asking a calendar's provider, and noting that it can't be asked.

use std::time::Duration;

use calendar_provider::{Connection, ProviderError};

use crate::app::App;
use crate::service::{Error, Result};
use crate::store::{self, calendar};

/// What a provider is given to find the calendar again.
///
/// # Errors
/// `INTERNAL` where the credentials do not open: another secret key is in use.
pub fn open(app: &App, calendar: &calendar::Model) -> Result<Connection> {
    let plain = app.secrets.open(&calendar.credentials, calendar.id).map_err(Error::internal)?;
    let secret = String::from_utf8(plain).map_err(Error::internal)?;
    let owner = calendar.agent_id.to_string();
    let mut connection = Connection::new(owner, calendar.calendar_ref.clone(), secret.into());
    connection.also_busy = calendar.also_busy.0.clone();
    Ok(connection)
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
    crate::service::agent::locked(app, connection.agent_id, async |transaction, _, _| {
        let sql = "UPDATE calendar_connections SET status = ?, problem = ? \
            WHERE id = ? AND status <> ?";
        let values = [status.into(), problem.into(), connection.id.into(), status.into()];
        store::run_raw(transaction, sql, values).await?;
        Ok(())
    })
    .await?;
    Ok(())
}
