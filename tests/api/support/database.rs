//! A database for each test.

use std::hash::{DefaultHasher, Hash, Hasher};

use frontdesk::store;
use frontdesk_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// In a directory of its own.
    Sqlite,
    /// A copy of the template, in the cluster that `./test` started.
    Postgres,
}

/// What must live as long as the database is used.
pub(crate) struct Files(pub(crate) tempfile::TempDir);

/// The cluster that `./test` started. Without it, tests on PostgreSQL fail: none is skipped.
pub(crate) fn url_of_postgres() -> String {
    std::env::var("FRONTDESK_TEST_POSTGRES_URL")
        .expect("FRONTDESK_TEST_POSTGRES_URL must name a cluster; ./test starts one")
}

/// Opens a new database, migrated and empty.
pub(crate) async fn open(database: Database) -> (DatabaseConnection, Files) {
    let files = Files(tempfile::tempdir().unwrap());
    let url = new_url(database, &files).await;
    (store::connect(&url, 10).await.unwrap(), files)
}

/// The address of a new database, migrated and empty.
pub(crate) async fn new_url(database: Database, files: &Files) -> String {
    match database {
        Database::Sqlite => {
            let url = format!("sqlite://{}", files.0.path().join("frontdesk.db").display());
            let db = store::connect(&url, 1).await.unwrap();
            Migrator::up(&db, None).await.unwrap();
            db.close().await.unwrap();
            url
        }
        Database::Postgres => new_postgres().await,
    }
}

/// The address of a new database that holds nothing: for processes that migrate it themselves.
pub(crate) async fn empty_url(database: Database, files: &Files) -> String {
    match database {
        Database::Sqlite => format!("sqlite://{}", files.0.path().join("frontdesk.db").display()),
        Database::Postgres => {
            let server = url_of_postgres();
            let admin = store::connect(&server, 1).await.unwrap();
            let name = format!("empty_{:016x}{:08x}", rand(), std::process::id());
            admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
            admin.close().await.unwrap();
            with_database(&server, &name)
        }
    }
}

async fn new_postgres() -> String {
    let server = url_of_postgres();
    let admin = store::connect(&server, 1).await.unwrap();
    let run = async |sql: String| admin.execute_unprepared(&sql).await.unwrap();
    let template = template_name();
    // Tests may run in processes of their own: the first makes the template, the rest wait.
    run("SELECT pg_advisory_lock(20270104)".to_owned()).await;
    let query = format!("SELECT 1 FROM pg_database WHERE datname = '{template}' AND datistemplate");
    let query = Statement::from_string(admin.get_database_backend(), query);
    if admin.query_one_raw(query).await.unwrap().is_none() {
        run(format!("DROP DATABASE IF EXISTS {template}")).await;
        run(format!("CREATE DATABASE {template}")).await;
        let db = store::connect(&with_database(&server, &template), 1).await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        db.close().await.unwrap();
        run(format!("ALTER DATABASE {template} IS_TEMPLATE true")).await;
    }
    run("SELECT pg_advisory_unlock(20270104)".to_owned()).await;
    let name = format!("test_{:016x}{:08x}", rand(), std::process::id());
    run(format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    admin.close().await.unwrap();
    with_database(&server, &name)
}

fn with_database(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(name);
    url.to_string()
}

/// Another name for other migrations, so that a cluster can be used again.
fn template_name() -> String {
    let mut hasher = DefaultHasher::new();
    // All steps, whichever there are: the test binary is built anew when one changes.
    for part in [
        include_str!("../../../migrations/src/lib.rs"),
        include_str!("../../../migrations/src/m20261123_000001_core.rs"),
        include_str!("../../../migrations/src/m20261123_000002_calendars.rs"),
        include_str!("../../../migrations/src/m20261128_000003_routing.rs"),
        include_str!("../../../migrations/src/m20261128_000004_live_chat.rs"),
        include_str!("../../../migrations/src/m20261128_000005_processes.rs"),
        include_str!("../../../migrations/src/m20261129_000004_booking_quotas.rs"),
        include_str!("../../../migrations/src/m20261129_000005_booking_holds.rs"),
    ] {
        part.hash(&mut hasher);
    }
    format!("template_{:016x}", hasher.finish())
}

fn rand() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(std::process::id())
}
