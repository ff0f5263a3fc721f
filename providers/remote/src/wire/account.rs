//! Connecting, and the connection that each call carries.

use std::collections::BTreeMap;

use calendar_provider as api;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
pub(crate) struct ConnectRequest {
    owner: String,
    credentials: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    #[serde(default)]
    granted_scopes: Vec<String>,
}

impl From<api::ConnectRequest> for ConnectRequest {
    fn from(request: api::ConnectRequest) -> Self {
        let exposed = |secret: SecretString| secret.expose_secret().to_owned();
        Self {
            owner: request.owner,
            credentials: request.credentials.into_iter().map(|(k, v)| (k, exposed(v))).collect(),
            access_token: request.access_token.map(exposed),
            granted_scopes: request.granted_scopes,
        }
    }
}

impl From<ConnectRequest> for api::ConnectRequest {
    fn from(wire: ConnectRequest) -> Self {
        let mut request = Self::new(wire.owner);
        request.credentials = wire.credentials.into_iter().map(|(k, v)| (k, v.into())).collect();
        request.access_token = wire.access_token.map(Into::into);
        request.granted_scopes = wire.granted_scopes;
        request
    }
}

/// What connecting brought.
#[derive(Deserialize, Serialize)]
pub(crate) struct Account {
    account: String,
    calendar_ref: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calendar_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(default)]
    credentials: String,
}

impl From<api::ConnectedAccount> for Account {
    fn from(account: api::ConnectedAccount) -> Self {
        Self {
            account: account.account,
            calendar_ref: account.calendar_ref,
            calendar_name: account.calendar_name,
            time_zone: account.time_zone.map(|zone| zone.name().to_owned()),
            language: account.language,
            credentials: account.credentials.expose_secret().to_owned(),
        }
    }
}

impl From<Account> for api::ConnectedAccount {
    fn from(wire: Account) -> Self {
        let mut account = Self::new(wire.account, wire.calendar_ref);
        account.calendar_name = wire.calendar_name;
        // A zone that is not IANA's is as good as none: nothing is scheduled by it.
        account.time_zone = wire.time_zone.and_then(|name| name.parse().ok());
        account.language = wire.language;
        account.credentials = wire.credentials.into();
        account
    }
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Connection {
    owner: String,
    calendar_ref: String,
    #[serde(default)]
    also_busy: Vec<String>,
    #[serde(default)]
    credentials: String,
}

impl From<&api::Connection> for Connection {
    fn from(connection: &api::Connection) -> Self {
        Self {
            owner: connection.owner.clone(),
            calendar_ref: connection.calendar_ref.clone(),
            also_busy: connection.also_busy.clone(),
            credentials: connection.credentials.expose_secret().to_owned(),
        }
    }
}

impl From<Connection> for api::Connection {
    fn from(wire: Connection) -> Self {
        let mut connection = Self::new(wire.owner, wire.calendar_ref, wire.credentials.into());
        connection.also_busy = wire.also_busy;
        connection
    }
}

/// A request about a connection and nothing else.
#[derive(Deserialize, Serialize)]
pub(crate) struct Connected {
    pub(crate) connection: Connection,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Calendars {
    pub(crate) calendars: Vec<Calendar>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Calendar {
    calendar_ref: String,
    name: String,
    #[serde(default)]
    primary: bool,
    writable: bool,
}

impl From<api::CalendarInfo> for Calendar {
    fn from(info: api::CalendarInfo) -> Self {
        let api::CalendarInfo { calendar_ref, name, primary, writable, .. } = info;
        Self { calendar_ref, name, primary, writable }
    }
}

impl From<Calendar> for api::CalendarInfo {
    fn from(wire: Calendar) -> Self {
        let mut info = Self::new(wire.calendar_ref, wire.name);
        info.primary = wire.primary;
        info.writable = wire.writable;
        info
    }
}
