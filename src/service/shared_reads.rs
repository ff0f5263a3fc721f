//! Small reads that many requests make at once, shared.
//!
//! Requests that come while a read is under way wait for the next one and share it, so a busy server
//! asks its database a few hundred times a second, however many callers there are. Each request sees
//! what was committed before it came, since the read it shares begins after it: nothing is cached.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Error, Result};

/// Keys of one read, above which others wait for the next: a statement has room for some 30,000 values.
const MOST: usize = 1000;

/// What a shared read answers: rows of all that were asked for.
type Rows<R> = std::result::Result<Arc<Vec<R>>, Arc<DbErr>>;

/// Reads rows `R` by keys `K`, one read at a time.
pub struct SharedReads<K, R>(Arc<Mutex<State<K, R>>>);

struct State<K, R> {
    waiting: Vec<Waiting<K, R>>,
    is_reading: bool,
}

struct Waiting<K, R> {
    keys: Vec<K>,
    sender: oneshot::Sender<Rows<R>>,
}

/// A read: its keys, each once, and who waits for it.
struct Next<K, R> {
    keys: Vec<K>,
    senders: Vec<oneshot::Sender<Rows<R>>>,
}

impl<K, R> Clone for SharedReads<K, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, R> Default for SharedReads<K, R> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { waiting: Vec::new(), is_reading: false })))
    }
}

impl<K: Eq + Hash + Send + 'static, R: Send + Sync + 'static> SharedReads<K, R> {
    /// The rows of a read that begins after this call and has `key` among its keys. It may have
    /// those of other keys too. `read` is the same for all calls, and is given each key once.
    ///
    /// # Errors
    /// None but the database's.
    pub async fn rows<F>(
        &self,
        key: K,
        read: impl Fn(Vec<K>) -> F + Send + 'static,
    ) -> Result<Arc<Vec<R>>>
    where
        F: Future<Output = std::result::Result<Vec<R>, DbErr>> + Send + 'static,
    {
        self.rows_of(vec![key], read).await
    }

    /// The same for several keys.
    ///
    /// # Errors
    /// None but the database's.
    pub async fn rows_of<F>(
        &self,
        keys: Vec<K>,
        read: impl Fn(Vec<K>) -> F + Send + 'static,
    ) -> Result<Arc<Vec<R>>>
    where
        F: Future<Output = std::result::Result<Vec<R>, DbErr>> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let is_first = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.push(Waiting { keys, sender });
            !std::mem::replace(&mut state.is_reading, true)
        };
        if is_first {
            // Apart from this request, which may be given up while others wait.
            tokio::spawn(self.clone().read_while_asked(read));
        }
        receiver.await.map_err(Error::internal)?.map_err(Error::internal)
    }

    /// Answers whoever waits until nobody does.
    async fn read_while_asked<F>(self, read: impl Fn(Vec<K>) -> F + Send)
    where
        F: Future<Output = std::result::Result<Vec<R>, DbErr>> + Send + 'static,
    {
        let _cleared = ClearOnPanic(&self);
        // On a busy server, requests that are about to ask come first, and share this read.
        tokio::task::yield_now().await;
        while let Some(Next { keys, senders }) = self.take_waiting() {
            let rows = read(keys).await.map(Arc::new).map_err(Arc::new);
            for sender in senders {
                // An error says that the request was given up meanwhile.
                let _ = sender.send(rows.clone());
            }
            tokio::task::yield_now().await;
        }
    }

    /// The next read. Nothing is read for those who were given up meanwhile.
    fn take_waiting(&self) -> Option<Next<K, R>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut keys, mut senders, mut later) = (HashSet::new(), Vec::new(), Vec::new());
        for waiting in std::mem::take(&mut state.waiting) {
            if waiting.sender.is_closed() {
                continue;
            }
            if keys.len() < MOST {
                keys.extend(waiting.keys);
                senders.push(waiting.sender);
            } else {
                later.push(waiting);
            }
        }
        state.waiting = later;
        state.is_reading = !senders.is_empty();
        state.is_reading.then(|| Next { keys: keys.into_iter().collect(), senders })
    }
}

/// Rows with these IDs, of a read that begins after this call: thousands of subscriptions that hear of one
/// change make one statement. There may be other rows among them.
pub(crate) async fn by_id<E: EntityTrait>(
    reads: &SharedReads<Uuid, E::Model>,
    db: &DatabaseConnection,
    id: E::Column,
    ids: Vec<Uuid>,
) -> Result<Arc<Vec<E::Model>>>
where
    E::Model: Send + Sync,
{
    let db = db.clone();
    let read = move |ids: Vec<Uuid>| {
        let db = db.clone();
        async move { E::find().filter(id.is_in(ids)).all(&db).await }
    };
    reads.rows_of(ids, read).await
}

/// Lets the next request begin anew should a read ever panic; those that wait are told of a fault.
struct ClearOnPanic<'a, K, R>(&'a SharedReads<K, R>);

impl<K, R> Drop for ClearOnPanic<'_, K, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            *state = State { waiting: Vec::new(), is_reading: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    type Reads = Arc<Mutex<Vec<Vec<u32>>>>;

    /// A read that notes its keys, and answers with them.
    fn noting(
        reads: &Reads,
    ) -> impl Fn(Vec<u32>) -> Ready<std::result::Result<Vec<u32>, DbErr>> + Send + use<> {
        let reads = Arc::clone(reads);
        move |mut keys| {
            keys.sort_unstable();
            reads.lock().unwrap_or_else(PoisonError::into_inner).push(keys.clone());
            ready(Ok(keys))
        }
    }

    fn noted(reads: &Reads) -> Vec<Vec<u32>> {
        reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[tokio::test]
    async fn a_read_has_each_key_once_and_none_of_those_who_went() {
        let (shared, reads) = (SharedReads::<u32, u32>::default(), Reads::default());
        let mut gone = Box::pin(shared.rows(9, noting(&reads)));
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        let found = join_all([1, 2, 1, 1].map(|key| shared.rows(key, noting(&reads)))).await;
        assert!(found.into_iter().all(|rows| rows.is_ok_and(|rows| *rows == [1, 2])));
        assert_eq!(noted(&reads), [[1, 2]]);
    }

    #[tokio::test]
    async fn more_keys_than_a_statement_takes_are_read_in_turn() {
        let (shared, reads) = (SharedReads::<u32, u32>::default(), Reads::default());
        let found = join_all((0..2500).map(|key| shared.rows(key, noting(&reads)))).await;
        for (key, rows) in (0..).zip(found) {
            assert!(rows.is_ok_and(|rows| rows.contains(&key)), "{key}");
        }
        let sizes: Vec<usize> = noted(&reads).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1000, 1000, 500]);
    }
}
