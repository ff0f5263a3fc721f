//! News of changes, for whoever listens in any process.
//!
//! A change is written in the transaction that makes it ([`write()`]), and told once that is committed
//! ([`News::tell`]): to listeners of this process at once, to other processes by [`crate::cluster::bus`].
//! Who dies in between has written it down, so the others find it by reading.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbErr};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use crate::app::App;
use crate::store;

/// For how long at least it is known what was heard: longer than a process may take to say what it has
/// committed.
const HEARD_FOR: Duration = Duration::from_secs(60);
/// News kept for a listener that is behind; one further behind skips to the newest.
const KEPT: usize = 64;
/// The same for topics that hear of everybody.
const KEPT_OF_ALL: usize = 4096;

/// Something that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A booking, of this agent.
    Booking {
        /// The booking.
        id: Uuid,
        /// Its agent.
        agent: Uuid,
    },
    /// An agent, its calendar or its live chat.
    Agent(Uuid),
    /// A live-chat request.
    LiveChatRequest(Uuid),
    /// The offers that an agent has of live chats.
    LiveChatOffers(Uuid),
    /// An API key: it was revoked.
    ApiKey(Uuid),
    /// The tokens of this agent: some were revoked.
    AgentTokens(Uuid),
}

/// What a listener hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Bookings of one agent; of all where none is named.
    Bookings(Option<Uuid>),
    /// One agent; all where none is named.
    Agents(Option<Uuid>),
    /// A live-chat request.
    LiveChatRequest(Uuid),
    /// The offers of one agent.
    LiveChatOffers(Uuid),
    /// One API key.
    ApiKey(Uuid),
    /// The tokens of one agent.
    AgentTokens(Uuid),
}

impl Topic {
    const fn kept(self) -> usize {
        match self {
            Self::Bookings(None) | Self::Agents(None) => KEPT_OF_ALL,
            // Who hears of several looks once.
            Self::ApiKey(_) | Self::AgentTokens(_) => 1,
            _ => KEPT,
        }
    }

    /// Whether it is of what subscriptions tell, and not of who may listen to them.
    const fn is_of_subscriptions(self) -> bool {
        !matches!(self, Self::ApiKey(_) | Self::AgentTokens(_))
    }
}

impl Change {
    fn topics(self) -> impl Iterator<Item = Topic> {
        let (one, all) = match self {
            Self::Booking { agent, .. } => {
                (Topic::Bookings(Some(agent)), Some(Topic::Bookings(None)))
            }
            Self::Agent(id) => (Topic::Agents(Some(id)), Some(Topic::Agents(None))),
            Self::LiveChatRequest(id) => (Topic::LiveChatRequest(id), None),
            Self::LiveChatOffers(agent) => (Topic::LiveChatOffers(agent), None),
            Self::ApiKey(id) => (Topic::ApiKey(id), None),
            Self::AgentTokens(agent) => (Topic::AgentTokens(agent), None),
        };
        std::iter::once(one).chain(all)
    }
}

/// A change as it was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its number, unique in the database.
    pub id: i64,
    /// What changed.
    pub change: Change,
}

/// Changes that were written in a transaction, to be told once it is committed.
#[derive(Debug)]
#[must_use = "changes are told once their transaction is committed"]
pub struct News(Vec<Written>);

/// Writes changes down in the transaction that makes them.
///
/// # Errors
/// The database's own.
pub async fn write<C: ConnectionTrait>(
    app: &App,
    db: &C,
    changes: impl IntoIterator<Item = Change> + Send,
) -> Result<News, DbErr> {
    let changes: Vec<Change> = changes.into_iter().collect();
    let ids = store::change::put(db, app.process, &changes, app.now()).await?;
    let written = ids.into_iter().zip(changes).map(|(id, change)| Written { id, change });
    Ok(News(written.collect()))
}

impl News {
    /// Tells every listener, in this process and the others.
    pub fn tell(self, app: &App) {
        for written in self.0 {
            // Said to the others even where this process has read it already: they may not have.
            app.changes.hear(written);
            app.changes.announce(written);
        }
    }
}

/// Who listens to changes in this process, and what is to be said to the others.
#[derive(Clone, Default)]
pub struct Changes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    topics: Mutex<HashMap<Topic, broadcast::Sender<Change>>>,
    listeners: AtomicUsize,
    heard: Mutex<Heard>,
    outgoing: Mutex<Vec<Written>>,
    wake: Notify,
    agents: Notify,
}

/// What was heard already, so that what comes twice is told once: each change comes from who made it and by
/// reading, in either order and not always soon after another.
struct Heard {
    recently: HashSet<i64>,
    before: HashSet<i64>,
    /// Since when `recently` is filled.
    since: Instant,
}

impl Default for Heard {
    fn default() -> Self {
        Self { recently: HashSet::new(), before: HashSet::new(), since: Instant::now() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Changes {
    /// Tells the listeners of this process, unless they were told before. Whether it was new.
    pub(crate) fn hear(&self, written: Written) -> bool {
        // Held while they are told: another that hears the next change waits, so that none overtakes this one.
        let mut heard = lock(&self.0.heard);
        let is_new = !heard.before.contains(&written.id) && heard.recently.insert(written.id);
        if is_new {
            self.tell_here(written.change);
        }
        is_new
    }

    fn tell_here(&self, change: Change) {
        let topics = lock(&self.0.topics);
        for topic in change.topics() {
            if let Some(sender) = topics.get(&topic) {
                // An error says that the last listener is just going.
                let _ = sender.send(change);
            }
        }
        drop(topics);
        if let Change::Agent(_) | Change::LiveChatRequest(_) | Change::LiveChatOffers(_) = change {
            self.0.agents.notify_one();
        }
    }

    /// A reading of all changes succeeded. What is forgotten now was heard before the last time, so it has
    /// been read too, and whoever made it has had time to say so.
    pub(crate) fn end_reading(&self) {
        let mut heard = lock(&self.0.heard);
        if HEARD_FOR <= heard.since.elapsed() {
            heard.before = std::mem::take(&mut heard.recently);
            heard.since = Instant::now();
        }
    }

    /// Tells every listener that changes were missed.
    pub(crate) fn miss(&self) {
        // They go on with new channels: see `Listener::next`.
        lock(&self.0.topics).clear();
        self.0.agents.notify_one();
    }

    fn announce(&self, written: Written) {
        lock(&self.0.outgoing).push(written);
        self.0.wake.notify_one();
    }

    /// What is to be said to other processes now; nothing where there is nothing.
    pub(crate) fn take_outgoing(&self) -> Vec<Written> {
        std::mem::take(&mut *lock(&self.0.outgoing))
    }

    /// What is to be said to other processes, once there is something.
    pub(crate) async fn outgoing(&self) -> Vec<Written> {
        loop {
            let outgoing = self.take_outgoing();
            if !outgoing.is_empty() {
                return outgoing;
            }
            self.0.wake.notified().await;
        }
    }

    /// Returns once an agent or a live chat changed, in any process.
    pub(crate) async fn agent_or_chat(&self) {
        self.0.agents.notified().await;
    }

    /// How many subscriptions listen in this process.
    pub fn listeners(&self) -> usize {
        self.0.listeners.load(Ordering::SeqCst)
    }

    /// Hears what is told from now on.
    pub fn listen(&self, topic: Topic) -> Listener {
        let receiver = self.0.subscribe(topic);
        if topic.is_of_subscriptions() {
            self.0.listeners.fetch_add(1, Ordering::SeqCst);
        }
        Listener { receiver: Some(receiver), topic, shared: Arc::clone(&self.0) }
    }
}

impl Shared {
    fn subscribe(&self, topic: Topic) -> broadcast::Receiver<Change> {
        let mut topics = lock(&self.topics);
        let sender = topics.entry(topic).or_insert_with(|| broadcast::channel(topic.kept()).0);
        sender.subscribe()
    }
}

/// Who hears of a topic.
pub struct Listener {
    receiver: Option<broadcast::Receiver<Change>>,
    topic: Topic,
    shared: Arc<Shared>,
}

impl Listener {
    /// The next change; `None` where some were missed, since the listener or the process was too far
    /// behind.
    pub async fn next(&mut self) -> Option<Change> {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        match receiver.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                if self.topic.is_of_subscriptions() {
                    tracing::warn!(missed, "a subscription is too slow for the changes");
                }
                None
            }
            Err(broadcast::error::RecvError::Closed) => {
                self.receiver = Some(self.shared.subscribe(self.topic));
                None
            }
        }
    }
}

impl Listener {
    /// The next change that was told already, if there is one.
    pub fn told(&mut self) -> Option<Change> {
        self.receiver.as_mut()?.try_recv().ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut topics = lock(&self.shared.topics);
        self.receiver = None;
        if topics.get(&self.topic).is_some_and(|sender| sender.receiver_count() == 0) {
            topics.remove(&self.topic);
        }
        if self.topic.is_of_subscriptions() {
            self.shared.listeners.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
