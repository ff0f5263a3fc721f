//! Saying that this process lives, and noticing that another does not.

use std::collections::HashMap;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::log;
use crate::app::App;
use crate::service::Result;
use crate::store;
use crate::store::process::{self, Seen};

/// Between two signs of life, and between two looks for those of others.
const EVERY: Duration = Duration::from_secs(2);
/// A process that gave no sign of life in so many looks after one that saw it is dead. That is 8 to 10 s after
/// its last one, so that with the next look of a worker its work goes on within 15 s.
const LOOKS: u32 = 4;
/// The pause before a new try to say that this process lives.
const PAUSE: Duration = Duration::from_millis(500);

/// Beats until `ended` is cancelled.
pub(super) async fn run(app: &App, db: &DatabaseConnection, ended: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lookout = Lookout::default();
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = beat_and_look(app, db, &mut lookout).await {
            log(&error, "this process can't say that it lives");
            // Others may have been kept from it too: they get time to say so.
            lookout = Lookout::default();
            tokio::time::sleep(PAUSE).await;
            ticks.reset_immediately();
        }
    }
}

async fn beat_and_look(app: &App, db: &DatabaseConnection, lookout: &mut Lookout) -> Result<()> {
    beat(app, db).await?;
    let dead = lookout.look_by(app, db).await?;
    if !dead.is_empty() {
        tracing::warn!(processes = ?dead, "took over from processes that died");
    }
    Ok(())
}

/// Says that this process lives. Where it had been taken for dead, its presences are noted again.
pub(super) async fn beat(app: &App, db: &DatabaseConnection) -> Result<()> {
    if !process::beat(db, app.process, app.now()).await? {
        app.presence.note_all();
    }
    Ok(())
}

/// What is known of other processes. It counts looks and asks no clock: those of two machines differ, and
/// one that was stopped for a while knows nothing of what others did meanwhile.
#[derive(Debug, Default)]
pub struct Lookout {
    /// In how many looks each was as it was seen first.
    seen: HashMap<Seen, u32>,
}

impl Lookout {
    /// Looks at the others once. Those that gave no sign of life for long enough are taken for dead: others
    /// go on with their work. Returns which.
    ///
    /// # Errors
    /// None but the database's.
    pub async fn look(&mut self, app: &App) -> Result<Vec<Uuid>> {
        self.look_by(app, &app.db).await
    }

    async fn look_by(&mut self, app: &App, db: &DatabaseConnection) -> Result<Vec<Uuid>> {
        let before = std::mem::take(&mut self.seen);
        let mut dead = Vec::new();
        for seen in process::others(db, app.process).await? {
            let looks = before.get(&seen).map_or(0, |looks| looks + 1);
            if looks < LOOKS {
                self.seen.insert(seen, looks);
            } else if take_over(db, seen).await? {
                dead.push(seen.id);
            }
        }
        if !dead.is_empty() {
            app.wake.notify_one();
            app.wake_sync.notify_one();
        }
        Ok(dead)
    }
}

async fn take_over(db: &DatabaseConnection, seen: Seen) -> Result<bool> {
    let transaction = store::begin(db).await?;
    let is_dead = process::forget_unless_alive(&transaction, seen).await?;
    transaction.commit().await?;
    Ok(is_dead)
}
