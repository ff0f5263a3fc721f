//! The settings of bookings by callers without a key.

use serde::Deserialize;

use super::ConfigError;
use super::written::between;

/// How much callers without a key may book. See `src/defaults.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said where the values stand")]
pub struct Bookings {
    pub per_hour_and_address: u32,
    pub per_day_and_address: u32,
    pub open_per_mailbox: u32,
    pub per_day_and_agent: u32,
    pub per_hour: u32,
    pub per_hour_for_each_agent: u32,
    pub confirm_by_email: bool,
    pub unconfirmed_per_address: u32,
}

impl Bookings {
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        let most = 1_000_000;
        between("bookings.per_hour_and_address", self.per_hour_and_address, 0..=most)?;
        between("bookings.per_day_and_address", self.per_day_and_address, 0..=most)?;
        between("bookings.open_per_mailbox", self.open_per_mailbox, 1..=most)?;
        between("bookings.per_day_and_agent", self.per_day_and_agent, 0..=most)?;
        between("bookings.per_hour", self.per_hour, 0..=most)?;
        between("bookings.per_hour_for_each_agent", self.per_hour_for_each_agent, 0..=most)?;
        between("bookings.unconfirmed_per_address", self.unconfirmed_per_address, 1..=most)?;
        Ok(self)
    }
}
