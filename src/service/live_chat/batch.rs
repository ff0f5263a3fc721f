//! Requests that are offered together.
//!
//! A queue assigns one request after the other, under its lock, and what that takes (the lock, who is next, the
//! commit) is hardly more for several than for one. So requests of this process that come while others of their
//! queue are being offered wait, and share the next transaction. At rest that is one request in one
//! transaction; the busier, the more share it.
//!
//! Only what is plain is done here: the queue of the request's first tier, and somebody of it who can take it.
//! Whatever else there is to do, a request does by itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel};
use tokio::sync::oneshot;

use super::assign::{Found, assign};
use super::told::{self, Told};
use super::{Effects, advance, profiles, transact};
use crate::app::App;
use crate::service::Result;
use crate::service::changes::Change;
use crate::service::routing::{Record, Resolved, Tier};
use crate::store::live_chat::candidate::{self, Search};
use crate::store::live_chat::offer;
use crate::store::live_chat::request::{self, Model};

/// Most requests of one transaction.
const MOST: usize = 64;

/// A request that is to be made.
#[derive(Clone)]
pub(super) struct Wanted {
    /// As it was asked for.
    pub(super) request: Model,
    /// Whom it may be offered to.
    pub(super) resolved: Arc<Resolved>,
    /// Whether there is to be one request of its conversation at most.
    pub(super) is_once: bool,
}

impl Wanted {
    /// The first tier that has agents, and its place.
    fn tier(&self) -> Option<(usize, &Tier)> {
        let is_empty = |tier: &Tier| tier.agents.as_ref().is_some_and(Vec::is_empty);
        self.resolved.tiers.iter().enumerate().find(|(_, tier)| !is_empty(tier))
    }

    /// What names its conversation, where that matters.
    pub(super) fn conversation(&self) -> Option<(&str, &str)> {
        self.request.conversation().filter(|_| self.is_once)
    }
}

/// Requests that wait, by queue. A queue is there for as long as its requests are being worked off.
#[derive(Default)]
pub struct Lines(Mutex<HashMap<String, Vec<Waiting>>>);

struct Waiting {
    wanted: Wanted,
    done: oneshot::Sender<Option<Model>>,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in a queue's line. Whether nobody works it off yet.
    fn join(&self, queue: &str, waiting: Waiting) -> bool {
        let mut lines = self.lock();
        if let Some(line) = lines.get_mut(queue) {
            line.push(waiting);
            return false;
        }
        lines.insert(queue.to_owned(), vec![waiting]);
        true
    }

    /// The next of a line to be done together; none where it is worked off. Whoever was given up while it waited is
    /// left out: nobody is asked to chat with somebody who has gone.
    fn take(&self, queue: &str) -> Option<Vec<Waiting>> {
        let mut lines = self.lock();
        let line = lines.get_mut(queue)?;
        line.retain(|waiting| !waiting.done.is_closed());
        if line.is_empty() {
            lines.remove(queue);
            return None;
        }
        Some(line.drain(..line.len().min(MOST)).collect())
    }
}

/// Makes a request and offers it, together with others. None where it has to be made by itself.
pub(super) async fn place(app: &Arc<App>, wanted: Wanted) -> Option<Model> {
    let queue = wanted.tier().and_then(|(_, tier)| tier.queue.clone())?;
    let (done, placed) = oneshot::channel();
    if app.live_chat_lines.join(&queue, Waiting { wanted, done }) {
        // Apart from this request, which may be given up while others wait.
        tokio::spawn(work_off(Arc::clone(app), queue));
    }
    placed.await.ok().flatten()
}

async fn work_off(app: Arc<App>, queue: String) {
    let _dropped = DropOnPanic { app: &app, queue: &queue };
    // On a busy server, requests that are about to come share this transaction.
    tokio::task::yield_now().await;
    while let Some(line) = app.live_chat_lines.take(&queue) {
        let (wanted, waiting): (Vec<Wanted>, Vec<_>) =
            line.into_iter().map(|waiting| (waiting.wanted, waiting.done)).unzip();
        let placed = together(&app, &wanted).await.unwrap_or_else(|error| {
            // Each finds out by itself what is wrong with it.
            tracing::debug!(error = &error as &dyn std::error::Error, "requests are made apart");
            vec![None; wanted.len()]
        });
        for (done, placed) in waiting.into_iter().zip(placed) {
            // An error says that the request was given up in the meantime; it is made all the same.
            let _ = done.send(placed);
        }
    }
}

/// Lets the next request begin a line anew should one ever panic; those that wait go on by themselves.
struct DropOnPanic<'a> {
    app: &'a App,
    queue: &'a str,
}

impl Drop for DropOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.app.live_chat_lines.lock().remove(self.queue);
        }
    }
}

/// Makes and offers all that can be, in one transaction.
async fn together(app: &App, wanted: &[Wanted]) -> Result<Vec<Option<Model>>> {
    transact!(app, |transaction, effects| {
        let mut placed = open_already(transaction, wanted).await?;
        let mut conversations = HashSet::new();
        let mut room = Room::of(app, transaction, wanted).await?;
        let tier = wanted.first().and_then(Wanted::tier);
        let to_place: Vec<usize> = (0..wanted.len())
            .filter(|place| placed[*place].is_none())
            // Twice at once: the second finds the first one's.
            .filter(|place| {
                wanted[*place].conversation().is_none_or(|name| conversations.insert(name))
            })
            // Whether there is room for this one too is found out by itself.
            .filter(|place| room.take(&wanted[*place].request))
            // The queue's agents were others when this one looked.
            .filter(|place| {
                wanted[*place].tier().map(|(_, tier)| tier) == tier.map(|(_, tier)| tier)
            })
            .collect();
        if let Some((_, tier)) = tier {
            let chosen = to_place.iter().map(|place| &wanted[*place]).collect::<Vec<_>>();
            let made = place_all(app, transaction, tier, &chosen, effects).await?;
            for (place, made) in to_place.into_iter().zip(made) {
                placed[place] = made;
            }
        }
        Ok(placed)
    })
}

/// Lets nobody else ask about these conversations, and take these places or others of these networks, and returns what is open of the former.
async fn open_already(
    transaction: &DatabaseTransaction,
    wanted: &[Wanted],
) -> Result<Vec<Option<Model>>> {
    let conversations: Vec<(&str, &str)> = wanted.iter().filter_map(Wanted::conversation).collect();
    let places: Vec<&[u8]> = wanted.iter().flat_map(|wanted| wanted.request.places()).collect();
    request::lock_names(transaction, &conversations, &places).await?;
    let open = request::open_of_conversations(transaction, &conversations).await?;
    let open_of = |wanted: &Wanted| {
        let name = wanted.conversation()?;
        open.iter().find(|open| open.conversation() == Some(name)).cloned()
    };
    Ok(wanted.iter().map(open_of).collect())
}

/// The room that is certain to be there for visitors without a key.
struct Room {
    /// Places with an open request, and those that were given out here.
    taken: HashSet<Vec<u8>>,
    /// Requests by network: those that are open, and those that were given room here.
    by_network: HashMap<Vec<u8>, i64>,
    /// Most requests of one network.
    most: i64,
}

impl Room {
    /// As it is now. Places and networks are to be locked.
    async fn of(app: &App, transaction: &DatabaseTransaction, wanted: &[Wanted]) -> Result<Self> {
        let requests = || wanted.iter().map(|wanted| &wanted.request);
        let places: Vec<&[u8]> = requests().filter_map(|it| it.place_hash.as_deref()).collect();
        let networks: Vec<&[u8]> = requests().filter_map(|it| it.network_hash.as_deref()).collect();
        let open = request::open_of_places(transaction, &places).await?;
        let by_network = request::open_per_network(transaction, &networks).await?;
        Ok(Self {
            taken: open.into_iter().filter_map(|open| open.place_hash).collect(),
            by_network: by_network.into_iter().collect(),
            most: app.config.live_chat.open_per_network_in_all.into(),
        })
    }

    /// Gives a request room. False where there may be none.
    fn take(&mut self, request: &Model) -> bool {
        let place = request.place_hash.as_ref();
        place.is_none_or(|place| self.taken.insert(place.clone())) && self.take_of_network(request)
    }

    fn take_of_network(&mut self, request: &Model) -> bool {
        let Some(network) = &request.network_hash else { return true };
        let open = self.by_network.entry(network.clone()).or_default();
        *open += 1;
        *open <= self.most
    }
}

async fn place_all(
    app: &App,
    transaction: &DatabaseTransaction,
    tier: &Tier,
    wanted: &[&Wanted],
    effects: &mut Effects,
) -> Result<Vec<Option<Model>>> {
    let (profiles, now) = (profiles(), app.now());
    let search = Search {
        queue: tier.queue.as_deref(),
        agents: tier.agents.as_deref(),
        profiles: &profiles,
        now,
    };
    // Most often nobody is free because nobody is: that needs no queue.
    if wanted.is_empty() || !candidate::any(transaction, &search).await? {
        return Ok(vec![None; wanted.len()]);
    }
    let asked = vec![HashSet::new(); wanted.len()];
    let assigned = assign(transaction, &search, &asked, &HashMap::new()).await?;
    let others = advance::others(transaction, tier, true, &[]).await?;
    let (mut made, mut offers) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (wanted, Found { agent, noted }) in wanted.iter().zip(assigned.found) {
        let (Some(agent), Some((place, _))) = (agent, wanted.tier()) else {
            made.push(None);
            continue;
        };
        let mut record = Record::new(&wanted.resolved);
        record.note_all(place, noted);
        advance::note_others(&others, place, true, &mut record, now)?;
        let offer = advance::new_offer(app, wanted.request.id, agent);
        let mut request = wanted.request.clone();
        advance::set_record(&mut request, &record)?;
        request.due_at = Some(offer.expires_at);
        request.revision = 1;
        effects.push(Change::LiveChatRequest(request.id));
        effects.push(Change::LiveChatOffers(agent));
        offers.push(offer);
        made.push(Some(request));
    }
    effects.changes.extend(assigned.refreshed.into_iter().map(Change::Agent));
    save(app, transaction, &made, &offers, effects).await?;
    Ok(made)
}

async fn save(
    app: &App,
    transaction: &DatabaseTransaction,
    made: &[Option<Model>],
    offers: &[offer::Model],
    effects: &mut Effects,
) -> Result<()> {
    let made: Vec<&Model> = made.iter().flatten().collect();
    if made.is_empty() {
        return Ok(());
    }
    let rows = made.iter().map(|request| (*request).clone().into_active_model().reset_all());
    request::Entity::insert_many(rows).exec_without_returning(transaction).await?;
    offer::insert(transaction, offers).await?;
    effects.has_deliveries |= told::tell(app, transaction, &made, Told::Requested).await?;
    Ok(())
}
