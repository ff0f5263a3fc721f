//! The product as its callers see it: through HTTP, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "what can't be had fails the test")]

mod support;

mod access;
mod agents;
mod bad_input;
mod booking;
mod contract;
mod crash;
mod deliveries;
mod limits;
mod live_chat;
mod migrations;
mod pages;
mod paging;
mod races;
mod schema;
mod smtp;
mod subscriptions;
