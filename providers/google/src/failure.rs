//! Google's errors (guide "Handle API errors").

use calendar_http::{Response, http::StatusCode, parse_retry_after, read_json};
use calendar_provider::ProviderError;
use serde::Deserialize;

/// Why a call brought nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Google refused it.
    Refused(Refusal),
    /// There was no answer that could be read.
    Other(ProviderError),
}

/// A refusal, with what can be told of it: the texts that Google sends stay out.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: Reason,
    retry_after: Option<chrono::TimeDelta>,
}

/// `error.errors[0].reason`, as far as anything depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Fewer requests are wanted, by one of several names.
    Limit,
    /// The token lacks a scope.
    Scope,
    /// The agent's own access to the calendar does not reach that far.
    Access,
    /// The operator's Cloud project may not use the API.
    NotEnabled,
    /// The sync token is too old.
    FullSync,
    /// The event was deleted.
    Deleted,
    /// The address of a channel is not accepted.
    Address,
    /// Any other.
    Unknown,
}

#[derive(Deserialize)]
struct Document {
    error: Details,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    errors: Vec<Detail>,
    /// The newer form of the document has it here.
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: String,
}

impl Refusal {
    pub(crate) fn read(response: &Response) -> Self {
        // A refusal that can't be read, e.g. a proxy's, is judged by its status alone.
        let document = read_json::<Document>(response).ok();
        let details = document.into_iter().flat_map(|it| [it.error.errors, it.error.details]);
        let known = details.flatten().map(|detail| Reason::read(&detail.reason));
        let reason = known.into_iter().find(|it| *it != Reason::Unknown);
        let (status, retry_after) = (response.status(), parse_retry_after(response.headers()));
        Self { status, reason: reason.unwrap_or(Reason::Unknown), retry_after }
    }

    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// What it is to the server; `what` is what was not found where it was not.
    pub(crate) fn into_error(self, what: &'static str) -> ProviderError {
        let Self { status, reason, retry_after } = self;
        let error = match (status, reason) {
            (_, Reason::Limit) | (StatusCode::TOO_MANY_REQUESTS, _) => {
                ProviderError::rate_limited(retry_after)
            }
            // Before 401, with which Google answers this: the agent's authorization holds.
            (_, Reason::Address) => {
                ProviderError::permanent("the address for its calls is not accepted")
            }
            (StatusCode::UNAUTHORIZED, _) | (_, Reason::Scope) => ProviderError::unauthorized(),
            (_, Reason::NotEnabled) => {
                ProviderError::permanent("the Calendar API is not enabled for the OAuth client")
            }
            (_, Reason::Access) | (StatusCode::FORBIDDEN, _) => {
                ProviderError::permanent("the agent may not do that in this calendar")
            }
            (_, Reason::FullSync) => ProviderError::cursor_expired(),
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => ProviderError::not_found(what),
            (StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED, _) => {
                ProviderError::conflict()
            }
            (StatusCode::REQUEST_TIMEOUT, _) => {
                ProviderError::transient("the request took too long")
            }
            (status, _) if status.is_server_error() => ProviderError::transient("it failed"),
            _ => ProviderError::permanent("the request is not accepted"),
        };
        error.with_source(format!("status {}, {reason:?}", status.as_u16()))
    }
}

impl Reason {
    fn read(text: &str) -> Self {
        match text {
            "rateLimitExceeded"
            | "userRateLimitExceeded"
            | "quotaExceeded"
            | "dailyLimitExceeded"
            | "calendarUsageLimitsExceeded"
            | "RATE_LIMIT_EXCEEDED" => Self::Limit,
            "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => Self::Scope,
            "requiredAccessLevel" | "forbiddenForNonOrganizer" => Self::Access,
            "accessNotConfigured" | "SERVICE_DISABLED" => Self::NotEnabled,
            "fullSyncRequired" | "updatedMinTooLongAgo" => Self::FullSync,
            "deleted" => Self::Deleted,
            _ if text.starts_with("push.webhookUrl") => Self::Address,
            _ => Self::Unknown,
        }
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    pub(crate) fn into_error(self, what: &'static str) -> ProviderError {
        match self {
            Self::Refused(refusal) => refusal.into_error(what),
            Self::Other(error) => error,
        }
    }

    /// Whether Google says that what was asked for is not there.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_gone())
    }

    /// Whether it is the agent's or the token's access that does not reach that far.
    pub(crate) fn is_forbidden(&self) -> bool {
        let access = |reason| matches!(reason, Reason::Scope | Reason::Access | Reason::Unknown);
        let forbidden = |it: &Refusal| it.status == StatusCode::FORBIDDEN && access(it.reason);
        matches!(self, Self::Refused(refusal) if forbidden(refusal))
    }

    pub(crate) fn has_status(&self, status: StatusCode) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == status)
    }
}

/// What was not found is the calendar, where nothing else is said.
impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        failure.into_error("the calendar")
    }
}
