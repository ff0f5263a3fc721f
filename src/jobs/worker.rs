//! The loop that claims what is due and has it delivered.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use metrics::{counter, describe_counter};
use sea_orm::DbErr;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::attempt::{Outcome, attempt};
use super::housekeeping;
use super::settle::{Settled, settle};
use crate::app::App;
use crate::service::Result;
use crate::store::Lease;
use crate::store::outbox::{self, Kind, Model, Room};

/// How long what is under way may take to finish once the worker stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// The pause after the database failed.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// Delivers until `shutdown` is cancelled, and then finishes what is under way, for 10 s at most:
/// what is cut off is tried again once the process has taken its leave. A failure never ends it.
pub(super) async fn run(app: Arc<App>, shutdown: CancellationToken) {
    describe_counter!("frontdesk_deliveries_total", "Tries of deliveries, by kind and outcome.");
    let keeping = tokio::spawn(housekeeping::run(Arc::clone(&app), shutdown.clone()));
    let mut under_way = JoinSet::new();
    let others = Others::default();
    while !shutdown.is_cancelled() {
        let pause = match claim_some(&app, &mut under_way, &others).await {
            Ok(pause) => pause,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the outbox can't be read");
                DATABASE_PAUSE
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            Some(ended) = under_way.join_next() => ended_one(ended),
            () = app.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let drained = async { while under_way.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_WITHIN, drained).await.is_err() {
        tracing::warn!(deliveries = under_way.len(), "some deliveries were cut off");
    }
    keeping.abort();
}

/// Counts the deliveries to other people's servers that are under way. Those may each take many seconds to
/// fail, so they have some of the places at most: mails and calendars are delivered as ever.
#[derive(Default)]
struct Others {
    webhooks: UnderWay,
    web_pushes: UnderWay,
}

/// Counts deliveries of a kind: each that is under way holds one of these.
#[derive(Clone, Default)]
struct UnderWay(Arc<()>);

impl UnderWay {
    /// How many more may begin, where one can always and `most` can at once.
    fn room(&self, most: u32) -> u32 {
        let running = u32::try_from(Arc::strong_count(&self.0) - 1).unwrap_or(u32::MAX);
        most.max(1).saturating_sub(running)
    }
}

impl Others {
    /// Half of the places are for webhooks, a quarter for push services, which browsers choose: those are
    /// few, and quick unless they are down.
    fn room(&self, concurrency: u32, all: u32) -> Room {
        let webhooks = self.webhooks.room(concurrency / 2).min(all);
        let web_pushes = self.web_pushes.room(concurrency / 4).min(all);
        Room { all, webhooks, web_pushes }
    }

    /// What a delivery is to hold while it is under way.
    fn count(&self, row: &Model) -> Option<UnderWay> {
        if row.webhook_id.is_some() {
            return Some(self.webhooks.clone());
        }
        (row.kind == Kind::WebPush.as_str()).then(|| self.web_pushes.clone())
    }
}

/// Claims as many rows as may run beside those under way, begins them, and says how long to wait
/// for more.
async fn claim_some(
    app: &Arc<App>,
    under_way: &mut JoinSet<()>,
    others: &Others,
) -> Result<Duration, DbErr> {
    let poll = Duration::from_millis(app.config.delivery.poll_milliseconds.into());
    let running = u32::try_from(under_way.len()).unwrap_or(u32::MAX);
    let concurrency = app.config.delivery.concurrency;
    let room = concurrency.saturating_sub(running);
    if room == 0 {
        return Ok(poll);
    }
    let rows = claim(app, others.room(concurrency, room)).await?;
    let is_idle = rows.is_empty();
    for row in rows {
        let app = Arc::clone(app);
        let counted = others.count(&row);
        under_way.spawn(async move {
            deliver_and_log(&app, &row).await;
            drop(counted);
        });
    }
    if !is_idle {
        return Ok(poll);
    }
    // A row that is overdue and was not claimed waits for another one, whose end is noticed anyway.
    let next = outbox::next_due(&app.db).await?.and_then(|due| (due - app.now()).to_std().ok());
    Ok(next.filter(|wait| !wait.is_zero()).map_or(poll, |wait| wait.min(poll)))
}

fn ended_one(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a delivery ended badly; it is tried again after its lease");
    }
}

async fn claim(app: &App, room: Room) -> Result<Vec<Model>, DbErr> {
    let now = app.now();
    let until = now + TimeDelta::seconds(app.config.delivery.lease_seconds.into());
    let lease = Lease { id: app.uuid(), process: app.process, now, until };
    outbox::claim(&app.db, lease, room).await
}

/// Delivers everything that is due now, what it causes included, one row after the other in the
/// calling task, and returns how many tries that took. What failed is due later, so this ends.
///
/// # Errors
/// The database's own; deliveries that fail are put back or given up as ever.
pub async fn run_due(app: &App) -> Result<usize> {
    let mut tries = 0;
    // One at a time: the lease of a second would run while the first is under way.
    while let Some(row) = claim(app, Room { all: 1, webhooks: 1, web_pushes: 1 }).await?.pop() {
        deliver(app, &row).await?;
        tries += 1;
    }
    Ok(tries)
}

async fn deliver_and_log(app: &App, row: &Model) {
    if let Err(error) = deliver(app, row).await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(delivery.id = %row.id, error, "what came of a delivery can't be noted");
    }
}

/// Tries a claimed row once and writes down what came of it.
async fn deliver(app: &App, row: &Model) -> Result<()> {
    let outcome = attempt(app, row).await;
    let problem = outcome.problem().map(str::to_owned);
    let settled = settle_surely(app, row, outcome).await?;
    let labels = [("kind", row.kind.clone()), ("outcome", settled.as_str().to_owned())];
    counter!("frontdesk_deliveries_total", &labels).increment(1);
    log(row, settled, problem.as_deref());
    Ok(())
}

/// Writes down what came of a try. A database that fails for a moment must not make a mail go out
/// twice, so this is tried again, as long as the lease may last.
async fn settle_surely(app: &App, row: &Model, outcome: Outcome) -> Result<Settled> {
    let mut pause = Duration::from_millis(50);
    loop {
        match settle(app, row, outcome.clone()).await {
            Err(error) if pause < DATABASE_PAUSE * 4 => {
                let cause = format!("{error:#?}");
                tracing::warn!(delivery.id = %row.id, cause, "an outcome is written again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            other => return other,
        }
    }
}

fn log(row: &Model, settled: Settled, problem: Option<&str>) {
    let (id, attempts) = (row.id, row.attempts);
    let booking = row.booking_id.map(tracing::field::display);
    let _span = tracing::info_span!("delivery", %id, kind = row.kind, booking, attempts).entered();
    match settled {
        Settled::Delivered => tracing::debug!("delivered"),
        Settled::PutBack => tracing::warn!(problem, "a delivery failed and is tried again"),
        Settled::GivenUp => tracing::error!(problem, "a delivery was given up"),
        Settled::Lost => tracing::warn!("a delivery outlasted its lease"),
    }
}
