//! Word to the agent that a delivery was given up.

use super::attempt::{Delivered, Outcome, subject};
use super::letter::{self, Letter};
use crate::app::App;
use crate::mail::{self, Delivery};
use crate::service::Result;
use crate::store::booking::CANCELLED;
use crate::store::outbox::{Kind, Model};

/// Tells the agent which delivery failed for good, and why.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let subject = subject(app, row).await?;
    let context = letter::agent_context(app, &subject, subject.range)?;
    let (what, purpose) = match subject.news.failed {
        Some(Kind::CalendarEvent) => (Delivery::CalendarEntry, "calendar-failure"),
        _ => (Delivery::VisitorMail, "mail-failure"),
    };
    let problem = subject.news.reason.as_deref().unwrap_or("unknown");
    let problem = if what == Delivery::CalendarEntry && subject.booking.status == CANCELLED {
        format!("the meeting is cancelled and its entry may still be there: {problem}")
    } else {
        problem.to_owned()
    };
    let letter = Letter {
        to: letter::agent_mailbox(&subject.agent),
        reply_to: Some(letter::visitor_mailbox(&context)),
        rendered: mail::failure_notice(what, &problem, &context),
        calendar: None,
        purpose,
    };
    match letter::send(app, row, letter).await {
        Ok(()) => Ok(Outcome::Done(Delivered::Notice)),
        Err(outcome) => Ok(outcome),
    }
}
