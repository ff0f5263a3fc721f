//! What one connection may hold, how long it may leave bytes unread, and how many there may be.
//!
//! Four bounds work together. [`table`] counts connections. [`budget`] counts the bytes that answers and
//! requests take up. [`stream`] looks at the socket: it ends a connection that takes nothing, or sends
//! without asking. [`delivery`] looks at each answer, since an HTTP/2 stream's window may be closed
//! while the socket takes everything else.

mod answer;
mod budget;
mod delivery;
mod descriptors;
mod hello;
mod intake;
mod service;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

pub(crate) use answer::{Charged, NoRoom, Room, Writer, Written};
pub(crate) use budget::{Budget, Charge};
pub(crate) use hello::Hello;
pub(crate) use intake::Intake;
pub(crate) use service::answer;
pub(crate) use stream::Watched;
pub(crate) use table::Table;

use delivery::Progress;
use table::{Place, Silent};

/// A reader makes progress when it takes all that waits for it, or so much.
const PROGRESS_BYTES: usize = 16 * 1024;

/// Below this part of all bytes, a slow reader is no longer waited for.
const SCARCE_PART: usize = 4;
/// What such a reader has of the time that one may make no progress.
const SCARCE_TIME: u32 = 3;

/// The bounds of connections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionLimits {
    /// Connections that may be open at a time.
    pub total: usize,
    /// Those from one IP address, or one IPv6 /64. `None` where proxies stand in front.
    pub per_address: Option<usize>,
    /// Bytes that the server keeps for one connection: answers not yet taken, requests not yet read.
    pub bytes: usize,
    /// Bytes that it keeps for all connections.
    pub all_bytes: usize,
    /// How long a reader may make no progress while bytes wait for it. While less than a quarter of
    /// `all_bytes` is left, a reader that has not taken all of an answer in a third of it is cut off, so
    /// that those who read slowly on purpose don't keep all of them.
    pub stalled: Duration,
    /// How long a connection may have no request under way. It includes the time that a request's
    /// headers take.
    pub idle: Duration,
    /// How long the body of a request may take to arrive, except where a handler allows more.
    pub body: Duration,
    /// Bytes that a connection may send while no request is under way.
    pub unasked_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 16_384,
            per_address: Some(4096),
            bytes: 32 * 1024 * 1024,
            all_bytes: 512 * 1024 * 1024,
            stalled: Duration::from_secs(30),
            // Above the 60 s for which the usual proxies keep their connections, so that they never
            // use one that is just being closed.
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            unasked_bytes: 1024 * 1024,
        }
    }
}

impl ConnectionLimits {
    /// The same, with no more connections than this process can have files open. The soft limit on open
    /// files is raised as far as it can be.
    #[must_use]
    pub fn within_open_files(self) -> Self {
        let total = descriptors::make_room(self.total);
        Self { total, ..self }
    }
}

/// One connection, from its being accepted until its socket is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    table: Arc<Table>,
    place: Place,
    budget: Budget,
    requests: AtomicUsize,
    /// Bytes that came while no request was under way.
    unasked: AtomicUsize,
    reset: AtomicBool,
    /// Whether it is a WebSocket that has said hello.
    socket: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Since when no request is under way.
    idle_since: Instant,
    answers: Vec<Weak<Progress>>,
    /// What came while no request was under way: heads that are not whole yet, or a WebSocket's message.
    heads: Charge,
}

/// Why a connection was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its reader took nothing for too long.
    Stalled,
    /// It asked for nothing for too long.
    Idle,
}

impl Ended {
    /// For metrics.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Stalled => "stalled",
            Self::Idle => "idle",
        }
    }
}

impl Connection {
    /// A connection from `peer`; none where there are too many.
    pub(crate) fn enter(table: &Arc<Table>, peer: SocketAddr) -> Option<Arc<Self>> {
        let place = table.enter(peer.ip())?;
        let (network, server) = place.bytes();
        Some(Arc::new(Self {
            peer,
            budget: Budget::new(
                table.limits.bytes,
                network,
                server,
                table.limits.all_bytes / SCARCE_PART,
            ),
            table: Arc::clone(table),
            place,
            requests: AtomicUsize::new(0),
            unasked: AtomicUsize::new(0),
            reset: AtomicBool::new(false),
            socket: AtomicBool::new(false),
            state: Mutex::new(State {
                idle_since: Instant::now(),
                answers: Vec::new(),
                heads: Charge::default(),
            }),
        }))
    }

    pub(crate) fn limits(&self) -> &ConnectionLimits {
        &self.table.limits
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Notes that the peer forwards a request for somebody else. Unless proxies are trusted, nobody told
    /// us of this one: the settings are likely to lack it.
    pub(crate) fn forwards(&self) {
        if self.limits().per_address.is_some() {
            self.table.forwards(self.peer.ip());
        }
    }

    /// A place for a WebSocket that has not said hello; none where there are too many.
    pub(crate) fn silent(&self) -> Option<Silent> {
        self.place.silent()
    }

    /// Marks a request, or a WebSocket, as under way until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.unasked.store(0, Ordering::Release);
        self.took_all();
        UnderWay(Arc::clone(self))
    }

    /// Counts bytes that came, and says whether they are within the bounds.
    pub(crate) fn received(&self, bytes: usize) -> bool {
        if self.socket.load(Ordering::Acquire) {
            return self.keep(bytes);
        }
        if 0 < self.requests.load(Ordering::Acquire) {
            return true;
        }
        let before = self.unasked.fetch_add(bytes, Ordering::AcqRel);
        if self.limits().unasked_bytes < before.saturating_add(bytes) {
            return false;
        }
        self.keep(bytes)
    }

    /// Takes the bytes of what is kept until it is whole.
    fn keep(&self, bytes: usize) -> bool {
        let Some(charge) = self.budget.try_take(bytes) else { return false };
        self.state().heads.merge(charge);
        true
    }

    /// From now on all that comes are messages of a WebSocket, which are kept until they are whole.
    fn become_socket(&self) {
        self.socket.store(true, Ordering::Release);
    }

    /// Gives back what came, now that nothing of it is kept.
    fn took_all(&self) {
        self.state().heads = Charge::default();
    }

    /// Gives back some of it.
    fn took(&self, bytes: usize) {
        self.state().heads.give_back(bytes);
    }

    /// How long a reader may keep what waits for it at the moment, however much of it it takes.
    fn patience(&self) -> Option<Duration> {
        self.budget.is_scarce().then(|| self.limits().stalled / SCARCE_TIME)
    }

    /// Follows how the reader takes one answer.
    fn follow(&self, answer: &Arc<Progress>) {
        let mut state = self.state();
        if state.answers.len() == state.answers.capacity() {
            state.answers.retain(|answer| 0 < answer.strong_count());
        }
        state.answers.push(Arc::downgrade(answer));
    }

    /// Ends when the connection should: its reader has stalled, or nothing was asked for too long.
    pub(crate) async fn ended(&self) -> Ended {
        let limits = self.limits();
        let period = (limits.stalled.min(limits.idle) / 10).max(Duration::from_millis(1));
        loop {
            tokio::time::sleep(period).await;
            let now = Instant::now();
            let mut state = self.state();
            state.answers.retain(|answer| 0 < answer.strong_count());
            let mut answers = state.answers.iter().filter_map(Weak::upgrade);
            let patience = self.patience();
            let is_slow = |answer: &Progress| {
                patience.is_some_and(|patience| patience <= answer.waiting_for(now))
            };
            if answers.any(|answer| limits.stalled <= answer.stalled_for(now) || is_slow(&answer)) {
                self.reset_when_dropped();
                return Ended::Stalled;
            }
            let idle = self.requests.load(Ordering::Acquire) == 0;
            if idle && limits.idle <= now.duration_since(state.idle_since) {
                return Ended::Idle;
            }
        }
    }

    /// Has the socket be reset when it is dropped. Otherwise the system keeps what waits for a reader that
    /// takes nothing.
    fn reset_when_dropped(&self) {
        self.reset.store(true, Ordering::Release);
    }

    fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // What a panic left behind is still a time and a list.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Connection>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.unasked.store(0, Ordering::Release);
        self.0.state().idle_since = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}
