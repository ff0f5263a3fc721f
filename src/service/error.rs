//! What can go wrong, in words for the caller.

use sea_orm::DbErr;

use crate::work::Refused;

/// Why a request was not done. Each has a code of the public contract.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No key or token, or one that does not work.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Known, but not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// No such thing, or not for this caller to know of.
    #[error("{0}")]
    NotFound(String),
    /// The caller's input can't be used.
    #[error("{message}")]
    BadInput {
        /// A dotted path from the argument.
        field: String,
        /// What is wrong and what is allowed.
        message: String,
        /// For a template, where in it: line and column, from 1.
        position: Option<(u32, u32)>,
    },
    /// It does not go with what is there already.
    #[error("{0}")]
    Conflict(String),
    /// What the caller's input asks for is another's already.
    #[error("{message}")]
    Taken {
        /// A dotted path from the argument.
        field: String,
        /// Whose it is.
        message: String,
    },
    /// Too much of it.
    #[error("{message}")]
    RateLimited {
        /// What was too much.
        message: String,
        /// When it may be tried again.
        retry_after_seconds: i64,
    },
    /// More than is kept or answered at once.
    #[error("{0}")]
    LimitExceeded(String),
    /// A calendar, or a verifier of proofs, that is needed did not answer.
    #[error("{0}")]
    Upstream(String),
    /// Ours to mend. The cause is for the log alone.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

/// What services answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Input at `field` that can't be used.
    pub fn bad_input(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::BadInput { field: field.into(), message: message.into(), position: None }
    }

    /// A name or the like, at `field` of the input, that another has already.
    pub fn taken(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Taken { field: field.into(), message: message.into() }
    }

    /// A fault of ours.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::Internal(cause.into())
    }

    /// The code of the public contract.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::NotFound(_) => "NOT_FOUND",
            Self::BadInput { .. } => "BAD_USER_INPUT",
            Self::Conflict(_) | Self::Taken { .. } => "CONFLICT",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::LimitExceeded(_) => "LIMIT_EXCEEDED",
            Self::Upstream(_) => "UPSTREAM_UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused.retry_after_seconds() {
            Some(seconds) => {
                let retry_after_seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                Self::RateLimited { message, retry_after_seconds }
            }
            None => Self::LimitExceeded(message),
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::internal(error)
    }
}
