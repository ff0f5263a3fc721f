//! What custom routing rules say, and whether they hold for a visitor.
//!
//! Pure: no clock, no database, no async. A rule's condition is kept as it was saved; what may be saved
//! is decided by [`crate::service::condition`].

mod condition;
mod number;
#[cfg(test)]
mod tests;

pub use condition::{Condition, Field, Operator, Test, matches};
pub use number::{Ordinal, ordinal};
