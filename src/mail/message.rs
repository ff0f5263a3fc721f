//! One mail, from its parts to RFC 5322.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{ContentDisposition, ContentType, HeaderName, HeaderValue};
use lettre::message::{MultiPart, MultiPartBuilder, MultiPartKind, SinglePart};
use uuid::Uuid;

use super::calendar::CalendarMethod;
use super::subject;
use super::values::one_line;

/// A name and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name shown; none shows the address.
    pub name: Option<String>,
    /// An RFC 5321 mailbox, e.g. `ana@example.com`.
    pub email: String,
}

/// A mail that is ready to be built and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMail {
    /// The sender, also the envelope's.
    pub from: Mailbox,
    /// The one receiver.
    pub to: Mailbox,
    /// Where an answer goes, if not to the sender.
    pub reply_to: Option<Mailbox>,
    /// The subject; line breaks and control characters become spaces.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// An invitation made by [`super::calendar()`], and its method.
    pub calendar: Option<(CalendarMethod, String)>,
    /// The Message-ID with its angle brackets, made by [`message_id`].
    pub message_id: String,
    /// The Date header.
    pub date: DateTime<Utc>,
    /// Says that no person wrote it, so that no vacation answer comes back (RFC 3834, section 5).
    pub auto_submitted: bool,
}

/// Why a mail can't be built: no attempt with the same parts will do better.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// An address that is no RFC 5321 mailbox.
    #[error("{field} is not an e-mail address: {value:?}")]
    Address {
        /// Which one: from, to or reply-to.
        field: &'static str,
        /// What was given.
        value: String,
        /// What the parser said.
        source: lettre::address::AddressError,
    },
    /// A content type that cannot be written.
    #[error("content type not understood")]
    ContentType(#[from] lettre::message::header::ContentTypeErr),
    /// Parts that make no message.
    #[error("message not built")]
    Message(#[from] lettre::error::Error),
}

/// The Message-ID of one mail about one version of one booking, with its angle brackets (RFC 5322,
/// section 3.6.4). The same arguments give the same ID, so that a resend is no second mail.
///
/// `purpose` tells the mails of one version apart, e.g. `visitor`, `agent`; characters that an ID
/// cannot hold are left out of it and of `domain`.
pub fn message_id(booking: Uuid, version: u32, purpose: &str, domain: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect()
    };
    let domain = plain(domain);
    let domain = domain.trim_matches('.');
    let domain = if domain.is_empty() { "localhost" } else { domain };
    format!("<{}.{version}.{}@{domain}>", booking.simple(), plain(&purpose.replace('.', "-")))
}

/// Builds the message: the text, the HTML and the invitation as alternatives, and the invitation
/// once more as the attachment `invite.ics` for programs that look for one (RFC 6047, section 2.4
/// asks for the `method` parameter).
///
/// # Errors
/// [`MailError`] where an address is none.
pub fn build(mail: &OutgoingMail) -> Result<Message, MailError> {
    let mut builder = Message::builder()
        .from(mailbox("from", &mail.from)?)
        .to(mailbox("to", &mail.to)?)
        .raw_header(subject::header(&one_line(&mail.subject)))
        .date(SystemTime::from(mail.date))
        .message_id(Some(mail.message_id.clone()));
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(mailbox("reply-to", reply_to)?);
    }
    if mail.auto_submitted {
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        builder = builder.raw_header(HeaderValue::new(name, "auto-generated".to_owned()));
    }
    let text = SinglePart::plain(mail.text.clone());
    let message = match (&mail.html, &mail.calendar) {
        (None, None) => builder.singlepart(text)?,
        (html, None) => builder.multipart(alternatives(mail, text, html.as_deref()))?,
        (html, Some((method, ics))) => {
            let part = SinglePart::builder().header(calendar_type(*method)?).body(ics.clone());
            let attachment = SinglePart::builder()
                .header(ContentType::parse("application/ics; name=\"invite.ics\"")?)
                .header(ContentDisposition::attachment("invite.ics"))
                .body(ics.clone().into_bytes());
            let body = alternatives(mail, text, html.as_deref()).singlepart(part);
            let mixed = parts(MultiPartKind::Mixed, mail, "mixed");
            builder.multipart(mixed.multipart(body).singlepart(attachment))?
        }
    };
    Ok(message)
}

fn alternatives(mail: &OutgoingMail, text: SinglePart, html: Option<&str>) -> MultiPart {
    let part = parts(MultiPartKind::Alternative, mail, "alternative").singlepart(text);
    match html {
        Some(html) => part.singlepart(SinglePart::html(html.to_owned())),
        None => part,
    }
}

/// Begins a list of parts. What stands between them is made from all that they hold: the same mail
/// is the same to the byte when it is sent again, and nobody can write a text that holds the line
/// which ends its own part (RFC 2046, section 5.1.1).
fn parts(kind: MultiPartKind, mail: &OutgoingMail, place: &str) -> MultiPartBuilder {
    let ics = mail.calendar.as_ref().map(|(_, ics)| ics);
    let held = format!("{place}{:?}{:?}{:?}{:?}", mail.message_id, mail.text, mail.html, ics);
    let digest = crate::secrets::digest(held.as_bytes());
    let boundary: String = digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
    MultiPart::builder().kind(kind).boundary(boundary)
}

fn calendar_type(method: CalendarMethod) -> Result<ContentType, MailError> {
    let method = method.name();
    let text = format!("text/calendar; charset=utf-8; method={method}; component=VEVENT");
    Ok(ContentType::parse(&text)?)
}

fn mailbox(field: &'static str, mailbox: &Mailbox) -> Result<lettre::message::Mailbox, MailError> {
    let address = mailbox.email.parse().map_err(|source| MailError::Address {
        field,
        value: mailbox.email.clone(),
        source,
    })?;
    let name = mailbox.name.as_deref().map(one_line).filter(|name| !name.is_empty());
    Ok(lettre::message::Mailbox::new(name, address))
}
