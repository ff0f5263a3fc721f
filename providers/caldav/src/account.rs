//! How an agent signs in, and what is kept of the account.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use calendar_http::http::HeaderValue;
use calendar_provider::{Connection, ProviderError};
use chrono_tz::Tz;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::href;

/// How an agent signs in.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    /// With a name and a password (RFC 7617).
    Basic {
        /// The user's name.
        username: String,
        /// The password, or one for this app alone.
        password: SecretString,
    },
    /// With a token (RFC 6750).
    Bearer(SecretString),
}

impl Login {
    /// With a name and a password; where the name is empty, with the password as a token.
    pub(crate) fn new(username: &str, secret: SecretString) -> Self {
        if username.is_empty() {
            Self::Bearer(secret)
        } else {
            Self::Basic { username: username.to_owned(), password: secret }
        }
    }

    pub(crate) fn username(&self) -> &str {
        match self {
            Self::Basic { username, .. } => username,
            Self::Bearer(_) => "",
        }
    }

    /// The value of `Authorization`; never printed.
    ///
    /// # Errors
    /// Where a token can't stand in a header.
    pub(crate) fn header(&self) -> Result<HeaderValue, ProviderError> {
        let text = match self {
            Self::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose_secret());
                format!("Basic {}", STANDARD.encode(pair))
            }
            Self::Bearer(token) => format!("Bearer {}", token.expose_secret()),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            ProviderError::invalid_credentials("password", "holds a character that can't be sent")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What later calls need to know of an account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) login: Login,
    /// The collections that hold the account's calendars (RFC 4791, section 6.2.1).
    pub(crate) homes: Vec<Url>,
    /// The main calendar.
    pub(crate) main: Url,
    /// The zone in which floating times and whole days are read: the main calendar's own, else the
    /// agent's, where either is known.
    pub(crate) zone: Option<Tz>,
    /// The agent's own addresses, by which an invitation that was declined is known.
    pub(crate) addresses: Vec<String>,
}

/// The form in which the server keeps an [`Account`], encrypted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    username: String,
    secret: String,
    homes: Vec<String>,
    main: String,
    zone: Option<Tz>,
    addresses: Vec<String>,
}

impl Account {
    /// What the server is to keep.
    pub(crate) fn to_credentials(&self) -> Result<SecretString, ProviderError> {
        let secret = match &self.login {
            Login::Basic { password: secret, .. } | Login::Bearer(secret) => secret,
        };
        let kept = Kept {
            username: self.login.username().to_owned(),
            secret: secret.expose_secret().to_owned(),
            homes: self.homes.iter().map(Url::to_string).collect(),
            main: self.main.to_string(),
            zone: self.zone,
            addresses: self.addresses.clone(),
        };
        let json = serde_json::to_string(&kept).map_err(|cause| {
            ProviderError::permanent("the account can't be kept").with_source(cause)
        })?;
        Ok(json.into())
    }

    /// What was kept.
    ///
    /// # Errors
    /// Unauthorized where it is nothing that this provider gave out: the agent connects again.
    pub(crate) fn of(connection: &Connection) -> Result<Self, ProviderError> {
        // serde's own message may quote what it read.
        let kept: Kept = serde_json::from_str(connection.credentials.expose_secret())
            .map_err(|_| ProviderError::unauthorized())?;
        let homes = kept.homes.iter().map(|it| read_url(it)).collect::<Result<_, _>>()?;
        Ok(Self {
            login: Login::new(&kept.username, kept.secret.into()),
            homes,
            main: read_url(&kept.main)?,
            zone: kept.zone.or(connection.floating_zone),
            addresses: kept.addresses,
        })
    }

    /// The address of a calendar of this account, where `calendar_ref` is one.
    ///
    /// # Errors
    /// Not found where it is not on the account's servers: the password must not go there.
    pub(crate) fn calendar(&self, calendar_ref: &str) -> Result<Url, ProviderError> {
        let unknown = || ProviderError::not_found("the calendar");
        let url = href::canonical(Url::parse(calendar_ref).map_err(|_| unknown())?);
        if self.is_own(&url) { Ok(url) } else { Err(unknown()) }
    }

    /// The address of an event, where `event_ref` can be one of this account's.
    pub(crate) fn event(&self, event_ref: &str) -> Option<Url> {
        let url = href::canonical(Url::parse(event_ref).ok()?);
        self.is_own(&url).then_some(url)
    }

    fn is_own(&self, url: &Url) -> bool {
        let mut known = self.homes.iter().chain([&self.main]);
        known.any(|it| it.origin() == url.origin())
    }
}

fn read_url(text: &str) -> Result<Url, ProviderError> {
    Url::parse(text).map_err(|_| ProviderError::unauthorized())
}
