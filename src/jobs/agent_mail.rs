//! The news of a booking, for its agent.

use calendar_provider::TimeRange;

use super::attempt::{Delivered, Outcome, subject};
use super::letter::{self, Letter};
use crate::app::App;
use crate::mail::{self, AgentNotice};
use crate::service::{Error, Result};
use crate::store::outbox::{BookingNews, Change, Model};

/// Tells the agent what one version did.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let subject = subject(app, row).await?;
    let context = letter::agent_context(app, &subject, subject.range)?;
    let notice = notice(&subject.news, subject.range)?;
    let letter = Letter {
        to: letter::agent_mailbox(&subject.agent),
        reply_to: Some(letter::visitor_mailbox(&context)),
        rendered: mail::agent_notice(notice, &context),
        calendar: None,
        purpose: "agent",
    };
    match letter::send(app, row, letter).await {
        Ok(()) => Ok(Outcome::Done(Delivered::Notice)),
        Err(outcome) => Ok(outcome),
    }
}

fn notice(news: &BookingNews, range: TimeRange) -> Result<AgentNotice<'_>> {
    let reason = news.reason.as_deref();
    Ok(match news.change {
        Change::Booked | Change::ConferenceAdded => AgentNotice::Booked,
        Change::Cancelled => AgentNotice::Cancelled { reason },
        Change::Rescheduled => {
            // Only the start is kept: the length may have changed with the agent's settings, and
            // what the agent looks for is when the meeting would have begun.
            let start = news.moved_from.unwrap_or(news.starts_at);
            let from = TimeRange::lasting(start, range.length()).map_err(Error::internal)?;
            AgentNotice::Rescheduled { from, reason }
        }
    })
}
