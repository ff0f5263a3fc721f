//! How many requests go to one mailbox at once.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::{Semaphore, SemaphorePermit};

/// What one app may send to one mailbox at once; more is answered with 429
/// (<https://learn.microsoft.com/graph/throttling-limits>, Outlook service limits).
const AT_ONCE: usize = 4;

/// How many lanes there are. Two agents may share one; then they may wait for each other, which
/// costs less than a lane for everybody that was ever seen.
const LANES: usize = 1024;

/// A bounded set of lanes, one for each owner of a mailbox.
pub(crate) struct Lanes(Vec<Semaphore>);

impl Lanes {
    pub(crate) fn new() -> Self {
        Self((0..LANES).map(|_| Semaphore::new(AT_ONCE)).collect())
    }

    /// Waits until `requests` may be sent to the mailbox of `owner`; they may until it is dropped.
    /// Graph runs at most 4 requests of one batch at once, so that more than that count as 4.
    pub(crate) async fn enter(&self, owner: &str, requests: usize) -> Option<SemaphorePermit<'_>> {
        let mut hasher = DefaultHasher::new();
        owner.hash(&mut hasher);
        // Truncation only picks another lane.
        let lane = &self.0[hasher.finish() as usize % LANES];
        let permits = u32::try_from(requests.min(AT_ONCE)).unwrap_or(1);
        // A semaphore that is never closed always gives a permit.
        lane.acquire_many(permits).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::Lanes;

    #[test]
    fn a_fifth_request_waits_for_one_of_four() {
        let lanes = Lanes::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        for _ in 0..4 {
            let mut entered = pin!(lanes.enter("ada", 1));
            let std::task::Poll::Ready(permit) = entered.as_mut().poll(&mut context) else {
                panic!("it waits and should not");
            };
            taken.push(permit);
        }
        let mut fifth = pin!(lanes.enter("ada", 1));
        assert!(fifth.as_mut().poll(&mut context).is_pending());
        taken.pop();
        assert!(fifth.as_mut().poll(&mut context).is_ready());
    }
}
