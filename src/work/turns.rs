//! Places for heavy work: so many at once, and callers in turn.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Payer, Refused};

/// Most pieces of work of one caller that wait.
const WAITING_OF_ONE: usize = 64;
/// Most pieces of work that wait.
const WAITING: usize = 2048;

/// Places, given to callers in turn: whoever has much waiting delays itself.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    /// Most places of one caller, so that the next one's work begins while a long one's goes on.
    most_of_one: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    taken_by: HashMap<Payer, usize>,
    waiting: HashMap<Payer, VecDeque<oneshot::Sender<Place>>>,
    /// Callers with work waiting, whose turn is next first.
    order: VecDeque<Payer>,
    count: usize,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    payer: Payer,
    turns: Arc<Turns>,
}

impl Turns {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let most = most.max(1);
        let most_of_one = most.div_ceil(2);
        Arc::new(Self { most, most_of_one, state: Mutex::default() })
    }

    /// A place, once it is this caller's turn.
    ///
    /// # Errors
    /// Where too much waits already.
    pub(super) async fn place(self: &Arc<Self>, payer: Payer) -> Result<Place, Refused> {
        let receiver = {
            let mut state = self.state();
            if self.has_place(&state, payer) {
                state.take(payer);
                return Ok(Place { payer, turns: Arc::clone(self) });
            }
            state.wait(payer)?
        };
        // The sender is dropped with the turns alone, which this borrows.
        receiver.await.map_err(|_| Refused::Crowded)
    }

    fn has_place(&self, state: &State, payer: Payer) -> bool {
        let own = state.taken_by.get(&payer).copied().unwrap_or(0);
        state.taken < self.most && (own < self.most_of_one || !payer.is_counted())
    }

    fn give_up(self: &Arc<Self>, payer: Payer) {
        let mut next = Vec::new();
        {
            let mut state = self.state();
            state.release(payer);
            while let Some((payer, sender)) = self.next(&mut state) {
                state.take(payer);
                next.push((payer, sender));
            }
        }
        for (payer, sender) in next {
            // Whoever is gone drops its place, which gives it on.
            let _ = sender.send(Place { payer, turns: Arc::clone(self) });
        }
    }

    /// Who gets a place now, if there is one: the first in order whose own places are not all taken.
    fn next(&self, state: &mut State) -> Option<(Payer, oneshot::Sender<Place>)> {
        for _ in 0..state.order.len() {
            let payer = state.order.pop_front()?;
            if !self.has_place(state, payer) {
                state.order.push_back(payer);
                continue;
            }
            let found = state.first_of(payer);
            if state.waiting.contains_key(&payer) {
                state.order.push_back(payer);
            }
            if let Some(sender) = found {
                return Some((payer, sender));
            }
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, payer: Payer) {
        self.taken += 1;
        *self.taken_by.entry(payer).or_insert(0) += 1;
    }

    fn release(&mut self, payer: Payer) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(own) = self.taken_by.get_mut(&payer) {
            *own -= 1;
            if *own == 0 {
                self.taken_by.remove(&payer);
            }
        }
    }

    fn wait(&mut self, payer: Payer) -> Result<oneshot::Receiver<Place>, Refused> {
        let is_first = !self.waiting.contains_key(&payer);
        let own = self.waiting.entry(payer).or_default();
        // Those who gave up hold no place in the queue.
        let before = own.len();
        own.retain(|sender| !sender.is_closed());
        self.count -= before - own.len();
        // Those who are not counted one by one are many, and leave half to others.
        let most = if payer.is_counted() { WAITING_OF_ONE } else { WAITING / 2 };
        if most <= own.len() || WAITING <= self.count {
            if own.is_empty() && is_first {
                self.waiting.remove(&payer);
            }
            return Err(Refused::Crowded);
        }
        let (sender, receiver) = oneshot::channel();
        own.push_back(sender);
        self.count += 1;
        if is_first {
            self.order.push_back(payer);
        }
        Ok(receiver)
    }

    /// The first of a caller's waiting work that is still wanted.
    fn first_of(&mut self, payer: Payer) -> Option<oneshot::Sender<Place>> {
        let own = self.waiting.get_mut(&payer)?;
        let mut found = None;
        while found.is_none() {
            let Some(sender) = own.pop_front() else { break };
            self.count -= 1;
            found = Some(sender).filter(|sender| !sender.is_closed());
        }
        if own.is_empty() {
            self.waiting.remove(&payer);
        }
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.give_up(self.payer);
    }
}
