//! SMTP, and what its failures mean.

use lettre::transport::smtp::Error;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{SendError, SendErrorKind};

pub(super) async fn send(
    transport: &AsyncSmtpTransport<Tokio1Executor>,
    message: &Message,
) -> Result<(), SendError> {
    let envelope = message.envelope();
    match transport.send_raw(envelope, &message.formatted()).await {
        Ok(_response) => Ok(()),
        Err(error) => Err(SendError::new(kind(&error), error)),
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
