//! 10,000 meetings among 10 agents who are always free, asked for by 32 clients at once: how evenly they are
//! shared, and how long it takes.
//!
//! `cargo bench --bench round_robin`, on SQLite in a temporary directory; on PostgreSQL as well where
//! `BENCH_POSTGRES_URL` names an empty database. `BENCH_MEETINGS` asks for another number.

#![expect(clippy::unwrap_used, reason = "a benchmark that meets the unexpected stops")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use calendar_http::HttpClient;
use calendar_provider_builtin::Builtin;
use chrono::{DateTime, TimeDelta, Utc, Weekday};
use frontdesk::app::{App, Parts};
use frontdesk::clock::SystemClock;
use frontdesk::config::Config;
use frontdesk::ids::RandomIds;
use frontdesk::mail::Mailer;
use frontdesk::scheduling::{TimeBlock, WeeklyBlock, WeeklyBlocks};
use frontdesk::secrets::Secrets;
use frontdesk::service::access::{AgentEditor, Caller, Profile};
use frontdesk::service::agent::{self, MeetingAvailabilityUpdate, NewAgent};
use frontdesk::service::booking::{BookMeeting, Booked, book};
use frontdesk::service::calendar;
use frontdesk::service::routing::Route;
use frontdesk::store;
use frontdesk::store::booking::Person;
use frontdesk::store::builtin_calendar::BuiltinCalendar;
use frontdesk_migrations::{Migrator, MigratorTrait};
use uuid::Uuid;

const AGENTS: usize = 10;
const CLIENTS: usize = 32;

#[tokio::main]
async fn main() {
    let meetings = std::env::var("BENCH_MEETINGS").ok();
    let meetings = meetings.map_or(10_000, |number| number.parse().unwrap());
    println!("| database | meetings | least of an agent | most | took | a second |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bench.db");
    measure("SQLite", &format!("sqlite://{}", file.display()), meetings).await;
    if let Ok(url) = std::env::var("BENCH_POSTGRES_URL") {
        measure("PostgreSQL", &url, meetings).await;
    }
}

async fn measure(name: &str, url: &str, meetings: usize) {
    let app = app(url).await;
    hire_all(&app).await;
    let start: DateTime<Utc> = app.now() + TimeDelta::days(2);
    let start = start.date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let client = || {
        let (app, next) = (Arc::clone(&app), Arc::clone(&next));
        tokio::spawn(async move {
            let mut met = Vec::new();
            loop {
                let nth = next.fetch_add(1, Ordering::SeqCst);
                if meetings <= nth {
                    return met;
                }
                let minutes = i64::try_from(nth * 30).unwrap();
                met.push(meet(&app, start + TimeDelta::minutes(minutes)).await);
            }
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| client()).collect();
    let mut shares: HashMap<Uuid, usize> = HashMap::new();
    for met in futures_util::future::join_all(clients).await {
        for agent in met.unwrap() {
            *shares.entry(agent).or_insert(0) += 1;
        }
    }
    let took = began.elapsed().as_secs_f64();
    let (least, most) = (shares.values().min().unwrap(), shares.values().max().unwrap());
    assert!(shares.len() == AGENTS && most - least <= 1, "{shares:?}");
    let rate = f64::from(u32::try_from(meetings).unwrap()) / took;
    println!("| {name} | {meetings} | {least} | {most} | {took:.1} s | {rate:.0} |");
}

async fn meet(app: &App, starts_at: DateTime<Utc>) -> Uuid {
    let request = BookMeeting {
        starts_at,
        ends_at: None,
        zone: chrono_tz::UTC,
        locale: None,
        person: Person { email: "v@visitors.example".to_owned(), ..Person::default() },
        company: None,
        notes: None,
        route: Route::Queue,
        idempotency_key: None,
        proof: None,
    };
    match book(app, &admin(), request).await.unwrap() {
        Booked::Made { booking, .. } => booking.agent_id,
        Booked::Unavailable { message, .. } => panic!("{starts_at}: {message}"),
        other @ (Booked::ProofRequired(_) | Booked::EmailConfirmationRequired { .. }) => {
            panic!("{starts_at}: {other:?}")
        }
    }
}

fn admin() -> Caller {
    Caller::Key { id: Uuid::nil(), name: "bench".to_owned(), profile: Profile::Admin }
}

async fn app(url: &str) -> Arc<App> {
    let connections = if url.starts_with("sqlite") { 4 } else { 10 };
    let db = store::connect(url, connections).await.unwrap();
    Migrator::down(&db, None).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let builtin = Builtin::new(Arc::new(BuiltinCalendar::new(db.clone())));
    let (mailer, _) = Mailer::memory();
    Arc::new(App::new(Parts {
        db,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        secrets: Secrets::new(&[7; 32]),
        providers: vec![Arc::new(builtin)],
        http: HttpClient::new(calendar_http::Settings::default()).unwrap(),
        mailer,
        config: Config::load(None).unwrap(),
    }))
}

/// Agents who can be met at any time for two years.
async fn hire_all(app: &App) {
    let days = [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
    ];
    let block = TimeBlock::new("00:00".parse().unwrap(), "24:00".parse().unwrap()).unwrap();
    let blocks: Vec<WeeklyBlock> = days.map(|day| WeeklyBlock { day, block }).to_vec();
    for number in 0..AGENTS {
        let new = NewAgent {
            name: format!("Agent {number}"),
            email: format!("agent{number}@agents.example"),
            locale: None,
            profile: Profile::CalendarAgent,
        };
        let made = agent::create(app, &admin(), new).await.unwrap();
        let set = MeetingAvailabilityUpdate {
            blocks: Some(WeeklyBlocks::new(blocks.clone()).unwrap()),
            horizon_days: Some(730),
            ..MeetingAvailabilityUpdate::default()
        };
        let editor = AgentEditor::server(made.id);
        agent::set_meeting_availability(app, editor, set).await.unwrap();
        calendar::connect(app, editor, "builtin", BTreeMap::new()).await.unwrap();
    }
}
