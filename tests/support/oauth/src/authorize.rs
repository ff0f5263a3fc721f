//! The authorization endpoint (RFC 6749, section 4.1.1).

use std::collections::BTreeSet;

use url::Url;

use crate::form::Params;
use crate::state::{Code, Grant, State};
use crate::{Client, Consent, Iss, OAuth, Offline};

/// What a browser sees that visits the consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    /// It is sent on, with a code or an error.
    Redirect(Url),
    /// It is sent nowhere, since the client or where to is in doubt; why.
    Refused(&'static str),
}

impl OAuth {
    /// Visits the authorization endpoint with the URL's query, as a browser would, and answers
    /// the consent page.
    pub fn visit(&self, page: &Url) -> Visit {
        self.authorize(page.query().unwrap_or_default())
    }

    pub(crate) fn authorize(&self, query: &str) -> Visit {
        let Some(params) = Params::read(query.as_bytes()) else {
            return Visit::Refused("a parameter stands twice");
        };
        let client = params.get("client_id").and_then(|id| self.settings.client(id));
        let Some(client) = client else {
            return Visit::Refused("client_id is not registered");
        };
        let registered = |uri: &&str| client.redirect_uris.iter().any(|it| it == uri);
        let Some(redirect_uri) = params.get("redirect_uri").filter(registered) else {
            return Visit::Refused("redirect_uri is not registered");
        };
        let Ok(mut back) = Url::parse(redirect_uri) else {
            return Visit::Refused("redirect_uri is no URL");
        };
        let mut state = self.lock();
        let outcome = self.consent(&mut state, client, redirect_uri, &params);
        {
            let mut answer = back.query_pairs_mut();
            match outcome {
                Ok(code) => answer.append_pair("code", &code),
                Err(error) => answer.append_pair("error", error),
            };
            if let Some(echoed) = params.get("state") {
                answer.append_pair("state", echoed);
            }
            match &state.iss {
                Iss::Own => answer.append_pair("iss", &self.settings.issuer),
                Iss::Other(issuer) => answer.append_pair("iss", issuer),
                Iss::Absent => &mut answer,
            };
        }
        Visit::Redirect(back)
    }

    /// The code, or why there is none (RFC 6749, section 4.1.2.1).
    fn consent(
        &self,
        state: &mut State,
        client: &Client,
        redirect_uri: &str,
        params: &Params,
    ) -> Result<String, &'static str> {
        if !params.says("response_type", "code") {
            return Err("unsupported_response_type");
        }
        let challenge = params.get("code_challenge").filter(|it| is_challenge(it));
        let (Some(challenge), Some(_)) = (challenge, params.get("state")) else {
            return Err("invalid_request");
        };
        if !params.says("code_challenge_method", "S256") {
            return Err("invalid_request");
        }
        let scopes = self.granted(state, client, params)?;
        let before = state.grants.iter().any(|grant| {
            !grant.ended && grant.account == state.account && grant.client_id == client.id
        });
        let offline = match &self.settings.offline {
            Offline::Always => true,
            Offline::AccessType => {
                params.says("access_type", "offline")
                    && (!before || params.says("prompt", "consent"))
            }
            Offline::Scope(scope) => scopes.contains(scope),
        };
        state.grants.push(Grant {
            account: state.account.clone(),
            client_id: client.id.clone(),
            scopes,
            ended: false,
        });
        let code = Code {
            grant: state.grants.len() - 1,
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.to_owned(),
            offline,
            until: self.clock.now() + self.settings.code_lifetime,
            used: false,
        };
        let text = state.fresh("code");
        state.codes.insert(text.clone(), code);
        Ok(text)
    }

    fn granted(
        &self,
        state: &State,
        client: &Client,
        params: &Params,
    ) -> Result<BTreeSet<String>, &'static str> {
        let asked: Option<Vec<_>> = params
            .get("scope")
            .unwrap_or_default()
            .split(' ')
            .map(|asked| self.settings.scope(asked))
            .collect();
        let asked = asked.ok_or("invalid_scope")?;
        let unticked: &[String] = match &state.consent {
            Consent::Grant => &[],
            Consent::Deny => return Err("access_denied"),
            Consent::Untick(scopes) => scopes,
        };
        let ticked = asked.into_iter().filter(|scope| {
            !unticked.iter().any(|it| {
                it.eq_ignore_ascii_case(&scope.asked) || it.eq_ignore_ascii_case(scope.name())
            })
        });
        let mut granted: BTreeSet<_> = ticked.map(|scope| scope.name().to_owned()).collect();
        // Google's incremental authorization: what was granted before is granted still.
        if params.says("include_granted_scopes", "true") {
            let before = state.grants.iter().filter(|grant| {
                !grant.ended && grant.account == state.account && grant.client_id == client.id
            });
            granted.extend(before.flat_map(|grant| grant.scopes.iter().cloned()));
        }
        if granted.is_empty() { Err("access_denied") } else { Ok(granted) }
    }
}

/// Whether the text can be a SHA-256 in base64url without padding (RFC 7636, section 4.2).
fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
}
