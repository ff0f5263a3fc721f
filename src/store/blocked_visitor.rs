//! Visitors who are blocked: mailboxes and domains.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{QuerySelect, Value};
use uuid::Uuid;

use super::run_raw;

/// A row of `blocked_visitors`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "blocked_visitors")]
pub struct Model {
    /// UUID version 7: in the order in which they were blocked.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// A mailbox, with an @, or a domain, each in the one form that all of its spellings have. Unique.
    pub pattern: String,
    /// Why, as far as somebody said.
    pub note: Option<String>,
    /// The agent who blocked it; none for an API key.
    pub blocked_by: Option<Uuid>,
    /// When.
    pub blocked_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Whether one of these is blocked.
///
/// # Errors
/// The database's own.
pub async fn any<C: ConnectionTrait>(db: &C, patterns: Vec<String>) -> Result<bool, DbErr> {
    let found = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Pattern.is_in(patterns))
        .into_tuple::<Uuid>();
    Ok(found.one(db).await?.is_some())
}

/// Those of these that are blocked.
///
/// # Errors
/// The database's own.
pub async fn of_patterns<C: ConnectionTrait>(
    db: &C,
    patterns: &[String],
) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::Pattern.is_in(patterns)).all(db).await
}

/// Adds those that are not there yet; the others stay as they are.
///
/// # Errors
/// The database's own.
pub async fn add<C: ConnectionTrait>(db: &C, rows: Vec<Model>) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO blocked_visitors (id, pattern, note, blocked_by, blocked_at) VALUES {} \
         ON CONFLICT (pattern) DO NOTHING",
        vec!["(?, ?, ?, ?, ?)"; rows.len()].join(", ")
    );
    let values = rows.into_iter().flat_map(|row| {
        [
            Value::from(row.id),
            row.pattern.into(),
            row.note.into(),
            row.blocked_by.into(),
            row.blocked_at.into(),
        ]
    });
    run_raw(db, &sql, values).await.map(|_| ())
}

/// Takes these away.
///
/// # Errors
/// The database's own.
pub async fn remove<C: ConnectionTrait>(db: &C, patterns: &[String]) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::Pattern.is_in(patterns)).exec(db).await.map(|_| ())
}
