//! Checks that any [`CalendarProvider`](crate::CalendarProvider) passes, for its own tests to run.
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
mod calendars;
mod check;
mod conference;
mod connecting;
mod drifting;
mod failing;
mod following;
mod mirror;
mod pushing;
mod reading;
mod recurring;
mod referring;
mod repeating;
mod report;
mod subject;
mod whole_days;
mod writing;
mod zones;

use std::time::Duration;

use bench::Bench;
use check::{Check, Stop};

pub use report::{Failure, Report, Skip};
pub use subject::{
    Factory, Fault, Hook, MovedOccurrence, OutsideDays, OutsideEvent, OutsideSeries, Subject,
};

/// How long a check may hang before it fails, in real time. No check waits by itself.
const HANG: Duration = Duration::from_secs(60);

/// Runs every check, each against a fresh subject, one after another. Needs a tokio runtime with
/// time enabled.
pub async fn run(factory: &dyn Factory) -> Report {
    let mut report = Report::default();
    for check in all_checks() {
        let outcome = run_one(check, factory.fresh().await).await;
        report.add(check, outcome);
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
        calendars::CHECKS,
        reading::CHECKS,
        recurring::CHECKS,
        whole_days::CHECKS,
        zones::CHECKS,
        writing::CHECKS,
        referring::CHECKS,
        repeating::CHECKS,
        conference::CHECKS,
        failing::CHECKS,
        following::CHECKS,
        drifting::CHECKS,
        pushing::CHECKS,
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
