//! Calendars elsewhere: how long until one process has seen a change in each of 1,000 agents' calendars,
//! from a provider that takes 50 ms to answer, by polling and by being told; and how much database time
//! a hundred changes take.
//!
//! `cargo bench --bench sync`, on SQLite in a temporary directory; on PostgreSQL as well where
//! `BENCH_POSTGRES_URL` names an empty database.

#![expect(clippy::unwrap_used, reason = "a benchmark that meets the unexpected stops")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use calendar_http::HttpClient;
use calendar_provider::{
    About, BusyInterval, CalendarProvider, Change, Changes, ConnectMethod, ConnectRequest,
    ConnectedAccount, Connection, Cursor, EventSnapshot, ProviderError, Push, Pushed, TimeRange,
    Watch, WatchRequest,
};
use chrono::{DateTime, TimeDelta, Utc};
use frontdesk::app::{App, Parts};
use frontdesk::clock::{Clock, SystemClock};
use frontdesk::config::Config;
use frontdesk::ids::RandomIds;
use frontdesk::mail::Mailer;
use frontdesk::secrets::Secrets;
use frontdesk::service::access::{AgentEditor, Caller, Profile};
use frontdesk::service::agent::{self, NewAgent};
use frontdesk::service::calendar;
use frontdesk::{http, jobs, store};
use frontdesk_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const AGENTS: usize = 1000;
const LATENCY: Duration = Duration::from_millis(50);
/// Calls of the provider's that are under way at once.
const PUSHES_AT_ONCE: usize = 16;

/// A provider of empty calendars, each of which changes when all do.
#[derive(Debug)]
struct Slow {
    about: About,
    /// How often everything changed, and how many events each change is of.
    rounds: AtomicU64,
    events: AtomicU64,
    channels: Mutex<HashMap<String, (String, String)>>,
}

impl Slow {
    fn new(tells: bool) -> Self {
        let mut about = About::new("slow", "Slow calendar", ConnectMethod::None);
        about.capabilities.push = tells;
        let channels = Mutex::default();
        Self { about, rounds: AtomicU64::new(0), events: AtomicU64::new(1), channels }
    }

    fn change_all(&self) {
        self.rounds.fetch_add(1, Ordering::SeqCst);
    }

    /// The events of a round: those of the next stand at other times.
    fn events(&self, round: u64, window: TimeRange) -> Vec<Change> {
        let event = |number: u64| {
            let minutes = i64::try_from(number * 60 + round).unwrap();
            let start = window.start() + TimeDelta::days(2) + TimeDelta::minutes(minutes);
            let range = TimeRange::lasting(start, TimeDelta::minutes(30)).unwrap();
            Change::Present(EventSnapshot::new(format!("event-{number}"), range))
        };
        let count = if round == 0 { 0 } else { self.events.load(Ordering::SeqCst) };
        (0..count).map(event).collect()
    }
}

#[async_trait]
impl CalendarProvider for Slow {
    fn about(&self) -> &About {
        &self.about
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        Ok(ConnectedAccount::new(request.owner, "primary"))
    }

    async fn free_busy(
        &self,
        _connection: &Connection,
        _window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        tokio::time::sleep(LATENCY).await;
        Ok(Vec::new())
    }

    async fn changes(
        &self,
        _connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        let round = self.rounds.load(Ordering::SeqCst);
        tokio::time::sleep(LATENCY).await;
        let next = Cursor::new(round.to_string());
        let is_new = since.is_none_or(|since| *since != next);
        let events = if is_new { self.events(round, window) } else { Vec::new() };
        Ok(Changes::new(events, next))
    }

    async fn watch(
        &self,
        _connection: &Connection,
        request: &WatchRequest,
        _before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        tokio::time::sleep(LATENCY).await;
        let path = request.callback_url.path().to_owned();
        let secret = request.secret.expose_secret().to_owned();
        self.channels.lock().unwrap().insert(request.channel.clone(), (path, secret));
        Ok(Watch::new(&request.channel, request.until))
    }

    fn read_push(&self, push: &Push) -> Result<Pushed, ProviderError> {
        let said = push.headers.get("x-secret").map(String::as_str);
        match said == Some(push.secret.expose_secret()) {
            true => Ok(Pushed::Changed),
            false => Err(ProviderError::unauthorized()),
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("| database | what | time | wanted |\n| --- | --- | --- | --- |");
        let files = tempfile::tempdir().unwrap();
        measure("SQLite", &format!("sqlite://{}", files.path().join("bench.db").display())).await;
        if let Ok(url) = std::env::var("BENCH_POSTGRES_URL") {
            measure("PostgreSQL", &url).await;
        }
    });
}

async fn measure(name: &str, url: &str) {
    for tells in [false, true] {
        let spent = Arc::new(AtomicU64::new(0));
        let db = open(url, Arc::clone(&spent)).await;
        let slow = Arc::new(Slow::new(tells));
        let app = app(db, Arc::clone(&slow), tells);
        connect_all(&app).await;
        let how = if tells { "being told" } else { "polling" };
        let shutdown = CancellationToken::new();
        let began = Instant::now();
        let worker = tokio::spawn(jobs::run(Arc::clone(&app), shutdown.clone()));
        until(&app, "calendar_syncs WHERE last_synced_at IS NOT NULL").await;
        print(name, &format!("first look at {AGENTS} calendars, {how}"), began.elapsed(), "");
        let began = Instant::now();
        slow.change_all();
        if tells {
            push_all(&app, &slow).await;
        }
        until(&app, "busy_intervals").await;
        let what = format!("a change in each of {AGENTS} calendars, {how}");
        print(name, &what, began.elapsed(), "< 60 s");
        shutdown.cancel();
        worker.await.unwrap();
        if !tells {
            a_hundred_changes(name, &app, &slow, &spent).await;
        }
        app.db.clone().close().await.unwrap();
    }
}

/// One calendar alone, whose hundred events all move.
async fn a_hundred_changes(name: &str, app: &App, slow: &Slow, spent: &AtomicU64) {
    slow.events.store(100, Ordering::SeqCst);
    let rest = "UPDATE calendar_syncs SET due_at = '2100-01-01 00:00:00.000+00:00'";
    let one = "UPDATE calendar_syncs SET due_at = '2000-01-01 00:00:00.000+00:00' \
        WHERE id = (SELECT MIN(CAST(id AS text)) FROM calendar_syncs)";
    let one = match app.db.get_database_backend() {
        sea_orm::DbBackend::Postgres => {
            one.replace("MIN(CAST(id AS text))", "MIN(CAST(id AS text))::uuid")
        }
        _ => one.replace("MIN(CAST(id AS text))", "MIN(id)"),
    };
    app.db.execute_unprepared(rest).await.unwrap();
    for _ in 0..3 {
        slow.change_all();
        app.db.execute_unprepared(&one).await.unwrap();
        let before = spent.load(Ordering::SeqCst);
        assert_eq!(jobs::sync_due(app).await.unwrap(), 1);
        let took = Duration::from_nanos(spent.load(Ordering::SeqCst) - before);
        print(name, "database time of a look with 100 changes", took, "< 20 ms");
    }
}

fn print(database: &str, what: &str, took: Duration, wanted: &str) {
    let milliseconds = took.as_secs_f64() * 1000.0;
    println!("| {database} | {what} | {milliseconds:.0} ms | {wanted} |");
}

async fn open(url: &str, spent: Arc<AtomicU64>) -> DatabaseConnection {
    let connections = if url.starts_with("sqlite") { 4 } else { 10 };
    let mut db = store::connect(url, connections).await.unwrap();
    Migrator::down(&db, None).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db.set_metric_callback(move |info| {
        let elapsed = u64::try_from(info.elapsed.as_nanos()).unwrap();
        spent.fetch_add(elapsed, Ordering::SeqCst);
    });
    db
}

fn app(db: DatabaseConnection, slow: Arc<Slow>, tells: bool) -> Arc<App> {
    let mut config = Config::load(None).unwrap();
    config.push_url = tells.then(|| "https://meet.example.com".parse().unwrap());
    let (mailer, _) = Mailer::memory();
    Arc::new(App::new(Parts {
        db,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        secrets: Secrets::new(&[7; 32]),
        providers: vec![slow],
        http: HttpClient::new(calendar_http::Settings::default()).unwrap(),
        mailer,
        config,
    }))
}

async fn connect_all(app: &App) {
    let (id, name) = (Uuid::nil(), "bench".to_owned());
    let admin = Caller::Key { id, name, profile: Profile::Admin };
    for number in 0..AGENTS {
        let new = NewAgent {
            name: format!("Agent {number}"),
            email: format!("agent{number}@agents.example"),
            locale: None,
            profile: Profile::CalendarAgent,
        };
        let made = agent::create(app, &admin, new).await.unwrap();
        let editor = AgentEditor::server(made.id);
        calendar::connect(app, editor, "slow", std::collections::BTreeMap::new()).await.unwrap();
    }
}

/// Waits until a table holds a row for each agent.
async fn until(app: &App, table: &str) {
    let deadline: DateTime<Utc> = app.now() + TimeDelta::minutes(5);
    let sql = format!("SELECT COUNT(*) FROM {table}");
    loop {
        let query = Statement::from_string(app.db.get_database_backend(), &sql);
        let row = app.db.query_one_raw(query).await.unwrap().unwrap();
        let count: i64 = row.try_get_by_index(0).unwrap();
        if AGENTS <= usize::try_from(count).unwrap() {
            return;
        }
        assert!(SystemClock.now() < deadline, "only {count} of {AGENTS} in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Calls every channel over HTTP, as the provider would.
async fn push_all(app: &Arc<App>, slow: &Slow) {
    use futures_util::{StreamExt, stream};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pushes = http::pushes(Arc::clone(app), None, 0);
    let limits = http::ConnectionLimits::default();
    let serving = http::serve(listener, pushes, limits, http::Shutdown::default());
    let serving = tokio::spawn(serving);
    let channels: Vec<_> = slow.channels.lock().unwrap().values().cloned().collect();
    assert_eq!(channels.len(), AGENTS);
    let client = reqwest::Client::new();
    stream::iter(channels)
        .for_each_concurrent(PUSHES_AT_ONCE, async |(path, secret)| {
            let call = client.post(format!("http://{address}{path}")).header("X-Secret", secret);
            assert_eq!(call.send().await.unwrap().status(), 202);
        })
        .await;
    serving.abort();
}
