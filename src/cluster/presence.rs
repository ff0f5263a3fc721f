//! Which agents are in the app: those of whom a subscription is connected, to any process.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{heartbeat, log};
use crate::app::App;
use crate::service::Result;
use crate::store::process;

/// The pause after the database failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Who is in the app through this process.
#[derive(Clone, Default)]
pub struct Presence(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// How many subscriptions of each agent are connected; none is left out.
    counts: HashMap<Uuid, usize>,
    /// Agents whose row may not say what the count does.
    unsettled: HashSet<Uuid>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connected subscription of an agent.
pub struct Here {
    agent: Uuid,
    shared: Arc<Shared>,
}

impl Presence {
    /// An agent's subscription is connected, until what is returned is dropped.
    pub fn enter(&self, agent: Uuid) -> Here {
        let mut state = self.0.state();
        let count = state.counts.entry(agent).or_insert(0);
        *count += 1;
        if *count == 1 {
            state.unsettled.insert(agent);
            self.0.wake.notify_one();
        }
        drop(state);
        Here { agent, shared: Arc::clone(&self.0) }
    }

    /// Whether an agent is here, in this process.
    pub fn is_here(&self, agent: Uuid) -> bool {
        self.0.state().counts.contains_key(&agent)
    }

    /// Has everybody's row written again: they went with the process's own.
    pub(super) fn note_all(&self) {
        let mut state = self.0.state();
        let all: Vec<Uuid> = state.counts.keys().copied().collect();
        state.unsettled.extend(all);
        self.0.wake.notify_one();
    }

    fn take_unsettled(&self) -> Vec<(Uuid, bool)> {
        let mut state = self.0.state();
        let unsettled = std::mem::take(&mut state.unsettled);
        unsettled.into_iter().map(|agent| (agent, state.counts.contains_key(&agent))).collect()
    }

    fn put_back(&self, agents: impl IntoIterator<Item = Uuid>) {
        self.0.state().unsettled.extend(agents);
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let left = state.counts.get_mut(&self.agent).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            state.counts.remove(&self.agent);
            state.unsettled.insert(self.agent);
            self.shared.wake.notify_one();
        }
    }
}

/// Writes down who came and went until `ended` is cancelled. One task, so that an agent who leaves and
/// comes back is noted as it is in the end.
pub(super) async fn run(app: &App, db: &DatabaseConnection, ended: CancellationToken) {
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = app.presence.0.wake.notified() => {}
        }
        if let Err(error) = settle_by(app, db).await {
            log(&error, "who is in the app can't be written down");
            tokio::time::sleep(PAUSE).await;
            app.presence.0.wake.notify_one();
        }
    }
}

/// Writes down who came and went since it was called last.
///
/// # Errors
/// None but the database's; what could not be written is kept for the next call.
pub async fn settle(app: &App) -> Result<()> {
    settle_by(app, &app.db).await
}

async fn settle_by(app: &App, db: &DatabaseConnection) -> Result<()> {
    let unsettled = app.presence.take_unsettled();
    let mut set = set(app, db, &unsettled).await;
    if set.is_err() {
        // The process is not noted, or was taken for dead.
        set = match heartbeat::beat(app, db).await {
            Ok(()) => self::set(app, db, &unsettled).await,
            Err(error) => Err(error),
        };
    }
    set.inspect_err(|_| app.presence.put_back(unsettled.iter().map(|(agent, _)| *agent)))
}

async fn set(app: &App, db: &DatabaseConnection, agents: &[(Uuid, bool)]) -> Result<()> {
    let (here, gone): (Vec<_>, Vec<_>) = agents.iter().partition(|(_, is_here)| *is_here);
    for (agents, are_here) in [(here, true), (gone, false)] {
        let agents: Vec<Uuid> = agents.into_iter().map(|(agent, _)| agent).collect();
        process::set_presence(db, app.process, &agents, are_here).await?;
    }
    Ok(())
}
