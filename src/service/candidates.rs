//! Who could take a meeting, read for many requests at once.
//!
//! Requests that come while a read is under way wait for the next one and share it, so a busy server
//! asks its database a few hundred times a second, however many visitors look for slots. Each request
//! sees what was committed before it came: the read it shares begins after it.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DatabaseConnection;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Error, Result};
use crate::store::agent::{self, Candidate};

/// What a shared read answers: rows of all who were asked for.
type Rows = std::result::Result<Arc<Vec<Candidate>>, Arc<sea_orm::DbErr>>;

/// Reads candidates, one read at a time.
#[derive(Clone, Debug, Default)]
pub struct SharedReads(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(Option<Uuid>, oneshot::Sender<Rows>)>,
    is_reading: bool,
}

impl SharedReads {
    /// Active agents that have a calendar: all of them, or only `agent`.
    ///
    /// # Errors
    /// None but the database's.
    pub async fn candidates(
        &self,
        db: &DatabaseConnection,
        agent: Option<Uuid>,
    ) -> Result<Vec<Candidate>> {
        let (sender, receiver) = oneshot::channel();
        let starts = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.push((agent, sender));
            !std::mem::replace(&mut state.is_reading, true)
        };
        if starts {
            // Apart from this request, which may be given up while others wait.
            tokio::spawn(self.clone().read_while_asked(db.clone()));
        }
        let rows = receiver.await.map_err(Error::internal)?.map_err(Error::internal)?;
        let is_asked = |row: &&Candidate| agent.is_none_or(|agent| agent == row.id);
        Ok(rows.iter().filter(is_asked).cloned().collect())
    }

    /// Answers whoever waits until nobody does.
    async fn read_while_asked(self, db: DatabaseConnection) {
        let _cleared = ClearOnPanic(&self);
        loop {
            let waiting = {
                let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if state.waiting.is_empty() {
                    state.is_reading = false;
                    return;
                }
                std::mem::take(&mut state.waiting)
            };
            let asked: Option<Vec<Uuid>> = waiting.iter().map(|(agent, _)| *agent).collect();
            let rows = agent::candidates(&db, asked.as_deref()).await;
            let rows = rows.map(Arc::new).map_err(Arc::new);
            for (_, sender) in waiting {
                // An error says that the request was given up meanwhile.
                let _ = sender.send(rows.clone());
            }
        }
    }
}

/// Lets the next request begin anew should a read ever panic; those that wait are told of a fault.
struct ClearOnPanic<'a>(&'a SharedReads);

impl Drop for ClearOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
        }
    }
}
