//! A rate limit for each address, for callers that show no key.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, request::Parts},
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use serde::Deserialize;

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
    pub(crate) fn take(&self, client: IpAddr, operations: NonZeroU32) -> Result<(), Duration> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN_SWEEPS
            == CHECKS_BETWEEN_SWEEPS - 1
        {
            self.addresses.retain_recent();
        }
        match self.addresses.check_key_n(&network(client), operations) {
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
    pub(crate) fn count(&self, client: IpAddr) {
        let Err(wait) = self.limiter.take(client, NonZeroU32::MIN) else { return };
        let now = Instant::now();
        let mut out = self.out();
        out.retain(|_, until| now < *until);
        out.insert(network(client), now + wait);
    }

    /// How long an address is refused from now on.
    pub(crate) fn wait(&self, client: IpAddr) -> Option<Duration> {
        let until = self.out().get(&network(client)).copied()?;
        until.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }

    fn out(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        // What a panic left behind is still a table of instants.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one subscriber holds: an IPv4 address, or the /64 that IPv6 hands out (RFC 6177).
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address => address,
    }
}

/// The caller's address: the socket's, unless `trusted_proxies` proxies of ours stand in front.
/// Each of them appends the address it was reached from to X-Forwarded-For, so the caller's is that
/// many entries from the right; what stands left of it anybody can have written.
pub(crate) fn client_address(parts: &Parts, trusted_proxies: usize) -> IpAddr {
    let socket = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
    if trusted_proxies == 0 {
        return socket;
    }
    forwarded(&parts.headers, trusted_proxies).unwrap_or(socket)
}

fn forwarded(headers: &HeaderMap, from_right: usize) -> Option<IpAddr> {
    let all: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let entry = all.get(all.len().checked_sub(from_right)?)?;
    entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn limiter(burst: u32) -> Limiter {
        let number = |number| NonZeroU32::new(number).unwrap();
        Limiter::new(RateLimit { per_second: number(1), burst: number(burst) })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
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
    fn an_ipv6_network_is_one_caller_and_mapped_ipv4_is_ipv4() {
        assert_eq!(
            network(address("2001:db8:1:2:aaaa::1")),
            network(address("2001:db8:1:2:bbbb::9"))
        );
        assert_ne!(network(address("2001:db8:1:2::1")), network(address("2001:db8:1:3::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn addresses_at_full_quota_are_forgotten() {
        let often = NonZeroU32::new(1_000_000_000).unwrap();
        let limit = RateLimit { per_second: often, burst: NonZeroU32::MIN };
        let limiter = Limiter::new(limit);
        for number in 0..3 * CHECKS_BETWEEN_SWEEPS {
            let _ = limiter.take(IpAddr::from(number.to_be_bytes()), NonZeroU32::MIN);
        }
        assert!(limiter.known() <= CHECKS_BETWEEN_SWEEPS as usize, "{} known", limiter.known());
    }

    #[track_caller]
    fn check_client(forwarded: &[&str], proxies: usize, expected: &str) {
        let mut request = Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(address("10.0.0.1"), 1)));
        assert_eq!(client_address(&parts, proxies), address(expected));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check_client(&["198.51.100.7"], 0, "10.0.0.1");
        check_client(&["198.51.100.7, 192.0.2.1"], 1, "192.0.2.1");
        check_client(&["198.51.100.7", "192.0.2.1, 10.0.0.9"], 2, "192.0.2.1");
        check_client(&["192.0.2.1:4711"], 1, "192.0.2.1");
        check_client(&["192.0.2.1"], 2, "10.0.0.1");
        check_client(&["nonsense"], 1, "10.0.0.1");
    }
}
