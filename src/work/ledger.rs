//! Callers' accounts of points: buckets that fill steadily.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use uuid::Uuid;

use super::Refused;

/// The least that an account can be set to hold, and an operation to cost. `slots` over 63 days, the first and
/// the last included, for an organisation of 5,000 agents costs 325,000 points: at any settings a visitor can
/// ask for that once.
pub const LEAST_BURST: u64 = 400_000;

/// After so many charges accounts that are full again are forgotten, so the table holds no more than these and
/// the ones that are in use.
const CHARGES_BETWEEN_SWEEPS: u32 = 4096;

/// Who pays for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// A visitor, by IPv4 address or IPv6 /64. `None` is not counted.
    Visitor(Option<IpAddr>),
    /// An agent.
    Agent(Uuid),
    /// An API key.
    Key(Uuid),
}

impl Payer {
    /// Whether it has an account: visitors of whom no address is known have none.
    pub const fn is_counted(self) -> bool {
        !matches!(self, Self::Visitor(None))
    }
}

/// How many points callers of one kind have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// Points that an account gains in a second.
    pub points_per_second: u64,
    /// Points that an account holds at most.
    pub burst: u64,
    /// Points that one operation may cost at most.
    pub points_per_operation: u64,
}

/// How many points each kind of caller has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowances {
    /// Each address without a key or token.
    pub visitors: Allowance,
    /// Each agent.
    pub agents: Allowance,
    /// Each API key.
    pub api_keys: Allowance,
}

impl Default for Allowances {
    /// As in `src/defaults.toml`.
    fn default() -> Self {
        let allowance = |points_per_second, burst, points_per_operation| Allowance {
            points_per_second,
            burst,
            points_per_operation,
        };
        Self {
            visitors: allowance(20_000, 400_000, 400_000),
            agents: allowance(50_000, 1_000_000, 1_000_000),
            api_keys: allowance(500_000, 5_000_000, 1_000_000),
        }
    }
}

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is, for people: `visitors`, `agents` or `api_keys`, as in the settings.
    pub policy: &'static str,
    /// What it holds when full.
    pub burst: u64,
    /// Seconds in which an empty one fills.
    pub window_seconds: u64,
    /// What it holds now.
    pub left: u64,
    /// Seconds until it is full.
    pub full_in_seconds: u64,
}

/// All accounts that are not full.
#[derive(Debug)]
pub struct Ledger {
    allowances: Allowances,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    open: HashMap<Payer, Account>,
    charges: u32,
}

/// What an account held at an instant; below zero where it is overdrawn.
#[derive(Clone, Copy, Debug)]
struct Account {
    points: f64,
    at: Instant,
}

impl Account {
    fn at(self, now: Instant, allowance: Allowance) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate(allowance);
        (self.points + gained).min(number(allowance.burst))
    }
}

impl Ledger {
    /// Everybody's account is full.
    pub fn new(allowances: Allowances) -> Self {
        Self { allowances, accounts: Mutex::default() }
    }

    /// Takes points from an account, for an operation that took `spent` before.
    ///
    /// # Errors
    /// Where the account does not hold them, or the operation comes to cost more than one may. Nothing is
    /// taken then.
    pub fn take(&self, payer: Payer, points: u64, spent: u64, now: Instant) -> Result<(), Refused> {
        let allowance = self.allowance(payer);
        let most = allowance.points_per_operation.min(allowance.burst);
        let asked = spent.saturating_add(points);
        if most < asked {
            return Err(Refused::TooMuch { asked, most });
        }
        if !payer.is_counted() {
            return Ok(());
        }
        self.change(payer, now, |held| {
            let left = held - number(points);
            if left < 0.0 {
                return Err(Refused::Wait { seconds: seconds(-left, allowance).max(1) });
            }
            Ok(left)
        })
    }

    /// Takes points for work that was done, as far as an account can be overdrawn: by as much as it holds
    /// when full.
    pub fn overdraw(&self, payer: Payer, points: u64, now: Instant) {
        let floor = -number(self.allowance(payer).burst);
        let taken = self.change(payer, now, |held| Ok((held - number(points)).max(floor)));
        debug_assert!(taken.is_ok(), "an account can be overdrawn");
    }

    /// Gives points back.
    pub fn give_back(&self, payer: Payer, points: u64, now: Instant) {
        let given = self.change(payer, now, |held| Ok(held + number(points)));
        debug_assert!(given.is_ok(), "an account takes what it is given");
    }

    /// How an account stands; `None` for a payer that is not counted.
    pub fn standing(&self, payer: Payer, now: Instant) -> Option<Standing> {
        if !payer.is_counted() {
            return None;
        }
        let allowance = self.allowance(payer);
        let burst = number(allowance.burst);
        let held = self.accounts().open.get(&payer).map_or(burst, |kept| kept.at(now, allowance));
        Some(Standing {
            policy: match payer {
                Payer::Visitor(_) => "visitors",
                Payer::Agent(_) => "agents",
                Payer::Key(_) => "api_keys",
            },
            burst: allowance.burst,
            window_seconds: seconds(burst, allowance),
            left: whole(held),
            full_in_seconds: seconds(burst - held, allowance),
        })
    }

    /// Whether the caller has used more than an account gains in a second.
    pub fn is_busy(&self, payer: Payer, now: Instant) -> bool {
        let allowance = self.allowance(payer);
        let accounts = self.accounts();
        let Some(kept) = accounts.open.get(&payer) else { return false };
        kept.at(now, allowance) < number(allowance.burst) - rate(allowance)
    }

    /// How many accounts are not full, or were not when they were last looked through.
    pub fn open(&self) -> usize {
        self.accounts().open.len()
    }

    fn change(
        &self,
        payer: Payer,
        now: Instant,
        change: impl FnOnce(f64) -> Result<f64, Refused>,
    ) -> Result<(), Refused> {
        if !payer.is_counted() {
            return Ok(());
        }
        let allowance = self.allowance(payer);
        let mut accounts = self.accounts();
        accounts.charges += 1;
        if accounts.charges == CHARGES_BETWEEN_SWEEPS {
            accounts.charges = 0;
            accounts.open.retain(|payer, kept| {
                let allowance = self.allowance(*payer);
                kept.at(now, allowance) < number(allowance.burst)
            });
        }
        let full = Account { points: number(allowance.burst), at: now };
        let held = accounts.open.get(&payer).copied().unwrap_or(full).at(now, allowance);
        let points = change(held)?;
        accounts.open.insert(payer, Account { points, at: now });
        Ok(())
    }

    const fn allowance(&self, payer: Payer) -> Allowance {
        match payer {
            Payer::Visitor(_) => self.allowances.visitors,
            Payer::Agent(_) => self.allowances.agents,
            Payer::Key(_) => self.allowances.api_keys,
        }
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        // What a panic left behind is still a table of accounts.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::cast_precision_loss, reason = "points are far below 2^53")]
const fn number(points: u64) -> f64 {
    points as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at least zero, and no more than a burst"
)]
fn whole(points: f64) -> u64 {
    points.max(0.0) as u64
}

fn rate(allowance: Allowance) -> f64 {
    number(allowance.points_per_second.max(1))
}

/// How long an account takes to gain so many points, in whole seconds, rounded up.
fn seconds(points: f64, allowance: Allowance) -> u64 {
    let time = Duration::from_secs_f64(points.max(0.0) / rate(allowance));
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
