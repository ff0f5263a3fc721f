//! What the operator sets.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// The OAuth client and, for tests and gateways, where Google is.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The client's identifier, as the Google Cloud console shows it.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretString,
    /// The Calendar API.
    pub api_url: Url,
    /// The OAuth 2.0 authorization endpoint.
    pub authorization_url: Url,
    /// The OAuth 2.0 token endpoint.
    pub token_url: Url,
    /// The OAuth 2.0 revocation endpoint.
    pub revocation_url: Url,
    /// OpenID Connect's userinfo endpoint.
    pub userinfo_url: Url,
}

impl Settings {
    /// Whether the client is there.
    pub(crate) fn is_complete(&self) -> bool {
        !self.client_id.is_empty() && !self.client_secret.expose_secret().is_empty()
    }
}

/// Google's own addresses, from its OpenID Connect discovery document and the API's.
impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: SecretString::default(),
            api_url: url("https://www.googleapis.com/calendar/v3/"),
            authorization_url: url("https://accounts.google.com/o/oauth2/v2/auth"),
            token_url: url("https://oauth2.googleapis.com/token"),
            revocation_url: url("https://oauth2.googleapis.com/revoke"),
            userinfo_url: url("https://openidconnect.googleapis.com/v1/userinfo"),
        }
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("the crate's own addresses are well formed")
}
