//! Telling subscriptions of deliveries that another process made.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::App;
use crate::service::changes::Change;
use crate::store::outbox;

/// How far back each look goes: more than two processes' clocks differ and a transaction lasts.
const OVERLAP: TimeDelta = TimeDelta::seconds(10);

/// Looks for deliveries that ended, as often as a worker looks for work, and tells whoever listens
/// here. For a server without a worker of its own.
pub async fn follow(app: Arc<App>, shutdown: CancellationToken) {
    let mut told = Told { since: app.now(), rows: HashSet::new() };
    let pause = Duration::from_millis(app.config.delivery.poll_milliseconds.into());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if app.changes.listeners() == 0 {
            told = Told { since: app.now(), rows: HashSet::new() };
            continue;
        }
        if let Err(error) = told.look(&app).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the outbox can't be read for news");
        }
    }
}

/// What was told already.
struct Told {
    since: DateTime<Utc>,
    rows: HashSet<(Uuid, DateTime<Utc>)>,
}

impl Told {
    async fn look(&mut self, app: &App) -> Result<(), DbErr> {
        let now = app.now();
        let ended = outbox::ended_since(&app.db, self.since - OVERLAP).await?;
        let mut rows = HashSet::with_capacity(ended.len());
        for row in ended {
            rows.insert((row.id, row.done_at));
            if !self.rows.contains(&(row.id, row.done_at)) {
                let agent = row.agent_id;
                app.changes.tell(match row.booking_id {
                    Some(id) => Change::Booking { id, agent },
                    None => Change::Agent(agent),
                });
            }
        }
        (self.rows, self.since) = (rows, now);
        Ok(())
    }
}
