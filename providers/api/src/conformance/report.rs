//! How a run ended.

use std::fmt;

use super::check::{Check, Stop};

/// How every check of a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The names of the checks that passed.
    pub passed: Vec<&'static str>,
    /// The checks that failed.
    pub failed: Vec<Failure>,
    /// The checks that could not be tried.
    pub skipped: Vec<Skip>,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The check's name.
    pub check: &'static str,
    /// What the provider did.
    pub reason: String,
    /// The call that the check is about, as the trait names it.
    pub see: &'static str,
}

/// A check that could not be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skip {
    /// The check's name.
    pub check: &'static str,
    /// Which capability or hook it lacked.
    pub reason: &'static str,
}

impl Report {
    /// Whether no check failed.
    pub const fn conforms(&self) -> bool {
        self.failed.is_empty()
    }

    pub(super) fn add(&mut self, check: &Check, outcome: Result<(), Stop>) {
        let Check { name: check, see, .. } = *check;
        match outcome {
            Ok(()) => self.passed.push(check),
            Err(Stop::Failed(reason)) => self.failed.push(Failure { check, reason, see }),
            Err(Stop::Skipped(reason)) => self.skipped.push(Skip { check, reason }),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{} passed, {} failed, {} skipped", passed.len(), failed.len(), skipped.len())?;
        for Failure { check, reason, .. } in failed {
            write!(f, "\n  FAILED {check}: {reason}")?;
        }
        for Skip { check, reason } in skipped {
            write!(f, "\n  skipped {check}: {reason}")?;
        }
        Ok(())
    }
}
