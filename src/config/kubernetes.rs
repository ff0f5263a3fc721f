//! Variables that Kubernetes puts into every pod for a Service named `frontdesk` or `frontdesk-…`.
//!
//! They have this product's prefix by accident and are no settings. The names are those of
//! `{SVCNAME}_SERVICE_HOST` and of Docker links, see
//! <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>. Their values
//! are checked too, so that `FRONTDESK_PORT=8080`, which somebody meant as a setting, is still refused.

use std::net::{IpAddr, SocketAddr};

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Whether Kubernetes generates a variable with this name, without `FRONTDESK_`, and this value.
pub(super) fn is_generated(name: &str, value: &str) -> bool {
    // No Service has a name with two dashes where a setting has its table.
    if name.contains("__") {
        return false;
    }
    let name = name.to_ascii_lowercase();
    // Of `frontdesk-redis` it is `FRONTDESK_REDIS_…`.
    let own = std::iter::once(name.as_str());
    let of_others = name.match_indices('_').map(|(at, _)| &name[at + 1..]);
    own.chain(of_others).any(|name| is_variable_of_service(name, value))
}

fn is_variable_of_service(name: &str, value: &str) -> bool {
    match name {
        "service_host" => value.parse::<IpAddr>().is_ok(),
        "service_port" => is_port(value),
        "port" => PROTOCOLS.iter().any(|protocol| is_link(protocol, value)),
        _ => {
            if let Some(port_name) = name.strip_prefix("service_port_") {
                return !port_name.is_empty() && is_port(value);
            }
            name.strip_prefix("port_").is_some_and(|port| is_link_variable(port, value))
        }
    }
}

/// `8080_tcp`, `8080_tcp_proto`, `8080_tcp_port` or `8080_tcp_addr`.
fn is_link_variable(name: &str, value: &str) -> bool {
    let mut parts = name.split('_');
    let (Some(port), Some(protocol), part, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if !is_port(port) || !PROTOCOLS.contains(&protocol) {
        return false;
    }
    match part {
        None => is_link(protocol, value),
        Some("proto") => value == protocol,
        Some("port") => value == port,
        Some("addr") => value.parse::<IpAddr>().is_ok(),
        Some(_) => false,
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u16>().is_ok_and(|port| port != 0)
}

/// `tcp://10.96.0.1:8080` or `tcp://[fd00::1]:8080`.
fn is_link(protocol: &str, value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, address)| {
        scheme == protocol && address.parse::<SocketAddr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::is_generated;

    #[test]
    fn what_kubernetes_generates_is_known() {
        for (name, value) in [
            ("SERVICE_HOST", "10.96.0.7"),
            ("SERVICE_HOST", "fd00::7"),
            ("SERVICE_PORT", "8080"),
            ("SERVICE_PORT_HTTP", "8080"),
            ("SERVICE_PORT_HTTP_METRICS", "9090"),
            ("PORT", "tcp://10.96.0.7:8080"),
            ("PORT", "udp://10.96.0.7:8080"),
            ("PORT", "sctp://[fd00::7]:8080"),
            ("PORT_8080_TCP", "tcp://10.96.0.7:8080"),
            ("PORT_8080_TCP_PROTO", "tcp"),
            ("PORT_8080_TCP_PORT", "8080"),
            ("PORT_8080_TCP_ADDR", "10.96.0.7"),
            ("PORT_53_UDP", "udp://10.96.0.7:53"),
            ("PORT_53_UDP_ADDR", "fd00::7"),
            ("PORT_53_SCTP_PROTO", "sctp"),
            // Of a Service named `frontdesk-postgres`.
            ("POSTGRES_SERVICE_HOST", "10.96.0.7"),
            ("POSTGRES_PORT", "tcp://10.96.0.7:5432"),
            ("POSTGRES_PORT_5432_TCP_ADDR", "10.96.0.7"),
            ("MY_REDIS_SERVICE_PORT_REDIS", "6379"),
        ] {
            assert!(is_generated(name, value), "{name}={value}");
        }
    }

    #[test]
    fn near_misses_are_settings() {
        for (name, value) in [
            ("PORT", "8080"),
            ("PORT", "http://10.96.0.7:8080"),
            ("PORT", "tcp://frontdesk:8080"),
            ("PORT", ""),
            ("SERVICE_HOST", "frontdesk.example.com"),
            ("SERVICE_HOSTS", "10.96.0.7"),
            ("SERVICE_PORT", "http"),
            ("SERVICE_PORT", "0"),
            ("SERVICE_PORT", "+80"),
            ("SERVICE_PORT_", "80"),
            ("SERVICE", "10.96.0.7"),
            ("HOST", "10.96.0.7"),
            ("PORTS", "tcp://10.96.0.7:8080"),
            ("PORT_HTTP_TCP", "tcp://10.96.0.7:8080"),
            ("PORT_8080_TCP", "udp://10.96.0.7:8080"),
            ("PORT_8080_ICMP", "icmp://10.96.0.7:8080"),
            ("PORT_8080_TCP_HOST", "10.96.0.7"),
            ("PORT_8080_TCP_PORT", "8081"),
            ("PORT_8080_TCP_ADDR_X", "10.96.0.7"),
            ("LIMITS__PORT", "tcp://10.96.0.7:8080"),
            ("CALENDARS__ACME__SERVICE_HOST", "10.96.0.7"),
            ("LISTEN", "10.96.0.7:8080"),
            ("", "10.96.0.7"),
        ] {
            assert!(!is_generated(name, value), "{name}={value}");
        }
    }
}
