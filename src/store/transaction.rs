//! Beginning transactions, so that a caller who gives up leaves none open.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use sqlx::pool::PoolOptions;
use sqlx::{Connection, Postgres, Sqlite, SqliteConnection};

tokio::task_local! {
    /// Whether the transaction that is being begun has its connection.
    static HAS_CONNECTION: Arc<AtomicBool>;
}

/// Begins a transaction that will write. On SQLite it takes the writer's place at once, since a
/// reader that turns writer is refused where another wrote in between.
///
/// # Errors
/// Where the database can't be reached, or its writer's place is not free in time.
pub async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    Beginning::new(db, immediate).await
}

/// Begins a transaction that only reads, and holds up no writer.
///
/// # Errors
/// Where the database can't be reached.
pub async fn begin_reading(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    Beginning::new(db, TransactionOptions::default()).await
}

/// Has a pool say when a transaction that is being begun has got its connection.
pub(super) fn notice_connections(options: PoolOptions<Postgres>) -> PoolOptions<Postgres> {
    options
        .after_connect(|_, _| {
            notice();
            Box::pin(async { Ok(()) })
        })
        .before_acquire(|_, _| {
            notice();
            Box::pin(async { Ok(true) })
        })
}

/// The pool calls this while it is polled by whoever wants the connection.
fn notice() {
    // An error says that it is wanted for something else than a transaction.
    let _ = HAS_CONNECTION.try_with(|has| has.store(true, Ordering::Relaxed));
}

/// Has a pool close the connections that are given back with a transaction.
///
/// Where a disk is full or fails, SQLite rolls back by itself. The driver's own ROLLBACK then fails, and it
/// goes on counting a transaction: what is committed on that connection later is only a savepoint's end.
pub(super) fn keep_settled_connections(options: PoolOptions<Sqlite>) -> PoolOptions<Sqlite> {
    options.after_release(|connection, _| Box::pin(is_settled(connection)))
}

async fn is_settled(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback that was begun by dropping the transaction is over once a ping is answered.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// A transaction that is being begun.
///
/// sqlx rolls back a transaction that was begun, but not one whose BEGIN is under way on PostgreSQL: it counts
/// the transaction only once the server has answered. Dropped in between, the connection goes back to the
/// pool inside a transaction that nobody ends, and what others write on it is never committed. So BEGIN is
/// finished in that case, by a task that then rolls back. A place in the pool's queue is given up at once.
struct Beginning {
    begin: Option<BoxFuture<'static, Result<DatabaseTransaction, DbErr>>>,
    has_connection: Arc<AtomicBool>,
}

impl Beginning {
    fn new(db: &DatabaseConnection, options: TransactionOptions) -> Self {
        let db = db.clone();
        let has_connection = Arc::new(AtomicBool::new(false));
        let begin = async move { db.begin_with_options(options).await };
        let begin = HAS_CONNECTION.scope(Arc::clone(&has_connection), begin);
        Self { begin: Some(Box::pin(begin)), has_connection }
    }
}

impl Future for Beginning {
    type Output = Result<DatabaseTransaction, DbErr>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(begin) = &mut self.begin else { return Poll::Pending };
        let begun = begin.as_mut().poll(context);
        if begun.is_ready() {
            self.begin = None;
        }
        begun
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        let Some(begin) = self.begin.take() else { return };
        if !self.has_connection.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(begin.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend};

    use super::*;
    use crate::store::database::{connect, statement};

    async fn write(db: &DatabaseConnection) -> Result<(), DbErr> {
        let transaction = begin(db).await?;
        transaction.execute_unprepared("INSERT INTO notes VALUES (zeroblob(4000))").await?;
        transaction.commit().await
    }

    #[tokio::test]
    async fn what_is_committed_once_a_disk_was_full_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("full.db").display());
        let db = connect(&url, 1).await.unwrap();
        db.execute_unprepared("CREATE TABLE notes (words BLOB NOT NULL)").await.unwrap();
        // SQLite refuses pages past this with the error of a full disk.
        db.execute_unprepared("PRAGMA max_page_count = 6").await.unwrap();
        let mut written = 0;
        while write(&db).await.is_ok() {
            written += 1;
        }
        assert!(written < 6, "the disk is full");

        db.execute_unprepared("PRAGMA max_page_count = 1000").await.unwrap();
        drop(begin(&db).await.unwrap());
        write(&db).await.unwrap();
        db.close().await.unwrap();
        let db = connect(&url, 1).await.unwrap();
        let count = statement(DbBackend::Sqlite, "SELECT COUNT(*) FROM notes", []);
        let row = db.query_one_raw(count).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), written + 1);
    }
}
