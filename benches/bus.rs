//! How long until a process hears what another has changed: LISTEN and NOTIFY at 1,000 changes a second.
//!
//! `BENCH_POSTGRES_URL=postgres://… cargo bench --bench bus`, on an empty database, which is migrated anew.
//! One process writes changes in transactions of their own; another listens. Time runs from the commit's
//! answer. Processor time of the database is told where it runs on the same Linux machine.

#![expect(clippy::unwrap_used, reason = "a benchmark that meets the unexpected stops")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calendar_http::HttpClient;
use frontdesk::app::{App, Parts};
use frontdesk::clock::SystemClock;
use frontdesk::config::Config;
use frontdesk::ids::RandomIds;
use frontdesk::mail::Mailer;
use frontdesk::secrets::Secrets;
use frontdesk::service::changes::{self, Change, Topic};
use frontdesk::{cluster, store};
use frontdesk_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Connections of each process, besides those for taking part.
const POOL: u32 = 10;
/// Transactions that one process has under way at once, at most.
const WRITERS: u32 = 32;
/// Changes a second.
const RATE: u32 = 1000;
/// How long they are made.
const LASTS: Duration = Duration::from_secs(20);
/// How long changes are made as fast as can be.
const RUSH: Duration = Duration::from_secs(8);

/// How the other process comes to hear of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// As the server does it.
    NotifyAfterCommit,
    /// The alternative: PostgreSQL tells with the commit.
    NotifyInTransaction,
    /// Nobody says anything: the catch-up alone.
    ReadOnly,
}

fn main() {
    let Ok(url) = std::env::var("BENCH_POSTGRES_URL") else {
        println!("BENCH_POSTGRES_URL names no database: nothing is measured");
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!(
            "| how | changes a second | commit, median / p99 | heard after, median / p99 / p99.9 / most | \
             processor: both processes | PostgreSQL |\n| --- | --- | --- | --- | --- | --- |"
        );
        let ways = [
            ("NOTIFY after the commit", How::NotifyAfterCommit),
            ("NOTIFY in the transaction", How::NotifyInTransaction),
            ("reading every second alone", How::ReadOnly),
        ];
        for (name, how) in ways {
            measure(&url, name, how, Some(RATE)).await;
        }
        for (name, how) in &ways[..2] {
            measure(&url, &format!("{name}, as fast as can be"), *how, None).await;
        }
    });
}

async fn measure(url: &str, name: &str, how: How, rate: Option<u32>) {
    let (writer, listener) = (app(url).await, app(url).await);
    Migrator::down(&writer.db, None).await.unwrap();
    Migrator::up(&writer.db, None).await.unwrap();
    let ended = CancellationToken::new();
    let mut members = vec![member(&listener, &ended).await];
    if how == How::NotifyAfterCommit {
        members.push(member(&writer, &ended).await);
    }
    // The connection that listens is made meanwhile.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard: Arc<Mutex<HashMap<Uuid, Instant>>> = Arc::default();
    let listening = tokio::spawn({
        let (listener, heard) = (Arc::clone(&listener), Arc::clone(&heard));
        async move {
            let mut changes = listener.changes.listen(Topic::Agents(None));
            loop {
                if let Some(Change::Agent(id)) = changes.next().await {
                    assert!(
                        heard.lock().unwrap().insert(id, Instant::now()).is_none(),
                        "heard twice"
                    );
                }
            }
        }
    });
    let (ours, theirs) = (spent("self"), spent_by_database(&writer).await);
    let began = Instant::now();
    let written = write(&writer, how, rate).await;
    let lasted = began.elapsed();
    let (ours, theirs) = (spent("self") - ours, spent_by_database(&writer).await - theirs);
    while heard.lock().unwrap().len() < written.len() {
        assert!(began.elapsed() < lasted + Duration::from_secs(10), "changes were lost");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    listening.abort();
    ended.cancel();
    for member in members {
        member.await.unwrap();
    }
    for app in [writer, listener] {
        app.db.clone().close().await.unwrap();
    }
    let heard = heard.lock().unwrap();
    let late = written.iter().map(|(id, made)| heard[id].saturating_duration_since(made.committed));
    let late = sorted(late);
    let took = sorted(written.values().map(|made| made.committed - made.began));
    let share = |spent: Duration| 100.0 * spent.as_secs_f64() / lasted.as_secs_f64();
    println!(
        "| {name} | {:.0} | {} / {} ms | {} / {} / {} / {} ms | {:.0} % | {:.0} % |",
        written.len() as f64 / lasted.as_secs_f64(),
        at(&took, 0.5),
        at(&took, 0.99),
        at(&late, 0.5),
        at(&late, 0.99),
        at(&late, 0.999),
        at(&late, 1.0),
        share(ours),
        share(theirs),
    );
}

struct Made {
    began: Instant,
    committed: Instant,
}

/// Makes changes, so many a second or as many as can be, and says when each was committed.
async fn write(app: &Arc<App>, how: How, rate: Option<u32>) -> HashMap<Uuid, Made> {
    let (began, next) = (Instant::now(), Arc::new(AtomicU32::new(0)));
    let tasks = (0..WRITERS).map(|_| {
        let (app, next) = (Arc::clone(app), Arc::clone(&next));
        tokio::spawn(async move {
            let mut made = Vec::new();
            loop {
                let turn = next.fetch_add(1, Ordering::SeqCst);
                let lasts = match rate {
                    Some(rate) => {
                        tokio::time::sleep_until(began + Duration::from_secs(1) * turn / rate)
                            .await;
                        LASTS
                    }
                    None => RUSH,
                };
                if lasts <= began.elapsed() {
                    return made;
                }
                made.push(change(&app, how).await);
            }
        })
    });
    let mut all = HashMap::new();
    for task in tasks.collect::<Vec<_>>() {
        all.extend(task.await.unwrap());
    }
    all
}

async fn change(app: &App, how: How) -> (Uuid, Made) {
    let id = app.uuid();
    let began = Instant::now();
    let transaction = store::begin(&app.db).await.unwrap();
    if how == How::NotifyInTransaction {
        let change = Change::Agent(id);
        let put = store::change::put(&transaction, app.process, &[change], app.now()).await;
        let number = put.unwrap()[0];
        let changes = json!([{ "id": number, "change": change }]);
        let said = json!({ "process": app.process, "changes": changes }).to_string();
        let sql = "SELECT pg_notify('frontdesk_changes', ?)";
        store::run_raw(&transaction, sql, [said.into()]).await.unwrap();
        transaction.commit().await.unwrap();
        return (id, Made { began, committed: Instant::now() });
    }
    let news = changes::write(app, &transaction, [Change::Agent(id)]).await.unwrap();
    transaction.commit().await.unwrap();
    let committed = Instant::now();
    news.tell(app);
    (id, Made { began, committed })
}

async fn app(url: &str) -> Arc<App> {
    let (mailer, _) = Mailer::memory();
    Arc::new(App::new(Parts {
        db: store::connect(url, POOL).await.unwrap(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        secrets: Secrets::new(&[7; 32]),
        providers: Vec::new(),
        http: HttpClient::new(calendar_http::Settings::default()).unwrap(),
        mailer,
        config: Config::load(None).unwrap(),
    }))
}

async fn member(app: &Arc<App>, ended: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let member = cluster::join(Arc::clone(app)).await.unwrap();
    tokio::spawn(member.run(ended.clone()))
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times
}

/// A quantile, in milliseconds.
fn at(sorted: &[Duration], quantile: f64) -> String {
    let place = (sorted.len() as f64 * quantile).ceil() as usize;
    let time = sorted[place.clamp(1, sorted.len()) - 1];
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// Processor time of a process, zero where it can't be told.
fn spent(process: &str) -> Duration {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else {
        return Duration::ZERO;
    };
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Of every process of the database's.
async fn spent_by_database(app: &App) -> Duration {
    let sql = "SELECT pid FROM pg_stat_activity";
    let query = Statement::from_string(app.db.get_database_backend(), sql);
    let rows = app.db.query_all_raw(query).await.unwrap();
    let process = |row: &sea_orm::QueryResult| row.try_get_by_index::<i32>(0).unwrap().to_string();
    rows.iter().map(|row| spent(&process(row))).sum()
}
