//! Live chats: requests, the offers made for them, and who could take one.

pub mod candidate;
pub mod offer;
pub mod request;

use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::{run_raw, statement};

/// What a statement's placeholders for so many values are: `?, ?, ?`.
fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// The first column of what a statement finds.
async fn ids<C: ConnectionTrait>(
    db: &C,
    sql: &str,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<Vec<Uuid>, DbErr> {
    let rows = db.query_all_raw(statement(db.get_database_backend(), sql, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Makes the transaction wait for whatever else changes the row that `sql` selects by its ID.
async fn hold<C: ConnectionTrait>(db: &C, sql: &str, id: Uuid) -> Result<(), DbErr> {
    // SQLite has one writer at a time anyway.
    if db.get_database_backend() == sea_orm::DbBackend::Postgres {
        run_raw(db, &format!("{sql} FOR NO KEY UPDATE"), [id.into()]).await?;
    }
    Ok(())
}
