//! What the mails have in common: how one is addressed, and what a refusal means.

use calendar_provider::TimeRange;
use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use url::Url;

use super::attempt::{Outcome, Subject};
use crate::app::App;
use crate::mail::{
    self, AgentFacts, CalendarMethod, InviteContext, Mailbox, OutgoingMail, Rendered, SendError,
    SendErrorKind,
};
use crate::service::{Error, Result, invite, schedule};
use crate::store::agent;
use crate::store::outbox::{Model, Payload};

/// Longest part of a server's answer that is kept, in characters.
const ANSWER_CHARS: usize = 200;

/// A mail about one row of the outbox.
pub(super) struct Letter<'a> {
    pub(super) to: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
    pub(super) rendered: Rendered,
    pub(super) calendar: Option<(CalendarMethod, String)>,
    /// Tells the mails of one version apart.
    pub(super) purpose: &'a str,
}

/// Sends a letter. All that varies comes from the row, so that one that is sent again is the same
/// mail to its receiver.
pub(super) async fn send(app: &App, row: &Model, letter: Letter<'_>) -> Result<(), Outcome> {
    let sender = &app.config.mail_from;
    let version = u32::try_from(row.version).unwrap_or(0);
    let domain = sender.email.domain();
    let mail = OutgoingMail {
        from: Mailbox { name: sender.name.clone(), email: sender.email.to_string() },
        to: letter.to,
        reply_to: letter.reply_to,
        subject: letter.rendered.subject,
        text: letter.rendered.text,
        html: Some(letter.rendered.html),
        calendar: letter.calendar,
        message_id: mail::message_id(
            row.booking_id.unwrap_or(row.id),
            version,
            letter.purpose,
            domain,
        ),
        date: dated(row),
        auto_submitted: true,
    };
    app.mailer.send(&mail).await.map_err(|error| refused(app, &error))
}

/// When a letter was written, for its reader: a reminder is not of the day of the booking.
fn dated(row: &Model) -> DateTime<Utc> {
    match &row.payload.0 {
        Payload::Reminder(reminder) => reminder.due_at(),
        _ => row.created_at,
    }
}

/// The agent, as an address.
pub(super) fn agent_mailbox(agent: &agent::Model) -> Mailbox {
    AgentFacts { name: agent.name.clone(), email: agent.email.clone() }.mailbox()
}

/// The visitor, as an address.
pub(super) fn visitor_mailbox(context: &InviteContext) -> Mailbox {
    context.person.mailbox()
}

/// The facts for a mail to the agent: in its language and zone.
pub(super) fn agent_context(
    app: &App,
    subject: &Subject,
    range: TimeRange,
) -> Result<InviteContext, Error> {
    let mut context = invite::context(app, &subject.agent, &subject.booking, range)?;
    context.locale = subject.agent.locale.clone();
    context.meeting.zone = schedule::zone(&subject.agent.meeting_time_zone)?;
    Ok(context)
}

fn refused(app: &App, error: &SendError) -> Outcome {
    let answer = sanitise(&error.source.to_string(), &secrets(app.config.mail_url.expose_secret()));
    match error.kind {
        SendErrorKind::Transient => Outcome::Retry {
            error: format!("the mail could not be sent: {answer}"),
            after: None::<TimeDelta>,
        },
        SendErrorKind::Permanent => {
            Outcome::GiveUp { error: format!("the mail was refused: {answer}") }
        }
    }
}

/// What of a mail URL must not be shown, plain and as written.
fn secrets(mail_url: &str) -> Vec<String> {
    let Ok(url) = Url::parse(mail_url) else { return Vec::new() };
    let written = [Some(url.username()).filter(|user| !user.is_empty()), url.password()];
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    written.into_iter().flatten().flat_map(|text| [plain(text), text.to_owned()]).collect()
}

/// One short line of a server's answer, without what is secret: answers are shown to operators and
/// agents, and a server may repeat what it was sent.
fn sanitise(answer: &str, secrets: &[String]) -> String {
    let mut line: String = answer
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for secret in secrets {
        line = line.replace(secret.as_str(), "***");
    }
    match line.char_indices().nth(ANSWER_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_one_short_line() {
        let answer = "permanent error (550): 5.1.1\r\n no such\tuser\u{0} here";
        assert_eq!(sanitise(answer, &[]), "permanent error (550): 5.1.1 no such user here");
        let long = sanitise(&"é".repeat(1000), &[]);
        assert_eq!(long.chars().count(), ANSWER_CHARS + 1);
        assert_eq!(sanitise(&"é".repeat(ANSWER_CHARS), &[]).chars().count(), ANSWER_CHARS);
    }

    #[test]
    fn an_answer_that_repeats_the_login_does_not_show_it() {
        let secrets = secrets("smtp://ana%40example.com:p%2Fw@mail.example.com:587?tls=required");
        let answer = "535 ana@example.com / p/w or p%2Fw refused by mail.example.com";
        assert_eq!(sanitise(answer, &secrets), "535 *** / *** or *** refused by mail.example.com");
        assert!(super::secrets("file:mail").is_empty());
        assert!(super::secrets("smtp://mail.example.com").is_empty());
    }
}
