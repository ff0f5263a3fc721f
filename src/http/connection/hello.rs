//! A WebSocket until it says hello, and after.

use std::sync::Arc;

use axum::http::Extensions;

use super::{Connection, Silent, UnderWay};

/// Bytes of a control frame besides its payload: its head, and the mask of a client (RFC 6455, section 5.2).
const CONTROL_HEAD: usize = 6;

/// Where a WebSocket stands with its connection. Before `connection_init` it has one of the few places for
/// sockets that say nothing, and may send little; then it counts as a request under way.
#[derive(Debug)]
pub(crate) struct Hello {
    /// None where the router is called without a connection.
    connection: Option<Arc<Connection>>,
    silent: Option<Silent>,
    under_way: Option<UnderWay>,
}

impl Hello {
    /// A place for the socket that a request asks for; none where too many say nothing.
    pub(crate) fn awaited(request: &Extensions) -> Option<Self> {
        let connection = request.get::<Arc<Connection>>().cloned();
        let silent = match &connection {
            Some(connection) => Some(connection.silent()?),
            None => None,
        };
        Some(Self { connection, silent, under_way: None })
    }

    /// Notes that the socket said it.
    pub(crate) fn said(&mut self) {
        if let Some(connection) = &self.connection {
            connection.become_socket();
        }
        self.under_way = self.connection.as_ref().map(Connection::begin);
        self.silent = None;
    }

    /// Notes that a message came whole: nothing of it is kept any more.
    pub(crate) fn took_message(&self) {
        if let Some(connection) = &self.connection {
            connection.took_all();
        }
    }

    /// Notes that a control frame came. It may come between the fragments of a message, which are still
    /// kept (RFC 6455, section 5.4).
    pub(crate) fn took_control(&self, payload: usize) {
        if let Some(connection) = &self.connection {
            connection.took(payload + CONTROL_HEAD);
        }
    }
}
