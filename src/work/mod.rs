//! What callers' work costs, who pays for it, and which threads do it.
//!
//! A point is about a microsecond of one processor. Each caller has an account of points that fills steadily
//! ([`Ledger`]). An operation pays before the work is done, first for what its document says and then, once a
//! service knows how many agents it has to look at, for those. Work of more than a few milliseconds is done on
//! threads of its own ([`Heavy`]), which give way to those that serve everybody else.

mod heavy;
mod ledger;
mod turns;

pub use heavy::Heavy;
pub use ledger::{Allowance, Allowances, LEAST_BURST, Ledger, Payer, Standing};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use futures_util::{Stream, stream};
use tokio::sync::Mutex;

/// What one operation costs, whatever it asks for.
pub const OPERATION: u64 = 200;
/// Points of work that one operation does where it is: a millisecond or two hold up nobody.
pub const INLINE: u64 = 2_000;

/// Why work is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The caller's account does not hold so much now.
    #[error("this caller has used up its points: wait {seconds} s")]
    Wait {
        /// Until it does, at least one.
        seconds: u64,
    },
    /// The account never holds so much.
    #[error("this costs {asked} points, at most {most} are allowed in one operation: ask for less")]
    TooMuch {
        /// What the operation costs, with what it has cost so far.
        asked: u64,
        /// What is allowed.
        most: u64,
    },
    /// Too much heavy work waits already, of this caller or of all.
    #[error("too much work is waiting already: try again in a moment")]
    Crowded,
}

impl Refused {
    /// When to try again; `None` where that does not help.
    pub const fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::Wait { seconds } => Some(seconds),
            Self::TooMuch { .. } => None,
            Self::Crowded => Some(1),
        }
    }
}

tokio::task_local! {
    static CURRENT: Work;
}

/// The work of one operation: its account, and what it has cost so far.
#[derive(Clone)]
pub struct Work(Arc<Inner>);

struct Inner {
    payer: Payer,
    ledger: Option<Arc<Ledger>>,
    heavy: Option<Heavy>,
    spent: AtomicU64,
    /// Points of work that were done where the operation is.
    inline: AtomicU64,
    /// Whether the operation itself is done on the heavy threads.
    is_heavy: AtomicBool,
    /// One piece of heavy work at a time: an operation waits in one place of the queue.
    one: Mutex<()>,
}

impl Work {
    /// The work of an operation for which `payer` pays. Without a ledger it costs nothing.
    pub fn new(payer: Payer, ledger: Option<Arc<Ledger>>, heavy: Heavy) -> Self {
        Self::build(payer, ledger, Some(heavy))
    }

    fn build(payer: Payer, ledger: Option<Arc<Ledger>>, heavy: Option<Heavy>) -> Self {
        Self(Arc::new(Inner {
            payer,
            ledger,
            heavy,
            spent: AtomicU64::new(0),
            inline: AtomicU64::new(0),
            is_heavy: AtomicBool::new(false),
            one: Mutex::new(()),
        }))
    }

    /// The operation that is being executed; outside any, work that nobody pays for.
    pub fn current() -> Self {
        CURRENT
            .try_with(Clone::clone)
            .unwrap_or_else(|_| Self::build(Payer::Visitor(None), None, None))
    }

    /// Executes an operation as this work.
    pub async fn scope<F: Future>(self, operation: F) -> F::Output {
        CURRENT.scope(self, operation).await
    }

    /// Answers a subscription as this work.
    pub fn scope_stream<S: Stream>(self, events: S) -> impl Stream<Item = S::Item> + use<S> {
        let mut events = Box::pin(events);
        stream::poll_fn(move |context| {
            CURRENT.sync_scope(self.clone(), || events.as_mut().poll_next(context))
        })
    }

    /// Takes points from the caller's account, before the work that they are for.
    ///
    /// # Errors
    /// Where the account does not hold them.
    pub fn charge(&self, points: u64) -> Result<(), Refused> {
        if let Some(ledger) = &self.0.ledger {
            let spent = self.0.spent.load(Ordering::Relaxed);
            ledger.take(self.0.payer, points, spent, Instant::now())?;
        }
        self.0.spent.fetch_add(points, Ordering::Relaxed);
        Ok(())
    }

    /// The same for work whose size shows only once it is done. The account may be overdrawn by it.
    pub fn charge_after(&self, points: u64) {
        if let Some(ledger) = &self.0.ledger {
            ledger.overdraw(self.0.payer, points, Instant::now());
        }
        self.0.spent.fetch_add(points, Ordering::Relaxed);
    }

    /// Charges what an estimate was short of, or gives back what it was too high by.
    ///
    /// # Errors
    /// Where the account does not hold the rest.
    pub fn settle(&self, estimate: u64, actual: u64) -> Result<(), Refused> {
        if let Some(rest) = actual.checked_sub(estimate) {
            return if rest == 0 { Ok(()) } else { self.charge(rest) };
        }
        let excess = estimate - actual;
        if let Some(ledger) = &self.0.ledger {
            ledger.give_back(self.0.payer, excess, Instant::now());
        }
        self.0.spent.fetch_sub(excess, Ordering::Relaxed);
        Ok(())
    }

    /// Counts points that were taken for this operation before.
    pub fn note(&self, points: u64) {
        self.0.spent.fetch_add(points, Ordering::Relaxed);
    }

    /// What the operation has cost so far.
    pub fn spent(&self) -> u64 {
        self.0.spent.load(Ordering::Relaxed)
    }

    /// How the caller's account stands; `None` where nothing is counted.
    pub fn standing(&self) -> Option<Standing> {
        self.0.ledger.as_ref()?.standing(self.0.payer, Instant::now())
    }

    /// Does a whole operation on the heavy threads, once it is this caller's turn.
    ///
    /// # Errors
    /// Where too much waits already.
    pub async fn whole<F>(&self, operation: F) -> Result<F::Output, Refused>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Some(heavy) = &self.0.heavy else { return Ok(operation.await) };
        self.0.is_heavy.store(true, Ordering::Relaxed);
        heavy.run(self.0.payer, self.clone().scope(operation)).await
    }

    /// Does a part of an operation that costs about `points` where it belongs: here if it is small, else
    /// on the heavy threads. It is to yield now and then, and ends there when the operation is given up.
    ///
    /// # Errors
    /// Where too much waits already.
    pub async fn part<F>(&self, points: u64, part: F) -> Result<F::Output, Refused>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let inner = &self.0;
        let Some(heavy) = inner.heavy.as_ref().filter(|_| !inner.is_heavy.load(Ordering::Relaxed))
        else {
            return Ok(part.await);
        };
        if inner.inline.fetch_add(points, Ordering::Relaxed).saturating_add(points) <= INLINE {
            return Ok(part.await);
        }
        let _one = inner.one.lock().await;
        heavy.run(inner.payer, self.clone().scope(part)).await
    }
}

#[cfg(test)]
mod tests;
