//! Several requests in one round trip (<https://learn.microsoft.com/graph/json-batching>).

use std::collections::BTreeMap;

use calendar_http::http::{Method, StatusCode};
use calendar_provider::ProviderError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    failure,
    graph::{Call, PREFER, Session},
};

/// The most requests that a batch may hold.
const MAX_PARTS: usize = 20;

/// One request, which changes nothing.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) method: Method,
    /// Below Graph's base.
    pub(crate) path: Vec<String>,
    /// Already escaped.
    pub(crate) query: String,
    pub(crate) body: Option<Value>,
    /// What a 404 says was not found.
    pub(crate) about: &'static str,
}

#[derive(Deserialize)]
struct Answers {
    responses: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
}

/// The answers of `parts`, in their order; one alone is sent as it is.
///
/// # Errors
/// That of any of them: what one of them would have told is not known then.
pub(crate) async fn send(
    session: &Session<'_>,
    mut parts: Vec<Part>,
) -> Result<Vec<Value>, ProviderError> {
    if parts.len() == 1 {
        let part = parts.remove(0);
        let mut call = Call::new(part.method.clone(), address(session, &part)?, part.about);
        call.body = part.body;
        call.reads = true;
        return Ok(vec![session.read(call).await?]);
    }
    let mut answers = Vec::with_capacity(parts.len());
    for chunk in parts.chunks(MAX_PARTS) {
        answers.extend(send_chunk(session, chunk).await?);
    }
    Ok(answers)
}

async fn send_chunk(session: &Session<'_>, parts: &[Part]) -> Result<Vec<Value>, ProviderError> {
    let base = session.url(&[], &[])?;
    let mut requests = Vec::with_capacity(parts.len());
    for (id, part) in parts.iter().enumerate() {
        let url = address(session, part)?;
        let relative = &url.as_str()[base.as_str().trim_end_matches('/').len()..];
        requests.push(request(id, part, relative));
    }
    let url = session.url(&["$batch"], &[])?;
    let call = Call::ask(url, json!({ "requests": requests }), "the mailbox");
    let response = session.send_many(call, parts.len()).await?;
    let answers: Answers = calendar_http::read_json(&response)?;
    // They come in any order.
    let mut by_id: BTreeMap<_, _> =
        answers.responses.into_iter().map(|answer| (answer.id.clone(), answer)).collect();
    let in_order = parts.iter().enumerate().map(|(id, part)| {
        let answer = by_id.remove(&id.to_string());
        read(answer.ok_or_else(|| ProviderError::transient("a batch lacks an answer"))?, part)
    });
    in_order.collect()
}

fn address(session: &Session<'_>, part: &Part) -> Result<url::Url, ProviderError> {
    let path: Vec<_> = part.path.iter().map(String::as_str).collect();
    let mut url = session.url(&path, &[])?;
    if !part.query.is_empty() {
        url.set_query(Some(&part.query));
    }
    Ok(url)
}

fn request(id: usize, part: &Part, url: &str) -> Value {
    let mut headers = json!({ "Prefer": PREFER });
    let mut request = json!({ "id": id.to_string(), "method": part.method.as_str(), "url": url });
    if let Some(body) = &part.body {
        headers["Content-Type"] = "application/json".into();
        request["body"] = body.clone();
    }
    request["headers"] = headers;
    request
}

fn read(answer: Answer, part: &Part) -> Result<Value, ProviderError> {
    let status = StatusCode::from_u16(answer.status)
        .map_err(|_| ProviderError::transient("the answer is not as documented"))?;
    if status.is_success() {
        return Ok(answer.body);
    }
    let mut headers = answer.headers.iter();
    let retry_after = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let retry_after = retry_after.and_then(|(_, value)| value.as_str());
    Err(failure::of_part(status, answer.body, retry_after, part.about))
}
