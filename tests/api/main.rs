//! The product as its callers see it: through HTTP, on SQLite and on PostgreSQL.

mod support;

mod booking;
mod crash;
mod migrations;
mod pages;
mod races;
mod schema;
