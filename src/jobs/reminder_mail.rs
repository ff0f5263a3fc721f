//! Word to the visitor that the meeting is coming up.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::attempt::{Delivered, Outcome, misfit};
use super::letter::{self, Letter};
use super::visitor_mail::render;
use crate::app::App;
use crate::mail::MailKind;
use crate::service::{self, Error, Result, booking, invite};
use crate::store::booking::{CONFIRMED, Model as Booking};
use crate::store::outbox::{self, Column, Entity, Kind, Model, Payload, Reminder};

/// Sends a reminder, unless there is nothing to be reminded of any more or a later one is due as well:
/// a server that was down for a day does not send two at once.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let (Payload::Reminder(reminder), Some(id)) = (&row.payload.0, row.booking_id) else {
        return Err(misfit(row));
    };
    let found = booking::find(app, id).await?;
    let found = found.ok_or_else(|| Error::internal(anyhow::anyhow!("booking {id} is gone")))?;
    let now = app.now();
    if !is_ahead(&found, reminder, now) {
        return Ok(over(row, &found, reminder));
    }
    if is_overtaken(app, row, reminder, now).await? {
        return Ok(Outcome::Done(Delivered::Notice));
    }
    let agent = service::agent::get(app, found.agent_id).await?;
    let context = invite::context(app, &agent, &found, booking::range(&found)?)?;
    let Some(rendered) = render(&agent, &context, MailKind::Reminder) else {
        return Ok(Outcome::GiveUp { error: "the mail could not be made".to_owned() });
    };
    let letter = Letter {
        to: letter::visitor_mailbox(&context),
        reply_to: Some(letter::agent_mailbox(&agent)),
        rendered,
        calendar: None,
        purpose: &format!("reminder-{}", reminder.minutes_before),
    };
    match letter::send(app, row, letter).await {
        Ok(()) => Ok(Outcome::Done(Delivered::Notice)),
        Err(outcome) => Ok(outcome),
    }
}

/// Whether the meeting that is reminded of still is to come, at that time.
fn is_ahead(booking: &Booking, reminder: &Reminder, now: DateTime<Utc>) -> bool {
    booking.status == CONFIRMED
        && booking.starts_at == reminder.meeting_starts_at
        && now < booking.starts_at
}

/// What becomes of a reminder that is not sent. Where it could not be sent in time, that is a failure;
/// else there is nothing to be told.
fn over(row: &Model, booking: &Booking, reminder: &Reminder) -> Outcome {
    let stands = booking.status == CONFIRMED && booking.starts_at == reminder.meeting_starts_at;
    match &row.last_error {
        Some(error) if stands => Outcome::GiveUp { error: error.clone() },
        _ => Outcome::Done(Delivered::Notice),
    }
}

/// Whether another reminder of the same meeting, nearer to its start, is due or was sent.
async fn is_overtaken(
    app: &App,
    row: &Model,
    reminder: &Reminder,
    now: DateTime<Utc>,
) -> Result<bool> {
    let rows = Entity::find()
        .filter(Column::BookingId.eq(row.booking_id))
        .filter(Column::Kind.eq(Kind::ReminderMail.as_str()))
        .filter(Column::State.ne(outbox::FAILED))
        .all(&app.db)
        .await?;
    Ok(rows.iter().any(|other| match &other.payload.0 {
        Payload::Reminder(other) => {
            other.meeting_starts_at == reminder.meeting_starts_at
                && other.minutes_before < reminder.minutes_before
                && other.due_at() <= now
        }
        _ => false,
    }))
}
