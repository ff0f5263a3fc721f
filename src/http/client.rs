//! Where a caller connects from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, header::FORWARDED, request::Parts},
};

/// Where a caller connects from, as limits per IP address count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    network: Option<IpAddr>,
}

impl Client {
    /// A caller at this address.
    pub fn at(address: IpAddr) -> Self {
        Self { network: Some(network(address)) }
    }

    /// A caller whose address is not known, so that limits per IP address do not count it.
    pub const fn uncounted() -> Self {
        Self { network: None }
    }

    /// What limits per IP address count: the IPv4 address, or the first address of the IPv6 /64. `None`
    /// where they do not count this caller.
    pub const fn network(self) -> Option<IpAddr> {
        self.network
    }
}

/// What one subscriber holds: an IPv4 address, or the /64 that IPv6 hands out (RFC 6177).
pub(super) fn network(client: IpAddr) -> IpAddr {
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
///
/// With no trusted proxy, a request that a private peer forwards is one of many visitors', and it is not
/// known whose: limits per address do not count it. Who comes from a public address gains nothing by
/// such a header.
pub(crate) fn client(parts: &Parts, trusted_proxies: usize) -> Client {
    let socket = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
    if trusted_proxies == 0 {
        let of_many = is_forwarded(&parts.headers) && is_private(socket);
        return if of_many { Client::uncounted() } else { Client::at(socket) };
    }
    Client::at(forwarded(&parts.headers, trusted_proxies).unwrap_or(socket))
}

/// Whether a proxy says that it forwards the request for somebody else.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key("x-forwarded-for") || headers.contains_key(FORWARDED)
}

/// Whether an address is of this machine or its network, where reverse proxies are, and where visitors from
/// the Internet can't come from: loopback, RFC 1918, link-local, RFC 4193, and what RFC 6598 shares
/// among a provider's or a cluster's own hosts.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let shared = matches!(address.octets(), [100, 64..=127, ..]);
            address.is_loopback() || address.is_private() || address.is_link_local() || shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
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

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
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

    #[track_caller]
    fn check_counted(peer: &str, header: Option<&str>, expected: bool) {
        let mut request = Request::builder();
        if let Some(name) = header {
            request = request.header(name, "198.51.100.7");
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(address(peer), 1)));
        let expected = if expected { Client::at(address(peer)) } else { Client::uncounted() };
        assert_eq!(client(&parts, 0), expected, "{peer} {header:?}");
    }

    #[test]
    fn what_a_private_peer_forwards_is_not_counted() {
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.255.254",
            "::ffff:10.0.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            check_counted(private, Some("x-forwarded-for"), false);
            check_counted(private, Some("forwarded"), false);
            check_counted(private, Some("x-real-ip"), true);
            check_counted(private, None, true);
        }
        for public in
            ["192.0.2.1", "172.32.0.1", "100.128.0.1", "::ffff:192.0.2.1", "2001:db8::1", "2a00::1"]
        {
            check_counted(public, Some("x-forwarded-for"), true);
            check_counted(public, Some("forwarded"), true);
        }
    }

    #[track_caller]
    fn check_client(forwarded: &[&str], proxies: usize, expected: &str) {
        let mut request = Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(address("10.0.0.1"), 1)));
        assert_eq!(client(&parts, proxies), Client::at(address(expected)));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check_client(&["198.51.100.7, 192.0.2.1"], 1, "192.0.2.1");
        check_client(&["198.51.100.7", "192.0.2.1, 10.0.0.9"], 2, "192.0.2.1");
        check_client(&["192.0.2.1:4711"], 1, "192.0.2.1");
        check_client(&["192.0.2.1"], 2, "10.0.0.1");
        check_client(&["nonsense"], 1, "10.0.0.1");
    }
}
