//! Identifiers and random secrets, passed in.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Makes identifiers and secrets. [`RandomIds`] asks the operating system; tests count.
pub trait IdSource: Send + Sync + 'static {
    /// A new identifier, UUID version 7 (RFC 9562, section 5.7), ordered by `now`.
    fn uuid(&self, now: DateTime<Utc>) -> Uuid;

    /// 32 bytes that nobody can guess, for keys and tokens.
    fn secret(&self) -> [u8; 32];
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn uuid(&self, now: DateTime<Utc>) -> Uuid {
        let mut random = [0; 10];
        fill(&mut random);
        uuid_v7(now, &random)
    }

    fn secret(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        fill(&mut bytes);
        bytes
    }
}

/// Identifiers in a fixed order, for tests and benchmarks: never for a server.
#[derive(Debug, Default)]
pub struct CountingIds(AtomicU64);

impl IdSource for CountingIds {
    fn uuid(&self, now: DateTime<Utc>) -> Uuid {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        uuid_v7(now, &random)
    }

    fn secret(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes
    }
}

fn uuid_v7(now: DateTime<Utc>, random: &[u8; 10]) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid()
}

/// Fills `bytes` from the operating system. A machine that has no randomness to give must not
/// hand out guessable keys, so this stops the process.
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).unwrap_or_else(|error| panic!("no randomness to be had: {error}"));
}

/// A kind of thing that callers name by a global ID: its prefix, then the UUID's 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix(&'static str);

/// IDs of agents.
pub const AGENT: Prefix = Prefix("agt");
/// IDs of bookings.
pub const BOOKING: Prefix = Prefix("bkg");
/// IDs of calendar connections.
pub const CALENDAR: Prefix = Prefix("cal");
/// IDs of date overrides.
pub const DATE_OVERRIDE: Prefix = Prefix("ovr");
/// IDs of deliveries.
pub const DELIVERY: Prefix = Prefix("dlv");
/// IDs of busy times.
pub const BUSY_TIME: Prefix = Prefix("bsy");
/// IDs of API keys.
pub const API_KEY: Prefix = Prefix("key");
/// IDs of accounts.
pub const ACCOUNT: Prefix = Prefix("acc");
/// IDs of teams.
pub const TEAM: Prefix = Prefix("tea");
/// IDs of routing rules.
pub const ROUTING_RULE: Prefix = Prefix("rul");
/// IDs of live-chat requests.
pub const LIVE_CHAT_REQUEST: Prefix = Prefix("cht");
/// IDs of live-chat offers.
pub const LIVE_CHAT_OFFER: Prefix = Prefix("off");
/// IDs of push registrations.
pub const PUSH_REGISTRATION: Prefix = Prefix("psh");
/// IDs of blocked mailboxes and domains.
pub const BLOCKED_VISITOR: Prefix = Prefix("blk");
/// IDs of webhooks.
pub const WEBHOOK: Prefix = Prefix("whk");

impl Prefix {
    /// The global ID of `id`.
    pub fn format(self, id: Uuid) -> String {
        format!("{}_{}", self.0, id.simple())
    }

    /// The UUID in a global ID of this kind, in the one form that [`Self::format`] gives it.
    pub fn parse(self, text: &str) -> Option<Uuid> {
        let digits = text.strip_prefix(self.0)?.strip_prefix('_')?;
        let id = Uuid::try_parse(digits).ok()?;
        (self.format(id) == text).then_some(id)
    }
}
