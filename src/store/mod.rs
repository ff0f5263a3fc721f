//! What the database holds: the records, and queries as plain functions.
//!
//! Every function takes a connection or a transaction, so the caller decides what is one step.

pub mod account;
pub mod agent;
pub mod authorization;
pub mod blocked_visitor;
pub mod booking;
pub mod booking_confirmation;
pub mod booking_quota;
pub mod builtin_calendar;
pub mod busy;
pub mod calendar;
pub mod change;
pub mod credential;
mod database;
pub mod date_override;
pub mod fallback_message;
pub mod idempotency;
mod json;
mod lease;
pub mod live_chat;
pub mod outbox;
pub mod page;
pub mod process;
pub mod push_registration;
pub mod queue;
pub mod quota;
pub mod routing_rule;
pub mod server_key;
pub mod sync;
pub mod team;
mod transaction;
pub mod used_proof;
pub mod webhook;

pub use database::{
    connect, heavy_at_once, is_guard_violation, is_unique_violation, is_worth_another_try, like,
    run_raw, statement, transactions_at_once,
};
pub use json::JsonOf;
pub use lease::Lease;
pub use transaction::{begin, begin_reading};
