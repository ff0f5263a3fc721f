//! What the server needs to send an agent through a provider's consent page.

use secrecy::SecretString;
use url::Url;

/// An OAuth 2.0 client of a provider, for the authorization code flow with PKCE (RFC 6749,
/// section 4.1; RFC 7636).
///
/// The server runs the flow, keeps the tokens, refreshes and revokes them. A provider says here
/// where, and is given an access token in [`Connection::credentials`](crate::Connection::credentials)
/// that is valid as far as the server knows; it never sees the refresh token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OAuth2 {
    /// The authorization endpoint (RFC 6749, section 3.1).
    pub authorization_url: Url,
    /// The token endpoint (RFC 6749, section 3.2).
    pub token_url: Url,
    /// The revocation endpoint (RFC 7009), where the provider has one.
    pub revocation_url: Option<Url>,
    /// The client's identifier.
    pub client_id: String,
    /// The client's secret, where it has one.
    pub client_secret: Option<SecretString>,
    /// The issuer's identifier. Where the answer names one (RFC 9207), it must be this one.
    pub issuer: Option<String>,
    /// What the authorization request carries besides what RFC 6749 and RFC 7636 say, e.g.
    /// `access_type` for Google. The scopes are those of
    /// [`About::permissions`](crate::About::permissions).
    pub authorization_params: Vec<(String, String)>,
}

impl OAuth2 {
    /// A public client with no revocation endpoint, issuer or parameters of its own.
    pub fn new(authorization_url: Url, token_url: Url, client_id: impl Into<String>) -> Self {
        Self {
            authorization_url,
            token_url,
            revocation_url: None,
            client_id: client_id.into(),
            client_secret: None,
            issuer: None,
            authorization_params: Vec::new(),
        }
    }
}
