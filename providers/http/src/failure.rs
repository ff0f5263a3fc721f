//! What went wrong with one attempt, and what follows from it.

use std::{error::Error, io, time::Duration};

use calendar_provider::ProviderError;
use chrono::TimeDelta;
use http::{HeaderMap, Method, StatusCode};

use crate::{
    guard::{self, NotPublic},
    retry,
};

/// The longest text of a cause, in characters: a server has a say in some of them.
const MAX_CAUSE: usize = 300;

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the caller is told.
    pub(crate) error: ProviderError,
    /// What it says about the origin.
    pub(crate) health: Health,
    /// How long the server asks to be left alone.
    pub(crate) wait: Option<Duration>,
    retry: Retry,
}

/// What a failed attempt says about an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers, if not as wished.
    Up,
    /// It fails.
    Down,
    /// Nothing.
    Unknown,
}

/// Which requests may be made again.
#[derive(Clone, Copy, Debug)]
enum Retry {
    Never,
    /// Those that do no harm when the failed one was carried out after all.
    Idempotent,
    /// All: the server says that it has not carried it out.
    Any,
}

/// Why, as text: the library's own errors hold URLs and what the server sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

impl Failure {
    /// What `status` means where no answer with it is given back.
    pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let wait = retry::retry_after(headers);
        let limited = ProviderError::rate_limited(wait.and_then(|it| TimeDelta::from_std(it).ok()));
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                Some(Self { error: limited, health: Health::Up, wait, retry: Retry::Any })
            }
            StatusCode::SERVICE_UNAVAILABLE if wait.is_some() => {
                Some(Self { error: limited, health: Health::Down, wait, retry: Retry::Any })
            }
            // These are about the request rather than about the server's state: it can't do that
            // at all, or not as much of it (RFC 4918, section 11.5; RFC 6578, section 3.6).
            StatusCode::NOT_IMPLEMENTED
            | StatusCode::HTTP_VERSION_NOT_SUPPORTED
            | StatusCode::INSUFFICIENT_STORAGE => None,
            _ if status.is_server_error() => Some(Self::broken("it has a failure of its own")),
            _ => None,
        }
    }

    /// The origin did not do its part in time.
    pub(crate) fn timeout() -> Self {
        Self { retry: Retry::Never, ..Self::broken("no answer in time") }
    }

    /// The answer is larger than the caller takes.
    pub(crate) fn too_large() -> Self {
        let error = ProviderError::permanent("the answer is too large");
        Self { error, health: Health::Up, wait: None, retry: Retry::Never }
    }

    /// The request must not go there.
    pub(crate) fn not_public() -> Self {
        let error = guard::not_public();
        Self { error, health: Health::Unknown, wait: None, retry: Retry::Never }
    }

    /// Whether a request with `method` may be made again after this.
    pub(crate) fn may_retry(&self, method: &Method) -> bool {
        match self.retry {
            Retry::Never => false,
            Retry::Idempotent => retry::is_idempotent(method),
            Retry::Any => true,
        }
    }

    fn broken(message: &'static str) -> Self {
        let error = ProviderError::transient(message);
        Self { error, health: Health::Down, wait: None, retry: Retry::Idempotent }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if chain(&error).any(|it| it.is::<NotPublic>()) {
            return Self::not_public();
        }
        let mut failure = if error.is_builder() {
            let refused = ProviderError::permanent("the request is not valid");
            Self { error: refused, health: Health::Unknown, wait: None, retry: Retry::Never }
        } else if chain(&error).any(is_certificate_error) {
            Self { retry: Retry::Never, ..Self::broken("its certificate is not trusted") }
        } else if error.is_timeout() {
            Self::broken("no answer in time")
        } else if error.is_connect() {
            Self::broken("no connection")
        } else if error.is_body() || error.is_decode() {
            Self::broken("the answer was cut off")
        } else {
            Self::broken("no valid answer")
        };
        failure.error = failure.error.with_source(Cause::of(&error));
        failure
    }
}

impl Cause {
    /// The messages of `error` and its causes.
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut messages: Vec<_> = chain(error).map(ToString::to_string).collect();
        // Some errors only repeat what they wrap.
        messages.dedup();
        let text = messages.join(": ");
        Self(text.chars().filter(|it| !it.is_control()).take(MAX_CAUSE).collect())
    }
}

fn is_certificate_error(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
}

/// `error` and its causes. An I/O error passes over what it wraps when asked for its source.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&it| {
        let wrapped = it.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map_or_else(|| it.source(), |it| Some(it as &(dyn Error + 'static)))
    })
}
