//! What agents do with offers.

use chrono::TimeDelta;
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::advance::{Moving, resolve_again};
use super::told::{self, Told};
use super::transact;
use crate::app::App;
use crate::service::access::Caller;
use crate::service::changes::Change;
use crate::service::routing::SkipReason;
use crate::service::{Error, Result};
use crate::store::live_chat::{offer, request};

/// What came of an accept.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// The chat is the agent's.
    Taken(Box<request::Model>),
    /// It came too late.
    Missed {
        /// Why, for the agent.
        message: &'static str,
        /// The offer as it is now.
        offer: Box<offer::Model>,
    },
}

/// There is no such offer for this caller.
fn unknown(id: Uuid) -> Error {
    let id = crate::ids::LIVE_CHAT_OFFER.format(id);
    Error::NotFound(format!("there is no live-chat offer {id} for you"))
}

/// The agent's own offer, and what it offers.
async fn own(app: &App, caller: &Caller, id: Uuid) -> Result<(offer::Model, request::Model)> {
    caller.require_known()?;
    if caller.agent_id().is_none() {
        let message = "only the agent who was asked can answer an offer".to_owned();
        return Err(Error::Forbidden(message));
    }
    let found = offer::Entity::find_by_id(id).one(&app.db).await?;
    let found = found.filter(|offer| caller.is_agent(offer.agent_id)).ok_or_else(|| unknown(id))?;
    let request = request::Entity::find_by_id(found.request_id).one(&app.db).await?;
    Ok((found, request.ok_or_else(|| unknown(id))?))
}

/// Takes a chat that was offered. Who accepts twice has it; who comes too late is told so.
///
/// # Errors
/// `UNAUTHENTICATED`, `FORBIDDEN` for a key, `NOT_FOUND` for an offer that is not the agent's.
pub async fn accept(app: &App, caller: &Caller, id: Uuid) -> Result<Accepted> {
    let (_, request) = own(app, caller, id).await?;
    transact!(app, |transaction, effects| {
        let locked = request::lock(transaction, request.id).await?;
        let mut request = locked.ok_or_else(|| unknown(id))?;
        let found = offer::Entity::find_by_id(id).one(transaction).await?;
        let mut found = found.ok_or_else(|| unknown(id))?;
        let now = app.now();
        if found.state == offer::ACCEPTED {
            return Ok(Accepted::Taken(Box::new(request)));
        }
        if found.state == offer::OPEN && found.expires_at <= now {
            // Whoever follows the clock writes that down, and goes on to the next.
            offer::EXPIRED.clone_into(&mut found.state);
            found.ended_at = Some(found.expires_at);
        }
        if found.state != offer::OPEN {
            let message = why_missed(&found, &request);
            return Ok(Accepted::Missed { message, offer: Box::new(found) });
        }
        offer::end(transaction, id, offer::ACCEPTED, now).await?;
        request::ACCEPTED.clone_into(&mut request.state);
        request.agent_id = Some(found.agent_id);
        request.accepted_at = Some(now);
        request.due_at = Some(now + idle(app));
        request::save(transaction, &mut request).await?;
        effects.has_deliveries |= told::tell(app, transaction, &[&request], Told::Accepted).await?;
        effects.push(Change::LiveChatRequest(request.id));
        effects.push(Change::LiveChatOffers(found.agent_id));
        Ok(Accepted::Taken(Box::new(request)))
    })
}

/// How long a chat goes on in which nothing happens.
pub(super) fn idle(app: &App) -> TimeDelta {
    TimeDelta::minutes(app.config.live_chat.idle_minutes.into())
}

fn why_missed(found: &offer::Model, request: &request::Model) -> &'static str {
    if request.state == request::CANCELLED {
        return "The visitor is no longer waiting.";
    }
    match found.state.as_str() {
        offer::DECLINED => "You declined this chat.",
        offer::EXPIRED => "The time to accept this chat is over.",
        _ => "This chat is no longer offered to you.",
    }
}

/// Refuses a chat that was offered, which goes to the next agent at once. An offer that is no longer open
/// stays as it is.
///
/// # Errors
/// As [`accept`].
pub async fn decline(app: &App, caller: &Caller, id: Uuid) -> Result<offer::Model> {
    let (_, request) = own(app, caller, id).await?;
    let resolved = resolve_again(app, &request).await?;
    transact!(app, |transaction, effects| {
        let locked = request::lock(transaction, request.id).await?;
        let mut request = locked.ok_or_else(|| unknown(id))?;
        let found = offer::Entity::find_by_id(id).one(transaction).await?;
        let found = found.ok_or_else(|| unknown(id))?;
        if found.state != offer::OPEN {
            return Ok(found);
        }
        let now = app.now();
        let (state, reason) = if found.expires_at <= now {
            (offer::EXPIRED, SkipReason::DidNotAnswer)
        } else {
            (offer::DECLINED, SkipReason::Declined)
        };
        let mut moving = Moving { app, transaction, resolved: &resolved, effects, now };
        moving.pass_on(&mut request, &found, state, reason).await?;
        Ok(offer::Model { state: state.to_owned(), ended_at: Some(now), ..found })
    })
}
