//! Channels and what comes in on them (guide "Push notifications").

use calendar_http::http::Method;
use calendar_http::json_request;
use calendar_provider::{Connection, ProviderError, Push, Pushed, Watch, WatchRequest};
use chrono::DateTime;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::Google;

#[derive(Serialize)]
struct NewChannel<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    address: &'a str,
    /// Said with each message.
    token: &'a str,
    /// In Unix time, in milliseconds; an int64, which JSON has as text.
    expiration: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Channel {
    resource_id: String,
    expiration: Option<Millis>,
}

/// The reference has it as text, the guide's example as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Millis {
    Text(String),
    Number(i64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OldChannel<'a> {
    id: &'a str,
    resource_id: &'a str,
}

impl Google {
    pub(crate) async fn open_channel(
        &self,
        connection: &Connection,
        request: &WatchRequest,
    ) -> Result<Watch, ProviderError> {
        let wanted = NewChannel {
            id: &request.channel,
            kind: "web_hook",
            address: request.callback_url.as_str(),
            token: request.secret.expose_secret(),
            expiration: request.until.timestamp_millis().to_string(),
        };
        let calendar = &connection.calendar_ref;
        let url = self.address(&["calendars", calendar, "events", "watch"], &[])?;
        let channel: Channel =
            match self.send(Method::POST, &connection.credentials, &url, &wanted).await {
                Ok(channel) => channel,
                Err(failure) => return Err(self.unreadable(connection, failure).await),
            };
        let told = channel.expiration.and_then(|it| match it {
            Millis::Text(text) => text.parse().ok(),
            Millis::Number(millis) => Some(millis),
        });
        let ends = told.and_then(DateTime::from_timestamp_millis);
        let watch_ref = format!("{}/{}", request.channel, channel.resource_id);
        Ok(Watch::new(watch_ref, ends.unwrap_or(request.until).min(request.until)))
    }

    pub(crate) async fn stop_channel(
        &self,
        connection: &Connection,
        watch: &Watch,
    ) -> Result<(), ProviderError> {
        let (id, resource_id) = watch
            .watch_ref
            .split_once('/')
            .ok_or_else(|| ProviderError::permanent("the channel's reference can't be read"))?;
        let url = self.address(&["channels", "stop"], &[])?;
        let channel = OldChannel { id, resource_id };
        let request = json_request(Method::POST, &url, &connection.credentials, Some(&channel))?;
        match self.tell(request).await {
            Err(failure) if failure.is_gone() => Ok(()),
            told => Ok(told?),
        }
    }
}

/// What a message means. All of it is in the headers.
pub(crate) fn read(push: &Push) -> Result<Pushed, ProviderError> {
    let said = |name: &str| push.headers.get(name).map(String::as_str);
    let secret = push.secret.expose_secret();
    let token = said("x-goog-channel-token").unwrap_or_default();
    // A channel without a secret believes nobody.
    let knows = !secret.is_empty() && bool::from(token.as_bytes().ct_eq(secret.as_bytes()));
    if !knows || said("x-goog-channel-id") != Some(&push.channel) {
        return Err(ProviderError::unauthorized());
    }
    match said("x-goog-resource-state") {
        // The channel's first message says that it stands.
        Some("sync") => Ok(Pushed::Nothing),
        // "exists" and "not_exists" are what is documented; looking does no harm.
        Some(_) => Ok(Pushed::Changed),
        None => Err(ProviderError::permanent("the message can't be read")),
    }
}
