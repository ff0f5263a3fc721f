//! `events.watch`, `channels.stop`, and the messages (guide "Push notifications").

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::{Answer, ApiError};
use crate::events::readable;
use crate::gate::Call;
use crate::server::Shared;
use crate::state::State;

/// A channel lives no longer than this, whatever is asked for.
const LONGEST: TimeDelta = TimeDelta::days(30);

#[derive(Clone, Debug)]
pub(crate) struct Channel {
    id: String,
    resource: String,
    address: String,
    token: Option<String>,
    account: String,
    calendar: String,
    until: DateTime<Utc>,
    messages: u64,
}

/// A message that Google sent to a channel's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushMessage {
    /// Where it went.
    pub address: String,
    /// The headers, names in lower case. There is no body.
    pub headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Watch {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    address: String,
    token: Option<String>,
    expiration: Option<Millis>,
}

/// An int64, which Google's JSON has as text and takes as a number too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Millis {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Stop {
    id: String,
    resource_id: String,
}

pub(crate) fn watch(shared: &Shared, call: &Call, calendar_id: &str) -> Answer {
    let (_, asked) = call.body::<Watch>()?;
    let mut state = shared.lock();
    let calendar = readable(&state, call, calendar_id)?;
    if !matches!(asked.kind.as_str(), "web_hook" | "webhook") {
        return Err(ApiError::invalid("Unknown channel type"));
    }
    let https = asked.address.starts_with("https://");
    let http = state.http_callbacks && asked.address.starts_with("http://");
    if !https && !http {
        return Err(ApiError::web_hook());
    }
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
    if asked.id.is_empty() || 64 < asked.id.len() || !asked.id.bytes().all(word) {
        return Err(ApiError::invalid("Invalid channel id"));
    }
    if asked.token.as_ref().is_some_and(|it| 256 < it.len()) {
        return Err(ApiError::invalid("Invalid channel token"));
    }
    if state.channels.iter().any(|it| it.id == asked.id) {
        return Err(ApiError::channel_taken());
    }
    let now = shared.clock.now();
    let wanted = match asked.expiration {
        None => now + TimeDelta::days(7),
        Some(Millis::Number(millis)) => instant(Some(millis))?,
        Some(Millis::Text(millis)) => instant(millis.parse().ok())?,
    };
    let until = wanted.min(now + LONGEST);
    let channel = Channel {
        id: asked.id,
        resource: format!("resource-{calendar}"),
        address: asked.address,
        token: asked.token,
        account: call.account.clone(),
        calendar,
        until,
        messages: 0,
    };
    let answer = json!({
        "kind": "api#channel",
        "id": channel.id,
        "resourceId": channel.resource,
        "resourceUri": format!("https://www.googleapis.com/calendar/v3/calendars/{}/events", channel.calendar),
        "expiration": until.timestamp_millis().to_string(),
    });
    state.channels.push(channel);
    if let Some(channel) = state.channels.last_mut() {
        let message = channel.message("sync");
        shared.send(&mut state, message);
    }
    Ok(Some(answer))
}

fn instant(millis: Option<i64>) -> Result<DateTime<Utc>, ApiError> {
    let instant = millis.and_then(DateTime::from_timestamp_millis);
    instant.ok_or_else(|| ApiError::invalid("Invalid expiration"))
}

pub(crate) fn stop(shared: &Shared, call: &Call) -> Answer {
    let (_, asked) = call.body::<Stop>()?;
    let mut state = shared.lock();
    let found = state.channels.iter().position(|it| {
        it.id == asked.id && it.resource == asked.resource_id && it.account == call.account
    });
    state.channels.remove(found.ok_or_else(ApiError::not_found)?);
    Ok(None)
}

impl Channel {
    pub(crate) fn is_open(&self, now: DateTime<Utc>) -> bool {
        now < self.until
    }

    fn message(&mut self, resource_state: &str) -> PushMessage {
        self.messages += 1;
        let headers = [
            ("x-goog-channel-id", self.id.clone()),
            ("x-goog-message-number", self.messages.to_string()),
            ("x-goog-resource-id", self.resource.clone()),
            ("x-goog-resource-state", resource_state.to_owned()),
            (
                "x-goog-resource-uri",
                format!(
                    "https://www.googleapis.com/calendar/v3/calendars/{}/events",
                    self.calendar
                ),
            ),
            ("x-goog-channel-expiration", self.until.to_rfc2822()),
        ];
        let token = self.token.iter().map(|token| ("x-goog-channel-token", token.clone()));
        let headers = headers.into_iter().chain(token);
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).collect();
        PushMessage { address: self.address.clone(), headers }
    }
}

impl Shared {
    /// Tells every channel of the calendar that something changed.
    pub(crate) fn notify(&self, state: &mut State, calendar: &str) {
        let now = self.clock.now();
        state.channels.retain(|channel| channel.is_open(now));
        let messages: Vec<_> = state
            .channels
            .iter_mut()
            .filter(|channel| channel.calendar == calendar)
            .map(|channel| channel.message("exists"))
            .collect();
        for message in messages {
            self.send(state, message);
        }
    }

    /// Notes the message, and sends it where that can be done without TLS.
    fn send(&self, state: &mut State, message: PushMessage) {
        if message.address.starts_with("http://") {
            let message = message.clone();
            let sending = tokio::spawn(async move {
                // What is refused or lost is not sent again.
                drop(post(&message).await);
            });
            self.sending.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(sending);
        }
        state.pushes.push(message);
    }
}

/// Sends the message without TLS, and reads the answer to its end.
async fn post(message: &PushMessage) -> std::io::Result<()> {
    let url = url::Url::parse(&message.address).map_err(std::io::Error::other)?;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
    let mut stream = TcpStream::connect((host, port.unwrap_or(80))).await?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = format!("POST {target} HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in &message.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("content-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}
