//! What every call passes: faults, token, scope, quota, parameters; and what is noted of it.

use axum::body::Bytes;
use axum::http::{HeaderMap, header::CONTENT_TYPE};
use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::ApiError;
use crate::methods::Method;
use crate::server::Shared;
use fake_oauth::Access;

/// A call as it came in.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method's name in the discovery document, e.g. `calendar.events.insert`.
    pub method: &'static str,
    /// The parameters in the path, by name.
    pub path: Vec<(&'static str, String)>,
    /// The parameters in the query.
    pub query: Vec<(String, String)>,
    /// The body, where it is JSON.
    pub body: Option<Value>,
}

/// A call that was let in.
pub(crate) struct Call {
    pub(crate) account: String,
    access: Access,
    pub(crate) query: Vec<(String, String)>,
    body: Bytes,
    pub(crate) if_match: Option<String>,
}

/// A call that has yet to be let in.
pub(crate) struct Incoming {
    pub(crate) path: Vec<(&'static str, String)>,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// Notes the call and lets it in, or says why not.
    pub(crate) fn enter(
        shared: &Shared,
        method: &Method,
        incoming: Incoming,
    ) -> Result<Self, ApiError> {
        let Incoming { path, query, headers, body } = incoming;
        let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        shared.lock().requests.push(Recorded {
            method: method.id,
            path,
            query: query.clone(),
            body: serde_json::from_slice(&body).ok(),
        });
        let access = shared.oauth.bearer(&headers).map_err(|_| ApiError::unauthorized())?;
        charge(shared, &access.account)?;
        let scopes = method.scopes.iter().map(|it| format!("https://www.googleapis.com/auth/{it}"));
        if !scopes.into_iter().any(|scope| access.has_any(&[&scope])) {
            return Err(ApiError::scope());
        }
        method.check(&query)?;
        let json = headers
            .get(CONTENT_TYPE)
            .is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
        if !body.is_empty() && !json {
            return Err(ApiError::invalid("The body is not said to be JSON"));
        }
        let if_match = headers.get("if-match").and_then(|it| it.to_str().ok()).map(str::to_owned);
        Ok(Self { account: access.account.clone(), access, query, body, if_match })
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Whether only calendars that the account owns may be touched.
    pub(crate) fn owned_only(&self, wider: &[&str]) -> bool {
        !wider.iter().any(|scope| {
            self.access.has_any(&[&format!("https://www.googleapis.com/auth/{scope}")])
        })
    }

    /// The body as JSON, and as the type that says what is taken.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<(Value, T), ApiError> {
        let refuse = |error: serde_json::Error| ApiError::invalid(format!("Parse Error: {error}"));
        let value: Value = serde_json::from_slice(&self.body).map_err(refuse)?;
        let typed = serde_json::from_value(value.clone()).map_err(refuse)?;
        Ok((value, typed))
    }
}

/// Counts the call in the account's minute (guide "Usage limits": a sliding window).
fn charge(shared: &Shared, account: &str) -> Result<(), ApiError> {
    let now = shared.clock.now();
    let mut state = shared.lock();
    let quota = state.quota;
    let asked = state.asked.entry(account.to_owned()).or_default();
    while asked.front().is_some_and(|it| *it + TimeDelta::minutes(1) <= now) {
        asked.pop_front();
    }
    if quota.is_some_and(|quota| quota <= asked.len()) {
        return Err(ApiError::limit(403, "userRateLimitExceeded", None));
    }
    asked.push_back(now);
    Ok(())
}
