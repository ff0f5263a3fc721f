//! Hearing what other processes changed.
//!
//! On PostgreSQL, a process that committed changes says so with one NOTIFY for all of them, which carries the
//! changes themselves. It is sent after the commit and not in the transaction, since PostgreSQL commits
//! transactions that notify one after the other. What is lost (a process that died in between, a listener
//! whose connection broke) is late, not lost: every process reads what was written down, every second. On
//! SQLite, which tells nobody anything, that reading is all there is, and it is more often.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DbBackend};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::log;
use crate::app::App;
use crate::service::Result;
use crate::service::changes::Written;
use crate::store::change::{self, Cursor};
use crate::store::run_raw;

/// How long changes are kept for processes that were not told.
pub(crate) const KEPT: TimeDelta = TimeDelta::minutes(10);
/// A process that has not read for this long may have missed some, even where its clock is a little off.
const GAP: TimeDelta = TimeDelta::minutes(9);
/// Most changes of one reading. A process that has more to read tells its listeners that they missed some.
const MOST: usize = 20_000;

/// What PostgreSQL calls the channel.
const CHANNEL: &str = "frontdesk_changes";
/// Between two readings on PostgreSQL.
const READ_EVERY: Duration = Duration::from_secs(1);
/// Between two readings on SQLite.
const READ_OFTEN: Duration = Duration::from_millis(200);
/// The pause after the database failed.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks whether the connection that listens still stands: what lies between may forget one on
/// which nothing was said for long, and tells nobody.
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// How long such a look may take.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// Most changes of one NOTIFY: PostgreSQL takes less than 8000 bytes, and one is at most 140.
const MOST_AT_ONCE: usize = 50;

/// What a NOTIFY says.
#[derive(Deserialize, Serialize)]
struct Said {
    process: Uuid,
    changes: Vec<Written>,
}

/// Tells the others what changed here, and hears what changed there, until `ended` is cancelled.
pub(super) async fn run(
    app: &App,
    db: &DatabaseConnection,
    reader: Reader,
    ended: CancellationToken,
) {
    let notifies = db.get_database_backend() == DbBackend::Postgres;
    let unread = Notify::new();
    let hear = async {
        let listen = async {
            if notifies {
                listen(app, db, &unread).await;
            }
        };
        let every = if notifies { READ_EVERY } else { READ_OFTEN };
        tokio::join!(listen, read(app, db, reader, every, &unread));
    };
    let hear = async {
        tokio::select! {
            () = ended.cancelled() => {}
            () = hear => {}
        }
    };
    tokio::join!(hear, say(app, db, notifies, &ended));
}

/// Says what changed here as it comes, and the last of it at the end.
async fn say(app: &App, db: &DatabaseConnection, notifies: bool, ended: &CancellationToken) {
    loop {
        let outgoing = tokio::select! {
            biased;
            outgoing = app.changes.outgoing() => outgoing,
            () = ended.cancelled() => return,
        };
        if notifies {
            say_all(app, db, &outgoing).await;
        }
    }
}

async fn say_all(app: &App, db: &DatabaseConnection, outgoing: &[Written]) {
    for changes in outgoing.chunks(MOST_AT_ONCE) {
        let said = payload(app.process, changes);
        if let Err(error) =
            run_raw(db, "SELECT pg_notify(?, ?)", [CHANNEL.into(), said.into()]).await
        {
            tracing::warn!(%error, "a change can't be told; the others read it");
        }
    }
}

/// Says what changed here, for a program that makes a change and ends without taking part.
pub async fn say_now(app: &App) {
    let outgoing = app.changes.take_outgoing();
    if app.db.get_database_backend() == DbBackend::Postgres {
        say_all(app, &app.db, &outgoing).await;
    }
}

fn payload(process: Uuid, changes: &[Written]) -> String {
    let said = Said { process, changes: changes.to_vec() };
    serde_json::to_string(&said).unwrap_or_default()
}

async fn read(
    app: &App,
    db: &DatabaseConnection,
    mut reader: Reader,
    every: Duration,
    unread: &Notify,
) {
    loop {
        let pause = match reader.read_by(app, db).await {
            Ok(()) => every,
            Err(error) => {
                log(&error, "what changed can't be read");
                PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = unread.notified() => {}
        }
    }
}

/// Hears what others say. Whenever it begins to, what was said before is to be read.
async fn listen(app: &App, db: &DatabaseConnection, unread: &Notify) {
    loop {
        match connect(db).await {
            Ok(mut listener) => {
                unread.notify_one();
                let error = hear(app, &mut listener).await;
                tracing::warn!(%error, "the connection that hears of changes broke");
            }
            Err(error) => {
                tracing::warn!(%error, "changes can't be listened to; they are read");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connect(db: &DatabaseConnection) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(db.get_postgres_connection_pool()).await?;
    // It is made anew here, so that what was said meanwhile is read.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Hears until the connection breaks.
async fn hear(app: &App, listener: &mut PgListener) -> sqlx::Error {
    let mut probes = interval(PROBE_EVERY);
    probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let heard = tokio::select! {
            heard = listener.try_recv() => heard,
            _ = probes.tick() => {
                let probed = sqlx::Executor::execute(&mut *listener, "SELECT 1");
                match timeout(PROBE_WITHIN, probed).await {
                    Ok(Ok(_)) => continue,
                    Ok(Err(error)) => return error,
                    Err(_elapsed) => return std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
                }
            }
        };
        match heard {
            Ok(Some(heard)) => take_in(app, heard.payload()),
            Ok(None) => return std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into(),
            Err(error) => return error,
        }
    }
}

fn take_in(app: &App, payload: &str) {
    // Another version of this program may say more than this one knows; it is read then.
    let Ok(said) = serde_json::from_str::<Said>(payload) else { return };
    if said.process != app.process {
        for written in said.changes {
            app.changes.hear(written);
        }
    }
}

/// Reads what was written down.
#[derive(Clone, Debug, Default)]
pub struct Reader(Option<Place>);

/// How far it was read, and when.
#[derive(Clone, Debug)]
struct Place {
    cursor: Cursor,
    at: DateTime<Utc>,
}

impl Reader {
    /// Tells the listeners of this process what was committed since it was last called, unless they were
    /// told before; the first call only finds out where that is. Where too much was, or it was too long ago,
    /// they are told that they missed something.
    ///
    /// # Errors
    /// None but the database's.
    pub async fn read(&mut self, app: &App) -> Result<()> {
        self.read_by(app, &app.db).await
    }

    pub(super) async fn read_by(&mut self, app: &App, db: &DatabaseConnection) -> Result<()> {
        let at = app.now();
        let Some(place) = &self.0 else {
            self.0 = Some(Place { cursor: change::newest(db).await?, at });
            return Ok(());
        };
        let found = change::since(db, &place.cursor, MOST).await?;
        let cursor = if found.is_cut || GAP < at - place.at {
            let newest = change::newest(db).await?;
            tracing::warn!(since = %place.at, "changes were missed");
            app.changes.miss();
            newest
        } else {
            for written in found.changes {
                app.changes.hear(written);
            }
            found.cursor
        };
        app.changes.end_reading();
        self.0 = Some(Place { cursor, at });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::changes::Change;

    #[test]
    fn as_many_changes_as_are_said_at_once_fit() {
        let (id, agent) = (Uuid::max(), Uuid::max());
        for change in [
            Change::Booking { id, agent },
            Change::Agent(id),
            Change::LiveChatRequest(id),
            Change::LiveChatOffers(id),
            Change::ApiKey(id),
            Change::AgentTokens(id),
        ] {
            let said = payload(id, &[Written { id: i64::MAX, change }; MOST_AT_ONCE]);
            assert!(said.len() < 8000, "{} of {change:?}", said.len());
        }
    }
}
