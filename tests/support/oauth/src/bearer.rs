//! What a resource server asks: whose token is this (RFC 6750).

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::OAuth;

/// What a valid access token lets its bearer do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whose resources.
    pub account: String,
    /// For which client.
    pub client_id: String,
    /// What was granted, as the token endpoint tells it.
    pub scopes: BTreeSet<String>,
}

impl Access {
    /// Whether one of `scopes` was granted; case does not matter.
    pub fn has_any(&self, scopes: &[&str]) -> bool {
        scopes.iter().any(|scope| self.scopes.iter().any(|it| it.eq_ignore_ascii_case(scope)))
    }
}

/// Why a request to a resource is not let in: 401 (RFC 6750, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerError {
    /// It has no bearer token.
    Missing,
    /// The token was never given out, has expired, or its grant has ended.
    Invalid,
}

impl OAuth {
    /// Whose token stands in the `Authorization` header.
    ///
    /// # Errors
    /// Where there is none that is valid now.
    pub fn bearer(&self, headers: &HeaderMap) -> Result<Access, BearerError> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) =
            header.and_then(|it| it.split_once(' ')).ok_or(BearerError::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(BearerError::Missing);
        }
        self.access(token)
    }

    /// What `token` is good for.
    ///
    /// # Errors
    /// Where it is not valid now.
    pub fn access(&self, token: &str) -> Result<Access, BearerError> {
        let state = self.lock();
        let token = state.access.get(token).ok_or(BearerError::Invalid)?;
        let grant = &state.grants[token.grant];
        if grant.ended || token.until <= self.clock.now() {
            return Err(BearerError::Invalid);
        }
        Ok(Access {
            account: grant.account.clone(),
            client_id: grant.client_id.clone(),
            scopes: token.scopes.clone(),
        })
    }
}
