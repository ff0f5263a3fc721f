//! What can go wrong with a calendar.

use std::error::Error;

use chrono::TimeDelta;

/// An error of another library, kept as the cause.
pub type Source = Box<dyn Error + Send + Sync>;

/// Why a calendar did not do what it was asked.
///
/// The message of each is short and can be shown to anyone. What varies in it is `&'static str`
/// or comes from [`About`](crate::About), so that no response body or secret can get in. The
/// source is for logs and holds no secret and no response body either.
///
/// ```
/// use calendar_provider::{ErrorClass, ProviderError};
///
/// let cut_off = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
/// let error = ProviderError::transient("the answer was cut off").with_source(cut_off);
/// assert_eq!(error.class(), ErrorClass::Transient);
/// assert!(error.is_retryable());
/// assert!(std::error::Error::source(&error).is_some());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The authorization has expired or was revoked: only the agent can mend it.
    #[error("the calendar no longer accepts the agent's authorization")]
    #[non_exhaustive]
    Unauthorized {
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// The provider wants fewer requests.
    #[error("the calendar asks for fewer requests")]
    #[non_exhaustive]
    RateLimited {
        /// How long to wait, where the provider says so (RFC 9110, section 10.2.3).
        retry_after: Option<TimeDelta>,
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// The connection or its calendar does not exist, or no longer.
    #[error("{what} was not found")]
    #[non_exhaustive]
    NotFound {
        /// What was looked for, e.g. `the calendar`.
        what: &'static str,
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// The event was changed by someone else meanwhile.
    #[error("the event was changed meanwhile")]
    #[non_exhaustive]
    Conflict {
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// The provider can't do that at all; its [`Capabilities`](crate::Capabilities) say so.
    #[error("the calendar does not support {operation}")]
    #[non_exhaustive]
    Unsupported {
        /// What was asked, e.g. `writing events`.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// It may work later: no connection, no answer in time, a server's own failure.
    #[error("the calendar can't be reached: {message}")]
    #[non_exhaustive]
    Transient {
        /// What happened.
        message: &'static str,
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// It will never work as asked.
    #[error("the calendar refused: {message}")]
    #[non_exhaustive]
    Permanent {
        /// What happened.
        message: &'static str,
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// What the agent typed in to connect is not right.
    #[error("{field}: {message}")]
    #[non_exhaustive]
    InvalidCredentials {
        /// The [`CredentialField::name`](crate::CredentialField::name) at fault.
        field: String,
        /// What is wrong with its value, without the value.
        message: &'static str,
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// The cursor is unknown or too old: begin again without one.
    #[error("the cursor is no longer known to the calendar")]
    #[non_exhaustive]
    CursorExpired {
        /// The cause.
        #[source]
        source: Option<Source>,
    },
}

/// The kind of a [`ProviderError`], without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// [`ProviderError::Unauthorized`]
    Unauthorized,
    /// [`ProviderError::RateLimited`]
    RateLimited,
    /// [`ProviderError::NotFound`]
    NotFound,
    /// [`ProviderError::Conflict`]
    Conflict,
    /// [`ProviderError::Unsupported`]
    Unsupported,
    /// [`ProviderError::Transient`]
    Transient,
    /// [`ProviderError::Permanent`]
    Permanent,
    /// [`ProviderError::InvalidCredentials`]
    InvalidCredentials,
    /// [`ProviderError::CursorExpired`]
    CursorExpired,
}

impl ProviderError {
    /// [`ProviderError::Unauthorized`] with no source.
    pub const fn unauthorized() -> Self {
        Self::Unauthorized { source: None }
    }

    /// [`ProviderError::RateLimited`] with no source.
    pub const fn rate_limited(retry_after: Option<TimeDelta>) -> Self {
        Self::RateLimited { retry_after, source: None }
    }

    /// [`ProviderError::NotFound`] with no source; `what` is e.g. `the calendar`.
    pub const fn not_found(what: &'static str) -> Self {
        Self::NotFound { what, source: None }
    }

    /// [`ProviderError::Conflict`] with no source.
    pub const fn conflict() -> Self {
        Self::Conflict { source: None }
    }

    /// [`ProviderError::Unsupported`] with no source; `operation` is e.g. `writing events`.
    pub const fn unsupported(operation: &'static str) -> Self {
        Self::Unsupported { operation, source: None }
    }

    /// [`ProviderError::Transient`] with no source.
    pub const fn transient(message: &'static str) -> Self {
        Self::Transient { message, source: None }
    }

    /// [`ProviderError::Permanent`] with no source.
    pub const fn permanent(message: &'static str) -> Self {
        Self::Permanent { message, source: None }
    }

    /// [`ProviderError::InvalidCredentials`] with no source.
    pub fn invalid_credentials(field: impl Into<String>, message: &'static str) -> Self {
        Self::InvalidCredentials { field: field.into(), message, source: None }
    }

    /// [`ProviderError::CursorExpired`] with no source.
    pub const fn cursor_expired() -> Self {
        Self::CursorExpired { source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, cause: impl Into<Source>) -> Self {
        match &mut self {
            Self::Unauthorized { source }
            | Self::RateLimited { source, .. }
            | Self::NotFound { source, .. }
            | Self::Conflict { source }
            | Self::Unsupported { source, .. }
            | Self::Transient { source, .. }
            | Self::Permanent { source, .. }
            | Self::InvalidCredentials { source, .. }
            | Self::CursorExpired { source } => *source = Some(cause.into()),
        }
        self
    }

    /// Its kind, without its details.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Unauthorized { .. } => ErrorClass::Unauthorized,
            Self::RateLimited { .. } => ErrorClass::RateLimited,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::Conflict { .. } => ErrorClass::Conflict,
            Self::Unsupported { .. } => ErrorClass::Unsupported,
            Self::Transient { .. } => ErrorClass::Transient,
            Self::Permanent { .. } => ErrorClass::Permanent,
            Self::InvalidCredentials { .. } => ErrorClass::InvalidCredentials,
            Self::CursorExpired { .. } => ErrorClass::CursorExpired,
        }
    }

    /// Whether the same call may work later with nothing mended.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Transient { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use chrono::TimeDelta;

    use super::{ErrorClass, ProviderError};

    fn one_of_each() -> [(ProviderError, ErrorClass, &'static str); 9] {
        [
            (
                ProviderError::unauthorized(),
                ErrorClass::Unauthorized,
                "the calendar no longer accepts the agent's authorization",
            ),
            (
                ProviderError::rate_limited(Some(TimeDelta::seconds(30))),
                ErrorClass::RateLimited,
                "the calendar asks for fewer requests",
            ),
            (
                ProviderError::not_found("the calendar"),
                ErrorClass::NotFound,
                "the calendar was not found",
            ),
            (ProviderError::conflict(), ErrorClass::Conflict, "the event was changed meanwhile"),
            (
                ProviderError::unsupported("writing events"),
                ErrorClass::Unsupported,
                "the calendar does not support writing events",
            ),
            (
                ProviderError::transient("no answer in time"),
                ErrorClass::Transient,
                "the calendar can't be reached: no answer in time",
            ),
            (
                ProviderError::permanent("the answer is no calendar"),
                ErrorClass::Permanent,
                "the calendar refused: the answer is no calendar",
            ),
            (
                ProviderError::invalid_credentials("password", "is not right"),
                ErrorClass::InvalidCredentials,
                "password: is not right",
            ),
            (
                ProviderError::cursor_expired(),
                ErrorClass::CursorExpired,
                "the cursor is no longer known to the calendar",
            ),
        ]
    }

    #[test]
    fn each_error_has_its_class_and_keeps_its_cause_out_of_its_message() {
        for (error, class, message) in one_of_each() {
            assert_eq!(error.class(), class);
            assert!(error.source().is_none());
            let caused = error.with_source("the cause");
            assert_eq!(caused.class(), class);
            assert_eq!(caused.to_string(), message);
            assert_eq!(caused.source().map(ToString::to_string).as_deref(), Some("the cause"));
        }
    }

    #[test]
    fn only_what_passes_by_itself_is_retried() {
        let retried: Vec<_> = one_of_each()
            .into_iter()
            .filter(|(error, ..)| error.is_retryable())
            .map(|(_, class, _)| class)
            .collect();
        assert_eq!(retried, [ErrorClass::RateLimited, ErrorClass::Transient]);
    }
}
