//! A rate limit for each address, for callers that show no key.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use serde::Deserialize;

use super::client::Client;

/// After so many checks the addresses that are back at their full quota are forgotten, so the
/// table holds no more than these and the ones being limited.
const CHECKS_BETWEEN_SWEEPS: u32 = 4096;

/// How often one address may ask without a key, by GCRA: a bucket that refills steadily.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Operations a second, in the long run.
    pub per_second: NonZeroU32,
    /// Operations at once, after a pause. A batch counts each of its operations.
    pub burst: NonZeroU32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            per_second: const { NonZeroU32::new(20).expect("20 is not zero") },
            burst: const { NonZeroU32::new(100).expect("100 is not zero") },
        }
    }
}

/// The addresses seen lately and what they may still ask.
#[derive(Debug)]
pub(crate) struct Limiter {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    checks: AtomicU32,
}

impl Limiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
        Self { addresses: RateLimiter::keyed(quota), checks: AtomicU32::new(0) }
    }

    /// Takes `operations` from the address's quota.
    ///
    /// # Errors
    /// The time to wait, at least one second, when the quota does not hold them.
    pub(crate) fn take(&self, client: Client, operations: NonZeroU32) -> Result<(), Duration> {
        let Some(network) = client.network() else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN_SWEEPS
            == CHECKS_BETWEEN_SWEEPS - 1
        {
            self.addresses.retain_recent();
        }
        match self.addresses.check_key_n(&network, operations) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => {
                Err(until.wait_time_from(DefaultClock::default().now()).max(Duration::from_secs(1)))
            }
            // More at once than the bucket ever holds: it won't fit later either.
            Err(_) => Err(Duration::from_secs(1)),
        }
    }

    #[cfg(test)]
    pub(crate) fn known(&self) -> usize {
        self.addresses.len()
    }
}

/// A limit that only bad calls count against: whoever has used it up is refused for a while, whatever it
/// calls for.
#[derive(Debug)]
pub(crate) struct Strikes {
    limiter: Limiter,
    /// Addresses that have used it up, and until when: a bucket can't be looked into.
    out: Mutex<HashMap<IpAddr, Instant>>,
}

impl Strikes {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limiter: Limiter::new(limit), out: Mutex::default() }
    }

    /// Counts a bad call.
    pub(crate) fn count(&self, client: Client) {
        let Some(network) = client.network() else { return };
        let Err(wait) = self.limiter.take(client, NonZeroU32::MIN) else { return };
        let now = Instant::now();
        let mut out = self.out();
        out.retain(|_, until| now < *until);
        out.insert(network, now + wait);
    }

    /// How long an address is refused from now on.
    pub(crate) fn wait(&self, client: Client) -> Option<Duration> {
        let until = self.out().get(&client.network()?).copied()?;
        until.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }

    fn out(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        // What a panic left behind is still a table of instants.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(burst: u32) -> Limiter {
        let number = |number| NonZeroU32::new(number).unwrap();
        Limiter::new(RateLimit { per_second: number(1), burst: number(burst) })
    }

    fn address(text: &str) -> Client {
        Client::at(text.parse().unwrap())
    }

    #[test]
    fn a_burst_is_allowed_and_no_more() {
        let (limiter, one) = (limiter(3), NonZeroU32::MIN);
        for _ in 0..3 {
            assert_eq!(limiter.take(address("192.0.2.1"), one), Ok(()));
        }
        assert!(limiter.take(address("192.0.2.1"), one).is_err());
        assert_eq!(limiter.take(address("192.0.2.2"), one), Ok(()));
    }

    #[test]
    fn a_batch_counts_each_operation() {
        let limiter = limiter(3);
        assert!(limiter.take(address("192.0.2.1"), NonZeroU32::new(4).unwrap()).is_err());
        assert_eq!(limiter.take(address("192.0.2.1"), NonZeroU32::new(3).unwrap()), Ok(()));
        assert!(limiter.take(address("192.0.2.1"), NonZeroU32::MIN).is_err());
    }

    #[test]
    fn addresses_at_full_quota_are_forgotten() {
        let often = NonZeroU32::new(1_000_000_000).unwrap();
        let limit = RateLimit { per_second: often, burst: NonZeroU32::MIN };
        let limiter = Limiter::new(limit);
        for number in 0..3 * CHECKS_BETWEEN_SWEEPS {
            let _ = limiter.take(Client::at(IpAddr::from(number.to_be_bytes())), NonZeroU32::MIN);
        }
        assert!(limiter.known() <= CHECKS_BETWEEN_SWEEPS as usize, "{} known", limiter.known());
    }
}
