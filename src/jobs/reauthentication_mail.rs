//! Word to the agent that the calendar must be connected again.

use super::attempt::{Delivered, Outcome, misfit};
use super::letter::{self, Letter};
use crate::app::App;
use crate::mail;
use crate::service::{self, Result, calendar};
use crate::store::outbox::{Model, Payload};

/// Tells the agent, unless the calendar works again or is gone.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let Payload::Reauthentication(which) = &row.payload.0 else {
        return Err(misfit(row));
    };
    let Some(broken) = calendar::to_mend(app, which.reauthenticate).await? else {
        return Ok(Outcome::Done(Delivered::Notice));
    };
    let agent = service::agent::get(app, broken.agent_id).await?;
    let notice = mail::Reauthentication {
        locale: &agent.locale,
        provider: calendar::name_of_provider(app, &broken),
        account: &broken.account,
        problem: broken.problem.as_deref(),
        link: calendar::mending_link(app, &broken, row.id),
    };
    let letter = Letter {
        to: letter::agent_mailbox(&agent),
        reply_to: None,
        rendered: mail::reauthentication_notice(&notice),
        calendar: None,
        purpose: "reauthentication",
    };
    match letter::send(app, row, letter).await {
        Ok(()) => Ok(Outcome::Done(Delivered::Notice)),
        Err(outcome) => Ok(outcome),
    }
}
