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
use sqlx::Postgres;
use sqlx::pool::PoolOptions;

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
