//! Live chats: requests, the offers made for them, and who could take one.

pub mod candidate;
pub mod offer;
pub mod request;

use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::statement;

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
