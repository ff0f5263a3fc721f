//! What a check is, and how it ends early.

use std::fmt::Display;
use std::pin::Pin;

use super::bench::Bench;
use crate::{Capabilities, ProviderError};

/// One rule that a provider keeps.
pub(super) struct Check {
    /// The rule as a name.
    pub(super) name: &'static str,
    /// What the provider must be able to do for the rule to mean something.
    pub(super) needs: Needs,
    /// Tries the rule against a fresh subject.
    pub(super) run: for<'a> fn(&'a Bench) -> Running<'a>,
}

/// A check under way.
pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + Send + 'a>>;

/// Why a check ended before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The rule is broken, and how.
    Failed(String),
    /// The rule can't be tried here, and why.
    Skipped(&'static str),
}

/// Any error that a check does not expect breaks its rule.
impl From<ProviderError> for Stop {
    fn from(error: ProviderError) -> Self {
        Self::Failed(format!("unexpected error: {error}"))
    }
}

/// What a check needs the provider to be able to do.
#[derive(Clone, Copy)]
pub(super) enum Needs {
    Nothing,
    Writes,
    ReadOnly,
    Changes,
    WritesAndChanges,
    NoChanges,
    Calendars,
    NoCalendars,
    Push,
    NoPush,
}

impl Needs {
    /// Why a provider of these capabilities is not checked, if so.
    pub(super) const fn missing_in(self, capabilities: &Capabilities) -> Option<&'static str> {
        let Capabilities { writes, changes, calendars, push, .. } = *capabilities;
        match self {
            Self::Writes if !writes => Some("the provider does not write"),
            Self::ReadOnly if writes => Some("the provider writes"),
            Self::Changes if !changes => Some("the provider follows no changes"),
            Self::WritesAndChanges if !writes || !changes => {
                Some("the provider does not both write and follow changes")
            }
            Self::NoChanges if changes => Some("the provider follows changes"),
            Self::Calendars if !calendars => Some("the provider lists no calendars"),
            Self::NoCalendars if calendars => Some("the provider lists calendars"),
            Self::Push if !push => Some("the provider does not push"),
            Self::NoPush if push => Some("the provider pushes"),
            _ => None,
        }
    }
}

/// Lists a module's checks: each async function under its own name, and what it needs.
macro_rules! checks {
    ($($name:ident: $needs:ident),+ $(,)?) => {
        pub(super) const CHECKS: &[$crate::conformance::check::Check] = &[$(
            $crate::conformance::check::Check {
                name: stringify!($name),
                needs: $crate::conformance::check::Needs::$needs,
                run: |bench| Box::pin($name(bench)),
            }
        ),+];
    };
}
pub(super) use checks;

/// Breaks the rule unless `kept`.
pub(super) fn ensure(kept: bool, broken: impl Display) -> Result<(), Stop> {
    if kept { Ok(()) } else { Err(Stop::Failed(broken.to_string())) }
}
