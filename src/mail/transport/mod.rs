//! How a mail leaves: by SMTP, as a file, or into memory.

mod file;
mod memory;
mod smtp;
mod url;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::message::{OutgoingMail, build};

pub use memory::{Outbox, SentMail};
pub use url::MailUrlError;

/// How long one send may take, from the first byte to the server's last answer.
pub const DEFAULT_SEND_DEADLINE: Duration = Duration::from_secs(20);

/// Sends mails.
#[derive(Clone, Debug)]
pub struct Mailer {
    way: Way,
    deadline: Duration,
}

#[derive(Clone, Debug)]
enum Way {
    Smtp(smtp::Smtp),
    File(PathBuf),
    Memory(Outbox),
}

/// Whether another attempt can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// A 4xx answer, no answer in time, a dropped connection, a full disk: try again.
    Transient,
    /// A 5xx answer, or a mail that cannot be built: trying again gives the same.
    Permanent,
}

/// A mail that was not accepted.
#[derive(Debug, thiserror::Error)]
#[error("mail not sent ({kind:?})")]
pub struct SendError {
    /// Whether to try again.
    pub kind: SendErrorKind,
    /// What went wrong; never holds credentials or a body.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl SendError {
    fn new(
        kind: SendErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, source: source.into() }
    }
}

/// No answer within the deadline. The server may or may not have taken the mail; the Message-ID
/// makes a second copy recognisable.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {deadline:?}")]
struct DeadlinePassed {
    deadline: Duration,
}

impl Mailer {
    /// A mailer for one of
    /// - `file:DIR`: one `.eml` file a mail in DIR, which is made when missing;
    /// - `smtp://user:password@host:port?tls=required|opportunistic|none`: port 587 and `required`
    ///   when left out, user and password optional;
    /// - `smtps://user:password@host:port`: TLS from the first byte, port 465 when left out.
    ///
    /// User and password are percent-encoded where they hold characters that a URL cannot.
    ///
    /// # Errors
    /// [`MailUrlError`], which names the value without its password, and what is allowed.
    pub fn from_url(text: &str) -> Result<Self, MailUrlError> {
        Ok(Self { way: url::parse(text)?.into_way()?, deadline: DEFAULT_SEND_DEADLINE })
    }

    /// A mailer that keeps what it is given, and the place to read it: for tests and previews.
    pub fn memory() -> (Self, Outbox) {
        let outbox = Outbox::default();
        let way = Way::Memory(outbox.clone());
        (Self { way, deadline: DEFAULT_SEND_DEADLINE }, outbox)
    }

    /// The same mailer with another deadline for each send.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Puts right what is left of former processes, where mails are files: half of them that were not
    /// finished, and permissions of everybody else. For the start of a process; it reads a folder.
    pub fn prepare(&self, now: DateTime<Utc>) {
        if let Way::File(directory) = &self.way {
            file::prepare(directory, now);
        }
    }

    /// Sends one mail; back without an error, the receiver has it: the SMTP server accepted it, or
    /// the file is on disk.
    ///
    /// # Errors
    /// [`SendError`], whose kind says whether to try again.
    pub async fn send(&self, mail: &OutgoingMail) -> Result<(), SendError> {
        let message =
            build(mail).map_err(|error| SendError::new(SendErrorKind::Permanent, error))?;
        let sent = async {
            match &self.way {
                Way::Smtp(server) => server.send(&message).await,
                Way::File(directory) => {
                    file::write(directory, &mail.message_id, message.formatted()).await
                }
                Way::Memory(outbox) => outbox.take(mail, message.formatted()),
            }
        };
        tokio::time::timeout(self.deadline, sent).await.unwrap_or_else(|_elapsed| {
            let deadline = self.deadline;
            Err(SendError::new(SendErrorKind::Transient, DeadlinePassed { deadline }))
        })
    }
}

#[cfg(test)]
mod tests;
