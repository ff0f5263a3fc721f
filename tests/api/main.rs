//! The product as its callers see it: through HTTP, on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod support;

mod access;
mod accounts;
mod agents;
mod bad_days;
mod bad_input;
mod blocked_visitors;
mod booking;
mod booking_limits;
mod builtin_calendar;
mod chats;
mod cluster;
mod command_line;
mod connecting;
mod connections;
mod contract;
mod cost;
mod crash;
mod deliveries;
mod drift;
mod dropped;
mod fallbacks;
mod limits;
mod live_chat;
mod mails;
mod migrations;
mod pages;
mod paging;
mod privacy;
mod private_files;
mod proofs;
mod pushes;
mod pushing;
mod races;
mod refusals;
mod reminders;
mod round_robin;
mod routing;
mod routing_rules;
mod schema;
mod smtp;
mod subscriptions;
mod syncing;
mod teams;
mod vendors;
mod webhooks;
mod why_unavailable;
