//! Accounts: companies, the domains that are theirs, and the agent who looks after each.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use sea_orm::entity::prelude::*;
use uuid::Uuid;

use super::statement;

/// A row of `accounts`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    /// UUID version 7: accounts in the order in which they were made.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The company's name, as given.
    pub name: String,
    /// Lower-cased, unique.
    pub name_key: String,
    /// The agent who gets its visitors.
    pub owner_id: Uuid,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Domains of accounts.
pub mod domain {
    use sea_orm::entity::prelude::*;
    use uuid::Uuid;

    /// A row of `account_domains`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "account_domains")]
    pub struct Model {
        /// ASCII, lower case, without a trailing dot.
        #[sea_orm(primary_key, auto_increment = false)]
        pub domain: String,
        /// Whose it is.
        pub account_id: Uuid,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Keeps others from changing accounts and their domains until the transaction ends, so that what is
/// read in it still holds when it writes. SQLite has one writer at a time anyway. Readers don't wait.
///
/// # Errors
/// The database's own.
pub async fn lock<C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    if db.get_database_backend() == sea_orm::DbBackend::Postgres {
        db.execute_unprepared("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE").await?;
    }
    Ok(())
}

/// The account that has the longest of `domains`, if any has one of them.
///
/// # Errors
/// The database's own.
pub async fn of_domains<C: ConnectionTrait>(
    db: &C,
    domains: &[&str],
) -> Result<Option<Model>, DbErr> {
    if domains.is_empty() {
        return Ok(None);
    }
    let places = vec!["?"; domains.len()].join(", ");
    let sql = format!(
        "SELECT a.id, a.name, a.name_key, a.owner_id, a.created_at FROM account_domains d \
         JOIN accounts a ON a.id = d.account_id WHERE d.domain IN ({places}) \
         ORDER BY LENGTH(d.domain) DESC LIMIT 1"
    );
    let values = domains.iter().map(|domain| (*domain).into());
    let row = db.query_one_raw(statement(db.get_database_backend(), &sql, values)).await?;
    row.map(|row| Model::from_query_result(&row, "")).transpose()
}
