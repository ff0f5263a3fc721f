//! The tokens of connections over OAuth: kept sealed, refreshed early, by one at a time.
//!
//! A refresh token may be good for one use only (RFC 9700, section 4.14.2), so two processes must
//! never use one at once: who refreshes holds a lease in the connection's row, and the statement that
//! writes the new tokens ends it. What no lease can mend is a process that dies between the
//! provider's answer and that statement: where the provider rotates, the new token is lost with it, and
//! the agent is asked to connect again.

use std::sync::Arc;
use std::time::Duration;

use calendar_http::HttpClient;
use calendar_provider::{CalendarProvider, Connection, ErrorClass, OAuth2, ProviderError};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::oauth::{self, Granted, Refused};
use super::{REAUTHENTICATION_REQUIRED, ask};
use crate::app::App;
use crate::clock::Clock;
use crate::ids::IdSource;
use crate::secrets::Secrets;
use crate::service::{Error, Result};
use crate::store::{calendar, run_raw};

/// How long before its end a token is refreshed: as far as clocks may differ.
const EARLY: TimeDelta = TimeDelta::minutes(5);
/// The first wait for tokens that somebody else is refreshing; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often new tokens are written again where the database fails for a moment.
const WRITES: u32 = 6;
/// What sealed tokens begin with, and a provider's own credentials never do: those are text, and in
/// UTF-8 there is no such byte (RFC 3629, section 1). What is kept says itself what it is, for a
/// provider may not be there to be asked how it connects.
const TOKENS: u8 = 0xff;

/// What is kept of a grant, sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    access_token: String,
    refresh_token: Option<String>,
    issued_at: DateTime<Utc>,
}

/// A connection that a provider can be asked about.
pub(super) struct Opened {
    /// As its row was.
    pub(super) record: calendar::Model,
    /// What the provider is given.
    pub(super) connection: Connection,
    /// Its tokens, where it is one over OAuth.
    kept: Option<Kept>,
}

impl Kept {
    pub(super) fn new(granted: &Granted) -> Self {
        Self {
            access_token: granted.access_token.expose_secret().to_owned(),
            refresh_token: granted.refresh_token.as_ref().map(|it| it.expose_secret().to_owned()),
            issued_at: granted.issued_at,
        }
    }

    pub(super) fn seal(&self, secrets: &Secrets, row: Uuid, random: &[u8; 32]) -> Result<Vec<u8>> {
        let mut plain = vec![TOKENS];
        serde_json::to_writer(&mut plain, self).map_err(Error::internal)?;
        let plain = SecretSlice::from(plain);
        Ok(secrets.seal(plain.expose_secret(), row, random))
    }

    /// None where what is sealed are a provider's own credentials.
    fn read(plain: &[u8]) -> Result<Option<Self>> {
        let Some(tokens) = plain.strip_prefix(&[TOKENS]) else { return Ok(None) };
        // Serde's own errors would show what they stumbled over.
        let kept = serde_json::from_slice(tokens)
            .map_err(|_| Error::internal(anyhow::anyhow!("tokens are not kept as they should be")));
        kept.map(Some)
    }

    fn open(secrets: &Secrets, sealed: &[u8], row: Uuid) -> Result<Self> {
        let plain = secrets.open(sealed, row).map_err(Error::internal)?;
        let none = || Error::internal(anyhow::anyhow!("there are no tokens to refresh"));
        Self::read(&plain)?.ok_or_else(none)
    }

    /// The token whose end is the end of the grant.
    pub(super) fn to_revoke(&self) -> SecretString {
        self.refresh_token.as_ref().unwrap_or(&self.access_token).clone().into()
    }

    /// Whether the access token is to be refreshed before it is used: less than [`EARLY`] is left of
    /// it, or less than half where that is shorter.
    fn is_due(&self, expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let Some(expires_at) = expires_at else { return false };
        let early = EARLY.min((expires_at - self.issued_at) / 2);
        self.refresh_token.is_some() && expires_at - now <= early
    }
}

/// Whether a connection is one over OAuth, as far as its credentials open.
pub(super) fn are_kept_in(app: &App, record: &calendar::Model) -> bool {
    open(app, record).is_ok_and(|opened| opened.kept.is_some())
}

/// What the provider is given, with the tokens as they are kept.
///
/// # Errors
/// `INTERNAL` where the credentials do not open: another secret key is in use.
pub(super) fn open(app: &App, record: &calendar::Model) -> Result<Opened> {
    let owner = record.agent_id.to_string();
    let plain = app.secrets.open(&record.credentials, record.id).map_err(Error::internal)?;
    let kept = Kept::read(&plain)?;
    let secret = match &kept {
        Some(kept) => SecretString::from(kept.access_token.clone()),
        None => String::from_utf8(plain).map_err(Error::internal)?.into(),
    };
    let mut connection = Connection::new(owner, record.calendar_ref.clone(), secret);
    connection.also_busy = record.also_busy.0.clone();
    Ok(Opened { record: record.clone(), connection, kept })
}

/// The same, with tokens that are good for a while yet as far as we know.
///
/// # Errors
/// `Unauthorized` where the grant ended; a transient one where the connection was replaced.
pub(super) async fn fresh(
    app: &App,
    provider: &Arc<dyn CalendarProvider>,
    record: &calendar::Model,
) -> Result<Opened, ProviderError> {
    let opened = open(app, record).map_err(ask::unopened)?;
    let (now, expires_at) = (app.now(), record.token_expires_at);
    if !opened.kept.as_ref().is_some_and(|kept| kept.is_due(expires_at, now)) {
        return Ok(opened);
    }
    let still_good = expires_at.is_none_or(|end| now < end);
    let wait = if still_good { Wait::No } else { Wait::UntilRefreshed };
    match renew(app, provider, &opened, wait).await {
        // The token at hand does until the authorization server is back.
        Err(error) if still_good && error.is_retryable() => Ok(opened),
        renewed => renewed,
    }
}

/// The same, with other tokens than `stale`, which the provider did not take. None where there is no
/// way to other ones.
///
/// # Errors
/// As [`fresh`].
pub(super) async fn other(
    app: &App,
    provider: &Arc<dyn CalendarProvider>,
    stale: &Opened,
) -> Result<Option<Opened>, ProviderError> {
    match &stale.kept {
        Some(Kept { refresh_token: Some(_), .. }) => {
            renew(app, provider, stale, Wait::UntilRefreshed).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// What to do while somebody else refreshes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    UntilRefreshed,
    No,
}

async fn renew(
    app: &App,
    provider: &Arc<dyn CalendarProvider>,
    stale: &Opened,
    wait: Wait,
) -> Result<Opened, ProviderError> {
    let Some(client) = provider.oauth2() else {
        return Err(ProviderError::transient("it is not set up on this server"));
    };
    let timeout = Duration::from_secs(app.config.limits.provider_timeout_seconds.into());
    let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
    loop {
        let found = calendar::Entity::find_by_id(stale.record.id).one(&app.db).await;
        let Some(record) = found.map_err(broken)? else {
            return Err(replaced());
        };
        // Who asks in spite of that status tries whether the grant still is.
        if record.status == REAUTHENTICATION_REQUIRED && record.status != stale.record.status {
            return Err(ProviderError::unauthorized());
        }
        if record.credentials != stale.record.credentials {
            return open(app, &record).map_err(ask::unopened);
        }
        // In a task of its own: a caller that gives up must neither lose what the provider answers nor leave
        // a lease behind.
        let refreshed = tokio::spawn(Refresh::new(app, client, record).claim_and_run()).await;
        let refreshed = refreshed.map_err(|error| {
            ProviderError::transient("this server met a fault").with_source(error)
        })?;
        if let Some(refreshed) = refreshed? {
            return open(app, &refreshed).map_err(ask::unopened);
        }
        if wait == Wait::No || timeout <= waited {
            return Err(ProviderError::transient("its tokens are being refreshed"));
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A refresh: all that it needs, since it outlives whoever began it.
struct Refresh {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    secrets: Secrets,
    http: HttpClient,
    client: OAuth2,
    record: calendar::Model,
    lease: Uuid,
    process: Uuid,
    /// Longer than the request and the writes after it can take.
    lease_for: TimeDelta,
}

/// The client for requests to authorization servers.
pub(super) fn http(app: &App) -> HttpClient {
    let seconds = app.config.limits.provider_timeout_seconds.into();
    app.http.with_deadline(Duration::from_secs(seconds))
}

impl Refresh {
    fn new(app: &App, client: &OAuth2, record: calendar::Model) -> Self {
        let seconds = i64::from(app.config.limits.provider_timeout_seconds);
        Self {
            db: app.db.clone(),
            clock: Arc::clone(&app.clock),
            ids: Arc::clone(&app.ids),
            secrets: app.secrets.clone(),
            http: http(app),
            client: client.clone(),
            record,
            lease: app.uuid(),
            process: app.process,
            lease_for: TimeDelta::seconds(2 * seconds + 10),
        }
    }

    /// None where somebody else refreshes, or the tokens are other ones by now.
    async fn claim_and_run(self) -> Result<Option<calendar::Model>, ProviderError> {
        if self.claim().await.map_err(broken)? { self.run().await.map(Some) } else { Ok(None) }
    }

    /// Takes the lease on the connection's tokens, if nobody has it and they are as in `record`.
    async fn claim(&self) -> Result<bool, DbErr> {
        let now = self.clock.now();
        let sql = "UPDATE calendar_connections SET refresh_lease_id = ?, refresh_lease_until = ?, \
            refresh_lease_process = ? WHERE id = ? AND credentials = ? \
            AND (refresh_lease_until IS NULL OR refresh_lease_until <= ?)";
        let values = [
            self.lease.into(),
            (now + self.lease_for).into(),
            self.process.into(),
            self.record.id.into(),
            self.record.credentials.clone().into(),
            now.into(),
        ];
        Ok(run_raw(&self.db, sql, values).await? != 0)
    }

    async fn run(self) -> Result<calendar::Model, ProviderError> {
        let kept = Kept::open(&self.secrets, &self.record.credentials, self.record.id);
        let kept = kept.map_err(ask::unopened)?;
        let refresh_token = kept.refresh_token.as_deref().unwrap_or_default();
        let now = self.clock.now();
        match oauth::refresh(&self.http, &self.client, refresh_token, now).await {
            Ok(granted) => self.keep(&kept, &granted).await,
            Err(refused) => {
                self.release().await.map_err(broken)?;
                Err(match refused {
                    Refused::Grant => ProviderError::unauthorized(),
                    Refused::Other(error) => error,
                })
            }
        }
    }

    /// Writes the new tokens and ends the lease, in one statement. A provider that rotates has
    /// forgotten the former ones by now, so a database that fails for a moment is tried again.
    async fn keep(
        &self,
        before: &Kept,
        granted: &Granted,
    ) -> Result<calendar::Model, ProviderError> {
        let mut kept = Kept::new(granted);
        kept.refresh_token = kept.refresh_token.or_else(|| before.refresh_token.clone());
        let random = self.ids.secret();
        let sealed = kept.seal(&self.secrets, self.record.id, &random).map_err(ask::fault)?;
        let mut record = self.record.clone();
        record.credentials = sealed;
        record.token_expires_at = granted.expires_at;
        let mut pause = FIRST_PAUSE;
        for _ in 1..WRITES {
            match self.write(&record).await {
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(calendar.id = %record.id, error, "new tokens are written again");
                }
                Ok(true) => return Ok(record),
                Ok(false) => return Err(replaced()),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        match self.write(&record).await.map_err(broken)? {
            true => Ok(record),
            false => Err(replaced()),
        }
    }

    /// False where the connection was replaced meanwhile, or the lease lost.
    async fn write(&self, record: &calendar::Model) -> Result<bool, DbErr> {
        let sql = "UPDATE calendar_connections SET credentials = ?, token_expires_at = ?, \
            refresh_lease_id = NULL, refresh_lease_until = NULL, refresh_lease_process = NULL \
            WHERE id = ? AND refresh_lease_id = ?";
        let values = [
            record.credentials.clone().into(),
            record.token_expires_at.into(),
            record.id.into(),
            self.lease.into(),
        ];
        Ok(run_raw(&self.db, sql, values).await? == 1)
    }

    async fn release(&self) -> Result<(), DbErr> {
        let sql = "UPDATE calendar_connections SET refresh_lease_id = NULL, \
            refresh_lease_until = NULL, refresh_lease_process = NULL WHERE id = ? AND refresh_lease_id = ?";
        run_raw(&self.db, sql, [self.record.id.into(), self.lease.into()]).await?;
        Ok(())
    }
}

/// The connection is no more, and whoever asks again is given the one in its place.
fn replaced() -> ProviderError {
    ProviderError::transient("another calendar was connected meanwhile")
}

/// A database that fails, in words for whoever asked a provider.
fn broken(error: DbErr) -> ProviderError {
    ask::fault(error.into())
}

/// Whether a refusal means that only the agent can mend it.
pub(super) fn ended(error: &ProviderError) -> bool {
    error.class() == ErrorClass::Unauthorized
}

impl Opened {
    /// The token whose end is the end of the grant, where it is a connection over OAuth.
    pub(super) fn to_revoke(&self) -> Option<SecretString> {
        self.kept.as_ref().map(Kept::to_revoke)
    }
}

/// What the provider is given of a connection that has no row any more, with a new access token where
/// the one at hand ended. What comes is not kept: it is for the end of the grant.
///
/// # Errors
/// `Unauthorized` where the grant ended already.
pub(super) async fn once_more(
    app: &App,
    provider: &Arc<dyn CalendarProvider>,
    mut opened: Opened,
) -> Result<Opened, ProviderError> {
    let (now, expires_at) = (app.now(), opened.record.token_expires_at);
    let (Some(kept), Some(client)) = (&mut opened.kept, provider.oauth2()) else {
        return Ok(opened);
    };
    let Some(refresh_token) = kept.refresh_token.clone().filter(|_| kept.is_due(expires_at, now))
    else {
        return Ok(opened);
    };
    match oauth::refresh(&http(app), client, &refresh_token, now).await {
        Ok(granted) => {
            let before = kept.refresh_token.take();
            *kept = Kept::new(&granted);
            kept.refresh_token = kept.refresh_token.take().or(before);
            opened.connection.credentials = granted.access_token;
            Ok(opened)
        }
        Err(Refused::Grant) => Err(ProviderError::unauthorized()),
        Err(Refused::Other(error)) => Err(error),
    }
}
