//! The settings: committed defaults, then a TOML file, then `FRONTDESK_*` variables.

mod bookings;
mod kubernetes;
mod proof;
mod written;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use figment::value::Dict;
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

pub use bookings::Bookings;
pub use proof::{Proof, VerifierKind};

use crate::work::{Allowance, Allowances};
use written::Written;

const DEFAULTS: &str = include_str!("defaults.toml");

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The address that visitors reach it by: links in mails begin with it.
    pub public_url: Url,
    /// The page where visitors see, move and cancel a booking; `token` is added to its query.
    pub manage_url: Url,
    /// The page where visitors confirm a booking; `token` is added to its query.
    pub confirm_url: Url,
    /// Which database.
    pub database_url: DatabaseUrl,
    /// Most connections to it.
    pub database_connections: u32,
    /// How mail leaves, as a URL that may hold a password.
    pub mail_url: SecretString,
    /// Who mail comes from.
    pub mail_from: Mailbox,
    /// 32 bytes in base64; none: kept beside the SQLite file.
    pub secret_key: Option<SecretString>,
    /// Origins that may call from a browser.
    pub cors_origins: Vec<String>,
    /// Where agents' browsers may be sent after connecting a calendar: addresses that begin so.
    pub return_urls: Vec<Url>,
    /// What the addresses begin with that calendars call when something changed; none: they are not
    /// asked to.
    pub push_url: Option<Url>,
    /// Whom push services may turn to, `mailto:` or https.
    pub push_contact: Url,
    /// Whether addresses that agents give may be of this machine or its network.
    pub allow_private_addresses: bool,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: u8,
    /// BCP 47.
    pub default_locale: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What visitors are told where there is nothing to book.
    pub meeting_fallback: String,
    /// What callers may ask for.
    pub limits: Limits,
    /// How many connections there may be, and what each may hold.
    pub connections: Connections,
    /// How the worker delivers.
    pub delivery: Delivery,
    /// How calendars elsewhere are read.
    pub sync: Sync,
    /// When visitors are reminded of their meetings.
    pub reminders: Reminders,
    /// How long live chats wait.
    pub live_chat: LiveChat,
    /// How much callers without a key may book.
    pub bookings: Bookings,
    /// How visitors prove that they are no program.
    pub proof: Proof,
    /// What each calendar provider is told, by its key.
    pub calendars: CalendarSettings,
}

/// What callers may ask for. See `src/defaults.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said where the values stand")]
pub struct Limits {
    pub visitors: Allowance,
    pub agents: Allowance,
    pub api_keys: Allowance,
    pub mails_per_hour: i32,
    pub live_chats_per_hour: i32,
    pub calendar_staleness_minutes: u32,
    pub provider_timeout_seconds: u32,
    pub answer_bytes: usize,
    /// Names of earlier versions, to say what took their place.
    #[serde(default)]
    requests_per_second: Option<IgnoredAny>,
    #[serde(default)]
    request_burst: Option<IgnoredAny>,
}

impl Limits {
    /// How many points each kind of caller has.
    pub const fn points(&self) -> Allowances {
        let Self { visitors, agents, api_keys, .. } = *self;
        Allowances { visitors, agents, api_keys }
    }
}

/// How many connections there may be, and what each may hold. See `src/defaults.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said where the values stand")]
pub struct Connections {
    pub total: usize,
    pub per_address: usize,
    pub buffer_bytes: usize,
    pub all_buffer_bytes: usize,
    pub stalled_seconds: u64,
}

/// How the worker delivers. See `src/defaults.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said where the values stand")]
pub struct Delivery {
    pub give_up_after_minutes: u32,
    pub first_retry_seconds: u32,
    pub longest_retry_minutes: u32,
    pub conference_wait_seconds: u32,
    pub lease_seconds: u32,
    pub concurrency: u32,
    pub poll_milliseconds: u32,
}

/// How calendars elsewhere are read. See `src/defaults.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said where the values stand")]
pub struct Sync {
    pub poll_seconds: u32,
    pub pushed_poll_seconds: u32,
    pub concurrency: u32,
    pub lease_seconds: u32,
}

/// When visitors are reminded of their meetings.
#[derive(Clone, Debug)]
pub struct Reminders {
    /// How long before the start, each different, the longest first.
    pub minutes_before: Vec<u32>,
}

/// How long live chats wait. See `src/defaults.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said where the values stand")]
pub struct LiveChat {
    pub offer_seconds: u32,
    pub wait_minutes: u32,
    pub idle_minutes: u32,
    pub open_per_mailbox: u32,
    pub open_per_network: u32,
    pub open_per_network_in_all: u32,
}

/// What each calendar provider is told, by its key. Never shown: there are secrets among it.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct CalendarSettings(BTreeMap<String, Dict>);

impl CalendarSettings {
    /// What the provider with this key is told; what it takes where nothing is said.
    ///
    /// # Errors
    /// A key that the provider does not know, or a value that it can't use.
    pub fn of<T: DeserializeOwned + Default>(&self, provider: &str) -> Result<T, ConfigError> {
        let Some(settings) = self.0.get(provider) else { return Ok(T::default()) };
        let figment = Figment::from(figment::providers::Serialized::defaults(settings));
        figment.extract().map_err(|error| {
            // The value is not shown: it may be a secret.
            let key = format!("calendars.{provider}.{}", error.path.join("."));
            problem(key.trim_end_matches('.'), Hidden, error.kind)
        })
    }

    /// Whether the provider with this key is told `setting`.
    pub fn has(&self, provider: &str, setting: &str) -> bool {
        self.0.get(provider).is_some_and(|told| told.contains_key(setting))
    }

    /// The providers that are told something.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for CalendarSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys =
            self.0.iter().map(|(provider, told)| (provider, told.keys().collect::<Vec<_>>()));
        f.debug_map().entries(keys).finish()
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The address of a database, with its password if it has one: never shown.
#[derive(Clone)]
pub struct DatabaseUrl(SecretString);

/// A setting that can't be used: which, what it was, and what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{key} is {value}: {allowed}")]
pub struct ConfigError {
    key: String,
    value: String,
    allowed: String,
}

impl Config {
    /// Reads the defaults, then `file`, then the variables.
    ///
    /// # Errors
    /// The first key that is unknown or has a value that can't be used.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(path) = file {
            if !path.is_file() {
                return Err(problem("--config", path.display(), "must name a readable TOML file"));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        let figment = figment.merge(variables());
        figment.extract::<Written>().map_err(|error| unreadable(&figment, error))?.check()
    }

    /// Where the key is kept when it is not given: beside the SQLite file.
    pub fn secret_key_file(&self) -> Option<PathBuf> {
        let path = self.database_url.sqlite_file()?;
        Some(path.with_extension("key"))
    }
}

impl DatabaseUrl {
    fn parse(text: String) -> Result<Self, ConfigError> {
        let known = ["sqlite://", "postgres://", "postgresql://"];
        // A database in memory would be another one for each connection.
        let in_memory = text.starts_with("sqlite://")
            && (text.contains(":memory:") || text.contains("mode=memory"));
        let is_known =
            known.iter().any(|scheme| text.starts_with(scheme) && scheme.len() < text.len());
        if is_known && !in_memory {
            return Ok(Self(text.into()));
        }
        Err(problem("database_url", Hidden, "must be sqlite://FILE or postgres://…"))
    }

    /// The address itself.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether it is SQLite's.
    pub fn is_sqlite(&self) -> bool {
        self.expose().starts_with("sqlite:")
    }

    /// The file, where it is SQLite's.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let rest = self.expose().strip_prefix("sqlite://")?;
        Some(PathBuf::from(rest.split('?').next().unwrap_or(rest)))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_sqlite() { self.expose() } else { "postgres://…" })
    }
}

/// `FRONTDESK_LOG` is the log filter's, `FRONTDESK_TEST_…` the test suite's, and Kubernetes generates some
/// for Services; the rest are settings.
fn variables() -> Env {
    let setting = |key: &figment::value::UncasedStr| {
        key != "log" && !key.starts_with("test_") && !is_of_kubernetes(key.as_str())
    };
    Env::prefixed("FRONTDESK_").filter(setting).split("__")
}

/// Kubernetes writes its variables in capitals, so one that is written otherwise is somebody's own.
fn is_of_kubernetes(key: &str) -> bool {
    let value = std::env::var(format!("FRONTDESK_{}", key.to_ascii_uppercase()));
    value.is_ok_and(|value| kubernetes::is_generated(key, &value))
}

/// Stands for a value that may hold a password.
struct Hidden;

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

pub(crate) fn problem(
    key: &str,
    value: impl fmt::Display,
    allowed: impl fmt::Display,
) -> ConfigError {
    let key = match key.strip_prefix("--") {
        Some(_) => key.to_owned(),
        None => format!("{key} (FRONTDESK_{})", key.to_uppercase().replace('.', "__")),
    };
    ConfigError { key, value: value.to_string(), allowed: allowed.to_string() }
}

/// What figment could not read, in one line.
fn unreadable(figment: &Figment, error: figment::Error) -> ConfigError {
    let secret = ["secret_key", "database_url", "mail_url", "proof.secret"];
    let first = error.into_iter().next();
    let Some(error) = first else { return problem("settings", "unreadable", "unknown cause") };
    let key = error.path.join(".");
    let value = match figment.find_value(&key) {
        Ok(_) if secret.contains(&key.as_str()) => Hidden.to_string(),
        Ok(value) => value.into_string().unwrap_or_else(|| "not of the right kind".to_owned()),
        Err(_) => "not a setting".to_owned(),
    };
    match &error.kind {
        figment::error::Kind::UnknownField(name, known) => {
            let allowed = format!("unknown key; known are {}", known.join(", "));
            let path = match key.as_str() {
                "" => name.clone(),
                whole if whole.split('.').next_back() == Some(name.as_str()) => key,
                table => format!("{table}.{name}"),
            };
            // The value is not shown: it may be a secret whose key was misspelt.
            problem(&path, "set", allowed)
        }
        kind if key.is_empty() => {
            // No one key is at fault: the file is no TOML.
            let source = error.metadata.as_ref().and_then(|metadata| metadata.source.as_ref());
            let file = source.map_or("(unknown)".to_owned(), ToString::to_string);
            problem("--config", file, format!("must be TOML: {kind}"))
        }
        kind => problem(&key, value, kind),
    }
}
