//! The engine: when an agent can be met, who is next, and what the live-chat toggle says.
//!
//! Pure: no clock, no database, no async. Whoever calls passes the instant it is now, so that
//! listing slots and booking one come to the same answer for the same facts.
//!
//! - Wall-clock times become instants by RFC 5545, section 3.3.5: an ambiguous time is the first
//!   of the two, a time that a zone skips is read with the offset before the gap.
//! - [`slots`] lists what is offered, [`check`] asks the same code about one start, and [`explain`] says
//!   all that stands in its way.
//! - Everything inside is linear in days and in busy intervals.

mod availability;
mod blocks;
mod blocks_serde;
mod busy;
mod check;
mod explain;
mod live_chat;
mod local_time;
mod micros;
mod queue;
mod slots;
#[cfg(test)]
mod tests;
mod wall_clock;

pub use blocks::{
    BlockProblem, BlocksError, DayBlocks, MAX_BLOCKS_A_DAY, TimeBlock, WeeklyBlock, WeeklyBlocks,
};
pub use busy::BusyTimes;
pub use check::{NotOffered, check};
pub use explain::{DatedBlock, Obstacle, explain};
pub use live_chat::{
    ChatOverride, ChatStatus, next_change, override_expiry, scheduled_status, status,
};
pub use local_time::{LocalTime, LocalTimeError};
pub use queue::{InLine, Progress, STRIDE, Turn, queue_order};
pub use slots::{Schedule, nearest, slots};
pub use wall_clock::day_window;
