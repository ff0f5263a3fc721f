//! Opening a database, statements, and the errors that mean something.

use std::time::Duration;

use sea_orm::sea_query::{LikeExpr, Value};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr,
    Statement,
};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use super::transaction;
use crate::private_file;

/// How long a writer waits for another on SQLite, which lets one write at a time.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens the database at `url` (`sqlite://FILE` or `postgres://…`) with at most `connections`.
///
/// SQLite runs in WAL mode with `synchronous = FULL`: a commit that was answered survives a
/// power cut, as it does on PostgreSQL. The file, its log and its shared memory are for their owner
/// alone.
///
/// # Errors
/// Where it can't be reached or opened.
pub async fn connect(url: &str, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            let file = sqlite.get_filename();
            // A database in memory is named by a URI.
            if !file.to_string_lossy().starts_with("file:") {
                private_file::prepare_sqlite(file);
            }
            sqlite
                .create_if_missing(true)
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
        })
        .map_sqlx_postgres_pool_opts(transaction::notice_connections)
        .map_sqlx_sqlite_pool_opts(transaction::keep_settled_connections);
    Database::connect(options).await
}

/// How many transactions something that is done by itself has at once, so that requests find connections: a
/// quarter of them, 8 at most, and one on SQLite, which has one writer.
pub fn transactions_at_once(db: &DatabaseConnection) -> usize {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let most = db.get_postgres_connection_pool().options().get_max_connections() / 4;
            usize::try_from(most.clamp(1, 8)).unwrap_or(1)
        }
        _ => 1,
    }
}

/// How many pieces of heavy work go on at once, so that the others find connections: half of them have none of it.
pub fn heavy_at_once(db: &DatabaseConnection) -> usize {
    let most = match db.get_database_backend() {
        DbBackend::Postgres => db.get_postgres_connection_pool().options().get_max_connections(),
        DbBackend::Sqlite => db.get_sqlite_connection_pool().options().get_max_connections(),
        _ => 2,
    };
    usize::try_from((most / 2).clamp(1, 8)).unwrap_or(1)
}

/// A statement written once for both databases: `?` stands for each value in turn.
pub fn statement(
    backend: DbBackend,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    if backend != DbBackend::Postgres {
        return Statement::from_sql_and_values(backend, sql, values);
    }
    let mut numbered = String::with_capacity(sql.len() + 16);
    let mut count = 0;
    for part in sql.split_inclusive('?') {
        match part.strip_suffix('?') {
            Some(before) => {
                count += 1;
                numbered.push_str(before);
                numbered.push_str(&format!("${count}"));
            }
            None => numbered.push_str(part),
        }
    }
    Statement::from_sql_and_values(backend, numbered, values)
}

/// Runs such a statement and says how many rows it changed.
///
/// # Errors
/// The database's own.
pub async fn run_raw<C: ConnectionTrait>(
    db: &C,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, DbErr> {
    let done = db.execute_raw(statement(db.get_database_backend(), sql, values)).await?;
    Ok(done.rows_affected())
}

/// The pattern that finds `search` anywhere in lower-cased text.
pub fn like(search: &str) -> LikeExpr {
    let mut pattern = String::from("%");
    for c in search.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    LikeExpr::new(pattern).escape('\\')
}

/// Whether `error` is the guard against overlapping bookings: PostgreSQL's exclusion constraint
/// (SQLSTATE 23P01) or SQLite's trigger.
pub fn is_guard_violation(error: &DbErr) -> bool {
    let Some(error) = database_error(error) else { return false };
    match error.code().as_deref() {
        Some("23P01") => error.constraint() == Some("bookings_never_overlap"),
        Some("1811") => error.message() == "bookings_never_overlap",
        _ => false,
    }
}

/// Whether `error` says that a unique key is taken.
pub fn is_unique_violation(error: &DbErr) -> bool {
    database_error(error).is_some_and(|error| error.is_unique_violation())
}

/// Whether the same transaction may work when it is made again: PostgreSQL broke a circle of those that waited
/// for each other (SQLSTATE 40P01) or could not put them in an order (40001).
pub fn is_worth_another_try(error: &DbErr) -> bool {
    let code = database_error(error).and_then(|error| error.code());
    matches!(code.as_deref(), Some("40P01" | "40001"))
}

fn database_error(error: &DbErr) -> Option<&(dyn sqlx::error::DatabaseError + 'static)> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            error.as_database_error()
        }
        _ => None,
    }
}
