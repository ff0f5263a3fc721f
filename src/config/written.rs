//! The settings as they are written, and whether they can be used.

use std::fmt;
use std::net::SocketAddr;

use lettre::message::Mailbox;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::proof::WrittenProof;
use super::{
    Bookings, CalendarSettings, Config, ConfigError, Connections, DatabaseUrl, Delivery, Hidden,
    Limits, LiveChat, LogFormat, Reminders, Sync, problem,
};
use crate::work::{Allowance, LEAST_BURST};

/// Most points of any kind.
const MOST_POINTS: u64 = 1_000_000_000;
/// Most reminders of one meeting.
const MOST_REMINDERS: usize = 5;

/// The settings, as written: see `src/defaults.toml` for what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    listen: String,
    public_url: Option<String>,
    manage_url: Option<String>,
    confirm_url: Option<String>,
    database_url: String,
    database_connections: u32,
    mail_url: String,
    mail_from: String,
    secret_key: Option<String>,
    cors_origins: List,
    return_urls: List,
    push_url: Option<String>,
    push_contact: Option<String>,
    allow_private_addresses: bool,
    trusted_proxies: u8,
    default_locale: String,
    log_format: LogFormat,
    meeting_fallback: String,
    limits: Limits,
    connections: Connections,
    delivery: Delivery,
    sync: Sync,
    reminders: WrittenReminders,
    live_chat: LiveChat,
    bookings: Bookings,
    proof: WrittenProof,
    #[serde(default)]
    calendars: CalendarSettings,
}

/// When visitors are reminded of their meetings, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenReminders {
    minutes_before: Numbers,
}

impl Written {
    pub(super) fn check(self) -> Result<Config, ConfigError> {
        let listen: SocketAddr = self.listen.parse().map_err(|_| {
            problem("listen", &self.listen, "must be an IP address and port, e.g. 127.0.0.1:8080")
        })?;
        let public_url = match self.public_url {
            Some(text) => http_url("public_url", &text)?,
            None => http_url("public_url", &format!("http://{listen}"))?,
        };
        let manage_url = page_url("manage_url", self.manage_url.as_deref(), &public_url, "manage")?;
        let confirm_url =
            page_url("confirm_url", self.confirm_url.as_deref(), &public_url, "confirm")?;
        let mail_from: Mailbox = self.mail_from.parse().map_err(|_| {
            let allowed = "must be a mailbox, e.g. Frontdesk <frontdesk@example.com>";
            problem("mail_from", &self.mail_from, allowed)
        })?;
        if self.default_locale.parse::<unic_langid::LanguageIdentifier>().is_err() {
            let allowed = "must be a BCP 47 language tag, e.g. en or fr-CA";
            return Err(problem("default_locale", &self.default_locale, allowed));
        }
        crate::mail::Mailer::from_url(&self.mail_url)
            .map_err(|error| problem("mail_url", Hidden, error))?;
        for origin in &self.cors_origins.0 {
            check_origin(origin)?;
        }
        let return_urls = self.return_urls.0.iter().map(|url| http_url("return_urls", url));
        let return_urls = return_urls.collect::<Result<_, _>>()?;
        let push_url = match self.push_url {
            Some(text) => Some(http_url("push_url", &text)?),
            None => Some(public_url.clone()).filter(|url| url.scheme() == "https"),
        };
        let push_contact = match self.push_contact {
            Some(text) => contact("push_contact", &text)?,
            None => contact("mail_from", &format!("mailto:{}", mail_from.email))?,
        };
        between("database_connections", self.database_connections, 1..=1000)?;
        let config = Config {
            listen,
            public_url,
            manage_url,
            confirm_url,
            database_url: DatabaseUrl::parse(self.database_url)?,
            database_connections: self.database_connections,
            mail_url: self.mail_url.into(),
            mail_from,
            secret_key: self.secret_key.map(SecretString::from),
            cors_origins: self.cors_origins.0,
            return_urls,
            push_url,
            push_contact,
            allow_private_addresses: self.allow_private_addresses,
            trusted_proxies: self.trusted_proxies,
            default_locale: self.default_locale,
            log_format: self.log_format,
            meeting_fallback: self.meeting_fallback,
            connections: self.connections.check(self.limits.answer_bytes)?,
            limits: self.limits.check()?,
            delivery: self.delivery.check()?,
            sync: self.sync.check()?,
            reminders: self.reminders.check()?,
            live_chat: self.live_chat.check()?,
            bookings: self.bookings.check()?,
            proof: self.proof.check()?,
            calendars: self.calendars,
        };
        if let Some(key) = &config.secret_key {
            crate::secrets::Secrets::from_base64(key)
                .map_err(|_| problem("secret_key", Hidden, "must be 32 bytes in base64"))?;
        } else if !config.database_url.is_sqlite() {
            let allowed = "must be given with PostgreSQL: 32 bytes in base64, e.g. from \
                `openssl rand -base64 32`";
            return Err(problem("secret_key", "missing", allowed));
        }
        Ok(config)
    }
}

impl Limits {
    fn check(self) -> Result<Self, ConfigError> {
        self.refuse_former_names()?;
        check_allowance("visitors", self.visitors)?;
        check_allowance("agents", self.agents)?;
        check_allowance("api_keys", self.api_keys)?;
        between("limits.mails_per_hour", self.mails_per_hour, 1..=1_000_000)?;
        between("limits.live_chats_per_hour", self.live_chats_per_hour, 1..=1_000_000)?;
        let staleness = self.calendar_staleness_minutes;
        between("limits.calendar_staleness_minutes", staleness, 1..=10_080)?;
        between("limits.provider_timeout_seconds", self.provider_timeout_seconds, 1..=60)?;
        between("limits.answer_bytes", self.answer_bytes, 65_536..=268_435_456)?;
        Ok(self)
    }
}

impl Connections {
    fn check(self, answer_bytes: usize) -> Result<Self, ConfigError> {
        between("connections.total", self.total, 1..=1_000_000)?;
        between("connections.per_address", self.per_address, 1..=1_000_000)?;
        between("connections.stalled_seconds", self.stalled_seconds, 1..=3600)?;
        // An address has a quarter of it, and the largest answer must fit.
        let least = answer_bytes.max(1024 * 1024);
        between("connections.buffer_bytes", self.buffer_bytes, least..=1 << 30)?;
        let least = self.buffer_bytes * 4;
        between("connections.all_buffer_bytes", self.all_buffer_bytes, least..=1 << 40)?;
        Ok(self)
    }
}

impl Limits {
    /// Requests are counted by what they cost now.
    fn refuse_former_names(&self) -> Result<(), ConfigError> {
        let former = [
            ("limits.requests_per_second", self.requests_per_second.is_some(), "points_per_second"),
            ("limits.request_burst", self.request_burst.is_some(), "burst"),
        ];
        for (key, is_given, successor) in former {
            if is_given {
                let allowed = format!(
                    "its place was taken by limits.visitors.{successor}; a small query costs some \
                     500 points"
                );
                return Err(problem(key, "no setting any more", allowed));
            }
        }
        Ok(())
    }
}

/// Whatever is set, one `slots` over 62 days for 5,000 agents stays within reach.
fn check_allowance(of: &str, allowance: Allowance) -> Result<(), ConfigError> {
    let key = |name: &str| format!("limits.{of}.{name}");
    between(&key("points_per_second"), allowance.points_per_second, 1..=MOST_POINTS)?;
    between(&key("burst"), allowance.burst, LEAST_BURST..=MOST_POINTS)?;
    let most = allowance.points_per_operation;
    between(&key("points_per_operation"), most, LEAST_BURST..=MOST_POINTS)
}

impl Delivery {
    fn check(self) -> Result<Self, ConfigError> {
        between("delivery.give_up_after_minutes", self.give_up_after_minutes, 1..=43_200)?;
        between("delivery.first_retry_seconds", self.first_retry_seconds, 1..=3600)?;
        between("delivery.longest_retry_minutes", self.longest_retry_minutes, 1..=1440)?;
        between("delivery.conference_wait_seconds", self.conference_wait_seconds, 0..=3600)?;
        // A try has three quarters of it; with less than this, slow servers would never be heard out.
        between("delivery.lease_seconds", self.lease_seconds, 3..=3600)?;
        // One place for webhooks, one for push services, and one that neither can take.
        between("delivery.concurrency", self.concurrency, 3..=1000)?;
        between("delivery.poll_milliseconds", self.poll_milliseconds, 10..=60_000)?;
        Ok(self)
    }
}

impl Sync {
    fn check(self) -> Result<Self, ConfigError> {
        between("sync.poll_seconds", self.poll_seconds, 5..=86_400)?;
        between("sync.pushed_poll_seconds", self.pushed_poll_seconds, 5..=86_400)?;
        between("sync.concurrency", self.concurrency, 1..=1000)?;
        between("sync.lease_seconds", self.lease_seconds, 10..=3600)?;
        Ok(self)
    }
}

impl WrittenReminders {
    fn check(self) -> Result<Reminders, ConfigError> {
        let key = "reminders.minutes_before";
        let mut minutes_before = self.minutes_before.read(key)?;
        for minutes in &minutes_before {
            between(key, *minutes, 5..=10_080)?;
        }
        minutes_before.sort_unstable_by(|a, b| b.cmp(a));
        minutes_before.dedup();
        if MOST_REMINDERS < minutes_before.len() {
            let allowed = format!("must be at most {MOST_REMINDERS} numbers");
            return Err(problem(key, format!("{} numbers", minutes_before.len()), allowed));
        }
        Ok(Reminders { minutes_before })
    }
}

impl LiveChat {
    fn check(self) -> Result<Self, ConfigError> {
        between("live_chat.offer_seconds", self.offer_seconds, 5..=3600)?;
        between("live_chat.wait_minutes", self.wait_minutes, 1..=1440)?;
        between("live_chat.open_per_mailbox", self.open_per_mailbox, 1..=1_000)?;
        between("live_chat.open_per_network", self.open_per_network, 1..=1_000)?;
        let in_all = self.open_per_network_in_all;
        between("live_chat.open_per_network_in_all", in_all, 1..=1_000)?;
        between("live_chat.idle_minutes", self.idle_minutes, 1..=1440)?;
        Ok(self)
    }
}

/// A list, or text with commas between: variables have no lists.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "ListOrText")]
pub(super) struct List(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum ListOrText {
    List(Vec<String>),
    Text(String),
}

impl From<ListOrText> for List {
    fn from(either: ListOrText) -> Self {
        match either {
            ListOrText::List(list) => Self(list),
            ListOrText::Text(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Self(items.map(str::to_owned).collect())
            }
        }
    }
}

/// A list of numbers, one alone, or text with commas between.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Numbers {
    List(Vec<u32>),
    One(u32),
    Text(String),
}

impl Numbers {
    fn read(self, key: &str) -> Result<Vec<u32>, ConfigError> {
        match self {
            Self::List(list) => Ok(list),
            Self::One(number) => Ok(vec![number]),
            Self::Text(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let numbers = items.map(str::parse).collect::<Result<_, _>>();
                numbers.map_err(|_| problem(key, &text, "must be numbers with commas between"))
            }
        }
    }
}

pub(super) fn http_url(key: &str, text: &str) -> Result<Url, ConfigError> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(problem(key, text, "must be an absolute http or https URL")),
    }
}

/// The address of a page: the one given, or our own.
fn page_url(
    key: &str,
    given: Option<&str>,
    public_url: &Url,
    page: &str,
) -> Result<Url, ConfigError> {
    if let Some(text) = given {
        return http_url(key, text);
    }
    let mut url = public_url.clone();
    crate::service::push_path(&mut url, &[page]);
    Ok(url)
}

/// A contact as RFC 8292, section 2.1, wants it.
fn contact(key: &str, text: &str) -> Result<Url, ConfigError> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "mailto" && url.path().contains('@') => Ok(url),
        Ok(url) if url.scheme() == "https" => Ok(url),
        _ => Err(problem(key, text, "must be mailto:ADDRESS or an https URL")),
    }
}

fn check_origin(origin: &str) -> Result<(), ConfigError> {
    let exact = Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == origin);
    if origin == "*" || exact {
        return Ok(());
    }
    let allowed = "must be origins with commas between, e.g. https://www.example.com, or *";
    Err(problem("cors_origins", origin, allowed))
}

pub(super) fn between<T: PartialOrd + fmt::Display>(
    key: &str,
    value: T,
    allowed: std::ops::RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let allowed = format!("must be {} to {}", allowed.start(), allowed.end());
    Err(problem(key, value, allowed))
}
