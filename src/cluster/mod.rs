//! Several processes on one database, with nothing else installed.
//!
//! Each process says now and then that it lives (`heartbeat`), hears what the others changed (`bus`) and notes
//! which agents are in the app through it (`presence`). There is no leader: whatever is to be done at a time is
//! a row that says when, and whoever comes first does it. What a dead process was at is free again as soon as
//! another notices.

pub mod bus;
mod heartbeat;
mod line;
pub mod presence;

pub use heartbeat::Lookout;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::service::{Error, Result};
use crate::store::{self, process};

/// How long taking leave may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// A process that takes part.
pub struct Member {
    app: Arc<App>,
    /// Connections of its own: a process whose others are all taken is alive.
    db: DatabaseConnection,
    reader: bus::Reader,
}

/// Says that this process lives, and finds out from where on it is to hear what changes. To be done before
/// anybody can subscribe.
///
/// # Errors
/// None but the database's.
pub async fn join(app: Arc<App>) -> Result<Member> {
    let db = line::open(&app.db);
    heartbeat::beat(&app, &db).await?;
    let mut reader = bus::Reader::default();
    reader.read_by(&app, &db).await?;
    Ok(Member { app, db, reader })
}

impl Member {
    /// Takes part until `ended` is cancelled, which is to be once nothing is under way any more; then what it
    /// had is given up at once. What was cut off is begun again by another process.
    pub async fn run(self, ended: CancellationToken) {
        let Self { app, db, reader } = &self;
        tokio::join!(
            heartbeat::run(app, db, ended.clone()),
            bus::run(app, db, reader.clone(), ended.clone()),
            presence::run(app, db, ended),
        );
        let leave = async {
            if let Err(error) = leave(app, db).await {
                log(&error, "this process can't take its leave; the others will notice");
            }
            self.db.clone().close().await
        };
        if tokio::time::timeout(LEAVE_WITHIN, leave).await.is_err() {
            tracing::warn!("this process did not take its leave in time; the others will notice");
        }
    }
}

async fn leave(app: &App, db: &DatabaseConnection) -> Result<()> {
    let transaction = store::begin(db).await?;
    process::forget(&transaction, app.process).await?;
    transaction.commit().await?;
    Ok(())
}

fn log(error: &Error, message: &str) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, message);
}
