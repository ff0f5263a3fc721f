//! How many bytes connections may have the server keep.
//!
//! An answer lies in memory until its reader has taken it, and a request's body until the handler has
//! read it. Each takes its bytes from three stores: the connection's, its network's and the server's.
//! So a reader that takes nothing uses up its own store, not everybody's.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The stores that a connection's bytes come from, the narrowest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    levels: [Option<Arc<Semaphore>>; 3],
    /// Bytes of the server below which they are scarce.
    scarce: usize,
}

/// Bytes taken from a budget, given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    permits: [Option<OwnedSemaphorePermit>; 3],
}

impl Budget {
    /// The budget of a connection, of its network (`None`: it has none of its own), and of the server, whose
    /// bytes are scarce below `scarce`.
    pub(crate) fn new(
        connection: usize,
        network: Option<Arc<Semaphore>>,
        server: Arc<Semaphore>,
        scarce: usize,
    ) -> Self {
        let connection = Arc::new(Semaphore::new(connection.min(Semaphore::MAX_PERMITS)));
        Self { levels: [Some(connection), network, Some(server)], scarce }
    }

    /// Whether less than a quarter of the server's bytes is left.
    pub(crate) fn is_scarce(&self) -> bool {
        let server = self.levels.last().and_then(Option::as_ref);
        server.is_some_and(|server| server.available_permits() < self.scarce)
    }

    /// Takes bytes if they are left now.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Charge> {
        let bytes = permits(bytes);
        let mut charge = Charge::default();
        for (level, permit) in self.levels.iter().zip(&mut charge.permits) {
            if let Some(level) = level {
                *permit = Some(Arc::clone(level).try_acquire_many_owned(bytes).ok()?);
            }
        }
        Some(charge)
    }

    /// Takes bytes as soon as they are left. What was taken is given back when the future is dropped.
    pub(crate) async fn take(&self, bytes: usize) -> Charge {
        let bytes = permits(bytes);
        let mut charge = Charge::default();
        for (level, permit) in self.levels.iter().zip(&mut charge.permits) {
            if let Some(level) = level {
                // It fails only once a store is closed, which none ever is.
                *permit = Arc::clone(level).acquire_many_owned(bytes).await.ok();
            }
        }
        charge
    }
}

impl Charge {
    /// Gives some of the bytes back, if there are so many.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        for permit in self.permits.iter_mut().flatten() {
            drop(permit.split(bytes));
        }
    }

    /// Adds another charge on the same budget.
    pub(crate) fn merge(&mut self, other: Self) {
        for (mine, more) in self.permits.iter_mut().zip(other.permits) {
            match (mine, more) {
                (Some(mine), Some(more)) => mine.merge(more),
                (mine @ None, more) => *mine = more,
                (Some(_), None) => {}
            }
        }
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(connection: usize, server: &Arc<Semaphore>) -> Budget {
        Budget::new(connection, None, Arc::clone(server), 25)
    }

    #[test]
    fn a_connection_takes_no_more_than_its_own_share() {
        let server = Arc::new(Semaphore::new(100));
        let (one, other) = (budget(60, &server), budget(60, &server));
        let mut held = one.try_take(40).unwrap();
        assert!(one.try_take(21).is_none() && !one.is_scarce());
        held.merge(one.try_take(20).unwrap());
        assert!(other.try_take(41).is_none(), "the server's store has 40 left");
        let rest = other.try_take(40).unwrap();
        assert!(one.is_scarce(), "for everybody");
        held.give_back(10);
        assert_eq!(server.available_permits(), 10);
        held.give_back(1000);
        assert_eq!(server.available_permits(), 10, "it has no more than 50");
        drop((held, rest));
        assert_eq!(server.available_permits(), 100);
        assert!(one.try_take(60).is_some());
    }

    #[test]
    fn what_can_not_be_had_whole_takes_nothing() {
        let server = Arc::new(Semaphore::new(10));
        let one = budget(60, &server);
        assert!(one.try_take(11).is_none());
        assert!(one.try_take(10).is_some());
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_bytes_are_given_back() {
        let server = Arc::new(Semaphore::new(10));
        let one = budget(60, &server);
        let held = one.try_take(10).unwrap();
        let waiting = one.take(5);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(held);
        let charge = waiting.await;
        assert_eq!(server.available_permits(), 5);
        drop(charge);
    }
}
