//! Bringing the database's tables up to date.

use std::sync::Arc;

use frontdesk_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};

use crate::http::Readiness;
use crate::store;

/// PostgreSQL's advisory lock for migrations: any number that no other program takes.
const LOCK: i64 = 0x6672_6f6e_7464_6573;

/// Whether the database lacks steps.
///
/// # Errors
/// The database's own; one that is newer than this program.
pub async fn are_pending(db: &DatabaseConnection) -> Result<bool, DbErr> {
    Ok(!Migrator::get_pending_migrations_read_only(db).await?.is_empty())
}

/// Runs the steps that the database lacks, all or none. Of several processes that start at once
/// one runs them and the others wait: SQLite has one writer, PostgreSQL an advisory lock.
///
/// # Errors
/// The database's own; one that is newer than this program.
pub async fn migrate(db: &DatabaseConnection) -> Result<(), DbErr> {
    if !are_pending(db).await? {
        return Ok(());
    }
    let transaction = store::begin(db).await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        store::run_raw(&transaction, "SELECT pg_advisory_xact_lock(?)", [LOCK.into()]).await?;
    }
    Migrator::up(&transaction, None).await?;
    transaction.commit().await?;
    tracing::info!("the database's tables are up to date");
    Ok(())
}

/// Whether the database answers and has its tables. One that a newer program migrated while this
/// one runs is still of use: steps only add.
pub(super) fn readiness(db: DatabaseConnection) -> Readiness {
    Arc::new(move || {
        let db = db.clone();
        Box::pin(async move {
            match are_pending(&db).await {
                Ok(false) | Err(DbErr::Custom(_)) => Vec::new(),
                Ok(true) => vec!["migrations"],
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
                    vec!["database"]
                }
            }
        })
    })
}
