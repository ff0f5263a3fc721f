//! Channels, and the pushes on them.

use calendar_provider as api;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Connection;
use crate::signature::Secret;

#[derive(Deserialize, Serialize)]
pub(crate) struct WatchRequest {
    pub(crate) connection: Connection,
    pub(crate) channel: Channel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Watch>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) callback_url: Url,
    /// With `whsec_`, so that a library for Standard Webhooks takes it as it is.
    pub(crate) secret: String,
    pub(crate) until: DateTime<Utc>,
}

impl From<&api::WatchRequest> for Channel {
    fn from(request: &api::WatchRequest) -> Self {
        Self {
            id: request.channel.clone(),
            callback_url: request.callback_url.clone(),
            secret: Secret::of_channel(&request.secret).to_text().expose_secret().to_owned(),
            until: request.until,
        }
    }
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Watch {
    watch_ref: String,
    expires_at: DateTime<Utc>,
}

impl From<&api::Watch> for Watch {
    fn from(watch: &api::Watch) -> Self {
        Self { watch_ref: watch.watch_ref.clone(), expires_at: watch.expires_at }
    }
}

impl From<Watch> for api::Watch {
    fn from(wire: Watch) -> Self {
        Self::new(wire.watch_ref, wire.expires_at)
    }
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Unwatch {
    pub(crate) connection: Connection,
    pub(crate) watch: Watch,
}

/// What a provider posts to the callback address.
#[derive(Deserialize, Serialize)]
pub(crate) struct Push {
    #[serde(rename = "type")]
    pub(crate) kind: PushKind,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PushKind {
    Changed,
    Renew,
    Ended,
    /// One that this version has no name for: looking can't be wrong.
    #[serde(other)]
    Unknown,
}
