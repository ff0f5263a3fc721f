//! From HTTP to GraphQL parameters (GraphQL over HTTP, sections 5.1 to 5.4), and what the caller
//! wants back.

use std::collections::HashMap;

use async_graphql::Variables;
use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE},
    },
};
use futures_util::StreamExt;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use url::form_urlencoded;

use super::{
    errors::{BAD_USER_INPUT, LIMIT_EXCEEDED},
    limits::Limits,
    respond::Refusal,
};

/// The parameters of one operation. `extensions` must be a map, and nothing in it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Params {
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) operation_name: Option<String>,
    #[serde(default)]
    pub(crate) variables: Variables,
    #[serde(default, rename = "extensions", deserialize_with = "map_or_null")]
    _extensions: (),
}

fn map_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    Option::<HashMap<String, IgnoredAny>>::deserialize(deserializer).map(drop)
}

/// The body of a POST.
#[derive(Debug)]
pub(crate) enum Operations {
    Single(Params),
    Batch(Vec<Params>),
}

impl Operations {
    /// Reads a JSON body: an object, or an array of at most `limits.batch` objects.
    ///
    /// # Errors
    /// 400 when it is anything else.
    pub(crate) fn decode(body: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        if body.trim_ascii_start().first() != Some(&b'[') {
            return Ok(Self::Single(from_json(body)?));
        }
        let batch: Vec<Params> = from_json(body)?;
        if batch.is_empty() {
            return Err(bad_request("a batch needs at least one operation"));
        }
        if batch.len() > limits.batch {
            let message = format!(
                "the batch has {} operations, at most {} are allowed",
                batch.len(),
                limits.batch
            );
            return Err(Refusal::new(StatusCode::BAD_REQUEST, LIMIT_EXCEEDED, message));
        }
        Ok(Self::Batch(batch))
    }
}

impl Params {
    /// Reads the parameters of a GET; `variables` and `extensions` are JSON.
    ///
    /// # Errors
    /// 400 when `query` is missing or one is no JSON object.
    pub(crate) fn from_query_string(text: &str) -> Result<Self, Refusal> {
        let (mut query, mut operation_name, mut variables) = (None, None, Variables::default());
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "query" => query = Some(value.into_owned()),
                "operationName" => operation_name = Some(value.into_owned()),
                "variables" if !value.is_empty() => variables = from_json(value.as_bytes())?,
                "extensions" if !value.is_empty() => {
                    map_or_null(&mut serde_json::Deserializer::from_str(&value))
                        .map_err(not_json)?;
                }
                _ => {}
            }
        }
        let query = query.ok_or_else(|| bad_request("the parameter query is missing"))?;
        Ok(Self { query, operation_name, variables, _extensions: () })
    }

    /// The operation to run; an empty name is none, as form fields left empty send it.
    pub(crate) fn operation_name(&self) -> Option<&str> {
        self.operation_name.as_deref().filter(|name| !name.is_empty())
    }
}

fn from_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> Refusal {
    bad_request(format!("no valid GraphQL request in JSON: {error}"))
}

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, BAD_USER_INPUT, message)
}

/// Lets only JSON in. Anything a browser sends across sites without asking first (forms,
/// text/plain) is refused, which is the protection against cross-site request forgery.
///
/// # Errors
/// 415 for any other type, and for a charset that is not UTF-8.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, params) = value.split_once(';').unwrap_or((value, ""));
    let utf8 = params.split(';').all(|param| match param.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if essence.trim().eq_ignore_ascii_case("application/json") && utf8 {
        return Ok(());
    }
    let message = "the content type of a GraphQL POST is application/json, in UTF-8";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, BAD_USER_INPUT, message))
}

/// Reads a body of at most `limits.body_bytes`. One that arrives in a single piece is not copied.
///
/// # Errors
/// 413 above the limit, 400 when the connection breaks.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<Bytes, Refusal> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limits.body_bytes) {
        return Err(too_large(limits));
    }
    let mut chunks = body.into_data_stream();
    let mut next = async || match chunks.next().await {
        Some(chunk) => chunk.map(Some).map_err(|_| bad_request("the body ended early")),
        None => Ok(None),
    };
    let first = next().await?.unwrap_or_default();
    let Some(second) = next().await? else {
        return if first.len() > limits.body_bytes { Err(too_large(limits)) } else { Ok(first) };
    };
    let mut whole = [first, second].concat();
    while whole.len() <= limits.body_bytes {
        match next().await? {
            Some(chunk) => whole.extend_from_slice(&chunk),
            None => return Ok(whole.into()),
        }
    }
    Err(too_large(limits))
}

fn too_large(limits: &Limits) -> Refusal {
    let message = format!("the body is larger than {} bytes", limits.body_bytes);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, LIMIT_EXCEEDED, message)
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// application/json: 200 for every well-formed request.
    Json,
    /// application/graphql-response+json: a request error is a 4xx.
    GraphqlResponse,
    /// text/event-stream.
    EventStream,
    /// text/html: a person with a browser.
    Html,
}

/// What the caller accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepts {
    /// What it prefers.
    pub(crate) preferred: Media,
    /// The JSON form it prefers, for what is no stream.
    pub(crate) json: Media,
    /// Whether it takes an event stream at all.
    pub(crate) streams: bool,
}

impl Accepts {
    const JSON: Self = Self { preferred: Media::Json, json: Media::Json, streams: false };

    /// Reads `Accept` (RFC 9110, section 12.5.1). Nothing, or `*/*`, means application/json.
    ///
    /// # Errors
    /// 406 when it accepts nothing that the endpoint produces.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(value) = headers.get(ACCEPT) else { return Ok(Self::JSON) };
        if matches!(value.as_bytes(), b"*/*" | b"application/json" | b"") {
            return Ok(Self::JSON);
        }
        let text = value.to_str().unwrap_or_default();
        let mut ranges: Vec<(Media, f32)> = text.split(',').filter_map(range).collect();
        // Stable, so among equals the first one named wins.
        ranges.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        let first = |wanted: fn(Media) -> bool| {
            ranges.iter().map(|(media, _)| *media).find(|media| wanted(*media))
        };
        let Some(preferred) = first(|_| true) else {
            let message = "answers are application/json, application/graphql-response+json or text/event-stream";
            return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, BAD_USER_INPUT, message));
        };
        let json = first(|media| matches!(media, Media::Json | Media::GraphqlResponse));
        let streams = first(|media| media == Media::EventStream).is_some();
        Ok(Self { preferred, json: json.unwrap_or(Media::Json), streams })
    }
}

/// One media range with its weight, if the endpoint produces it.
fn range(text: &str) -> Option<(Media, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let media = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/json" | "application/*" | "*/*" => Media::Json,
        "application/graphql-response+json" => Media::GraphqlResponse,
        "text/event-stream" => Media::EventStream,
        "text/html" => Media::Html,
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
    (weight > 0.0).then_some((media, weight))
}

#[cfg(test)]
mod tests;
