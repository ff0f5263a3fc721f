//! What an answer that is no success means.

use calendar_http::{Response, http::StatusCode};
use calendar_provider::ProviderError;
use chrono::TimeDelta;
use serde::Deserialize;

/// The body of a failed request (<https://learn.microsoft.com/graph/errors>). Only the code is
/// read: messages can hold anything.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Failed {
    error: Failure,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Failure {
    code: String,
}

/// The error of `response` to a request that reads or writes; `what` was asked for, e.g. `the calendar`.
pub(crate) fn of_response(response: &Response, reads: bool, what: &'static str) -> ProviderError {
    let retry_after = response.headers().get("retry-after").and_then(|it| it.to_str().ok());
    let failed: Failed = serde_json::from_slice(response.body()).unwrap_or_default();
    of(response.status(), &failed.error.code, retry_after, reads, what)
}

/// The error of one request of a batch, all of which read.
pub(crate) fn of_part(
    status: StatusCode,
    body: serde_json::Value,
    retry_after: Option<&str>,
    what: &'static str,
) -> ProviderError {
    let failed: Failed = serde_json::from_value(body).unwrap_or_default();
    of(status, &failed.error.code, retry_after, true, what)
}

fn of(
    status: StatusCode,
    code: &str,
    retry_after: Option<&str>,
    reads: bool,
    what: &'static str,
) -> ProviderError {
    // Codes differ in case between versions and services.
    let code = code.to_ascii_lowercase();
    let error = match (status.as_u16(), code.as_str()) {
        (_, "applicationthrottled" | "mailboxconcurrency" | "toomanyrequests") | (429, _) => {
            ProviderError::rate_limited(retry_after.and_then(seconds))
        }
        // Deletes the place in the history, whatever the status.
        (410, _) | (_, "syncstatenotfound" | "syncstateinvalid" | "resyncrequired") => {
            ProviderError::cursor_expired()
        }
        (_, "errorquotaexceeded") | (507, _) => ProviderError::permanent("the mailbox is full"),
        // The license was taken away, or the mailbox is on the organization's own servers.
        (_, "mailboxnotenabledforrestapi" | "mailboxnotsupportedforrestapi") => {
            ProviderError::not_found("the mailbox")
        }
        // Refused although the token is good, where only writing was tried: a calendar that is
        // shared for reading. Where reading is refused too, a permission is missing, which an
        // administrator can withdraw: the agent has to connect again, as after a 401.
        (403, _) if !reads => ProviderError::permanent("it lets nobody write there"),
        (401 | 403, _) => ProviderError::unauthorized(),
        (404, _) | (_, "erroritemnotfound" | "errorinvalididmalformed") => {
            ProviderError::not_found(what)
        }
        (409 | 412, _) | (_, "errorirresolvableconflict") => ProviderError::conflict(),
        (408 | 425, _) | (500.., _) => ProviderError::transient("it failed by itself"),
        _ => ProviderError::permanent("it did not accept the request"),
    };
    error.with_source(format!("HTTP status {}", status.as_u16()))
}

/// Seconds of a `Retry-After`; Graph never sends a date.
fn seconds(text: &str) -> Option<TimeDelta> {
    text.trim().parse().ok().and_then(TimeDelta::try_seconds)
}

#[cfg(test)]
mod tests {
    use calendar_http::http::StatusCode;
    use calendar_provider::{ErrorClass, ProviderError};
    use chrono::TimeDelta;
    use serde_json::json;

    use super::of_part;

    fn error(status: u16, code: &str) -> ProviderError {
        let body = json!({ "error": { "code": code, "message": "of ada@contoso.example" } });
        of_part(StatusCode::from_u16(status).unwrap(), body, Some("17"), "the calendar")
    }

    #[test]
    fn statuses_and_codes_have_their_class() {
        for (status, code, class) in [
            (401, "InvalidAuthenticationToken", ErrorClass::Unauthorized),
            (403, "ErrorAccessDenied", ErrorClass::Unauthorized),
            (403, "ErrorQuotaExceeded", ErrorClass::Permanent),
            (404, "ErrorItemNotFound", ErrorClass::NotFound),
            (404, "MailboxNotEnabledForRESTAPI", ErrorClass::NotFound),
            (400, "ErrorInvalidIdMalformed", ErrorClass::NotFound),
            (400, "ErrorInvalidRequest", ErrorClass::Permanent),
            (409, "ConcurrentItemSave", ErrorClass::Conflict),
            (412, "ErrorIrresolvableConflict", ErrorClass::Conflict),
            (410, "SyncStateNotFound", ErrorClass::CursorExpired),
            (400, "syncStateNotFound", ErrorClass::CursorExpired),
            (429, "ApplicationThrottled", ErrorClass::RateLimited),
            (503, "", ErrorClass::Transient),
            (504, "UnknownError", ErrorClass::Transient),
            (507, "", ErrorClass::Permanent),
        ] {
            assert_eq!(error(status, code).class(), class, "{status} {code}");
        }
    }

    #[test]
    fn a_mailbox_and_a_calendar_that_are_gone_are_told_apart() {
        assert_eq!(error(404, "ErrorItemNotFound").to_string(), "the calendar was not found");
        assert_eq!(
            error(404, "MailboxNotEnabledForRESTAPI").to_string(),
            "the mailbox was not found"
        );
    }

    #[test]
    fn the_wait_is_told_and_the_body_is_not() {
        let error = error(429, "ApplicationThrottled");
        let ProviderError::RateLimited { retry_after, .. } = &error else {
            panic!("{error:?} is not RateLimited");
        };
        assert_eq!(*retry_after, Some(TimeDelta::seconds(17)));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("ada") && !shown.contains("Throttled"), "{shown}");
    }
}
