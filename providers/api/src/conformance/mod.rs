//! Checks that any [`CalendarProvider`] passes, for its own tests to run.
//!
//! A [`Factory`] makes a [`Subject`] for each check: a provider with one connected, empty
//! calendar, and what the kit needs to disturb it. All times are fixed instants in 2031, so that
//! a run means the same on any day.
//!
//! ```no_run
//! # async fn example(factory: impl calendar_provider::conformance::Factory) {
//! let report = calendar_provider::conformance::assert_conforms(&factory).await;
//! assert!(report.skipped.is_empty(), "{report}");
//! # }
//! ```

mod bench;
mod check;
mod connecting;
mod failing;
mod following;
mod reading;
mod repeating;
mod report;
mod writing;
mod zones;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{CalendarProvider, ConnectRequest, Connection, TimeRange};
use bench::Bench;
use check::{Check, Stop};

pub use report::{Failure, Report, Skip};

/// How long a check may hang before it fails, in real time. No check waits by itself.
const HANG: Duration = Duration::from_secs(60);

/// Makes what the checks run against.
#[async_trait]
pub trait Factory: Send + Sync {
    /// A provider with one connected calendar that holds nothing. Subjects share nothing.
    async fn fresh(&self) -> Box<dyn Subject>;
}

/// A provider under test, and its connected calendar.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// The provider.
    fn provider(&self) -> Arc<dyn CalendarProvider>;

    /// The connection to the empty calendar.
    fn connection(&self) -> Connection;

    /// A connection that the provider does not know, or no longer.
    fn unknown_connection(&self) -> Connection;

    /// A second connection, to another empty calendar.
    fn other_connection(&self) -> Option<Connection> {
        None
    }

    /// A request that connects.
    fn connect_request(&self) -> Option<ConnectRequest> {
        None
    }

    /// A request that must be refused.
    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        None
    }

    /// Puts an event in the calendar behind the provider's back, as the agent would with a
    /// calendar program. A provider that can't write needs it.
    async fn add_outside_event(&self, _event: OutsideEvent) -> Hook {
        Hook::Unavailable
    }

    /// Makes every later call fail so, until [`mend`](Self::mend).
    async fn inflict(&self, _fault: Fault) -> Hook {
        Hook::Unavailable
    }

    /// Ends what [`inflict`](Self::inflict) began.
    async fn mend(&self) {}
}

/// An event that the agent made with another program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutsideEvent {
    /// Its UID.
    pub uid: String,
    /// When.
    pub range: TimeRange,
    /// Its title.
    pub title: String,
    /// Whether it blocks the agent: OPAQUE or TRANSPARENT (RFC 5545, section 3.8.2.7).
    pub busy: bool,
}

/// What can be wrong with a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The calendar can't be reached.
    Down,
    /// The authorization was revoked.
    Revoked,
    /// The calendar wants fewer requests.
    RateLimited,
}

/// Whether a [`Subject`] could do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// It did.
    Done,
    /// It can't; the checks that need it are skipped.
    Unavailable,
}

/// Runs every check, each against a fresh subject, one after another. Needs a tokio runtime with
/// time enabled.
pub async fn run(factory: &dyn Factory) -> Report {
    let mut report = Report::default();
    for check in all_checks() {
        let outcome = run_one(check, factory.fresh().await).await;
        report.add(check.name, outcome);
    }
    report
}

/// [`run`], for a test.
///
/// # Panics
/// Where a check fails, with the whole report.
pub async fn assert_conforms(factory: &dyn Factory) -> Report {
    let report = run(factory).await;
    assert!(report.conforms(), "{report}");
    report
}

fn all_checks() -> impl Iterator<Item = &'static Check> {
    [
        connecting::CHECKS,
        reading::CHECKS,
        zones::CHECKS,
        writing::CHECKS,
        repeating::CHECKS,
        failing::CHECKS,
        following::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Runs a check in a task of its own, so that a panic or a hang fails it alone.
async fn run_one(check: &'static Check, subject: Box<dyn Subject>) -> Result<(), Stop> {
    let bench = Bench::new(subject);
    if let Some(reason) = check.needs.missing_in(&bench.provider.about().capabilities) {
        return Err(Stop::Skipped(reason));
    }
    let task = tokio::spawn(async move { (check.run)(&bench).await });
    let abort = task.abort_handle();
    match tokio::time::timeout(HANG, task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(Stop::Failed(format!("the provider panicked: {panic}"))),
        Err(_) => {
            abort.abort();
            Err(Stop::Failed(format!("no end within {} s", HANG.as_secs())))
        }
    }
}
