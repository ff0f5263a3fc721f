//! Putting a process together: the database, the secrets, the calendars, and what runs on them.

mod calendars;
mod key_file;
mod migrations;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use calendar_provider::CalendarProvider;
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Parts};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, problem};
use crate::http::{self, ConnectionLimits, Http, HttpConfig, RateLimit, Shutdown};
use crate::ids::RandomIds;
use crate::mail::Mailer;
use crate::secrets::Secrets;
use crate::{cluster, graphql, jobs, service, store};

pub use calendars::{check_settings, http_client};
pub use migrations::{are_pending, migrate};

/// Most connections to SQLite: it has one writer at a time, and each costs memory.
const SQLITE_CONNECTIONS: u32 = 4;
/// What a call elsewhere than to GraphQL counts for, of a visitor's points.
const POINTS_OF_A_CALL: u64 = 1_000;
/// How long the database may take to be closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What to do about steps that the database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrations {
    /// Run them.
    Run,
    /// Fail: another process is to run them.
    Require,
}

/// Opens the database and gathers what requests and deliveries need, `extra` calendar providers
/// among it.
///
/// # Errors
/// [`ConfigError`](crate::config::ConfigError) for a key that can't be had; two providers of one
/// identifier; the database's own.
pub async fn open(
    config: Config,
    migrations: Migrations,
    extra: Vec<Arc<dyn CalendarProvider>>,
) -> anyhow::Result<App> {
    let secrets = key_file::secrets(&config)?;
    let db = connect(&config).await?;
    match migrations {
        Migrations::Run => migrate(&db).await.context("the database can't be migrated")?,
        Migrations::Require => {
            if are_pending(&db).await.context("the database can't be read")? {
                anyhow::bail!(
                    "the database lacks migrations: start `frontdesk serve` or run \
                     `frontdesk migrate` first"
                );
            }
        }
    }
    require_same_key(&db, &secrets).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let http = calendars::http_client(&config, |_| {})?;
    Ok(App::new(Parts {
        providers: calendars::providers(&config, &db, &http, &clock, extra).await?,
        clock,
        ids: Arc::new(RandomIds),
        secrets,
        http,
        mailer: Mailer::from_url(config.mail_url.expose_secret())?,
        config,
        db,
    }))
}

/// Refuses a key that is not the one this database was made with: under another, no key, token or
/// manage link of it works, and no calendar's credentials open.
async fn require_same_key(db: &DatabaseConnection, secrets: &Secrets) -> anyhow::Result<()> {
    let hash = secrets.hash("the secret key of this database");
    let noted = store::credential::note_secret_key(db, hash.clone()).await?;
    if noted == hash {
        return Ok(());
    }
    Err(problem("secret_key", "another", "must be the key that this database was made with").into())
}

/// Opens the database alone.
///
/// # Errors
/// The database's own.
pub async fn connect(config: &Config) -> anyhow::Result<DatabaseConnection> {
    let url = &config.database_url;
    let connections = if url.is_sqlite() {
        config.database_connections.min(SQLITE_CONNECTIONS)
    } else {
        config.database_connections
    };
    let db = store::connect(url.expose(), connections).await;
    db.with_context(|| format!("the database at {url:?} can't be opened"))
}

/// How [`serve`] runs.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Whether it delivers as well.
    pub worker: bool,
    /// Printed on standard output once it listens.
    pub greeting: Option<String>,
}

/// Serves the API, and delivers unless told otherwise, until the process is told to stop.
///
/// # Errors
/// Where it can't listen.
pub async fn serve(app: Arc<App>, how: Serve) -> anyhow::Result<()> {
    let shutdown = Shutdown::default();
    stop_on_signal(shutdown.token.clone())?;
    let listen = app.config.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("listen (FRONTDESK_LISTEN) is {listen}, which is not to be had")
    })?;
    make_keys(&app).await?;
    prepare_mails(&app).await?;
    let router = router(&app, shutdown.clone())?;
    let connections = http_config(&app.config).connections.within_open_files();
    let member = cluster::join(Arc::clone(&app)).await?;
    let ended = CancellationToken::new();
    let membership = tokio::spawn(member.run(ended.clone()));
    let (shared, token) = (Arc::clone(&app), shutdown.token.clone());
    let worker = how.worker.then(|| tokio::spawn(jobs::run(shared, token)));
    tracing::info!("listening on http://{}", listener.local_addr()?);
    if let Some(greeting) = how.greeting {
        print(&greeting)?;
    }
    http::serve(listener, router, connections, shutdown).await?;
    if let Some(worker) = worker {
        worker.await?;
    }
    // Only now: whoever still finishes something is alive, and tells the others of it.
    ended.cancel();
    membership.await?;
    close(&app).await;
    Ok(())
}

/// Delivers until the process is told to stop.
///
/// # Errors
/// Where signals can't be heard.
pub async fn work(app: Arc<App>) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    stop_on_signal(shutdown.clone())?;
    make_keys(&app).await?;
    prepare_mails(&app).await?;
    tracing::info!("delivering");
    let member = cluster::join(Arc::clone(&app)).await?;
    let ended = CancellationToken::new();
    let work = async {
        jobs::run(Arc::clone(&app), shutdown).await;
        ended.cancel();
    };
    tokio::join!(member.run(ended.clone()), work);
    close(&app).await;
    Ok(())
}

/// Makes the keys that a server has for itself, where this is its first start.
async fn make_keys(app: &App) -> anyhow::Result<()> {
    service::push::vapid(app).await.context("the key for pushes can't be had")?;
    Ok(())
}

/// Puts right what former processes left in the folder of mails.
async fn prepare_mails(app: &App) -> anyhow::Result<()> {
    let (mailer, now) = (app.mailer.clone(), app.now());
    tokio::task::spawn_blocking(move || mailer.prepare(now)).await?;
    Ok(())
}

/// Writes to standard output.
///
/// # Errors
/// Where nobody reads it any more.
pub fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn router(app: &Arc<App>, shutdown: Shutdown) -> anyhow::Result<Router> {
    let router = http::router(Http {
        schema: graphql::schema(Arc::clone(app)),
        identify: graphql::Identifier(Arc::clone(app)),
        price: Some(graphql::prices(app)),
        heavy: app.heavy.clone(),
        readiness: migrations::readiness(app.db.clone()),
        metrics: Some(http::install_metrics()?),
        config: http_config(&app.config),
        shutdown,
    })?;
    let imports = http::imports(Arc::clone(app), &http_config(&app.config))?;
    let HttpConfig { rate_limit, trusted_proxies, .. } = http_config(&app.config);
    let oauth = http::oauth(Arc::clone(app), rate_limit, trusted_proxies);
    let pushes = http::pushes(Arc::clone(app), rate_limit, trusted_proxies);
    let feeds = http::feeds(Arc::clone(app), rate_limit, trusted_proxies);
    let router = router.merge(feeds).merge(pushes).merge(imports);
    Ok(router.merge(http::pages()).merge(oauth))
}

fn http_config(config: &Config) -> HttpConfig {
    let connections = config.connections;
    let points = config.limits.points();
    let at_least_one = |number: u64| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
    };
    HttpConfig {
        points: Some(points),
        rate_limit: Some(RateLimit {
            per_second: at_least_one(points.visitors.points_per_second / POINTS_OF_A_CALL),
            burst: at_least_one(points.visitors.burst / POINTS_OF_A_CALL),
        }),
        connections: ConnectionLimits {
            total: connections.total,
            // Behind proxies all connections come from theirs.
            per_address: (config.trusted_proxies == 0).then_some(connections.per_address),
            bytes: connections.buffer_bytes,
            all_bytes: connections.all_buffer_bytes,
            stalled: Duration::from_secs(connections.stalled_seconds),
            ..ConnectionLimits::default()
        },
        limits: http::Limits {
            answer_bytes: config.limits.answer_bytes,
            ..http::Limits::default()
        },
        trusted_proxies: config.trusted_proxies.into(),
        cors_origins: config.cors_origins.clone(),
        ..HttpConfig::default()
    }
}

/// SIGTERM is what service managers send, SIGINT what Ctrl-C sends. A second one changes nothing:
/// the end is bounded anyway.
fn stop_on_signal(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}

/// Closes the database, which folds SQLite's log into its file. What was cut off may still hold a
/// connection; nothing is lost then, so it is not waited for long.
async fn close(app: &App) {
    let closed = tokio::time::timeout(CLOSE_WITHIN, app.db.clone().close()).await;
    if !matches!(closed, Ok(Ok(()))) {
        tracing::debug!("the database was not closed in time");
    }
}
