//! Connecting an agent's calendar, and the connection that results.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use secrecy::SecretString;

/// What an agent gives to connect a calendar.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// Whose calendar it will be: an opaque key, 1 to 64 characters.
    pub owner: String,
    /// The typed-in values by [`CredentialField::name`](crate::CredentialField::name).
    pub credentials: BTreeMap<String, SecretString>,
    /// For [`ConnectMethod::OAuth2`](crate::ConnectMethod::OAuth2): a fresh access token. What the
    /// server keeps of it is no business of the provider's.
    pub access_token: Option<SecretString>,
    /// The scopes that came with it.
    pub granted_scopes: Vec<String>,
}

impl ConnectRequest {
    /// A request with no credentials.
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            credentials: BTreeMap::new(),
            access_token: None,
            granted_scopes: Vec::new(),
        }
    }
}

/// What connecting brought.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectedAccount {
    /// The account as the provider names it, usually an e-mail address.
    pub account: String,
    /// The name of the calendar that events are written to, where it has one.
    pub calendar_name: Option<String>,
    /// The provider's own reference to that calendar.
    pub calendar_ref: String,
    /// The account's own time zone, where the provider tells it.
    pub time_zone: Option<Tz>,
    /// The account's language (BCP 47), where the provider tells it.
    pub language: Option<String>,
    /// What later calls need, in a form of the provider's own; the server keeps it encrypted.
    /// Empty where nothing is needed, and for
    /// [`ConnectMethod::OAuth2`](crate::ConnectMethod::OAuth2), where the server keeps the tokens.
    pub credentials: SecretString,
}

impl ConnectedAccount {
    /// An account with no calendar name, zone or language, and nothing to keep.
    pub fn new(account: impl Into<String>, calendar_ref: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            calendar_name: None,
            calendar_ref: calendar_ref.into(),
            time_zone: None,
            language: None,
            credentials: SecretString::default(),
        }
    }

    /// The connection that `owner` has with this account.
    pub fn into_connection(self, owner: impl Into<String>) -> Connection {
        Connection::new(owner, self.calendar_ref, self.credentials)
    }
}

/// One agent's connected calendar, as each call is given it.
///
/// ```
/// use calendar_provider::Connection;
/// let connection = Connection::new("agent-1", "primary", "s3cret".into());
/// assert!(!format!("{connection:?}").contains("s3cret"), "credentials are never printed");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// Whose calendar it is: the key that [`ConnectRequest::owner`] had.
    pub owner: String,
    /// The calendar that the call is about: what [`ConnectedAccount::calendar_ref`] was, or another
    /// of the account that the agent picked.
    pub calendar_ref: String,
    /// Other calendars of the account that block the agent as well. Only
    /// [`free_busy`](crate::CalendarProvider::free_busy) looks at them.
    pub also_busy: Vec<String>,
    /// What [`ConnectedAccount::credentials`] was; for
    /// [`ConnectMethod::OAuth2`](crate::ConnectMethod::OAuth2) an access token, valid as far as the
    /// server knows.
    pub credentials: SecretString,
    /// The agent's own zone: the one in which events stand that name none; unknown where the server
    /// does not say.
    pub floating_zone: Option<Tz>,
}

impl Connection {
    /// A connection from what was kept of it, with one calendar.
    pub fn new(
        owner: impl Into<String>,
        calendar_ref: impl Into<String>,
        credentials: SecretString,
    ) -> Self {
        Self {
            owner: owner.into(),
            calendar_ref: calendar_ref.into(),
            also_busy: Vec::new(),
            credentials,
            floating_zone: None,
        }
    }
}
