//! Accounts: companies, the domains that are theirs, and the agent who looks after each.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DbBackend, FromQueryResult, QueryOrder, Statement, Value};
use uuid::Uuid;

use super::{run_raw, statement};

/// Rows of one statement: with five values each far below the 32,766 that SQLite takes, and so many
/// that a statement's own cost is lost among theirs.
const ROWS: usize = 500;

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
    if db.get_database_backend() == DbBackend::Postgres {
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
    let places = places("?", domains.len());
    let sql = format!(
        "SELECT a.id, a.name, a.name_key, a.owner_id, a.created_at FROM account_domains d \
         JOIN accounts a ON a.id = d.account_id WHERE d.domain IN ({places}) \
         ORDER BY LENGTH(d.domain) DESC LIMIT 1"
    );
    let values = domains.iter().map(|domain| (*domain).into());
    let row = db.query_one_raw(statement(db.get_database_backend(), &sql, values)).await?;
    row.map(|row| Model::from_query_result(&row, "")).transpose()
}

/// Who has a domain.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Holder {
    /// The domain.
    pub domain: String,
    /// Whose it is.
    pub account_id: Uuid,
    /// The account's name.
    pub name: String,
}

/// Who has any of `domains`, of which there may be any number.
///
/// # Errors
/// The database's own.
pub async fn holders<C: ConnectionTrait>(db: &C, domains: &[&str]) -> Result<Vec<Holder>, DbErr> {
    let sql = "SELECT d.domain, d.account_id, a.name FROM account_domains d \
        JOIN accounts a ON a.id = d.account_id WHERE d.domain IN";
    rows_among(db, sql, domains).await
}

/// The accounts that have any of these names, lower-cased, of which there may be any number.
///
/// # Errors
/// The database's own.
pub async fn with_names<C: ConnectionTrait>(db: &C, keys: &[&str]) -> Result<Vec<Model>, DbErr> {
    let sql = "SELECT id, name, name_key, owner_id, created_at FROM accounts WHERE name_key IN";
    rows_among(db, sql, keys).await
}

/// The domains of the accounts that have any of these names, as [`with_names`].
///
/// # Errors
/// The database's own.
pub async fn domains_of_names<C: ConnectionTrait>(
    db: &C,
    keys: &[&str],
) -> Result<HashMap<Uuid, Vec<String>>, DbErr> {
    let sql = "SELECT d.domain, d.account_id FROM account_domains d \
        JOIN accounts a ON a.id = d.account_id WHERE a.name_key IN";
    Ok(by_account(rows_among(db, sql, keys).await?))
}

/// The domains of a page of accounts, in the alphabet's order.
///
/// # Errors
/// The database's own.
pub async fn domains_of<C: ConnectionTrait>(
    db: &C,
    accounts: &[Uuid],
) -> Result<HashMap<Uuid, Vec<String>>, DbErr> {
    let select = domain::Entity::find()
        .filter(domain::Column::AccountId.is_in(accounts.iter().copied()))
        .order_by_asc(domain::Column::Domain);
    Ok(by_account(select.all(db).await?))
}

fn by_account(rows: Vec<domain::Model>) -> HashMap<Uuid, Vec<String>> {
    let mut found: HashMap<Uuid, Vec<String>> = HashMap::new();
    for row in rows {
        found.entry(row.account_id).or_default().push(row.domain);
    }
    found
}

/// Writes any number of accounts, those that are there already by their ID.
///
/// # Errors
/// The database's own.
pub async fn put<C: ConnectionTrait>(db: &C, accounts: &[Model]) -> Result<(), DbErr> {
    for some in accounts.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO accounts (id, name, name_key, owner_id, created_at) VALUES {} \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, \
             owner_id = excluded.owner_id",
            places("(?, ?, ?, ?, ?)", some.len())
        );
        let values = some.iter().flat_map(|account| -> [Value; 5] {
            [
                account.id.into(),
                account.name.as_str().into(),
                account.name_key.as_str().into(),
                account.owner_id.into(),
                account.created_at.into(),
            ]
        });
        run_raw(db, &sql, values).await?;
    }
    Ok(())
}

/// Gives domains that nobody has to accounts.
///
/// # Errors
/// The database's own.
pub async fn add_domains<C: ConnectionTrait>(
    db: &C,
    domains: &[(&str, Uuid)],
) -> Result<(), DbErr> {
    for some in domains.chunks(ROWS) {
        let places = places("(?, ?)", some.len());
        let sql = format!("INSERT INTO account_domains (domain, account_id) VALUES {places}");
        let values =
            some.iter().flat_map(|(domain, id)| -> [Value; 2] { [(*domain).into(), (*id).into()] });
        run_raw(db, &sql, values).await?;
    }
    Ok(())
}

/// Takes any number of domains from whoever has them.
///
/// # Errors
/// The database's own.
pub async fn remove_domains<C: ConnectionTrait>(db: &C, domains: &[&str]) -> Result<(), DbErr> {
    if domains.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM account_domains WHERE domain IN";
    db.execute_raw(among(db, sql, domains)).await.map(|_| ())
}

fn places(one: &str, count: usize) -> String {
    vec![one; count].join(", ")
}

async fn rows_among<C: ConnectionTrait, T: FromQueryResult>(
    db: &C,
    sql: &str,
    texts: &[&str],
) -> Result<Vec<T>, DbErr> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let rows = db.query_all_raw(among(db, sql, texts)).await?;
    rows.iter().map(|row| T::from_query_result(row, "")).collect()
}

/// A statement that ends with `IN`, and any number of texts to follow. They are one value, so that their
/// number is not bound, and so that PostgreSQL looks each up once: given many values it reads the whole
/// table instead, for each of many statements.
fn among<C: ConnectionTrait>(db: &C, sql: &str, texts: &[&str]) -> Statement {
    let backend = db.get_database_backend();
    let list = match backend {
        DbBackend::Postgres => "(SELECT jsonb_array_elements_text(CAST(? AS jsonb)))",
        _ => "(SELECT value FROM json_each(?))",
    };
    let texts = serde_json::Value::from(texts).to_string();
    statement(backend, &format!("{sql} {list}"), [texts.into()])
}
