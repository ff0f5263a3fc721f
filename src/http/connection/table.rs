//! Which connections are open, and from where.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::ConnectionLimits;
use crate::http::client::{is_private, network};

/// A network holds at most this part of the bytes of all connections.
const NETWORK_SHARE: usize = 4;
/// Of the connections allowed, so many may be WebSockets that have not said hello: one in two.
const SILENT_SHARE: usize = 2;
/// A peer that was a proxy within this time is taken for one.
const PROXY_FOR: Duration = Duration::from_mins(10);
/// How often an untrusted proxy is warned of.
const WARN_EVERY: Duration = Duration::from_hours(1);
/// Most proxies that are remembered.
const MOST_PROXIES: usize = 1024;

/// The connections that are open, and the bytes that all of them may hold.
#[derive(Debug)]
pub(crate) struct Table {
    pub(super) limits: ConnectionLimits,
    bytes: Arc<Semaphore>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    connections: usize,
    silent: usize,
    networks: HashMap<IpAddr, Network>,
    proxies: HashMap<IpAddr, Instant>,
    /// When a public and a private peer that forwards was warned of last.
    warned: [Option<Instant>; 2],
}

#[derive(Debug)]
struct Network {
    connections: usize,
    silent: usize,
    bytes: Arc<Semaphore>,
}

/// The place of one connection, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    table: Arc<Table>,
    network: IpAddr,
    /// Whether limits per address count it.
    counted: bool,
}

/// The place of a WebSocket that has not said hello.
#[derive(Debug)]
pub(crate) struct Silent {
    table: Arc<Table>,
    network: IpAddr,
}

impl Table {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        let bytes = limits.all_bytes.min(Semaphore::MAX_PERMITS);
        let bytes = Arc::new(Semaphore::new(bytes));
        Arc::new(Self { limits, bytes, open: Mutex::default() })
    }

    /// The place of a connection from this peer; none where there are too many.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut open = self.open();
        let network = network(peer);
        let counted = self.limits.per_address.is_some() && !open.is_proxy(network);
        let theirs = open.networks.get(&network).map_or(0, |network| network.connections);
        let most = self.limits.per_address.filter(|_| counted).unwrap_or(usize::MAX);
        if self.limits.total <= open.connections || most <= theirs {
            return None;
        }
        open.connections += 1;
        let share = self.limits.all_bytes / NETWORK_SHARE;
        open.networks.entry(network).or_insert_with(|| Network::new(share)).connections += 1;
        Some(Place { table: Arc::clone(self), network, counted })
    }

    /// Warns of a peer that forwards requests and is not trusted. One in a private network is remembered
    /// as a proxy that serves many visitors. Anybody can say so from a public address, and gains nothing.
    pub(super) fn forwards(&self, peer: IpAddr) {
        let private = is_private(peer);
        if private {
            self.note_proxy(peer);
        }
        if self.may_warn(private) {
            warn_of(peer, private);
        }
    }

    /// Whether nothing was said of such a peer for an hour. Strangers can't keep the server from warning of
    /// a private one, nor fill the log.
    fn may_warn(&self, private: bool) -> bool {
        let (mut open, now) = (self.open(), Instant::now());
        let warned = &mut open.warned[usize::from(private)];
        let due = warned.is_none_or(|last| WARN_EVERY <= now.duration_since(last));
        if due {
            *warned = Some(now);
        }
        due
    }

    fn note_proxy(&self, peer: IpAddr) {
        let (network, now) = (network(peer), Instant::now());
        let mut open = self.open();
        if MOST_PROXIES <= open.proxies.len() {
            open.proxies.retain(|_, until| now < *until);
        }
        if open.proxies.len() < MOST_PROXIES || open.proxies.contains_key(&network) {
            open.proxies.insert(network, now + PROXY_FOR);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // What a panic left behind are still counts.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warn_of(peer: IpAddr, private: bool) {
    let meanwhile = if private {
        "until then limits per IP address do not count what it forwards"
    } else {
        "until then all its visitors share the limits per IP address; if none is in front, the \
         caller wrote the header, and nothing is to be done"
    };
    tracing::warn!(
        "{peer} forwards requests (X-Forwarded-For or Forwarded), but trusted_proxies is 0: set it \
         (FRONTDESK_TRUSTED_PROXIES) to the number of reverse proxies in front; {meanwhile}"
    );
}

impl Open {
    fn is_proxy(&self, network: IpAddr) -> bool {
        self.proxies.get(&network).is_some_and(|until| Instant::now() < *until)
    }
}

impl Network {
    fn new(share: usize) -> Self {
        let bytes = Arc::new(Semaphore::new(share.min(Semaphore::MAX_PERMITS)));
        Self { connections: 0, silent: 0, bytes }
    }
}

impl Place {
    /// The bytes of the network, where limits per address count it, and those of the server.
    pub(super) fn bytes(&self) -> (Option<Arc<Semaphore>>, Arc<Semaphore>) {
        let open = self.table.open();
        let network = open.networks.get(&self.network).filter(|_| self.counted);
        (network.map(|network| Arc::clone(&network.bytes)), Arc::clone(&self.table.bytes))
    }

    /// A place for a WebSocket that has not said hello; none where there are too many.
    pub(super) fn silent(&self) -> Option<Silent> {
        let limits = &self.table.limits;
        let mut open = self.table.open();
        let most = limits.per_address.filter(|_| self.counted && !open.is_proxy(self.network));
        let most = most.map_or(usize::MAX, |most| most.div_ceil(SILENT_SHARE));
        if limits.total.div_ceil(SILENT_SHARE) <= open.silent {
            return None;
        }
        let network = open.networks.get_mut(&self.network)?;
        if most <= network.silent {
            return None;
        }
        network.silent += 1;
        open.silent += 1;
        Some(Silent { table: Arc::clone(&self.table), network: self.network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.table.open();
        open.connections -= 1;
        if let Some(network) = open.networks.get_mut(&self.network) {
            network.connections -= 1;
        }
        open.forget(self.network);
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let mut open = self.table.open();
        open.silent -= 1;
        if let Some(network) = open.networks.get_mut(&self.network) {
            network.silent -= 1;
        }
        open.forget(self.network);
    }
}

impl Open {
    fn forget(&mut self, network: IpAddr) {
        let unused = |entry: &Network| entry.connections == 0 && entry.silent == 0;
        if self.networks.get(&network).is_some_and(unused) {
            self.networks.remove(&network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(total: usize, per_address: Option<usize>) -> Arc<Table> {
        Table::new(ConnectionLimits { total, per_address, ..ConnectionLimits::default() })
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn connections_are_bounded_in_total_and_per_network() {
        let table = table(3, Some(2));
        let first = table.enter(peer("2001:db8::1")).unwrap();
        let second = table.enter(peer("2001:db8::2")).unwrap();
        assert!(table.enter(peer("2001:db8::3")).is_none(), "one /64 is one caller");
        let third = table.enter(peer("192.0.2.1")).unwrap();
        assert!(table.enter(peer("192.0.2.2")).is_none(), "three in all");
        drop((first, second, third));
        assert!(table.open().networks.is_empty(), "nothing is left behind");
        assert_eq!(table.open().connections, 0);
    }

    #[test]
    fn a_proxy_has_the_total_alone() {
        let table = table(3, Some(1));
        let proxy = peer("10.0.0.1");
        let _first = table.enter(proxy).unwrap();
        assert!(table.enter(proxy).is_none());
        table.note_proxy(proxy);
        let _second = table.enter(proxy).unwrap();
        let _third = table.enter(proxy).unwrap();
        assert!(table.enter(proxy).is_none(), "three in all");
    }

    #[tokio::test(start_paused = true)]
    async fn untrusted_proxies_are_warned_of_once_an_hour() {
        let table = table(9, Some(1));
        assert!(table.may_warn(false));
        assert!(!table.may_warn(false));
        assert!(table.may_warn(true), "strangers do not hide a proxy");
        assert!(!table.may_warn(true));
        tokio::time::advance(WARN_EVERY).await;
        assert!(table.may_warn(true));
    }

    #[test]
    fn nobody_becomes_a_proxy_from_a_public_address() {
        let table = table(9, Some(1));
        for (address, proxy) in [("192.0.2.1", false), ("10.0.0.1", true), ("fd00::1", true)] {
            table.forwards(peer(address));
            let first = table.enter(peer(address));
            assert!(first.is_some());
            assert_eq!(table.enter(peer(address)).is_some(), proxy, "{address}");
        }
    }

    #[test]
    fn trusted_proxies_lift_the_bound_per_address() {
        let table = table(3, None);
        let _places: Vec<_> = (0..3).map(|_| table.enter(peer("192.0.2.1")).unwrap()).collect();
        assert!(table.enter(peer("192.0.2.1")).is_none());
    }

    #[test]
    fn sockets_that_say_nothing_are_bounded() {
        let table = table(100, Some(4));
        let place = table.enter(peer("192.0.2.1")).unwrap();
        let first = place.silent().unwrap();
        let _second = place.silent().unwrap();
        assert!(place.silent().is_none());
        drop(first);
        assert!(place.silent().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_a_proxy_for_a_while() {
        let table = table(9, Some(1));
        let proxy = peer("10.0.0.1");
        table.note_proxy(proxy);
        let _first = table.enter(proxy).unwrap();
        let second = table.enter(proxy);
        assert!(second.is_some());
        tokio::time::advance(PROXY_FOR).await;
        assert!(table.enter(proxy).is_none());
    }

    #[test]
    fn proxies_that_are_remembered_are_bounded() {
        let table = table(9, Some(1));
        for number in 0..2 * MOST_PROXIES {
            table.note_proxy(IpAddr::from(u32::try_from(number).unwrap().to_be_bytes()));
        }
        assert_eq!(table.open().proxies.len(), MOST_PROXIES);
    }
}
