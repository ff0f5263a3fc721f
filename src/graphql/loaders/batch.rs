//! Keys that fields of one operation ask for at the same time, read together.
//!
//! A `DataLoader` starts a batch a set time after its first key, in a task of its own. Any such time
//! is wrong: none at all lets another thread start the batch while the list is still being walked, and
//! each millisecond is paid at every level. Here the fields that wait for a batch run it themselves,
//! once the operation's task has nothing left to do but wait: every field that could add to it was
//! asked by then. Results reach all fields in one go too, so that the next level is as complete.
//!
//! Only the fields that wait for a batch own it. Once the last of them is dropped, with its operation or
//! for an error beside it, the batch is dropped too. A batch that outlived them would never be polled again,
//! and could wait in the queue for a database connection for ever: a connection given to it is lost.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use async_graphql::dataloader::Loader;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// Most keys of one batch.
const MOST: usize = 1000;

/// What a batch found.
type Found<K, L> = Result<Arc<HashMap<K, <L as Loader<K>>::Value>>, <L as Loader<K>>::Error>;

type Reading<K, L> = BoxFuture<'static, Found<K, L>>;

/// The batches of one operation, a kind for each type of key.
pub(crate) struct Batches<L> {
    loader: L,
    /// The last batch of each kind, a [`Batch`] of its type of key. It owns no future.
    last: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

/// A batch, as long as fields wait for it.
struct Batch<K, L: Loader<K>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
{
    keys: Keys<K>,
    reading: Option<WeakShared<Reading<K, L>>>,
}

/// The keys of a batch; none once it is being read.
type Keys<K> = Arc<Mutex<Option<HashSet<K>>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<L: Clone> Batches<L> {
    pub(super) fn new(loader: L) -> Self {
        Self { loader, last: Mutex::default() }
    }

    /// Reads one key with those that other fields ask for now.
    pub(super) async fn load<K>(&self, key: K) -> Result<Option<L::Value>, L::Error>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        L: Loader<K, Error: Sync>,
    {
        let reading = self.join(key.clone());
        // Wakes this field only after the task was polled to its end.
        tokio::task::yield_now().await;
        Ok(reading.await?.get(&key).cloned())
    }

    /// Adds a key to a batch that is not being read yet.
    fn join<K>(&self, key: K) -> Shared<Reading<K, L>>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        L: Loader<K, Error: Sync>,
    {
        let mut last = lock(&self.last);
        let kind = TypeId::of::<K>();
        let batch = last.get(&kind).and_then(|batch| batch.downcast_ref::<Batch<K, L>>());
        if let Some(batch) = batch
            && let Some(reading) = batch.reading.as_ref().and_then(WeakShared::upgrade)
            && let Some(keys) = lock(&batch.keys).as_mut().filter(|keys| keys.len() < MOST)
        {
            keys.insert(key);
            return reading;
        }
        let (batch, reading) = Batch::begin(self.loader.clone(), key);
        last.insert(kind, Box::new(batch));
        reading
    }
}

impl<K, L> Batch<K, L>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    L: Loader<K>,
{
    /// A batch with its first key. Its keys are taken when it is first polled.
    fn begin(loader: L, key: K) -> (Self, Shared<Reading<K, L>>) {
        let keys: Keys<K> = Arc::new(Mutex::new(Some(HashSet::from([key]))));
        let to_take = Arc::clone(&keys);
        let reading = async move {
            let keys: Vec<K> = lock(&to_take).take().into_iter().flatten().collect();
            loader.load(&keys).await.map(Arc::new)
        };
        let reading = reading.boxed().shared();
        (Self { keys, reading: reading.downgrade() }, reading)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Answers each key with itself, once it may.
    #[derive(Clone)]
    struct Gate(Arc<State>);

    struct State {
        open: Semaphore,
        read: Mutex<Vec<Vec<u32>>>,
    }

    impl Gate {
        fn new(reads: usize) -> Self {
            Self(Arc::new(State { open: Semaphore::new(reads), read: Mutex::default() }))
        }

        fn read(&self) -> Vec<Vec<u32>> {
            lock(&self.0.read).clone()
        }
    }

    impl Loader<u32> for Gate {
        type Value = u32;
        type Error = ();

        async fn load(&self, keys: &[u32]) -> Result<HashMap<u32, u32>, ()> {
            let mut sorted = keys.to_vec();
            sorted.sort_unstable();
            lock(&self.0.read).push(sorted);
            // Waits in a queue, as for a database connection.
            self.0.open.acquire().await.map_err(|_| ())?.forget();
            Ok(keys.iter().map(|key| (*key, *key)).collect())
        }
    }

    #[tokio::test]
    async fn keys_that_are_asked_for_together_are_read_together() {
        let gate = Gate::new(2);
        let batches = Batches::new(gate.clone());
        let found = join_all([3, 1, 2, 1].map(|key| batches.load(key))).await;
        assert_eq!(found, [3, 1, 2, 1].map(|key| Ok(Some(key))));
        assert_eq!(batches.load(1).await, Ok(Some(1)), "nothing is kept");
        assert_eq!(gate.read(), [vec![1, 2, 3], vec![1]]);
    }

    #[tokio::test]
    async fn a_batch_goes_on_without_the_field_that_began_it() {
        let gate = Gate::new(0);
        let batches = Batches::new(gate.clone());
        let mut first = Box::pin(batches.load(1));
        let mut second = Box::pin(batches.load(2));
        for _ in 0..2 {
            assert!((&mut first).now_or_never().is_none());
            assert!((&mut second).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(first);
        gate.0.open.add_permits(1);
        assert_eq!(second.await, Ok(Some(2)));
        assert_eq!(gate.read(), [vec![1, 2]]);
    }

    #[tokio::test]
    async fn a_batch_ends_with_the_last_field_that_waits_for_it() {
        let gate = Gate::new(0);
        let batches = Batches::new(gate.clone());
        for polls in 0..4 {
            let mut field = Box::pin(batches.load(1));
            for _ in 0..polls {
                assert!((&mut field).now_or_never().is_none());
                tokio::task::yield_now().await;
            }
            drop(field);
            // Two, for this test and the loader of the batches: no batch holds a third.
            assert_eq!(Arc::strong_count(&gate.0), 2, "after {polls} polls");
        }
        gate.0.open.add_permits(1);
        assert_eq!(batches.load(2).await, Ok(Some(2)), "nobody before it has taken the permit");
    }

    #[tokio::test]
    async fn a_batch_has_a_thousand_keys_at_most() {
        let gate = Gate::new(2);
        let batches = Batches::new(gate.clone());
        let most = u32::try_from(MOST).unwrap();
        let found = join_all((0..=most).map(|key| batches.load(key))).await;
        assert!(found.into_iter().eq((0..=most).map(|key| Ok(Some(key)))));
        let mut sizes: Vec<usize> = gate.read().iter().map(Vec::len).collect();
        // Either may be polled first.
        sizes.sort_unstable();
        assert_eq!(sizes, [1, MOST]);
    }
}
