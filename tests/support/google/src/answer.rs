//! Answers in Google's forms.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error as the guide "Handle API errors" shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) domain: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// Seconds for `Retry-After`.
    pub(crate) retry_after: Option<u32>,
}

/// What a handler answers: a JSON body, or none with 204.
pub(crate) type Answer = Result<Option<Value>, ApiError>;

impl ApiError {
    fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, domain: "global", reason, message: message.into(), retry_after: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    pub(crate) fn required(message: impl Into<String>) -> Self {
        Self::new(400, "required", message)
    }

    pub(crate) fn empty_range() -> Self {
        let error = Self::new(400, "timeRangeEmpty", "The specified time range is empty.");
        Self { domain: "calendar", ..error }
    }

    pub(crate) fn long_range() -> Self {
        let message = "The requested time range is too long.";
        Self { domain: "calendar", ..Self::new(400, "timeRangeTooLong", message) }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "authError", "Invalid Credentials")
    }

    pub(crate) fn scope() -> Self {
        let message = "Request had insufficient authentication scopes.";
        Self::new(403, "insufficientPermissions", message)
    }

    pub(crate) fn access_level() -> Self {
        let message = "You need to have writer access to this calendar.";
        Self { domain: "calendar", ..Self::new(403, "requiredAccessLevel", message) }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "notFound", "Not Found")
    }

    pub(crate) fn duplicate() -> Self {
        Self::new(409, "duplicate", "The requested identifier already exists.")
    }

    pub(crate) fn deleted() -> Self {
        Self::new(410, "deleted", "Resource has been deleted")
    }

    pub(crate) fn full_sync_required() -> Self {
        let message = "Sync token is no longer valid, a full sync is required.";
        Self { domain: "calendar", ..Self::new(410, "fullSyncRequired", message) }
    }

    pub(crate) fn condition() -> Self {
        Self::new(412, "conditionNotMet", "Precondition Failed")
    }

    pub(crate) fn limit(status: u16, reason: &'static str, retry_after: Option<u32>) -> Self {
        let error = Self::new(status, reason, "Rate Limit Exceeded");
        Self { domain: "usageLimits", retry_after, ..error }
    }

    pub(crate) fn backend(status: u16) -> Self {
        Self::new(status, "backendError", "Backend Error")
    }

    pub(crate) fn web_hook() -> Self {
        Self::new(401, "push.webhookUrlNotHttps", "WebHook callback must be HTTPS")
    }

    pub(crate) fn channel_taken() -> Self {
        Self::new(400, "channelIdNotUnique", "Channel id not unique")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, domain, reason, message, retry_after } = self;
        let body = json!({ "error": {
            "errors": [{ "domain": domain, "reason": reason, "message": message }],
            "code": status,
            "message": message,
        }});
        let mut response = json_response(status, &body);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if reason == "authError" {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(crate) fn json_response(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = [(CONTENT_TYPE, "application/json; charset=UTF-8")];
    (status, content_type, body.to_string()).into_response()
}
