//! Small reads that many requests make at once, shared.
//!
//! Requests that come while a read is under way wait for the next one and share it, so a busy server
//! asks its database a few hundred times a second, however many callers there are. Each request sees
//! what was committed before it came, since the read it shares begins after it: nothing is cached.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DbErr;
use tokio::sync::oneshot;

use super::{Error, Result};

/// What a shared read answers: rows of all that were asked for.
type Rows<R> = std::result::Result<Arc<Vec<R>>, Arc<DbErr>>;

/// Reads rows `R` by keys `K`, one read at a time.
pub struct SharedReads<K, R>(Arc<Mutex<State<K, R>>>);

struct State<K, R> {
    waiting: Vec<(K, oneshot::Sender<Rows<R>>)>,
    is_reading: bool,
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

impl<K: Send + 'static, R: Send + Sync + 'static> SharedReads<K, R> {
    /// The rows of a read that begins after this call and has `key` among its keys. It may have
    /// those of other keys too. `read` is the same for all calls.
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
        let (sender, receiver) = oneshot::channel();
        let is_first = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.push((key, sender));
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
        while let Some(waiting) = self.take_waiting() {
            let (keys, senders): (Vec<K>, Vec<_>) = waiting.into_iter().unzip();
            let rows = read(keys).await.map(Arc::new).map_err(Arc::new);
            for sender in senders {
                // An error says that the request was given up meanwhile.
                let _ = sender.send(rows.clone());
            }
            tokio::task::yield_now().await;
        }
    }

    fn take_waiting(&self) -> Option<Vec<(K, oneshot::Sender<Rows<R>>)>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_reading = !state.waiting.is_empty();
        state.is_reading.then(|| std::mem::take(&mut state.waiting))
    }
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
