//! Connecting over OAuth, from the consent page back: nothing that comes with the browser is believed
//! before it was compared with what was written down when it left.

use std::sync::Arc;

use calendar_provider::{ConnectRequest, ConnectedAccount, OAuth2, Permission, ProviderError};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tracing::Instrument;
use url::Url;
use uuid::Uuid;

use super::connect::{self, Tried};
use super::oauth::{self, Granted, Refused};
use super::tokens::{self, Kept};
use super::{authorization, parting, provider, within_deadline};
use crate::app::App;
use crate::service::Error;
use crate::service::access::{self, AgentEditor};
use crate::store::authorization as store;

/// What a browser brought back (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Clone, Debug, Default)]
pub struct Callback {
    /// `state`.
    pub state: String,
    /// `code`.
    pub code: Option<SecretString>,
    /// `error`.
    pub error: Option<String>,
    /// `iss`.
    pub iss: Option<String>,
}

/// Why a calendar was not connected.
#[derive(Debug)]
pub enum Problem {
    /// The link was used, is too old, or is none of ours.
    Unknown,
    /// It began in another browser.
    OtherBrowser,
    /// The answer is not from the server that was asked.
    OtherIssuer,
    /// The agent, or an administrator, said no.
    Denied,
    /// These were not granted, in plain words.
    Missing(Vec<String>),
    /// It is another account than the one to mend.
    OtherAccount(String),
    /// The provider did not answer, or not so that it could be read.
    Unreachable,
    /// The provider refused, in words of our own.
    Refused(String),
    /// The calendar works.
    NotNeeded,
    /// A fault of ours.
    Fault(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            // The agent may do more by now than whoever sent the browser off.
            Error::NotFound(_) | Error::Forbidden(_) => Self::Unknown,
            Error::BadInput { message, .. } => Self::Refused(message),
            Error::Upstream(_) => Self::Unreachable,
            other => Self::Fault(other),
        }
    }
}

/// What came of it, for whoever sits in front of the browser.
#[derive(Debug)]
pub struct Told {
    /// The agent's language, where the browser is the agent's.
    pub locale: String,
    /// What people call the provider, where it is known.
    pub provider: Option<String>,
    /// Where the browser goes next.
    pub return_url: Option<Url>,
    /// The account that was connected.
    pub outcome: Result<String, Problem>,
    /// The authorization, for the cookie that is no longer needed.
    pub authorization: Option<Uuid>,
}

/// Takes in a browser that comes back. `cookie` looks up what [`SentOn`](super::SentOn) gave it.
pub async fn finish(
    app: &Arc<App>,
    callback: Callback,
    cookie: impl Fn(Uuid) -> Option<String>,
) -> Told {
    // Taken out before anything else: whatever comes of it, a state is used once.
    let hash = app.secrets.hash(&callback.state);
    let found = match store::take(&app.db, hash).await {
        Ok(Some(found)) => found,
        Ok(None) => return nobody(app, Problem::Unknown),
        Err(error) => return nobody(app, Problem::Fault(error.into())),
    };
    if authorization::is_over(&found, app.now()) {
        return nobody(app, Problem::Unknown);
    }
    let brought = cookie(found.id).map(|browser| app.secrets.hash(&browser)).unwrap_or_default();
    let expected = found.browser_hash.clone().unwrap_or_default();
    if expected.is_empty() || !bool::from(brought.ct_eq(&expected)) {
        tracing::warn!(agent.id = %found.agent_id, "an authorization came back in another browser");
        return nobody(app, Problem::OtherBrowser);
    }
    let agent = crate::service::agent::get(app, found.agent_id).await;
    let return_url = found.return_url.as_deref();
    Told {
        locale: agent.map_or_else(|_| app.config.default_locale.clone(), |agent| agent.locale),
        provider: app.providers.get(&found.provider).map(|known| known.about().name.clone()),
        return_url: return_url.and_then(|url| authorization::allowed(app, url).ok()),
        authorization: Some(found.id),
        outcome: connect(app, found, callback).await,
    }
}

/// To a browser of which nothing is known.
fn nobody(app: &App, problem: Problem) -> Told {
    Told {
        locale: app.config.default_locale.clone(),
        provider: None,
        return_url: None,
        outcome: Err(problem),
        authorization: None,
    }
}

async fn connect(
    app: &Arc<App>,
    found: store::Model,
    callback: Callback,
) -> Result<String, Problem> {
    let provider = provider(app, &found.provider)?;
    let client = authorization::client(provider.as_ref())?;
    let code = check(client, callback)?;
    let verifier = found.verifier.as_deref().ok_or(Problem::Unknown)?;
    let verifier = app.secrets.open(verifier, found.id).map_err(Error::internal)?;
    let verifier = String::from_utf8(verifier).map_err(Error::internal)?.into();
    // In a task of its own: a browser that goes away must not lose what the provider answers.
    let app = Arc::clone(app);
    let taken_in = async move { take_in(&app, &found, &code, &verifier).await };
    tokio::spawn(taken_in.in_current_span()).await.map_err(Error::internal)?
}

/// From the code to the calendar, or to a grant that was given back.
async fn take_in(
    app: &App,
    found: &store::Model,
    code: &SecretString,
    verifier: &SecretString,
) -> Result<String, Problem> {
    let provider = provider(app, &found.provider)?;
    let client = authorization::client(provider.as_ref())?;
    let redirect_uri = authorization::redirect_uri(app);
    let http = tokens::http(app);
    let asking = (&redirect_uri, verifier.expose_secret());
    let granted = oauth::exchange(&http, client, code, asking, app.now()).await;
    let granted = granted.map_err(|refused| match refused {
        Refused::Grant => Problem::Unknown,
        Refused::Other(error) => problem(error),
    })?;
    let mut account = None;
    let connected = put_in(app, found, &granted, &mut account).await;
    if connected.is_err() {
        give_back(app, found, account.as_deref(), client, Kept::new(&granted)).await;
    }
    connected
}

/// Puts the calendar that was granted in the place of the former one, and says whose it is as soon as
/// that is known.
async fn put_in(
    app: &App,
    found: &store::Model,
    granted: &Granted,
    account: &mut Option<String>,
) -> Result<String, Problem> {
    let provider = provider(app, &found.provider)?;
    let tried = try_out(app, found, granted, account).await?;
    let connected = tried.account.account.clone();
    let by = found.by_profile.as_deref().map(access::profile).transpose()?;
    let editor = AgentEditor::of(found.agent_id, by);
    connect::replace(app, editor, provider.as_ref(), tried).await?;
    Ok(connected)
}

/// What the browser brought, where it is what was asked for.
fn check(client: &OAuth2, callback: Callback) -> Result<SecretString, Problem> {
    // RFC 9207, section 2.4, before anything else is made of the answer.
    if let (Some(expected), Some(issuer)) = (&client.issuer, &callback.iss)
        && expected != issuer
    {
        tracing::warn!("an authorization came back from another issuer");
        return Err(Problem::OtherIssuer);
    }
    match (callback.error.as_deref(), callback.code) {
        (Some("access_denied"), _) => Err(Problem::Denied),
        (Some("server_error" | "temporarily_unavailable"), _) => Err(Problem::Unreachable),
        (Some(_), _) => Err(Problem::Refused("its consent page refused the request".to_owned())),
        (None, Some(code)) => Ok(code),
        (None, None) => Err(Problem::Unknown),
    }
}

/// Tries the new tokens out, before anything is changed.
async fn try_out(
    app: &App,
    found: &store::Model,
    granted: &Granted,
    whose: &mut Option<String>,
) -> Result<Tried, Problem> {
    let provider = provider(app, &found.provider)?;
    let permissions = &provider.about().permissions;
    let asked = || permissions.iter().map(|permission| permission.scope.clone()).collect();
    let scopes: Vec<String> = granted.scopes.clone().unwrap_or_else(asked);
    let lacks = |it: &&Permission| it.required && !it.is_granted(&scopes);
    let missing: Vec<String> =
        permissions.iter().filter(lacks).map(|it| it.description.clone()).collect();
    if !missing.is_empty() {
        return Err(Problem::Missing(missing));
    }
    let mut request = ConnectRequest::new(found.agent_id.to_string());
    request.access_token = Some(granted.access_token.clone());
    request.granted_scopes = scopes.clone();
    let account: ConnectedAccount =
        within_deadline(app, provider.connect(request)).await.map_err(problem)?;
    *whose = Some(account.account.clone());
    if let Some(expected) = found.account.as_ref().filter(|it| **it != account.account) {
        return Err(Problem::OtherAccount(expected.clone()));
    }
    let secret = granted.access_token.clone();
    let calendars = connect::list(app, provider.as_ref(), found.agent_id, &account, secret).await;
    let id = app.uuid();
    let sealed = Kept::new(granted).seal(&app.secrets, id, &app.ids.secret())?;
    Ok(Tried {
        id,
        account,
        calendars,
        granted_scopes: scopes,
        sealed,
        token_expires_at: granted.expires_at,
    })
}

/// Has tokens forgotten that are of no use, unless those of a connection would end as well.
async fn give_back(
    app: &App,
    found: &store::Model,
    account: Option<&str>,
    client: &OAuth2,
    kept: Kept,
) {
    match parting::is_shared(app, &found.provider, account).await {
        Ok(false) => {}
        Ok(true) => return,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "tokens of no use are not revoked: who shares them is not known"
            );
            return;
        }
    }
    if let Err(error) = oauth::revoke(&tokens::http(app), client, &kept.to_revoke()).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "tokens of no use were not revoked");
    }
}

/// A provider's refusal, in words for the agent.
fn problem(error: ProviderError) -> Problem {
    let cause = &error as &dyn std::error::Error;
    tracing::info!(error = cause, "a calendar could not be connected");
    if error.is_retryable() { Problem::Unreachable } else { Problem::Refused(error.to_string()) }
}
