//! SMTP, and what its failures mean.
//!
//! Each mail has a connection of its own. One that a cancelled send left amid its dialogue must not
//! be used again: the answers still to come would be read as those to the next mail, which could then
//! count as accepted while it is not. lettre's pool takes such a connection back.

use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::extension::ClientId;

use super::{SendError, SendErrorKind};

/// How long the server may take to say goodbye. Nothing hangs on its answer.
const QUIT_WITHIN: Duration = Duration::from_secs(1);

/// A mail server, and how to reach it.
#[derive(Clone, Debug)]
pub(super) struct Smtp {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
}

impl Smtp {
    /// Sends one mail; back without an error, the server has accepted it.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let failed = |error: Error| SendError::new(kind(&error), error);
        let mut connection = self.connect().await.map_err(failed)?;
        connection.send(message.envelope(), &message.formatted()).await.map_err(failed)?;
        // It is accepted: a server that does not answer from here on must not have it sent again.
        let _ = tokio::time::timeout(QUIT_WITHIN, connection.quit()).await;
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let hello = ClientId::default();
        let server = (self.host.as_str(), self.port);
        let wrapper = match &self.tls {
            Tls::Wrapper(tls) => Some(tls.clone()),
            _ => None,
        };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &hello, wrapper, None).await?;
        match &self.tls {
            Tls::Required(tls) => connection.starttls(tls.clone(), &hello).await?,
            Tls::Opportunistic(tls) if connection.can_starttls() => {
                connection.starttls(tls.clone(), &hello).await?;
            }
            Tls::Opportunistic(_) | Tls::None | Tls::Wrapper(_) => {}
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// Only a 5xx answer is final (RFC 5321, section 4.2.1), and of those not the ones about our
/// credentials (RFC 4954, section 6): they are about the connection, and once an operator has put
/// the password right the same mail goes out. All else, a broken connection, a failed TLS
/// handshake, a missing extension, may be a server's bad minute.
fn kind(error: &Error) -> SendErrorKind {
    match error.status().map(u16::from) {
        Some(530 | 534 | 535 | 538) => SendErrorKind::Transient,
        Some(500..=599) => SendErrorKind::Permanent,
        _ => SendErrorKind::Transient,
    }
}
