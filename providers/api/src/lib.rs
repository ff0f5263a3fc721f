//! What a calendar must do so that Frontdesk can book it.

mod time_range;

pub use time_range::{EmptyRange, TimeRange};
