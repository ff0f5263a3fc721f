//! Word that nobody took a live chat, or that it came to nothing, for an agent who asked to know.

use std::cmp::Ordering;

use super::attempt::{Delivered, Outcome, misfit};
use super::letter::{self, Letter};
use crate::app::App;
use crate::mail;
use crate::service::access::{self, Permission};
use crate::service::{self, Result, live_chat, schedule};
use crate::store::agent;
use crate::store::booking::Person;
use crate::store::live_chat::offer;
use crate::store::live_chat::request::{self, UNANSWERED};
use crate::store::outbox::{self, Model, Payload};

/// Most such mails to one agent in an hour of the clock; one more says that there are others.
const MOST_AN_HOUR: u64 = 20;

/// Whether the agent may see what the visitor said: a mail shows no more than the API does.
async fn sees(app: &App, agent: &agent::Model, request: &request::Model) -> Result<bool> {
    let permissions = access::profile(&agent.profile)?.permissions();
    if permissions.contains(&Permission::ViewAllConversations) {
        return Ok(true);
    }
    if !permissions.contains(&Permission::ViewMyConversations) {
        return Ok(false);
    }
    let offers = offer::of_requests(&app.db, &[request.id]).await?;
    Ok(live_chat::involves(request, &offers, agent.id))
}

/// Tells the agent, unless it was told of too many in that hour, no longer asks, or was deactivated.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let Payload::MissedChat(which) = &row.payload.0 else { return Err(misfit(row)) };
    let agent = service::agent::get(app, row.agent()?).await?;
    let request = live_chat::find(app, which.missed_chat).await?;
    let Some(request) = request.filter(|_| agent.active && agent.notify_failed_actions) else {
        return Ok(Outcome::Done(Delivered::Notice));
    };
    let sees = sees(app, &agent, &request).await?;
    let person = request.person.as_ref().map(|person| &person.0).filter(|_| sees);
    let email = person.map(|person| person.email.as_str());
    let before = outbox::before_in_hour(&app.db, row, agent.id).await?;
    let rendered = match before.cmp(&MOST_AN_HOUR) {
        Ordering::Less => mail::missed_chat_notice(&mail::MissedChat {
            locale: &agent.locale,
            zone: schedule::zone(&agent.chat_time_zone)?,
            was_taken: request.state != UNANSWERED,
            requested_at: request.created_at,
            name: person.map(Person::display_name).filter(|name| Some(&**name) != email),
            email,
            phone: person.and_then(|person| person.phone.as_deref()),
            company: request
                .company
                .as_ref()
                .filter(|_| sees)
                .and_then(|company| company.0.name.as_deref()),
            message: request.message.as_deref().filter(|_| sees),
            conversation: request
                .conversation_url
                .as_deref()
                .filter(|_| sees)
                .and_then(|url| url.parse().ok()),
        }),
        Ordering::Equal => mail::more_missed_chats_notice(&agent.locale, MOST_AN_HOUR),
        Ordering::Greater => return Ok(Outcome::Done(Delivered::Notice)),
    };
    let letter = Letter {
        to: letter::agent_mailbox(&agent),
        reply_to: None,
        rendered,
        calendar: None,
        purpose: "missed-chat",
    };
    match letter::send(app, row, letter).await {
        Ok(()) => Ok(Outcome::Done(Delivered::Notice)),
        Err(outcome) => Ok(outcome),
    }
}
