//! The messages of graphql-transport-ws and its close codes
//! (graphql-ws, PROTOCOL.md, "GraphQL over WebSocket Protocol").

use async_graphql::ServerError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Params, Reply};

/// The only subprotocol served. The older one named "graphql-ws" is a different protocol.
pub(super) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// A close reason has at most 123 bytes (RFC 6455, section 5.5); this leaves room for our words.
const QUOTED_ID: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Ping {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Pong {},
    Subscribe {
        id: String,
        payload: Params,
    },
    Complete {
        id: String,
    },
}

impl ClientMessage {
    /// # Errors
    /// Closes with 4400 when the text is no message.
    pub(super) fn parse(text: &str) -> Result<Self, End> {
        match serde_json::from_str(text) {
            Ok(Self::Subscribe { id, .. }) if id.is_empty() => {
                Err(End::invalid("an ID is not empty"))
            }
            Ok(message) => Ok(message),
            Err(_) => Err(End::invalid("not a message of graphql-transport-ws")),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
    Next {
        id: &'a str,
        payload: &'a Reply,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

/// How a socket ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a close frame of ours.
    Close { code: u16, reason: String },
    /// There is nobody to tell.
    Gone,
}

impl End {
    fn close(code: u16, reason: impl Into<String>) -> Self {
        Self::Close { code, reason: reason.into() }
    }

    pub(super) fn shutdown() -> Self {
        Self::close(1001, "the server stops")
    }

    /// 1013, on which clients connect again later.
    pub(super) fn try_again_later() -> Self {
        Self::close(1013, "try again later")
    }

    pub(super) fn invalid(reason: &str) -> Self {
        Self::close(4400, reason)
    }

    pub(super) fn unauthorized() -> Self {
        Self::close(4401, "Unauthorized")
    }

    pub(super) fn subprotocol() -> Self {
        Self::close(4406, "Subprotocol not acceptable")
    }

    pub(super) fn init_timeout() -> Self {
        Self::close(4408, "Connection initialisation timeout")
    }

    pub(super) fn duplicate(id: &str) -> Self {
        let id: String = id.chars().take(QUOTED_ID).collect();
        Self::close(4409, format!("Subscriber for {id} already exists"))
    }

    pub(super) fn too_many_inits() -> Self {
        Self::close(4429, "Too many initialisation requests")
    }
}
