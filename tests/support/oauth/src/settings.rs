//! What differs between authorization servers.

use chrono::TimeDelta;

/// How an [`OAuth`](crate::OAuth) behaves; begin with [`Settings::new`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer's identifier, sent as `iss` (RFC 9207, section 2).
    pub issuer: String,
    /// Who may ask.
    pub clients: Vec<Client>,
    /// What may be asked for; anything else is `invalid_scope`.
    pub scopes: Vec<Scope>,
    /// How long an access token is said to live; an hour.
    pub access_token_lifetime: TimeDelta,
    /// How long a code can be exchanged; ten minutes, the most that RFC 6749, section 4.1.2,
    /// recommends.
    pub code_lifetime: TimeDelta,
    /// When a refresh token comes with the access token.
    pub offline: Offline,
    /// What becomes of a refresh token that was used.
    pub renewal: Renewal,
    /// Which rules the revocation endpoint has.
    pub revocation: Revocation,
}

impl Settings {
    /// No clients and no scopes yet; a refresh token always comes and is kept, and revocation
    /// follows the RFC.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            clients: Vec::new(),
            scopes: Vec::new(),
            access_token_lifetime: TimeDelta::hours(1),
            code_lifetime: TimeDelta::minutes(10),
            offline: Offline::Always,
            renewal: Renewal::Keep,
            revocation: Revocation::Rfc7009,
        }
    }

    /// The same with one more client.
    #[must_use]
    pub fn with_client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// The same with more scopes, told as they are asked for.
    #[must_use]
    pub fn with_scopes<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Scope::new));
        self
    }

    pub(crate) fn scope(&self, asked: &str) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.asked.eq_ignore_ascii_case(asked))
    }

    pub(crate) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its identifier.
    pub id: String,
    /// Its secret; none for a public client.
    pub secret: Option<String>,
    /// Where its users may be sent back to, compared character by character (RFC 9700, 2.1).
    pub redirect_uris: Vec<String>,
}

impl Client {
    /// A confidential client with one redirect URI.
    pub fn new(
        id: impl Into<String>,
        secret: impl Into<String>,
        redirect_uri: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            secret: Some(secret.into()),
            redirect_uris: vec![redirect_uri.into()],
        }
    }
}

/// A scope that may be asked for. Case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// As it is asked for.
    pub asked: String,
    /// As the token endpoint tells that it was granted and resources know it; none where it is
    /// never told, as Microsoft does with `offline_access`.
    pub told: Option<String>,
}

impl Scope {
    /// A scope that is told as it is asked for.
    pub fn new(asked: impl Into<String>) -> Self {
        let asked = asked.into();
        Self { told: Some(asked.clone()), asked }
    }

    /// A scope that is told in another spelling, as Google does with `email`.
    pub fn told_as(asked: impl Into<String>, told: impl Into<String>) -> Self {
        Self { asked: asked.into(), told: Some(told.into()) }
    }

    /// A scope that is never told.
    pub fn untold(asked: impl Into<String>) -> Self {
        Self { asked: asked.into(), told: None }
    }

    pub(crate) fn name(&self) -> &str {
        self.told.as_ref().unwrap_or(&self.asked)
    }
}

/// When a refresh token is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offline {
    /// With every code.
    Always,
    /// Where the authorization request said `access_type=offline`, and only at the account's
    /// first consent unless it said `prompt=consent`: Google.
    AccessType,
    /// Where this scope was granted: Microsoft, with `offline_access`.
    Scope(String),
}

/// What becomes of a refresh token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It stays, and no other is told: Google.
    Keep,
    /// Another is told, and the former still works: Microsoft.
    Renew,
    /// Another is told and the former ends. Using the former again ends the whole grant
    /// (RFC 9700, section 4.14.2).
    Rotate,
}

/// How the revocation endpoint behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The client must authenticate, and an unknown token is a success (RFC 7009).
    Rfc7009,
    /// Nobody authenticates, and an unknown token is `invalid_token`: Google.
    Google,
}
