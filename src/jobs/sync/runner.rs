//! The loop that claims calendars that are due and has them looked at.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use metrics::{counter, describe_counter};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::{Came, attend};
use crate::app::App;
use crate::service::{Result, calendar as calendars};
use crate::store::Lease;
use crate::store::sync;

/// How long what is under way may take to finish once the worker stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// The pause after the database failed.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// After so many looks in a row that a provider did not answer, it is tried by one look at a time
/// until one succeeds.
const DOWN_AFTER: u32 = 8;
/// Between two looks for calendars that have not been read for too long.
const NOTICE_EVERY: Duration = Duration::from_secs(5);

/// Looks at calendars until `shutdown` is cancelled, and then finishes what is under way, for 10 s at
/// most: what is cut off is looked at again once the process has taken its leave. A failure never ends it.
pub(in crate::jobs) async fn run(app: Arc<App>, shutdown: CancellationToken) {
    describe_counter!(
        "frontdesk_calendar_looks_total",
        "Looks at calendars, by provider and outcome."
    );
    let mut runner = Runner::new(&app);
    let mut under_way = JoinSet::new();
    let poll = Duration::from_millis(app.config.delivery.poll_milliseconds.into());
    let mut noticing = tokio::time::interval(NOTICE_EVERY);
    while !shutdown.is_cancelled() {
        let pause = match runner.claim_some(&app, &mut under_way).await {
            Ok(()) => poll,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the calendars to be read can't be told");
                DATABASE_PAUSE
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            Some(ended) = under_way.join_next() => runner.end_all(ended, &mut under_way),
            () = app.wake_sync.notified() => {}
            _ = noticing.tick() => notice(&app).await,
            () = tokio::time::sleep(pause) => {}
        }
    }
    let drained = async { while under_way.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_WITHIN, drained).await.is_err() {
        tracing::warn!(looks = under_way.len(), "some looks at calendars were cut off");
    }
}

async fn notice(app: &App) {
    if let Err(error) = crate::service::sync::notice_stale(app).await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "calendars that are not read can't be told");
    }
}

/// Looks at everything that is due now, one calendar after the other in the calling task, and returns
/// how many looks that took. Each is due later afterwards, so this ends.
///
/// # Errors
/// The database's own; looks that fail are put off as ever.
pub async fn run_due(app: &App) -> Result<usize> {
    crate::service::sync::notice_stale(app).await?;
    let runner = Runner::new(app);
    let mut looks = 0;
    while let Some((provider, _)) = runner.due(app).await?.into_iter().next() {
        let Some(claimed) = claim(app, &provider, 1).await?.pop() else { break };
        let Some(of) = runner.providers.get(&provider) else { break };
        attend(app, &of.pace, claimed).await;
        looks += 1;
    }
    // Once more: time may have passed meanwhile.
    crate::service::sync::notice_stale(app).await?;
    Ok(looks)
}

/// What a process knows of the providers it reads from.
struct Runner {
    providers: HashMap<String, Provider>,
    concurrency: usize,
    running: usize,
}

struct Provider {
    pace: Arc<Pace>,
    running: usize,
    /// Looks in a row that it did not answer.
    unanswered: u32,
}

/// What ended: which provider's look, and what came of it.
type Ended = (String, Came);

impl Runner {
    fn new(app: &App) -> Self {
        let remote = app.providers.values().filter(|p| !calendars::is_local(p.as_ref()));
        let of = |about: &calendar_provider::About| Provider {
            pace: Arc::new(Pace::of(about)),
            running: 0,
            unanswered: 0,
        };
        Self {
            providers: remote.map(|p| (p.about().id.clone(), of(p.about()))).collect(),
            concurrency: app.config.sync.concurrency as usize,
            running: 0,
        }
    }

    /// Providers with calendars that are due, and how many those are. Calendars of a provider that this
    /// server does not have wait for one that has it.
    async fn due(&self, app: &App) -> Result<Vec<(String, usize)>> {
        let due = sync::due(&app.db, app.now()).await?;
        let here = due.into_iter().filter(|due| self.providers.contains_key(&due.provider));
        Ok(here.map(|due| (due.provider, usize::try_from(due.count).unwrap_or(0))).collect())
    }

    /// Claims as many calendars as may be looked at beside those under way, and begins.
    async fn claim_some(&mut self, app: &Arc<App>, under_way: &mut JoinSet<Ended>) -> Result<()> {
        if self.concurrency <= self.running {
            return Ok(());
        }
        for (provider, due) in self.due(app).await? {
            let room = self.room(&provider).min(due);
            let Some(of) = self.providers.get_mut(&provider) else { continue };
            let most = of.pace.take(room);
            if most == 0 {
                continue;
            }
            for claimed in claim(app, &provider, most).await? {
                of.running += 1;
                self.running += 1;
                let (app, pace, provider) =
                    (Arc::clone(app), Arc::clone(&of.pace), provider.clone());
                under_way.spawn(async move { (provider, attend(&app, &pace, claimed).await) });
            }
        }
        Ok(())
    }

    /// How many more looks a provider may have. Each of the others has a place that it can't take, so
    /// that one that does not answer never holds all of them.
    fn room(&self, provider: &str) -> usize {
        let Some(of) = self.providers.get(provider) else { return 0 };
        let others = self.providers.len() - 1;
        let share = self.concurrency.saturating_sub(others).max(1);
        let most = if of.unanswered < DOWN_AFTER { share } else { 1 };
        most.saturating_sub(of.running).min(self.concurrency.saturating_sub(self.running))
    }

    fn end_all(
        &mut self,
        first: Result<Ended, tokio::task::JoinError>,
        under_way: &mut JoinSet<Ended>,
    ) {
        self.end(first);
        // Those that ended together make room together.
        while let Some(ended) = under_way.try_join_next() {
            self.end(ended);
        }
    }

    fn end(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        self.running = self.running.saturating_sub(1);
        let (provider, came) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a look ended badly; it is made again after its lease");
                return;
            }
        };
        let labels = [("provider", provider.clone()), ("outcome", came.as_str().to_owned())];
        counter!("frontdesk_calendar_looks_total", &labels).increment(1);
        let Some(of) = self.providers.get_mut(&provider) else { return };
        of.running = of.running.saturating_sub(1);
        of.unanswered = match came {
            Came::Well => 0,
            Came::Down => of.unanswered.saturating_add(1),
            Came::Badly | Came::Lost => of.unanswered,
        };
    }
}

async fn claim(app: &App, provider: &str, most: usize) -> Result<Vec<sync::Model>> {
    let now = app.now();
    let until = now + TimeDelta::seconds(app.config.sync.lease_seconds.into());
    let lease = Lease { id: app.uuid(), process: app.process, now, until };
    Ok(sync::claim(&app.db, provider, lease, most).await?)
}
