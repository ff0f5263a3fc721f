//! Errors: problem details (RFC 9457) with one member of ours, the class.

#[cfg(feature = "serve")]
use calendar_provider::ErrorClass;
use calendar_provider::ProviderError;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// The longest wait that is believed.
const LONGEST_WAIT: i64 = 24 * 60 * 60;

#[derive(Deserialize, Serialize)]
pub(crate) struct Problem {
    pub(crate) class: Class,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    Unauthorized,
    RateLimited,
    NotFound,
    Conflict,
    Unsupported,
    Transient,
    Permanent,
    InvalidCredentials,
    CursorExpired,
}

impl Problem {
    /// The error in the trait's terms. `fields` are those that connecting asks for.
    pub(crate) fn into_error(self, fields: &[&str]) -> ProviderError {
        match self.class {
            Class::Unauthorized => ProviderError::unauthorized(),
            Class::RateLimited => {
                let wait = self.retry_after_seconds.map(i64::from);
                ProviderError::rate_limited(wait.map(|it| TimeDelta::seconds(it.min(LONGEST_WAIT))))
            }
            Class::NotFound => ProviderError::not_found("the calendar"),
            Class::Conflict => ProviderError::conflict(),
            Class::Unsupported => ProviderError::unsupported("that"),
            Class::Transient => ProviderError::transient("the remote provider says so"),
            Class::Permanent => ProviderError::permanent("the remote provider says so"),
            Class::InvalidCredentials => {
                // The field goes into a message, so it is one of those that were asked for.
                let named = fields.iter().find(|it| Some(**it) == self.field.as_deref());
                match named.or(fields.first()) {
                    Some(field) => ProviderError::invalid_credentials(*field, "is not right"),
                    None => ProviderError::unauthorized(),
                }
            }
            Class::CursorExpired => ProviderError::cursor_expired(),
        }
    }
}

#[cfg(feature = "serve")]
impl Problem {
    pub(crate) fn from_error(error: &ProviderError) -> Self {
        let (mut retry_after_seconds, mut named) = (None, None);
        match error {
            ProviderError::RateLimited { retry_after: Some(wait), .. } => {
                retry_after_seconds = u32::try_from(wait.num_seconds()).ok();
            }
            ProviderError::InvalidCredentials { field, .. } => named = Some(field.clone()),
            _ => {}
        }
        let class = match error.class() {
            ErrorClass::Unauthorized => Class::Unauthorized,
            ErrorClass::RateLimited => Class::RateLimited,
            ErrorClass::NotFound => Class::NotFound,
            ErrorClass::Conflict => Class::Conflict,
            ErrorClass::Unsupported => Class::Unsupported,
            ErrorClass::Transient => Class::Transient,
            ErrorClass::InvalidCredentials => Class::InvalidCredentials,
            ErrorClass::CursorExpired => Class::CursorExpired,
            _ => Class::Permanent,
        };
        Self { class, retry_after_seconds, field: named }
    }

    /// The status that fits the class.
    pub(crate) const fn status(&self) -> u16 {
        match self.class {
            Class::Unauthorized => 403,
            Class::RateLimited => 429,
            Class::NotFound => 404,
            Class::Conflict => 409,
            Class::Unsupported => 501,
            Class::Transient => 503,
            Class::Permanent | Class::InvalidCredentials => 422,
            Class::CursorExpired => 410,
        }
    }
}
