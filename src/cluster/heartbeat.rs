//! Saying that this process lives, and noticing that another does not.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::App;
use crate::service::Result;
use crate::store::{self, process};

/// Between two signs of life.
const EVERY: Duration = Duration::from_secs(2);
/// A process that was not heard of for this long is dead: with the time until another looks, and until
/// that one's worker does, its work goes on within 15 s.
const DEAD_AFTER: TimeDelta = TimeDelta::seconds(8);
/// The pause before a new try to say that this process lives.
const PAUSE: Duration = Duration::from_millis(500);

/// Beats until `shutdown` is cancelled; then its presences and leases are given up at once.
pub(super) async fn run(app: &App, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Others may have been kept from beating by what kept this one: they get time to say so first.
    let mut reap_from = app.now() + DEAD_AFTER;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {}
        }
        match beat(app).await {
            Ok(()) if reap_from <= app.now() => match reap(app).await {
                Ok(dead) if !dead.is_empty() => {
                    tracing::warn!(processes = ?dead, "took over from processes that died");
                }
                Ok(_) => {}
                Err(error) => log(&error, "processes that died can't be told"),
            },
            Ok(()) => {}
            Err(error) => {
                log(&error, "this process can't say that it lives");
                reap_from = app.now() + DEAD_AFTER;
                tokio::time::sleep(PAUSE).await;
                ticks.reset_immediately();
            }
        }
    }
    if let Err(error) = leave(app).await {
        log(&error, "this process can't take its leave; the others will notice");
    }
}

async fn beat(app: &App) -> Result<()> {
    if !process::beat(&app.db, app.process, app.now()).await? {
        app.presence.note_all();
    }
    Ok(())
}

/// Takes over from processes that were not heard of for too long, and returns which.
///
/// # Errors
/// None but the database's.
pub async fn reap(app: &App) -> Result<Vec<Uuid>> {
    let now = app.now();
    let transaction = store::begin(&app.db).await?;
    let dead = process::forget_dead(&transaction, now - DEAD_AFTER, now).await?;
    transaction.commit().await?;
    if !dead.is_empty() {
        app.wake.notify_one();
        app.wake_sync.notify_one();
    }
    Ok(dead)
}

async fn leave(app: &App) -> Result<()> {
    let transaction = store::begin(&app.db).await?;
    // Only the presences: deliveries under way are still being finished.
    store::run_raw(&transaction, "DELETE FROM processes WHERE id = ?", [app.process.into()])
        .await?;
    transaction.commit().await?;
    Ok(())
}

fn log(error: &crate::service::Error, message: &str) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, message);
}
