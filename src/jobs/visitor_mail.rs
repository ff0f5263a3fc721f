//! The confirmation, update or cancellation that the visitor receives.

use super::attempt::{Delivered, Outcome, Subject, subject};
use super::letter::{self, Letter};
use crate::app::App;
use crate::mail::{
    self, CalendarMethod, CalendarPart, InviteContext, MailKind, Rendered, TemplateSource,
};
use crate::service::{Error, Result, invite};
use crate::store::agent;
use crate::store::outbox::{Change, Model};

/// Sends the mail of one version, with the invitation or its cancellation. It says what that
/// version did, even where a later one is waiting behind it.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let subject = subject(app, row).await?;
    let context = invite::context(app, &subject.agent, &subject.booking, subject.range)?;
    let change = subject.news.change;
    let Some(rendered) = render(&subject.agent, &context, mail_kind(change)) else {
        return Ok(Outcome::GiveUp { error: "the mail could not be made".to_owned() });
    };
    let part = invitation(row, &subject, &context)?;
    let letter = Letter {
        to: letter::visitor_mailbox(&context),
        reply_to: Some(letter::agent_mailbox(&subject.agent)),
        rendered,
        calendar: Some((part.method, mail::calendar(&part))),
        purpose: "visitor",
    };
    if let Err(outcome) = letter::send(app, row, letter).await {
        return Ok(outcome);
    }
    let lacks_link = change != Change::Cancelled
        && subject.booking.wants_conference
        && context.meeting.conference_url.is_none();
    Ok(Outcome::Done(Delivered::VisitorMail { lacks_link }))
}

/// The agent's words, or the default ones where those do not render: a template that was saved
/// before a stricter check must not keep a visitor from being told.
pub(super) fn render(
    agent: &agent::Model,
    context: &InviteContext,
    kind: MailKind,
) -> Option<Rendered> {
    let (own_subject, own_body) = invite::template(agent, &context.locale);
    let own = TemplateSource { subject: &own_subject, body: &own_body };
    let error = match mail::render_invite(own, context, kind) {
        Ok(rendered) => return Some(rendered),
        Err(error) => error,
    };
    let error = &error as &dyn std::error::Error;
    tracing::error!(agent.id = %agent.id, error, "a template did not render; the default is sent");
    let (subject, body) = mail::default_template(&context.locale);
    mail::render_invite(TemplateSource { subject, body }, context, kind).ok()
}

const fn mail_kind(change: Change) -> MailKind {
    match change {
        Change::Booked => MailKind::Confirmation,
        Change::Rescheduled => MailKind::Rescheduled,
        Change::ConferenceAdded => MailKind::Update,
        Change::Cancelled => MailKind::Cancelled,
    }
}

fn invitation(row: &Model, subject: &Subject, context: &InviteContext) -> Result<CalendarPart> {
    let method = match subject.news.change {
        Change::Cancelled => CalendarMethod::Cancel,
        Change::Booked | Change::Rescheduled | Change::ConferenceAdded => CalendarMethod::Request,
    };
    let meeting = &context.meeting;
    let description = mail::meeting_description(context);
    Ok(CalendarPart {
        uid: subject.booking.uid.clone(),
        sequence: u32::try_from(row.version).map_err(Error::internal)?,
        method,
        range: meeting.range,
        zone: meeting.zone,
        stamp: row.created_at,
        summary: mail::meeting_summary(context),
        description: (!description.is_empty()).then_some(description),
        location: meeting.conference_url.as_ref().map(ToString::to_string),
        conference_url: meeting.conference_url.clone(),
        organizer: letter::agent_mailbox(&subject.agent),
        attendee: letter::visitor_mailbox(context),
    })
}
