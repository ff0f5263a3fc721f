//! Hearing what other processes changed.
//!
//! On PostgreSQL, a process that committed changes says so with one NOTIFY for all of them, which carries the
//! changes themselves. It is sent after the commit and not in the transaction, since PostgreSQL commits
//! transactions that notify one after the other. What is lost (a process that died in between, a listener
//! whose connection broke) is late, not lost: every process reads what was written down, every second. On
//! SQLite, which tells nobody anything, that reading is all there is, and it is more often.

use std::time::Duration;

use futures_util::future::OptionFuture;
use sea_orm::{DatabaseConnection, DbBackend};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::App;
use crate::service::Result;
use crate::service::changes::Written;
use crate::store::change::{self, Cursor};
use crate::store::run_raw;

/// What PostgreSQL calls the channel.
const CHANNEL: &str = "frontdesk_changes";
/// Between two readings on PostgreSQL.
const READ_EVERY: Duration = Duration::from_secs(1);
/// Between two readings on SQLite.
const READ_OFTEN: Duration = Duration::from_millis(200);
/// The pause after the database failed.
const PAUSE: Duration = Duration::from_millis(500);
/// Most changes of one NOTIFY: PostgreSQL takes less than 8000 bytes, and one is at most 140.
const MOST_AT_ONCE: usize = 50;

/// What a NOTIFY says.
#[derive(Deserialize, Serialize)]
struct Said {
    process: Uuid,
    changes: Vec<Written>,
}

/// Tells the others what changed here, and hears what changed there, until `shutdown` is cancelled.
pub(super) async fn run(app: &App, shutdown: CancellationToken) {
    let notifies = app.db.get_database_backend() == DbBackend::Postgres;
    let say = async {
        loop {
            let outgoing = app.changes.outgoing().await;
            if notifies {
                say(app, outgoing).await;
            }
        }
    };
    let hear = async {
        let mut reader = Reader::default();
        let mut listener = None;
        loop {
            if notifies && listener.is_none() {
                listener = listen(&app.db).await;
            }
            // After the listener is there, so that nothing falls between.
            let read = reader.read(app).await;
            if let Err(error) = &read {
                log_unread(error);
            }
            let pause = match (read, notifies) {
                (Err(_), _) => PAUSE,
                (Ok(()), true) => READ_EVERY,
                (Ok(()), false) => READ_OFTEN,
            };
            if !hear_for(app, pause, &mut listener).await {
                listener = None;
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        ((), ()) = async { tokio::join!(say, hear) } => {}
    }
}

/// Hears what is said for a while. False where the connection broke.
async fn hear_for(app: &App, pause: Duration, listener: &mut Option<PgListener>) -> bool {
    let pause = tokio::time::sleep(pause);
    tokio::pin!(pause);
    loop {
        let next: OptionFuture<_> = listener.as_mut().map(PgListener::try_recv).into();
        tokio::select! {
            () = &mut pause => return true,
            Some(heard) = next => match heard {
                Ok(Some(heard)) => hear(app, heard.payload()),
                // Connected again; what was said in between is read.
                Ok(None) => return true,
                Err(error) => {
                    tracing::warn!(%error, "the connection that hears of changes broke");
                    return false;
                }
            }
        }
    }
}

fn hear(app: &App, payload: &str) {
    // Another version of this program may say more than this one knows; it is read then.
    let Ok(said) = serde_json::from_str::<Said>(payload) else { return };
    if said.process != app.process {
        for written in said.changes {
            app.changes.hear(written);
        }
    }
}

async fn listen(db: &DatabaseConnection) -> Option<PgListener> {
    let connected = async {
        let mut listener = PgListener::connect_with(db.get_postgres_connection_pool()).await?;
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    connected
        .await
        .inspect_err(|error| tracing::warn!(%error, "changes can't be listened to; they are read"))
        .ok()
}

async fn say(app: &App, outgoing: Vec<Written>) {
    for changes in outgoing.chunks(MOST_AT_ONCE) {
        let said = Said { process: app.process, changes: changes.to_vec() };
        let said = serde_json::to_string(&said).unwrap_or_default();
        let sql = "SELECT pg_notify(?, ?)";
        if let Err(error) = run_raw(&app.db, sql, [CHANNEL.into(), said.into()]).await {
            tracing::warn!(%error, "a change can't be told; the others read it");
        }
    }
}

fn log_unread(error: &crate::service::Error) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "what changed can't be read");
}

/// Reads what was written down.
#[derive(Default)]
pub struct Reader(Option<Cursor>);

impl Reader {
    /// Tells the listeners of this process what was committed since it was last called, unless they were
    /// told before; the first call only finds out where that is.
    ///
    /// # Errors
    /// None but the database's.
    pub async fn read(&mut self, app: &App) -> Result<()> {
        let Some(cursor) = &self.0 else {
            self.0 = Some(change::newest(&app.db).await?);
            return Ok(());
        };
        app.changes.begin_reading();
        let (found, cursor) = change::since(&app.db, cursor).await?;
        for written in &found {
            app.changes.hear(*written);
        }
        app.changes.end_reading(found.into_iter().map(|written| written.id));
        self.0 = Some(cursor);
        Ok(())
    }
}
