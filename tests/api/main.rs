//! The product as its callers see it: through HTTP, on SQLite and on PostgreSQL.

mod support;

mod booking;
mod crash;
mod deliveries;
mod migrations;
mod races;
mod schema;
mod smtp;
