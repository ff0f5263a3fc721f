//! Which agents are in the app: those of whom a subscription is connected, to any process.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

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

/// Writes down who came and went until `shutdown` is cancelled. One task, so that an agent who leaves and
/// comes back is noted as it is in the end.
pub(super) async fn run(app: &App, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = app.presence.0.wake.notified() => {}
        }
        if let Err(error) = settle(app).await {
            log(&error);
            tokio::time::sleep(PAUSE).await;
            app.presence.0.wake.notify_one();
        }
    }
}

fn log(error: &crate::service::Error) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "who is in the app can't be written down");
}

/// Writes down who came and went since it was called last.
///
/// # Errors
/// None but the database's; what could not be written is kept for the next call.
pub async fn settle(app: &App) -> Result<()> {
    let unsettled = app.presence.take_unsettled();
    for (place, (agent, is_here)) in unsettled.iter().enumerate() {
        if let Err(error) = set(app, *agent, *is_here).await {
            app.presence.put_back(unsettled[place..].iter().map(|(agent, _)| *agent));
            return Err(error);
        }
    }
    Ok(())
}

async fn set(app: &App, agent: Uuid, is_here: bool) -> Result<()> {
    if process::set_presence(&app.db, app.process, agent, is_here).await.is_ok() {
        return Ok(());
    }
    // The process is not noted, or was taken for dead.
    process::beat(&app.db, app.process, app.now()).await?;
    Ok(process::set_presence(&app.db, app.process, agent, is_here).await?)
}
