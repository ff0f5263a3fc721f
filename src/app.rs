//! What a process holds: everything that a request or a delivery needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use calendar_http::HttpClient;
use calendar_provider::CalendarProvider;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;
use tokio::sync::{Notify, OnceCell};
use uuid::Uuid;

use crate::clock::Clock;
use crate::cluster::presence::Presence;
use crate::config::Config;
use crate::ids::IdSource;
use crate::mail::Mailer;
use crate::secrets::Secrets;
use crate::service::changes::Changes;
use crate::service::live_chat::Lines;
use crate::service::proof::{self, Verifier};
use crate::service::push::Vapid;
use crate::service::routing_rule::SnapshotCache;
use crate::service::schedule::ScheduleCache;
use crate::service::shared_reads::SharedReads;
use crate::store::agent::Candidate;
use crate::store::credential::{agent_token, api_key};
use crate::store::{agent, booking};
use crate::work::Heavy;

/// What a process holds. Cheap to share behind an [`Arc`].
pub struct App {
    /// Names this process among those on the database.
    pub process: Uuid,
    /// The database.
    pub db: DatabaseConnection,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and secrets.
    pub ids: Arc<dyn IdSource>,
    /// The key at work.
    pub secrets: Secrets,
    /// The calendars that agents can connect, by key.
    pub providers: Providers,
    /// How requests leave, to addresses that the operator gave.
    pub http: HttpClient,
    /// How mail leaves.
    pub mailer: Mailer,
    /// What checks visitors' proofs that they are no program; none where it is off.
    pub verifier: Option<Arc<dyn Verifier>>,
    /// The settings.
    pub config: Config,
    /// What agents' schedules were when last read.
    pub schedules: ScheduleCache,
    /// Reads of who could take a meeting, shared by requests.
    pub candidates: SharedReads<Option<Vec<Uuid>>, Candidate>,
    /// Reads of API keys by their hash, shared by requests.
    pub api_keys: SharedReads<Vec<u8>, api_key::Model>,
    /// Reads of API keys, agents and bookings by their ID, shared by whoever hears of one change.
    pub by_id: SharedById,
    /// Reads of agents' tokens by their hash, shared by requests.
    pub agent_tokens: SharedReads<Vec<u8>, agent_token::InForce>,
    /// How many agents took meetings when all were last read: an estimate of what the next read costs.
    pub agents_seen: AtomicU64,
    /// Threads for heavy work.
    pub heavy: Heavy,
    /// How often what routing goes by has changed, read for many requests at once.
    pub routing_revision: SharedReads<(), i64>,
    /// Rules and teams, as they were when last read.
    pub routing: SnapshotCache,
    /// Who listens to changes.
    pub changes: Changes,
    /// Which agents are in the app through this process.
    pub presence: Presence,
    /// What push services know this server by, once it was asked for: see
    /// [`push::vapid`](crate::service::push::vapid).
    pub vapid: OnceCell<Vapid>,
    /// Tells this process's worker that there is something to deliver.
    pub wake: Notify,
    /// Tells this process's worker that there is a calendar to look at.
    pub wake_sync: Notify,
    /// Live-chat requests of this process that wait for their turn.
    pub live_chat_lines: Lines,
}

/// Reads of rows by their ID, shared by requests and subscriptions.
#[derive(Default)]
pub struct SharedById {
    /// API keys.
    pub(crate) api_keys: SharedReads<Uuid, api_key::Model>,
    /// Agents.
    pub(crate) agents: SharedReads<Uuid, agent::Model>,
    /// Bookings.
    pub(crate) bookings: SharedReads<Uuid, booking::Model>,
}

/// The calendars that agents can connect, by key.
pub type Providers = BTreeMap<String, Arc<dyn CalendarProvider>>;

/// What [`App::new`] is given.
pub struct Parts {
    /// See [`App::db`].
    pub db: DatabaseConnection,
    /// See [`App::clock`].
    pub clock: Arc<dyn Clock>,
    /// See [`App::ids`].
    pub ids: Arc<dyn IdSource>,
    /// See [`App::secrets`].
    pub secrets: Secrets,
    /// In any order.
    pub providers: Vec<Arc<dyn CalendarProvider>>,
    /// See [`App::http`].
    pub http: HttpClient,
    /// See [`App::mailer`].
    pub mailer: Mailer,
    /// See [`App::config`].
    pub config: Config,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let by_key = |provider: Arc<dyn CalendarProvider>| (provider.about().id.clone(), provider);
        Self {
            process: parts.ids.uuid(parts.clock.now()),
            heavy: Heavy::new(crate::store::heavy_at_once(&parts.db)),
            agents_seen: AtomicU64::new(0),
            db: parts.db,
            clock: parts.clock,
            ids: parts.ids,
            secrets: parts.secrets,
            providers: parts.providers.into_iter().map(by_key).collect(),
            http: parts.http,
            mailer: parts.mailer,
            verifier: proof::verifier(&parts.config.proof),
            config: parts.config,
            schedules: ScheduleCache::default(),
            candidates: SharedReads::default(),
            api_keys: SharedReads::default(),
            by_id: SharedById::default(),
            agent_tokens: SharedReads::default(),
            routing_revision: SharedReads::default(),
            routing: SnapshotCache::default(),
            changes: Changes::default(),
            presence: Presence::default(),
            vapid: OnceCell::new(),
            wake: Notify::new(),
            wake_sync: Notify::new(),
            live_chat_lines: Lines::default(),
        }
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// How many agents took meetings when all were last read.
    pub fn agents_seen(&self) -> u64 {
        self.agents_seen.load(Ordering::Relaxed)
    }

    /// A new identifier.
    pub fn uuid(&self) -> Uuid {
        self.ids.uuid(self.clock.now())
    }
}
