//! The database schema, step by step. Steps are append-only and reversible, and the same step
//! runs on SQLite and on PostgreSQL.

mod m20261123_000001_core;
mod m20261123_000002_calendars;
mod m20261128_000003_routing;
mod m20261128_000004_live_chat;
mod m20261128_000005_processes;
mod m20261128_000006_queue_order;
mod m20261128_000007_pushes_tried;
mod m20261129_000004_booking_quotas;
mod m20261129_000005_booking_holds;
mod m20261129_000007_credentials;
mod m20261129_000010_used_proofs;
mod m20261129_000011_blocked_visitors;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, TransactionTrait};

/// All steps, in order.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_core::Migration),
            Box::new(m20261123_000002_calendars::Migration),
            Box::new(m20261128_000003_routing::Migration),
            Box::new(m20261128_000004_live_chat::Migration),
            Box::new(m20261128_000005_processes::Migration),
            Box::new(m20261128_000006_queue_order::Migration),
            Box::new(m20261128_000007_pushes_tried::Migration),
            Box::new(m20261129_000004_booking_quotas::Migration),
            Box::new(m20261129_000005_booking_holds::Migration),
            Box::new(m20261129_000007_credentials::Migration),
            Box::new(m20261129_000010_used_proofs::Migration),
            Box::new(m20261129_000011_blocked_visitors::Migration),
        ]
    }
}

/// What stands between two statements.
const BETWEEN: &str = "\n--\n";

/// Runs `statements`, separated by [`BETWEEN`], in the words of the database at hand and in one
/// transaction.
///
/// The two databases differ in the names of five types and in nothing else that a table says,
/// so a step is written once, with `{uuid}`, `{instant}`, `{json}`, `{bytes}` and `{bool}`.
async fn run(manager: &SchemaManager<'_>, statements: &str) -> Result<(), DbErr> {
    let types = match manager.get_database_backend() {
        DbBackend::Postgres => ["uuid", "timestamptz", "jsonb", "bytea", "boolean"],
        _ => ["blob", "text", "text", "blob", "boolean"],
    };
    let names = ["{uuid}", "{instant}", "{json}", "{bytes}", "{bool}"];
    let mut sql = statements.to_owned();
    for (name, kind) in names.iter().zip(types) {
        sql = sql.replace(name, kind);
    }
    // On one connection: another of the pool may still hold the schema that was before.
    let transaction = manager.get_connection().begin().await?;
    for statement in sql.split(BETWEEN) {
        transaction.execute_unprepared(statement).await?;
    }
    transaction.commit().await
}
