//! A server of its own for each test, on a database of its own, with time and IDs passed in.

pub(crate) mod calendar;
mod database;
pub(crate) mod icalendar;
pub(crate) mod oauth_calendar;
pub(crate) mod office;
pub(crate) mod process;
pub(crate) mod receiver;
mod requests;
pub(crate) mod smtp;
pub(crate) mod verifier;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use calendar_http::HttpClient;
use chrono::{DateTime, TimeDelta, Utc};
use frontdesk::app::{App, Parts};
use frontdesk::clock::Clock;
use frontdesk::config::Config;
use frontdesk::http::{self, Http, HttpConfig, Shutdown};
use frontdesk::ids::CountingIds;
use frontdesk::mail::{Mailer, Outbox};
use frontdesk::secrets::Secrets;
use frontdesk::service::access::Profile;
use frontdesk::service::credential;
use frontdesk::store::builtin_calendar::BuiltinCalendar;
use frontdesk::{graphql, jobs};

pub(crate) use database::Database;
pub(crate) use requests::{Answer, BOOK};

/// Writes a test for each database, given what `start`s on it: a [`Test`], or one with more around it.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($test:ident: $kind:ident) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn body($test: $kind) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body($kind::start($crate::support::Database::Sqlite).await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                body($kind::start($crate::support::Database::Postgres).await).await;
            }
        })*
    };
}

/// Monday, 4 January 2027, 08:00 in UTC: where every test begins.
pub(crate) const START: &str = "2027-01-04T08:00:00Z";

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    fn new() -> Self {
        Self(AtomicI64::new(START.parse::<DateTime<Utc>>().unwrap().timestamp_millis()))
    }

    /// Moves the time on.
    pub(crate) fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }

    /// Stands at an instant.
    pub(crate) fn set(&self, to: &str) {
        self.0.store(to.parse::<DateTime<Utc>>().unwrap().timestamp_millis(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A server, its parts, and what it was told to send.
pub(crate) struct Test {
    /// What the server holds.
    pub(crate) app: Arc<App>,
    /// Its time.
    pub(crate) clock: Arc<TestClock>,
    /// What it sent.
    pub(crate) mails: Outbox,
    /// A key that may do everything.
    pub(crate) admin: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Statements that reached the database.
    pub(crate) statements: Arc<AtomicU64>,
    /// Nanoseconds that those took.
    nanoseconds: Arc<AtomicU64>,
    client: reqwest::Client,
    shutdown: Shutdown,
    files: Arc<database::Files>,
}

impl Test {
    /// Starts a server with the usual settings.
    pub(crate) async fn start(database: Database) -> Self {
        Self::start_with(database, |_| {}).await
    }

    /// Starts a server with other settings.
    pub(crate) async fn start_with(database: Database, edit: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::new();
        edit(&mut setup);
        let (mut db, files) = database::open(database).await;
        let statements = Arc::new(AtomicU64::new(0));
        let nanoseconds = Arc::new(AtomicU64::new(0));
        let (counter, timer) = (Arc::clone(&statements), Arc::clone(&nanoseconds));
        db.set_metric_callback(move |info| {
            counter.fetch_add(1, Ordering::SeqCst);
            let elapsed = u64::try_from(info.elapsed.as_nanos()).unwrap_or(u64::MAX);
            timer.fetch_add(elapsed, Ordering::SeqCst);
        });
        let clock = Arc::new(TestClock::new());
        let (mailer, mails) = Mailer::memory();
        let calendar = Arc::new(BuiltinCalendar::new(db.clone()));
        let builtin = Arc::new(calendar_provider_builtin::Builtin::new(calendar));
        let mut providers: Vec<Arc<dyn calendar_provider::CalendarProvider>> = vec![builtin];
        providers.append(&mut setup.providers);
        let app = Arc::new(App::new(Parts {
            db,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ids: Arc::new(CountingIds::default()),
            secrets: Secrets::new(&[7; 32]),
            providers,
            http: HttpClient::new(calendar_http::Settings {
                resolver: setup.resolver.take(),
                ..http_settings()
            })
            .unwrap(),
            mailer: setup.mailer.take().unwrap_or(mailer),
            config: setup.config,
        }));
        let shutdown = Shutdown::default();
        let address = listen(&app, setup.http, shutdown.clone()).await;
        let admin = credential::create_api_key(&app, "tests", Profile::Admin).await.unwrap().key;
        let client = client();
        let files = Arc::new(files);
        Self { app, clock, mails, admin, address, statements, nanoseconds, client, shutdown, files }
    }

    /// Another process on the same database, with the same time, IDs and settings. Its mails are sent the
    /// same way.
    pub(crate) async fn beside(&self) -> Self {
        self.beside_with(0).await
    }

    /// The same behind a proxy.
    pub(crate) async fn beside_behind_proxy(&self) -> Self {
        self.beside_with(1).await
    }

    async fn beside_with(&self, trusted_proxies: usize) -> Self {
        let app = Arc::new(App::new(Parts {
            db: self.app.db.clone(),
            clock: Arc::clone(&self.app.clock),
            ids: Arc::clone(&self.app.ids),
            secrets: self.app.secrets.clone(),
            providers: self.app.providers.values().cloned().collect(),
            http: self.app.http.clone(),
            mailer: self.app.mailer.clone(),
            config: self.app.config.clone(),
        }));
        let shutdown = Shutdown::default();
        let http =
            HttpConfig { points: None, rate_limit: None, trusted_proxies, ..HttpConfig::default() };
        let address = listen(&app, http, shutdown.clone()).await;
        Self {
            app,
            clock: Arc::clone(&self.clock),
            mails: self.mails.clone(),
            admin: self.admin.clone(),
            address,
            statements: Arc::clone(&self.statements),
            nanoseconds: Arc::clone(&self.nanoseconds),
            client: self.client.clone(),
            shutdown,
            files: Arc::clone(&self.files),
        }
    }

    /// Delivers all that is due, and says how many deliveries that were.
    pub(crate) async fn deliver(&self) -> usize {
        jobs::run_due(&self.app).await.unwrap()
    }

    /// Reads all calendars elsewhere that are due, and says how many looks that were.
    pub(crate) async fn sync(&self) -> usize {
        jobs::sync_due(&self.app).await.unwrap()
    }

    /// How long statements took so far.
    pub(crate) fn spent(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.nanoseconds.load(Ordering::SeqCst))
    }

    /// An API key with this profile.
    pub(crate) async fn key(&self, profile: Profile) -> String {
        credential::create_api_key(&self.app, "tests", profile).await.unwrap().key
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        self.shutdown.token.cancel();
    }
}

/// What a test may set before the server starts.
pub(crate) struct Setup {
    /// The settings.
    pub(crate) config: Config,
    /// Those of the HTTP side.
    pub(crate) http: HttpConfig,
    /// Calendars besides the built-in one.
    pub(crate) providers: Vec<Arc<dyn calendar_provider::CalendarProvider>>,
    /// Another way out for mail than memory.
    pub(crate) mailer: Option<Mailer>,
    /// Another way to find a host's addresses than the system's.
    pub(crate) resolver: Option<Arc<dyn calendar_http::Resolve>>,
}

impl Setup {
    fn new() -> Self {
        // Unoptimised, and with other tests beside it, a race of many takes longer than it would for users.
        let limits = http::Limits { timeout_seconds: 60, ..http::Limits::default() };
        let http = HttpConfig { points: None, rate_limit: None, limits, ..HttpConfig::default() };
        Self { config: config(), http, providers: Vec::new(), mailer: None, resolver: None }
    }
}

/// What sends the tests' own requests. Cryptography is there to choose, since providers bring TLS.
pub(crate) fn client() -> reqwest::Client {
    client_with(|builder| builder)
}

/// The same where each redirect is looked at.
pub(crate) fn browser() -> reqwest::Client {
    client_with(|builder| builder.redirect(reqwest::redirect::Policy::none()))
}

fn client_with(
    edit: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> reqwest::Client {
    // An error says that another test of this process has done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    edit(reqwest::Client::builder()).build().unwrap()
}

/// Requests reach fakes on this machine, and one that fails is not tried again before it is told.
pub(crate) fn http_settings() -> calendar_http::Settings {
    let network = calendar_http::Network::Any;
    calendar_http::Settings { network, attempts: 1, ..calendar_http::Settings::default() }
}

/// The defaults, with the address that mails of the tests show.
pub(crate) fn config() -> Config {
    static ONCE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ONCE.lock();
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    // Reminders come where a test wants them, or each one that lets days pass would meet some. All visitors of a test
    // are on one network, and do more than strangers may; `booking_limits` has the defaults.
    let text = "public_url = 'https://meet.example.com'\n\
        mail_from = 'Frontdesk <frontdesk@meet.example.com>'\n\
        reminders.minutes_before = []\n\
        live_chat = { open_per_mailbox = 1000, open_per_network = 1000, open_per_network_in_all = 1000 }\n\
        bookings.per_hour_and_address = 1000000\nbookings.per_day_and_address = 1000000\n\
        bookings.per_day_and_agent = 1000000\nbookings.per_hour = 1000000\n\
        bookings.open_per_mailbox = 1000000\n";
    std::fs::write(file.path(), text).unwrap();
    Config::load(Some(file.path())).unwrap()
}

async fn listen(app: &Arc<App>, config: HttpConfig, shutdown: Shutdown) -> SocketAddr {
    let connections = config.connections.clone();
    let router = router(app, config, shutdown.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(http::serve(listener, router, connections, shutdown));
    address
}

/// All that a server answers.
pub(crate) fn router(app: &Arc<App>, config: HttpConfig, shutdown: Shutdown) -> axum::Router {
    let oauth = http::oauth(Arc::clone(app), config.rate_limit, config.trusted_proxies);
    let pushes = http::pushes(Arc::clone(app), config.rate_limit, config.trusted_proxies);
    let imports = http::imports(Arc::clone(app), &config).unwrap();
    let feeds = http::feeds(Arc::clone(app), config.rate_limit, config.trusted_proxies);
    http::router(Http {
        schema: graphql::schema(Arc::clone(app)),
        identify: graphql::Identifier(Arc::clone(app)),
        price: Some(graphql::prices(app)),
        heavy: app.heavy.clone(),
        readiness: Arc::new(|| Box::pin(async { vec![] })),
        metrics: None,
        config,
        shutdown,
    })
    .unwrap()
    .merge(feeds)
    .merge(pushes)
    .merge(imports)
    .merge(http::pages())
    .merge(oauth)
}
