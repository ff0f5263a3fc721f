//! Connections for nothing but taking part.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqlitePoolOptions, SqliteSynchronous};

/// To PostgreSQL: one hears of changes and is never given back, one says what changed here, one is for all
/// else.
const CONNECTIONS: u32 = 3;
/// What `pg_stat_activity` shows of them.
const NAME: &str = "frontdesk cluster";
/// How long to wait for one.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(5);

/// Connections of their own to the same database; they are opened when they are needed. What is written over
/// them is true for seconds, so nobody waits for it to be on disk.
pub(super) fn open(db: &DatabaseConnection) -> DatabaseConnection {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let options = db.get_postgres_connection_pool().connect_options();
            let pool = PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(ACQUIRE_WITHIN)
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        let sql = "SET synchronous_commit = off";
                        sqlx::Executor::execute(connection, sql).await.map(drop)
                    })
                })
                .connect_lazy_with(options.as_ref().clone().application_name(NAME));
            SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
        }
        _ => {
            let options = db.get_sqlite_connection_pool().connect_options();
            let options = options.as_ref().clone().synchronous(SqliteSynchronous::Normal);
            let pool = SqlitePoolOptions::new()
                .max_connections(1)
                .acquire_timeout(ACQUIRE_WITHIN)
                .connect_lazy_with(options);
            SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
        }
    }
}
