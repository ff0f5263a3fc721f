//! The product as its callers see it: through HTTP, on SQLite and on PostgreSQL.

mod support;

mod booking;
mod builtin_calendar;
mod command_line;
mod crash;
mod deliveries;
mod mails;
mod migrations;
mod races;
mod schema;
mod smtp;
