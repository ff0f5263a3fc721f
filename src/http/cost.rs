//! What an operation costs, and how callers hear of it.
//!
//! The account is charged in two steps: by what the document says before anything is executed, here, and by
//! the services for what only they know ([`Work::charge`](crate::work::Work::charge)).

use std::sync::Arc;

use async_graphql::{Response, ServerError, Value, Variables, parser::types::ExecutableDocument};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};

use crate::work::{Refused, Standing, Work};

/// Points that the operation cost.
pub(crate) const REQUEST_COST: HeaderName = HeaderName::from_static("x-request-cost");
/// What is left, as in draft-ietf-httpapi-ratelimit-headers.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What the limit is, as there.
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a document costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Points that are charged before it is executed.
    pub points: u64,
    /// How much of a processor it is expected to take without a pause, in points.
    pub weight: u64,
    /// Whether other variables without whole numbers lead to the same. Where these were not valid, nothing is
    /// known of others.
    pub lasts: bool,
}

/// Says what documents cost.
pub trait Pricing: Send + Sync + 'static {
    /// What a document costs with these variables. Of the variables, whole numbers alone bear on it.
    fn cost(&self, document: &ExecutableDocument, variables: &Variables) -> Cost;

    /// What it is expected to weigh besides, as things stand now.
    fn expected(&self, document: &ExecutableDocument, variables: &Variables) -> u64;
}

/// How [`Http`](super::Http) is told what documents cost.
pub type Price = Arc<dyn Pricing>;

/// Whether the cost of a document may depend on these variables.
pub(crate) fn bears_on_cost(variables: &Variables) -> bool {
    variables.values().any(|value| matches!(value, Value::Number(_)))
}

/// Headers that say what a caller paid and has left; none where nothing is counted.
pub(crate) fn headers(spent: u64, standing: Option<&Standing>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(standing) = standing else { return headers };
    let Standing { policy, burst, window_seconds, left, full_in_seconds } = standing;
    headers.insert(REQUEST_COST, HeaderValue::from(spent));
    let texts = [
        (RATE_LIMIT, format!("\"{policy}\";r={left};t={full_in_seconds}")),
        (RATE_LIMIT_POLICY, format!("\"{policy}\";q={burst};w={window_seconds}")),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Puts the same into the headers that go with an answer.
pub(crate) fn report_in_headers(response: &mut Response, work: &Work) {
    response.http_headers.extend(headers(work.spent(), work.standing().as_ref()));
    if let Some(seconds) = response.errors.iter().filter_map(retry_after).max() {
        response.http_headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Puts the same into the answer itself, for transports without headers.
pub(crate) fn report_in_extensions(response: &mut Response, spent: u64, work: &Work) {
    let Some(standing) = work.standing() else { return };
    let report = async_graphql::value!({
        "cost": spent,
        "limit": standing.burst,
        "remaining": standing.left,
        "resetSeconds": standing.full_in_seconds,
    });
    response.extensions.insert("rateLimit".to_owned(), report);
}

/// The seconds that an error says to wait.
pub(crate) fn retry_after(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get("retryAfterSeconds")? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    }
}

/// The code for work that is refused.
pub(crate) const fn code(refused: Refused) -> &'static str {
    match refused {
        Refused::TooMuch { .. } => super::errors::LIMIT_EXCEEDED,
        Refused::Wait { .. } | Refused::Crowded => super::errors::RATE_LIMITED,
    }
}
