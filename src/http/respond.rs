//! From GraphQL answers to HTTP: the one place where a response becomes bytes, and the status that
//! goes with it.

use std::{io::Write as _, time::Duration};

use async_graphql::{Response as GraphqlResponse, ServerError};
use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
        header::{
            ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    connection::{Charged, NoRoom, Room, Writer, Written},
    cost,
    errors::{self, LIMIT_EXCEEDED, RATE_LIMITED, UNAUTHENTICATED, UNAVAILABLE, code_of, coded},
    prewritten::Parts,
    request::Media,
};
use crate::work::Refused;

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

/// What a GraphQL answer looks like in JSON. This and [`write`] are all of the serialisation.
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

/// Writes an answer, or a message that holds one, as JSON.
///
/// # Errors
/// Where there is not enough room for it.
pub(crate) fn encode<T: Serialize>(answer: &T, room: &Room) -> Result<Written, NoRoom> {
    let mut writer = Writer::new(room);
    write(answer, &mut writer);
    writer.finish()
}

/// Writes JSON at the end of what is there, as far as there is room.
pub(crate) fn write<T: Serialize>(answer: &T, writer: &mut Writer<'_>) {
    let before = writer.len();
    let Err(error) = serde_json::to_writer(&mut *writer, answer) else { return };
    if writer.failed().is_some() {
        return;
    }
    // Writing to memory can't fail otherwise, and GraphQL values have no keys that JSON lacks.
    tracing::error!(%error, "an answer could not be written");
    writer.rewind(before);
    let defect = br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#;
    // Where there is no room, that is known from the writer.
    let _ = writer.write_all(defect);
}

/// The HTTP response to one operation.
pub(crate) fn single(mut reply: Reply, media: Media, room: &Room) -> Response<Body> {
    let status = match media {
        Media::GraphqlResponse => reply.status,
        _ => StatusCode::OK,
    };
    let headers = std::mem::take(&mut reply.response.http_headers);
    let mut response = match encode(&reply, room) {
        Ok(written) => json(status, media, written),
        Err(why) => Refusal::no_room(why).into_response(media),
    };
    response.headers_mut().extend(headers);
    response
}

/// Room for what the rest of a batch is told.
const REFUSALS: usize = 64 * 1024;

/// The answers of a batch, each written as soon as it is there, so that no more than one lies in memory
/// unwritten.
pub(crate) struct Batch<'a> {
    writer: Writer<'a>,
    full: Option<NoRoom>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(room: &'a Room) -> Self {
        Self { writer: Writer::new(room), full: None }
    }

    /// What the operations that follow are answered, once there is no room for their answers: they are
    /// not executed.
    pub(crate) fn full(&self) -> Option<Reply> {
        Some(Reply::failed(StatusCode::BAD_REQUEST, no_room(self.full?)))
    }

    /// Adds an answer, or says in its place that there is no room for it.
    pub(crate) fn add(&mut self, reply: &Reply) {
        let before = self.writer.len();
        self.element(before == 0, reply);
        if let Some(why) = self.writer.failed().filter(|_| self.full.is_none()) {
            self.writer.rewind(before);
            self.writer.extend(REFUSALS);
            self.full = Some(why);
            self.element(before == 0, &Reply::failed(StatusCode::BAD_REQUEST, no_room(why)));
        }
    }

    fn element(&mut self, first: bool, reply: &Reply) {
        // Where there is no room, that is known from the writer.
        let _ = self.writer.write_all(if first { b"[" } else { b"," });
        write(reply, &mut self.writer);
    }

    /// The HTTP response. It is 200 whatever is in it: each answer tells of itself.
    pub(crate) fn finish(mut self, media: Media) -> Response<Body> {
        let _ = self.writer.write_all(b"]");
        match self.writer.finish() {
            Ok(written) => json(StatusCode::OK, media, written),
            Err(why) => Refusal::no_room(why).into_response(media),
        }
    }
}

/// What is said in place of an answer that there is no room for.
pub(crate) fn no_room(why: NoRoom) -> ServerError {
    let (message, code) = match why {
        NoRoom::TooLarge(most) => {
            let message = format!(
                "the answer is larger than {most} bytes: ask for less at once, with smaller pages, \
                 fewer days or fewer fields"
            );
            (message, LIMIT_EXCEEDED)
        }
        NoRoom::Full => {
            let message = "the server has no memory left for this answer: read the answers that wait \
                 for you, and try again later";
            (message.to_owned(), UNAVAILABLE)
        }
    };
    coded(ServerError::new(message, None), code)
}

fn json(status: StatusCode, media: Media, written: Written) -> Response<Body> {
    let content_type = match media {
        Media::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        _ => "application/json; charset=utf-8",
    };
    let mut response = Response::new(written.into_body());
    *response.status_mut() = status;
    response.extensions_mut().insert(Charged);
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
    /// What the caller has left, where that is why it is refused.
    limits: Option<Box<HeaderMap>>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let error = Box::new(coded(ServerError::new(message, None), code));
        Self { status, error, header: None, limits: None }
    }

    /// 405, naming what is allowed (RFC 9110, section 15.5.6).
    pub(crate) fn method(allowed: &'static str, message: &str) -> Self {
        let header = (ALLOW, HeaderValue::from_static(allowed));
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, errors::BAD_USER_INPUT, message);
        Self { header: Some(header), ..refusal }
    }

    /// An answer that there is no room for: 400 where it is too large, 503 where it is a matter of time.
    pub(crate) fn no_room(why: NoRoom) -> Self {
        let (status, header) = match why {
            NoRoom::TooLarge(_) => (StatusCode::BAD_REQUEST, None),
            NoRoom::Full => {
                let header = (RETRY_AFTER, HeaderValue::from_static("1"));
                (StatusCode::SERVICE_UNAVAILABLE, Some(header))
            }
        };
        Self { status, error: Box::new(no_room(why)), header, limits: None }
    }

    /// 429 with the seconds to wait, rounded up (RFC 6585, section 4).
    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::wait(seconds, format!("too many requests from this address: wait {seconds} s"))
    }

    fn wait(seconds: u64, message: String) -> Self {
        let header = (RETRY_AFTER, HeaderValue::from(seconds));
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, message);
        let extensions = refusal.error.extensions.get_or_insert_default();
        extensions.set("retryAfterSeconds", seconds);
        Self { header: Some(header), ..refusal }
    }

    /// Work that the caller's account does not hold, or that is too much at once.
    pub(crate) fn work(refused: Refused, limits: HeaderMap) -> Self {
        let refusal = match refused.retry_after_seconds() {
            Some(seconds) => Self::wait(seconds, refused.to_string()),
            None => Self::new(StatusCode::BAD_REQUEST, cost::code(refused), refused.to_string()),
        };
        Self { limits: Some(Box::new(limits)), ..refusal }
    }

    /// What a service refused. 401 says how to be let in (RFC 6750, section 3).
    pub(crate) fn of(status: StatusCode, error: async_graphql::Error) -> Self {
        let extensions = error.extensions;
        let error = Box::new(ServerError { extensions, ..ServerError::new(error.message, None) });
        let header = match status {
            StatusCode::UNAUTHORIZED => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            StatusCode::TOO_MANY_REQUESTS => {
                cost::retry_after(&error).map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)))
            }
            _ => None,
        };
        Self { status, error, header, limits: None }
    }

    /// A caller that could not be identified: 401 for a token that is not known, 503 otherwise.
    pub(crate) fn identity(error: async_graphql::Error) -> Self {
        let extensions = error.extensions;
        let error = Box::new(ServerError { extensions, ..ServerError::new(error.message, None) });
        match code_of(&error) {
            Some(UNAUTHENTICATED) => {
                let header = (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                Self { status: StatusCode::UNAUTHORIZED, error, header: Some(header), limits: None }
            }
            Some(_) => {
                Self { status: StatusCode::SERVICE_UNAVAILABLE, error, header: None, limits: None }
            }
            None => {
                tracing::error!(cause = %error.message, "identifying a caller failed without a code");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self { status, error: Box::new(errors::internal()), header: None, limits: None }
            }
        }
    }

    /// Writes the refusal in the JSON form that the caller accepts.
    pub(crate) fn into_response(self, media: Media) -> Response<Body> {
        let reply = Reply::failed(self.status, *self.error);
        let mut response = match encode(&reply, &Room::for_short()) {
            Ok(written) => json(self.status, media, written),
            Err(_) => Response::new(Body::empty()),
        };
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        if let Some(limits) = self.limits {
            response.headers_mut().extend(*limits);
        }
        response
    }
}
