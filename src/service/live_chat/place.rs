//! How many requests a visitor may have open: nobody without a key shall take up the places of everybody else.

use chrono::{DateTime, Utc};
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

/// The open request that a visitor gets in place of a new one; none where a new one is to be made. Its place
/// and its network are to be locked.
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
    let Some(full) = full(app, transaction, new, &open).await? else { return Ok(None) };
    // A page that was loaded again. Who else knows the address gets no other's request.
    let own = open.iter().rposition(|open| is_own(open, new));
    own.map(|own| Some(open.swap_remove(own))).ok_or_else(|| no_room(app, &full))
}

/// A limit that a visitor is at.
struct Full {
    most: u32,
    /// Whose requests are counted.
    who: &'static str,
    /// When there is room at the latest, unless what is open is kept going.
    room_at: DateTime<Utc>,
}

/// The limit that leaves no room for a request, given what is open of its place.
async fn full(
    app: &App,
    transaction: &DatabaseTransaction,
    new: &Model,
    of_place: &[Model],
) -> Result<Option<Full>> {
    let limits = &app.config.live_chat;
    let (most, who) = match new.person.is_some() {
        true => (limits.open_per_mailbox, "with one e-mail address"),
        false => (limits.open_per_network, "without an e-mail address from one IP address"),
    };
    if is_full(most, of_place) {
        return Ok(Some(Full { most, who, room_at: room_at(app, of_place) }));
    }
    // Addresses can be made up: the network is counted whatever they are.
    let network = new.network_hash.as_deref();
    let of_network = request::open_of_networks(transaction, network.as_slice()).await?;
    let (most, who) = (limits.open_per_network_in_all, "from one IP address");
    Ok(is_full(most, &of_network).then(|| Full { most, who, room_at: room_at(app, &of_network) }))
}

fn is_full(most: u32, open: &[Model]) -> bool {
    usize::try_from(most).is_ok_and(|most| most <= open.len())
}

fn is_same_conversation(open: &Model, new: &Model) -> bool {
    is_name(new)
        && open.conversation_id == new.conversation_id
        && open.network_hash == new.network_hash
}

/// Whether a request names a conversation by which its visitor is known again.
fn is_name(request: &Model) -> bool {
    let name = request.conversation_id.as_deref();
    name.is_some_and(|name| CONVERSATION_CHARS <= name.chars().count())
}

/// Whether an open request of the same mailbox is this visitor's, as far as can be told. Networks are shared: a request
/// that has a name of its own goes to nobody who does not know the name.
fn is_own(open: &Model, new: &Model) -> bool {
    let is_same_network = new.network_hash.is_some() && open.network_hash == new.network_hash;
    new.person.is_some() && is_same_network && !is_name(open)
}

/// When the first of these is over by itself; now where there are none.
fn room_at(app: &App, open: &[Model]) -> DateTime<Utc> {
    // An offer that was made in time goes on for as long as any.
    let offer = chrono::TimeDelta::seconds(app.config.live_chat.offer_seconds.into());
    let ends = |open: &Model| match open.state == OFFERED {
        true => open.created_at + wait(app) + offer,
        false => open.due_at.unwrap_or(open.created_at),
    };
    open.iter().map(ends).min().unwrap_or_else(|| app.now())
}

fn no_room(app: &App, full: &Full) -> Error {
    let Full { most, who, room_at } = full;
    let retry_after_seconds = (*room_at - app.now()).num_seconds().max(1);
    let message =
        format!("at most {most} live chats may be open {who}; end one, or try again later");
    Error::RateLimited { message, retry_after_seconds }
}
