//! Who is calling: found out by the server's own rule, once for each operation.

use std::{future::Future, time::Duration};

use async_graphql::{Data, Error};
use axum::http::{HeaderMap, header::AUTHORIZATION};
use futures_util::future::BoxFuture;

use super::client::Client;
use crate::work::Payer;

/// What a caller shows.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The token of `Authorization: Bearer TOKEN` (RFC 6750), or of a WebSocket's
    /// `connection_init` payload.
    pub bearer: Option<&'a str>,
    /// Where the caller connects from, proxies taken into account.
    pub client: Client,
}

/// Who the caller turned out to be.
pub struct Identity {
    /// Whose account pays for the operation.
    pub payer: Payer,
    /// What resolvers read with `Context::data`: the caller, and loaders that live for one
    /// operation.
    pub data: Data,
    /// How the credentials end.
    pub end: CredentialsEnd,
}

/// How a caller's credentials end. WebSockets and event streams are closed then.
#[derive(Default)]
pub struct CredentialsEnd {
    /// How long they remain good. `None` is without end.
    pub valid_for: Option<Duration>,
    /// Returns once they were revoked. It does nothing until it is polled, so that requests that are
    /// answered at once cost nothing. `None` where they can't be.
    pub revoked: Option<BoxFuture<'static, ()>>,
}

impl CredentialsEnd {
    /// Returns once they no longer work, and says why.
    pub(crate) fn wait(self) -> BoxFuture<'static, &'static str> {
        let Self { valid_for, revoked } = self;
        Box::pin(async move {
            let expired = async {
                match valid_for {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            };
            let revoked = async {
                match revoked {
                    Some(revoked) => revoked.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expired => "the credentials expired",
                () = revoked => "the key or token was revoked, or its agent's profile has changed",
            }
        })
    }
}

/// Finds out who is calling.
///
/// Called once for each operation, on a WebSocket too, so a revoked key stops working at once and
/// loaders in [`Identity::data`] never outlive an operation.
pub trait Identify: Send + Sync + 'static {
    /// The caller, who is anonymous without a bearer token.
    ///
    /// # Errors
    /// With `extensions.code` UNAUTHENTICATED when the token is not known; the request is answered
    /// with 401, a WebSocket is closed with 4401. Other codes are passed on.
    fn identify(
        &self,
        credentials: Credentials<'_>,
    ) -> impl Future<Output = Result<Identity, Error>> + Send;
}

/// The token of an `Authorization` header, if its scheme is Bearer.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    bearer_of(headers.get(AUTHORIZATION)?.to_str().ok()?)
}

/// The token of "Bearer TOKEN"; the scheme's case does not matter (RFC 9110, section 11.1).
pub(crate) fn bearer_of(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
