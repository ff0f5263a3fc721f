//! The guard against requests to where they must not go (server-side request forgery).
//!
//! A URL is checked before each request; the addresses of a name are checked between resolving
//! and connecting, so that nothing can change in between.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use calendar_provider::ProviderError;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolving};
use url::{Host, Url};

use crate::{Network, address};

const NOT_PUBLIC: &str = "the address is not public";

/// What finds the addresses of a host.
#[async_trait]
pub trait Resolve: std::fmt::Debug + Send + Sync {
    /// All addresses of `host`, a domain name and never an address itself, in the order in
    /// which they are tried.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Where requests may go, and the networks excepted.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) network: Network,
    pub(crate) allowed: Arc<[IpNet]>,
}

/// A name has none but private addresses.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
pub(crate) struct NotPublic;

pub(crate) fn not_public() -> ProviderError {
    ProviderError::permanent(NOT_PUBLIC)
}

impl Guard {
    /// Refuses a URL by what can be seen in it. Odd spellings of addresses (`0x7f.1`,
    /// `2130706433`) have become plain ones when [`Url`] read it (WHATWG URL, section 3.5).
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), ProviderError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ProviderError::permanent("the address is not http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ProviderError::permanent("the address holds a user name or password"));
        }
        let allowed = match url.host() {
            Some(Host::Ipv4(it)) => self.allows(it.into()),
            Some(Host::Ipv6(it)) => self.allows(it.into()),
            Some(Host::Domain(name)) => self.network == Network::Any || !is_localhost(name),
            None => false,
        };
        if allowed { Ok(()) } else { Err(not_public()) }
    }

    /// Whether requests may go to `address`.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.network == Network::Any
            || address::is_public(address)
            || self.allowed.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// Whether the name is this host's own by definition (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// The operating system's resolver.
#[derive(Debug)]
pub(crate) struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|it| it.ip()).collect())
    }
}

/// Gives the HTTP library those addresses only that a [`Guard`] allows.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Guard,
    pub(crate) resolver: Arc<dyn Resolve>,
}

impl reqwest::dns::Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let resolver = Arc::clone(&self.resolver);
        Box::pin(async move {
            let found = resolver.resolve(name.as_str()).await?;
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let allowed: Vec<_> = found.into_iter().filter(|&it| guard.allows(it)).collect();
            if allowed.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter().map(|it| SocketAddr::new(it, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Guard;
    use crate::Network;

    fn refused(network: Network, allowed: &[&str], url: &str) -> bool {
        let allowed: Arc<[_]> = allowed.iter().map(|it| it.parse().unwrap()).collect();
        Guard { network, allowed }.check_url(&url.parse().unwrap()).is_err()
    }

    #[test]
    fn urls_of_private_hosts_are_refused_however_they_are_spelt() {
        for url in [
            "http://localhost/",
            "http://LOCALHOST./",
            "http://printer.localhost/",
            "http://127.0.0.1/",
            "http://127.0.0.1./",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://017700000001/",
            "http://127.1/",
            "http://0/",
            "http://%31%32%37.0.0.1/",
            "http://①②⑦.⓪.⓪.①/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://169.254.169.254/latest/meta-data",
            "https://[fd00:ec2::254]/",
            "https://user@example.com/",
            "https://user:password@example.com/",
            "https://:password@example.com/",
            "file:///etc/passwd",
            "ftp://example.com/",
            "gopher://example.com/",
        ] {
            assert!(refused(Network::Public, &[], url), "{url}");
        }
    }

    #[test]
    fn urls_of_public_hosts_are_accepted() {
        for url in ["https://example.com/", "http://8.8.8.8:8080/", "https://[2606:4700::1111]/"] {
            assert!(!refused(Network::Public, &[], url), "{url}");
        }
    }

    #[test]
    fn any_network_takes_private_hosts_but_no_other_scheme_or_user() {
        for url in ["http://localhost/", "http://127.0.0.1/", "http://[fd00::1]/"] {
            assert!(!refused(Network::Any, &[], url), "{url}");
        }
        for url in ["file:///etc/passwd", "https://user@example.com/"] {
            assert!(refused(Network::Any, &[], url), "{url}");
        }
    }

    #[test]
    fn an_allowed_network_opens_no_other() {
        let allowed = ["10.1.2.0/24", "fd12::/16"];
        for url in ["http://10.1.2.3/", "http://[fd12::1]/", "http://[::ffff:10.1.2.3]/"] {
            assert!(!refused(Network::Public, &allowed, url), "{url}");
        }
        for url in ["http://10.1.3.1/", "http://[fd13::1]/", "http://127.0.0.1/"] {
            assert!(refused(Network::Public, &allowed, url), "{url}");
        }
    }
}
