//! Which addresses are public.
//!
//! The tables are IANA's registries of special-purpose addresses (RFC 6890 and what has been
//! added since); for IPv6 everything outside the global unicast space 2000::/3 is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not public: address and prefix length.
const SPECIAL_V4: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network, RFC 791
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carriers' NAT, RFC 6598; Alibaba's metadata too
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback, RFC 1122
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's platform service: public by its number only
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, RFC 3927; most clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments, RFC 6890; Oracle's metadata
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation, RFC 5737
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // multicast tunnels, RFC 7450
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays, RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private, RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast, RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, RFC 1112, and broadcast, RFC 919
];

/// Networks within 2000::/3 that are not public.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    // Protocol assignments, RFC 2928: Teredo, benchmarks, ORCHID. Nobody serves calendars there.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),     // 6to4, RFC 3056, given up by RFC 7526
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation, RFC 9637
];

const GLOBAL_UNICAST_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// IPv4 addresses written as IPv6 (RFC 4291, section 2.5.5.2).
const MAPPED: (Ipv6Addr, u32) = (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// IPv4 hosts behind NAT64 (RFC 6052), which networks without IPv4 give for every name.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether everybody on the Internet can reach `address`. One that holds an IPv4 address is
/// judged by that (mapped, NAT64) or refused (compatible, 6to4, Teredo).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => {
                within_v6(v6, GLOBAL_UNICAST_V6)
                    && !SPECIAL_V6.iter().any(|&network| within_v6(v6, network))
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|&(network, bits)| {
        let shift = 32 - bits;
        address.to_bits() >> shift == network.to_bits() >> shift
    })
}

fn within_v6(address: Ipv6Addr, (network, bits): (Ipv6Addr, u32)) -> bool {
    let shift = 128 - bits;
    address.to_bits() >> shift == network.to_bits() >> shift
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    (within_v6(address, MAPPED) || within_v6(address, NAT64)).then_some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests;
