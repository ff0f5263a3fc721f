//! The import of 100,000 accounts: new ones, the same again, and with every one changed.
//!
//! `cargo bench --bench accounts`, on SQLite in a temporary directory; on PostgreSQL as well where
//! `BENCH_POSTGRES_URL` names an empty database.

#![expect(clippy::unwrap_used, reason = "a benchmark that meets the unexpected stops")]

use std::sync::Arc;
use std::time::Instant;

use calendar_http::HttpClient;
use frontdesk::app::{App, Parts};
use frontdesk::clock::SystemClock;
use frontdesk::config::Config;
use frontdesk::ids::RandomIds;
use frontdesk::mail::Mailer;
use frontdesk::secrets::Secrets;
use frontdesk::service::access::{Caller, Profile};
use frontdesk::service::account::import::import;
use frontdesk::service::agent::{self, NewAgent};
use frontdesk::store;
use frontdesk_migrations::{Migrator, MigratorTrait};
use uuid::Uuid;

const LINES: usize = 100_000;
const AGENTS: usize = 100;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("| database | 100,000 accounts of two domains | time |\n| --- | --- | --- |");
        let files = tempfile::tempdir().unwrap();
        measure("SQLite", &format!("sqlite://{}", files.path().join("bench.db").display())).await;
        if let Ok(url) = std::env::var("BENCH_POSTGRES_URL") {
            measure("PostgreSQL", &url).await;
        }
    });
}

async fn measure(name: &str, url: &str) {
    let app = app(url).await;
    for (what, file, dry_run) in [
        ("a dry run", file(0), true),
        ("made", file(0), false),
        ("the same again", file(0), false),
        ("each with another owner and another domain", file(1), false),
    ] {
        let began = Instant::now();
        let report = import(&app, file.into_bytes(), dry_run).await.unwrap();
        let elapsed = began.elapsed().as_secs_f64();
        assert_eq!((report.problem_count, report.lines), (0, LINES));
        println!("| {name} | {what} | {elapsed:.2} s |");
    }
}

fn file(version: usize) -> String {
    let mut file = String::from("name,domains,owner\n");
    for number in 0..LINES {
        let agent = (number + version) % AGENTS;
        file.push_str(&format!(
            "Company {number},company-{number}.com v{version}.company-{number}.de,\
             agent{agent}@agents.example\n"
        ));
    }
    file
}

async fn app(url: &str) -> App {
    let connections = if url.starts_with("sqlite") { 4 } else { 10 };
    let db = store::connect(url, connections).await.unwrap();
    Migrator::down(&db, None).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let (mailer, _) = Mailer::memory();
    let app = App::new(Parts {
        db,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        secrets: Secrets::new(&[7; 32]),
        providers: Vec::new(),
        http: HttpClient::new(calendar_http::Settings::default()).unwrap(),
        mailer,
        config: Config::load(None).unwrap(),
    });
    let admin = Caller::Key { id: Uuid::nil(), name: "bench".to_owned(), profile: Profile::Admin };
    for number in 0..AGENTS {
        let new = NewAgent {
            name: format!("Agent {number}"),
            email: format!("agent{number}@agents.example"),
            locale: None,
            profile: Profile::CalendarAgent,
        };
        agent::create(&app, &admin, new).await.unwrap();
    }
    app
}
