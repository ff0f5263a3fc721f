//! Being told of changes: the provider calls the server.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

/// What the server asks for when it wants to be told of a calendar's changes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WatchRequest {
    /// Names the channel: 36 characters of `a-z`, `0-9` and `-`, used once.
    pub channel: String,
    /// Where the provider is to call: an address of this channel alone.
    pub callback_url: Url,
    /// What the provider is to say with each call, so that the server knows it. It is derived from
    /// the channel: at most 64 characters of `A-Z`, `a-z`, `0-9`, `-` and `_`.
    pub secret: SecretString,
    /// The latest end that is wanted; a provider may end it before.
    pub until: DateTime<Utc>,
}

impl WatchRequest {
    /// A request for one channel.
    pub fn new(
        channel: impl Into<String>,
        callback_url: Url,
        secret: SecretString,
        until: DateTime<Utc>,
    ) -> Self {
        Self { channel: channel.into(), callback_url, secret, until }
    }
}

/// A channel on which the provider tells of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watch {
    /// What the provider needs to prolong or end it, in a form of its own; no secret.
    pub watch_ref: String,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

impl Watch {
    /// A channel until `expires_at`.
    pub fn new(watch_ref: impl Into<String>, expires_at: DateTime<Utc>) -> Self {
        Self { watch_ref: watch_ref.into(), expires_at }
    }
}

/// A call that came in on a channel's address. Nothing in it is to be trusted before
/// [`Push::secret`] was found in it, compared in constant time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Push {
    /// The channel whose address was called.
    pub channel: String,
    /// The channel's secret: what [`WatchRequest::secret`] was.
    pub secret: SecretString,
    /// The headers; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The query's parameters, decoded.
    pub query: BTreeMap<String, String>,
    /// The body, at most 256 KiB.
    pub body: Vec<u8>,
}

impl Push {
    /// A call with no headers, query or body.
    pub fn new(channel: impl Into<String>, secret: SecretString) -> Self {
        Self {
            channel: channel.into(),
            secret,
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            body: Vec::new(),
        }
    }
}

/// What a call on a channel means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pushed {
    /// Something changed, or may have: look.
    Changed,
    /// The channel is to be prolonged now, and looked.
    Renew,
    /// The channel has ended: begin a new one, and look.
    Ended,
    /// Nothing to do.
    Nothing,
    /// The provider tries whether the address is ours: answer so, with status 200.
    Handshake {
        /// The answer's content type.
        content_type: &'static str,
        /// The answer's body.
        body: String,
    },
}
