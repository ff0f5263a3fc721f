//! How many requests a visitor may have open: nobody without a key shall take up the places of everybody else.

use sea_orm::DatabaseTransaction;

use super::advance::wait;
use crate::app::App;
use crate::service::access::Caller;
use crate::service::mailbox::canonical;
use crate::service::{Error, Result};
use crate::store::booking::Person;
use crate::store::live_chat::request::{self, Model, OFFERED};

/// Fewest characters of a conversation's name that a visitor is known again by: fewer can be guessed.
const CONVERSATION_CHARS: usize = 16;

/// What a visitor's requests are counted by. Neither is there for callers with a key or a token.
pub(super) struct Place {
    /// Of the mailbox; of the network where the visitor did not say who it is; none where neither is known.
    pub(super) place_hash: Option<Vec<u8>>,
    /// Of the network, where it is known.
    pub(super) network_hash: Option<Vec<u8>>,
}

/// What a request of this caller, about this person, is counted by.
pub(super) fn of(app: &App, caller: &Caller, person: Option<&Person>) -> Place {
    let Caller::Visitor { network } = caller else {
        return Place { place_hash: None, network_hash: None };
    };
    let network_hash = network.map(|it| app.secrets.hash(&format!("live-chat-network/{it}")));
    let of_mailbox = |person: &Person| {
        app.secrets.hash(&format!("live-chat-mailbox/{}", canonical(&person.email)))
    };
    let place_hash = person.map(of_mailbox).or_else(|| network_hash.clone());
    Place { place_hash, network_hash }
}

/// The open request that a visitor gets in place of a new one; none where a new one is to be made. Places are to be
/// locked.
///
/// # Errors
/// `RATE_LIMITED` where there is no room and none of those that are open is known to be this visitor's own.
pub(super) async fn instead(
    app: &App,
    transaction: &DatabaseTransaction,
    new: &Model,
) -> Result<Option<Model>> {
    let Some(place) = &new.place_hash else { return Ok(None) };
    let mut open = request::open_of_places(transaction, &[place]).await?;
    if let Some(same) = open.iter().position(|open| is_same_conversation(open, new)) {
        return Ok(Some(open.swap_remove(same)));
    }
    let limits = &app.config.live_chat;
    let most = match new.person.is_some() {
        true => limits.open_per_mailbox,
        false => limits.open_per_network,
    };
    if usize::try_from(most).is_ok_and(|most| open.len() < most) {
        return Ok(None);
    }
    // A page that was loaded again. Who else knows the address gets no other's request.
    let is_own = |open: &Model| new.person.is_some() && is_same_network(open, new);
    match open.iter().rposition(is_own) {
        Some(own) => Ok(Some(open.swap_remove(own))),
        None => Err(no_room(app, most, new, &open)),
    }
}

fn is_same_conversation(open: &Model, new: &Model) -> bool {
    let name = new.conversation_id.as_deref();
    name.is_some_and(|name| CONVERSATION_CHARS <= name.chars().count())
        && open.conversation_id.as_deref() == name
        && open.network_hash == new.network_hash
}

fn is_same_network(open: &Model, new: &Model) -> bool {
    new.network_hash.is_some() && open.network_hash == new.network_hash
}

fn no_room(app: &App, most: u32, new: &Model, open: &[Model]) -> Error {
    // An offer that was made in time goes on for as long as any.
    let offer = chrono::TimeDelta::seconds(app.config.live_chat.offer_seconds.into());
    let ends = |open: &Model| match open.state == OFFERED {
        true => open.created_at + wait(app) + offer,
        false => open.due_at.unwrap_or(open.created_at),
    };
    let next = open.iter().map(ends).min().unwrap_or_else(|| app.now());
    let retry_after_seconds = (next - app.now()).num_seconds().max(1);
    let who = match new.person.is_some() {
        true => "with one e-mail address",
        false => "without an e-mail address from one IP address",
    };
    let message =
        format!("at most {most} live chats may be open {who}; end one, or try again later");
    Error::RateLimited { message, retry_after_seconds }
}
