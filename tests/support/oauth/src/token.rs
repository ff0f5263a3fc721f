//! The token endpoint (RFC 6749, sections 4.1.3, 5 and 6) and revocation (RFC 7009).

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::form::Params;
use crate::state::{AccessToken, RefreshToken, State};
use crate::{Client, OAuth, Renewal, Revocation, TokenRefused, TokenSet};

type Outcome<T> = Result<T, TokenRefused>;

const fn refused<T>(error: &'static str, description: &'static str) -> Outcome<T> {
    Err(TokenRefused { error, description })
}

impl OAuth {
    /// Answers a form sent to the token endpoint, with the `Authorization` header where there is
    /// one.
    pub(crate) fn token(&self, authorization: Option<&str>, body: &[u8]) -> Outcome<TokenSet> {
        let Some(params) = Params::read(body) else {
            return refused("invalid_request", "a parameter stands twice");
        };
        let client = self.authenticate(authorization, &params)?;
        match params.get("grant_type") {
            Some("authorization_code") => self.exchange(client, &params),
            Some("refresh_token") => self.refresh(client, &params),
            Some(_) => refused("unsupported_grant_type", "neither a code nor a refresh"),
            None => refused("invalid_request", "grant_type is missing"),
        }
    }

    /// Who asks, by Basic authentication or by the body and never by both (section 2.3).
    fn authenticate(&self, authorization: Option<&str>, params: &Params) -> Outcome<&Client> {
        let (id, secret) = match authorization {
            None => (
                params.get("client_id").map(str::to_owned),
                params.get("client_secret").map(str::to_owned),
            ),
            Some(_) if params.get("client_secret").is_some() => {
                return refused("invalid_request", "the client authenticates in two ways");
            }
            Some(header) => match basic(header) {
                Some((id, secret)) => (Some(id), Some(secret)),
                None => return refused("invalid_client", "the Authorization header is malformed"),
            },
        };
        let client = id.and_then(|id| self.settings.client(&id));
        match client.filter(|client| client.secret == secret) {
            Some(client) => Ok(client),
            None => refused("invalid_client", "no such client, or another secret"),
        }
    }

    fn exchange(&self, client: &Client, params: &Params) -> Outcome<TokenSet> {
        let (Some(text), Some(redirect_uri), Some(verifier)) =
            (params.get("code"), params.get("redirect_uri"), params.get("code_verifier"))
        else {
            return refused("invalid_request", "code, redirect_uri or code_verifier is missing");
        };
        let mut state = self.lock();
        let state = &mut *state;
        let Some(code) = state.codes.get_mut(text) else {
            return refused("invalid_grant", "the code was never given out");
        };
        let grant = code.grant;
        if state.grants[grant].client_id != client.id {
            return refused("invalid_grant", "the code is another client's");
        }
        if code.used {
            // Whoever used it first may have stolen it (section 4.1.2).
            state.end_grant(grant);
            return refused("invalid_grant", "the code was used before");
        }
        if code.until <= self.clock.now() || state.grants[grant].ended {
            return refused("invalid_grant", "the code has expired");
        }
        if code.redirect_uri != redirect_uri {
            return refused("invalid_grant", "the code was for another redirect_uri");
        }
        if !is_verifier(verifier) || challenge_of(verifier) != code.challenge {
            return refused("invalid_grant", "code_verifier does not fit the code_challenge");
        }
        code.used = true;
        let offline = code.offline;
        state.counts.exchanges += 1;
        let scopes = state.grants[grant].scopes.clone();
        let refresh_token = offline.then(|| new_refresh_token(state, grant));
        Ok(self.access_token(state, grant, scopes, refresh_token))
    }

    fn refresh(&self, client: &Client, params: &Params) -> Outcome<TokenSet> {
        let Some(text) = params.get("refresh_token") else {
            return refused("invalid_request", "refresh_token is missing");
        };
        let mut state = self.lock();
        let state = &mut *state;
        let Some(token) = state.refresh.get_mut(text) else {
            return refused("invalid_grant", "the refresh token was never given out");
        };
        let grant = token.grant;
        if state.grants[grant].client_id != client.id || state.grants[grant].ended {
            return refused("invalid_grant", "the refresh token has expired or was revoked");
        }
        if token.replaced {
            state.end_grant(grant);
            return refused("invalid_grant", "the refresh token was replaced before");
        }
        let scopes = match params.get("scope") {
            None => state.grants[grant].scopes.clone(),
            Some(asked) => self.narrowed(&state.grants[grant].scopes, asked)?,
        };
        token.replaced = self.settings.renewal == Renewal::Rotate;
        let renewed = self.settings.renewal != Renewal::Keep;
        let refresh_token = renewed.then(|| new_refresh_token(state, grant));
        state.counts.refreshes += 1;
        Ok(self.access_token(state, grant, scopes, refresh_token))
    }

    /// The scopes asked for at a refresh: none that was not granted (section 6).
    fn narrowed(&self, granted: &BTreeSet<String>, asked: &str) -> Outcome<BTreeSet<String>> {
        let known = asked.split(' ').map(|asked| {
            let name = self.settings.scope(asked)?.name();
            granted.get(name).cloned()
        });
        match known.collect() {
            Some(scopes) => Ok(scopes),
            None => refused("invalid_scope", "more than was granted"),
        }
    }

    pub(crate) fn access_token(
        &self,
        state: &mut State,
        grant: usize,
        scopes: BTreeSet<String>,
        refresh_token: Option<String>,
    ) -> TokenSet {
        let expires_in = self.settings.access_token_lifetime;
        let until = self.clock.now() + expires_in - state.skew;
        let access_token = state.fresh("access-token");
        let kept = AccessToken { grant, scopes: scopes.clone(), until };
        state.access.insert(access_token.clone(), kept);
        let is_told = |name: &String| {
            self.settings.scopes.iter().any(|scope| scope.told.as_ref() == Some(name))
        };
        let scopes = scopes.into_iter().filter(is_told).collect();
        TokenSet { access_token, refresh_token, expires_in, scopes }
    }

    /// Ends the grant behind a token, of either kind.
    pub(crate) fn revoke(&self, authorization: Option<&str>, body: &[u8]) -> Outcome<()> {
        let Some(params) = Params::read(body) else {
            return refused("invalid_request", "a parameter stands twice");
        };
        let client = match self.settings.revocation {
            Revocation::Rfc7009 => Some(self.authenticate(authorization, &params)?),
            Revocation::Google => None,
        };
        let Some(text) = params.get("token") else {
            return refused("invalid_request", "token is missing");
        };
        let mut state = self.lock();
        let access = state.access.get(text).map(|token| token.grant);
        let grant = access.or_else(|| state.refresh.get(text).map(|token| token.grant));
        let own = |grant: &usize| {
            let grant = &state.grants[*grant];
            !grant.ended && client.is_none_or(|client| client.id == grant.client_id)
        };
        match grant.filter(own) {
            Some(grant) => {
                state.end_grant(grant);
                state.counts.revocations += 1;
                Ok(())
            }
            None if client.is_some() => Ok(()),
            None => refused("invalid_token", "the token has expired or was revoked"),
        }
    }
}

fn new_refresh_token(state: &mut State, grant: usize) -> String {
    let text = state.fresh("refresh-token");
    state.refresh.insert(text.clone(), RefreshToken { grant, replaced: false });
    text
}

/// The identifier and the secret, each form-encoded before it was joined (section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let joined = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then_some(())?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    // As the name of a parameter, since that is what the decoder takes apart.
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned())
}

/// RFC 7636, section 4.1.
fn is_verifier(text: &str) -> bool {
    let unreserved = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}
