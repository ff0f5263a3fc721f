use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::is_public;

#[track_caller]
fn check(addresses: &[&str], expected: bool) {
    for address in addresses {
        let parsed: IpAddr = address.parse().unwrap();
        assert_eq!(is_public(parsed), expected, "{address}");
    }
}

#[test]
fn addresses_of_the_internet_are_public() {
    check(
        &[
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700:4700::1111",
            "3ffe::1",
            "3fff:1000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ],
        true,
    );
}

#[test]
fn special_ipv4_addresses_are_not_public() {
    check(
        &[
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.0",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.192",
            "192.0.2.1",
            "192.52.193.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.0",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
        ],
        false,
    );
}

#[test]
fn special_ipv6_addresses_are_not_public() {
    check(
        &[
            "::",
            "::1",
            "::8.8.8.8",
            "::127.0.0.1",
            "64:ff9b:1::1",
            "64:ff9b::1:0:0",
            "100::1",
            "1fff:ffff::1",
            "2001::1",
            "2001:0:808:808::1",
            "2001:2::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:808:808::1",
            "2002:7f00:1::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ],
        false,
    );
}

proptest! {
    /// The standard library's own predicates, as an oracle for those ranges that it has.
    #[test]
    fn what_the_standard_library_calls_special_is_not_public(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
            || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
        prop_assert!(!special || !is_public(v4.into()));
    }

    /// An IPv4 address is what it is, however IPv6 wraps it.
    #[test]
    fn a_wrapped_address_is_never_more_public_than_itself(bits: u32, low: u64) {
        let v4 = Ipv4Addr::from_bits(bits);
        let [a, b] = [(bits >> 16) as u16, bits as u16];
        prop_assert_eq!(is_public(v4.to_ipv6_mapped().into()), is_public(v4.into()));
        let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b);
        prop_assert_eq!(is_public(nat64.into()), is_public(v4.into()));

        let [c, d, e, f] = [(low >> 48) as u16, (low >> 32) as u16, (low >> 16) as u16, low as u16];
        for wrapped in [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, a, b),
            Ipv6Addr::new(0x2002, a, b, c, d, e, f, 0),
            Ipv6Addr::new(0x2001, 0, c, d, e, f, !a, !b),
        ] {
            prop_assert!(!is_public(wrapped.into()), "{}", wrapped);
        }
    }
}
