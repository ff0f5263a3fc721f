//! From GraphQL answers to HTTP: the one place where a response becomes bytes, and the status that
//! goes with it.

use std::time::Duration;

use async_graphql::{Response as GraphqlResponse, ServerError};
use axum::{
    body::Body,
    http::{
        HeaderName, HeaderValue, Response, StatusCode,
        header::{
            ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    errors::{self, RATE_LIMITED, UNAUTHENTICATED, code_of, coded},
    prewritten::Parts,
    request::Media,
};

/// The answer to one operation.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: GraphqlResponse,
    /// The status under application/graphql-response+json; application/json always has 200.
    pub(crate) status: StatusCode,
    /// What resolvers wrote themselves.
    parts: Parts,
}

impl Reply {
    /// What the schema answered, with the parts that its resolvers wrote themselves.
    pub(crate) fn executed(response: GraphqlResponse, parts: Parts) -> Self {
        let response = errors::finish(response);
        let refused = errors::is_request_error(&response);
        let status = if refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        Self { response, status, parts }
    }

    /// What is answered instead of executing, or when execution came to nothing.
    pub(crate) fn failed(status: StatusCode, error: ServerError) -> Self {
        let response = GraphqlResponse::from_errors(vec![error]);
        Self { response, status, parts: Parts::default() }
    }

    /// Whether the operation was never executed.
    pub(crate) fn is_request_error(&self) -> bool {
        errors::is_request_error(&self.response)
    }
}

/// What a GraphQL answer looks like in JSON. This and [`encode`] are all of the serialisation.
impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let response = &self.response;
        let mut map = serializer.serialize_map(None)?;
        if !self.is_request_error() {
            map.serialize_entry("data", &self.parts.fill(&response.data))?;
        }
        if !response.errors.is_empty() {
            map.serialize_entry("errors", &response.errors)?;
        }
        if !response.extensions.is_empty() {
            map.serialize_entry("extensions", &response.extensions)?;
        }
        map.end()
    }
}

/// Writes an answer, a batch of answers, or a message that holds one, as JSON.
pub(crate) fn encode<T: Serialize>(answer: &T) -> Vec<u8> {
    encode_some(answer, 0)
}

/// The same, with room for the parts that resolvers wrote.
fn encode_some<T: Serialize>(answer: &T, parts: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512 + parts);
    // Writing to memory can't fail, and GraphQL values have no keys that JSON lacks.
    if let Err(error) = serde_json::to_writer(&mut bytes, answer) {
        tracing::error!(%error, "an answer could not be written");
        return br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#
            .to_vec();
    }
    bytes
}

/// The HTTP response to one operation.
pub(crate) fn single(mut reply: Reply, media: Media) -> Response<Body> {
    let status = match media {
        Media::GraphqlResponse => reply.status,
        _ => StatusCode::OK,
    };
    let headers = std::mem::take(&mut reply.response.http_headers);
    let mut response = json(status, media, encode_some(&reply, reply.parts.size()));
    response.headers_mut().extend(headers);
    response
}

/// The HTTP response to a batch. It is 200 whatever is in it: each answer tells of itself.
pub(crate) fn batch(replies: &[Reply], media: Media) -> Response<Body> {
    json(StatusCode::OK, media, encode(&replies))
}

fn json(status: StatusCode, media: Media, bytes: Vec<u8>) -> Response<Body> {
    let content_type = match media {
        Media::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        _ => "application/json; charset=utf-8",
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A request that is answered before it reaches GraphQL, with an HTTP status of its own in either
/// media type.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: Box<ServerError>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, error: Box::new(coded(ServerError::new(message, None), code)), header: None }
    }

    /// 405, naming what is allowed (RFC 9110, section 15.5.6).
    pub(crate) fn method(allowed: &'static str, message: &str) -> Self {
        let header = (ALLOW, HeaderValue::from_static(allowed));
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, errors::BAD_USER_INPUT, message);
        Self { header: Some(header), ..refusal }
    }

    /// 429 with the seconds to wait, rounded up (RFC 6585, section 4).
    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let message =
            format!("too many requests without a key from this address: wait {seconds} s");
        let header = (RETRY_AFTER, HeaderValue::from(seconds));
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, message);
        Self { header: Some(header), ..refusal }
    }

    /// What a service refused. 401 says how to be let in (RFC 6750, section 3).
    pub(crate) fn of(status: StatusCode, error: async_graphql::Error) -> Self {
        let extensions = error.extensions;
        let error = Box::new(ServerError { extensions, ..ServerError::new(error.message, None) });
        let header = (status == StatusCode::UNAUTHORIZED)
            .then(|| (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        Self { status, error, header }
    }

    /// A caller that could not be identified: 401 for a token that is not known, 503 otherwise.
    pub(crate) fn identity(error: async_graphql::Error) -> Self {
        let extensions = error.extensions;
        let error = Box::new(ServerError { extensions, ..ServerError::new(error.message, None) });
        match code_of(&error) {
            Some(UNAUTHENTICATED) => {
                let header = (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                Self { status: StatusCode::UNAUTHORIZED, error, header: Some(header) }
            }
            Some(_) => Self { status: StatusCode::SERVICE_UNAVAILABLE, error, header: None },
            None => {
                tracing::error!(cause = %error.message, "identifying a caller failed without a code");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self { status, error: Box::new(errors::internal()), header: None }
            }
        }
    }

    /// Writes the refusal in the JSON form that the caller accepts.
    pub(crate) fn into_response(self, media: Media) -> Response<Body> {
        let reply = Reply::failed(self.status, *self.error);
        let mut response = json(self.status, media, encode(&reply));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
