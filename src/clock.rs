//! The time, passed in.

use chrono::{DateTime, SubsecRound, Utc};

/// Tells the time. The one place that asks the machine is [`SystemClock`]; tests stand at any
/// instant.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, cut to whole milliseconds: what both databases keep.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(3)
    }
}
