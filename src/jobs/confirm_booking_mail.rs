//! The link by which a visitor confirms a booking.

use calendar_provider::TimeRange;

use super::attempt::{Delivered, Outcome, misfit};
use super::letter::{self, Letter};
use crate::app::App;
use crate::mail::{self, Mailbox};
use crate::service::{Result, booking, schedule};
use crate::store::outbox::{Model, Payload};

/// Sends the link, unless it opens nothing any more. The visitor's name is left out: whoever gave it may not be
/// whom the mail reaches.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let Payload::ConfirmBooking(which) = &row.payload.0 else { return Err(misfit(row)) };
    let Some(asked) = booking::to_confirm(app, which.confirm_booking).await? else {
        return Ok(Outcome::Done(Delivered::Notice));
    };
    let request = &asked.request.0;
    let link = booking::confirm_url(app, asked.id);
    let rendered = mail::confirm_booking(&mail::ConfirmBooking {
        locale: &request.locale,
        zone: schedule::zone(&request.time_zone)?,
        starts_at: request.starts_at,
        range: request.ends_at.and_then(|end| TimeRange::new(request.starts_at, end).ok()),
        held: asked.held,
        expires_at: asked.expires_at,
        link: &link,
    });
    let letter = Letter {
        to: Mailbox { name: None, email: request.person.email.clone() },
        reply_to: None,
        rendered,
        calendar: None,
        purpose: "confirm-booking",
    };
    match letter::send(app, row, letter).await {
        Ok(()) => Ok(Outcome::Done(Delivered::Notice)),
        Err(outcome) => Ok(outcome),
    }
}
