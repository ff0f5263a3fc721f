//! Reading calendars elsewhere: when each is due, one process at a time, at the pace of its provider.
//!
//! A calendar is claimed under a lease (`runner`). Its provider is asked with no transaction open
//! (`look`): for what changed since the last time, or for everything. What comes back is told apart
//! into busy time and entries of our own bookings (`fold`, `ours`); those that do not stand where they
//! should are looked at directly (`drift`). Then all of it is written in one transaction (`apply`,
//! `diff`), which raises the agent's revision only where what is busy changed. `watch` keeps the
//! channels on which providers tell of changes.

mod apply;
mod diff;
mod drift;
mod fold;
mod look;
mod ours;
mod pace;
mod runner;
mod watch;
mod window;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use calendar_provider::ProviderError;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use sea_orm::EntityTrait;

use crate::app::App;
use crate::service::Result;
use crate::service::calendar::{self as calendars, REAUTHENTICATION_REQUIRED};
use crate::store::{calendar, sync};
use look::Look;
use pace::Pace;

pub(super) use runner::run;
pub use runner::run_due;

/// The wait after an answer that will hardly be another one soon.
const SLOWLY: TimeDelta = TimeDelta::minutes(5);
/// The wait before a calendar that was not found is looked for once more.
const ONCE_MORE: TimeDelta = TimeDelta::seconds(10);
/// The longest that a provider may ask to be left alone.
const LONGEST: TimeDelta = TimeDelta::days(1);

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// What was seen is written down.
    Well,
    /// The provider could not be reached.
    Down,
    /// Something else was wrong with it.
    Badly,
    /// Another process has taken the calendar over, or it is no longer to be read.
    Lost,
}

impl Came {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "read",
            Self::Down => "unreachable",
            Self::Badly => "failed",
            Self::Lost => "lost",
        }
    }
}

/// Looks at a claimed calendar and writes down what came of it. A fault of ours, a panic even, is a
/// failed look like any other.
async fn attend(app: &App, pace: &Pace, claimed: sync::Model) -> Came {
    let (id, agent) = (claimed.id, claimed.agent_id);
    let lease = Duration::from_secs(app.config.sync.lease_seconds.into());
    let looked = AssertUnwindSafe(look(app, pace, claimed.clone())).catch_unwind();
    let fault = match tokio::time::timeout(lease * 3 / 4, looked).await {
        Ok(Ok(Ok(came))) => return came,
        Ok(Ok(Err(error))) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(sync.id = %id, agent.id = %agent, error, "a look met a fault");
            "this server met a fault"
        }
        Ok(Err(_panic)) => {
            tracing::error!(sync.id = %id, agent.id = %agent, "a look panicked");
            "this server met a fault"
        }
        Err(_elapsed) => "the calendar was not read in time",
    };
    let due_at = app.now() + window::after_failure(claimed.failures, chance(app));
    if let Err(error) = sync::put_back(&app.db, &claimed, due_at, fault).await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(sync.id = %id, error, "what came of a look can't be noted");
    }
    Came::Badly
}

async fn look(app: &App, pace: &Pace, mut claimed: sync::Model) -> Result<Came> {
    let record = calendar::Entity::find_by_id(claimed.connection_id).one(&app.db).await?;
    let Some(record) = record else { return Ok(Came::Lost) };
    let provider = calendars::provider(app, &record.provider)?;
    let agent = crate::service::agent::get(app, claimed.agent_id).await?;
    watch::keep(app, pace, &record, &mut claimed).await?;
    let look = Look {
        app,
        pace,
        provider: provider.as_ref(),
        record: &record,
        sync: &claimed,
        horizon: TimeDelta::days(agent.horizon_days.into()),
    };
    let seen = match look.see().await {
        Ok(seen) => seen,
        Err(error) => return failed(&look, error).await,
    };
    let mut sorted = ours::sort(&look, &seen).await?;
    let verdicts = match drift::verify(&look, std::mem::take(&mut sorted.suspects)).await {
        Ok((verdicts, busy)) => {
            sorted.entries.extend(busy);
            verdicts
        }
        Err(error) => return failed(&look, error).await,
    };
    let is_written = apply::apply(&look, seen, sorted, verdicts).await?;
    Ok(if is_written { Came::Well } else { Came::Lost })
}

/// What a provider's failure means for the calendar: when to look again, and whether only its agent can
/// mend it.
async fn failed(look: &Look<'_>, error: ProviderError) -> Result<Came> {
    let Look { app, record, sync, .. } = *look;
    let words = error.to_string();
    log(look, &error);
    if matches!(error, ProviderError::NotFound { .. }) && sync.problem.as_ref() == Some(&words) {
        // Twice in a row: it was deleted, or is no longer shared with this account.
        let problem = format!("{words}; connect it again or choose another");
        calendars::mark(app, record, REAUTHENTICATION_REQUIRED, &problem).await?;
    }
    let due_at = next_try(app, sync, &error);
    if !sync::put_back(&app.db, sync, due_at, &words).await? {
        return Ok(Came::Lost);
    }
    Ok(match error {
        ProviderError::Transient { .. } => Came::Down,
        _ => Came::Badly,
    })
}

fn log(look: &Look<'_>, error: &ProviderError) {
    let (agent, provider) = (look.sync.agent_id, &look.record.provider);
    let error = error as &dyn std::error::Error;
    tracing::warn!(agent.id = %agent, provider, error, "a calendar could not be read");
}

fn next_try(app: &App, sync: &sync::Model, error: &ProviderError) -> DateTime<Utc> {
    let backoff = window::after_failure(sync.failures, chance(app));
    let wait = match error {
        ProviderError::RateLimited { retry_after: Some(wait), .. } => {
            (*wait).clamp(backoff, LONGEST.max(backoff))
        }
        ProviderError::Transient { .. } | ProviderError::RateLimited { .. } => backoff,
        ProviderError::NotFound { .. } if sync.failures == 0 => ONCE_MORE,
        _ => SLOWLY,
    };
    app.now() + wait
}

/// Any number.
fn chance(app: &App) -> u64 {
    let random = app.ids.secret();
    random.iter().rev().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte))
}
