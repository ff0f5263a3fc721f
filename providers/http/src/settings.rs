//! How a client is set up.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use rustls::pki_types::CertificateDer;

use crate::Resolve;

/// How an [`HttpClient`](crate::HttpClient) behaves. The defaults suit calendar providers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sent as `User-Agent` (RFC 9110, section 10.1.5) where a request has none of its own.
    pub user_agent: String,
    /// How long one call may take, with its redirects, waits, retries and the body; 10 s,
    /// and a day at most.
    pub deadline: Duration,
    /// How long one connection may take to be made, its TLS handshake included; 5 s. Shorter
    /// than the deadline, so that another attempt still fits.
    pub connect_timeout: Duration,
    /// How many bytes an answer's body may have once it is unpacked; 10 MiB.
    pub body_limit: usize,
    /// Where requests may go; [`Network::Public`].
    pub network: Network,
    /// Networks that [`Network::Public`] reaches although they are not public: the operator's
    /// own. None by default.
    pub allowed_networks: Vec<IpNet>,
    /// How often a request is sent at most, the first time included; 3. Zero counts as 1.
    pub attempts: u32,
    /// The most that is waited before the second attempt; it doubles with each further one, up
    /// to 16 times this. 200 ms.
    pub backoff: Duration,
    /// How many calls of one origin must fail in a row for its circuit to open; 5. Zero counts
    /// as 1.
    pub circuit_failures: u32,
    /// For how long a circuit opens at first; it doubles with each trial call that fails, up to
    /// 10 times this. 30 s, so 5 minutes at most.
    pub circuit_pause: Duration,
    /// Authorities trusted besides the system's own, e.g. an organization's, in DER.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What finds a host's addresses; the operating system where there is none here. What it
    /// answers is checked against [`Settings::network`] all the same.
    pub resolver: Option<Arc<dyn Resolve>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user_agent: concat!("Frontdesk/", env!("CARGO_PKG_VERSION")).to_owned(),
            deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            body_limit: 10 * 1024 * 1024,
            network: Network::Public,
            allowed_networks: Vec::new(),
            attempts: 3,
            backoff: Duration::from_millis(200),
            circuit_failures: 5,
            circuit_pause: Duration::from_secs(30),
            extra_roots: Vec::new(),
            resolver: None,
        }
    }
}

/// Where requests may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// Only to addresses that everybody on the Internet can reach, and to
    /// [`Settings::allowed_networks`]: for URLs that users give.
    Public,
    /// Anywhere, loopback and metadata services included: for URLs that the operator gives.
    Any,
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The user agent can't stand in a header.
    #[error("the user agent can't be sent in a header")]
    UserAgent,
    /// The system's certificates, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, can't
    /// be read.
    #[error("the trusted certificates can't be read")]
    SystemRoots(#[source] rustls_native_certs::Error),
    /// One of [`Settings::extra_roots`] is no certificate.
    #[error("a trusted certificate that was given is not valid")]
    ExtraRoot(#[source] rustls::Error),
    /// TLS can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP library can't be set up.
    #[error("the HTTP client can't be set up")]
    Http(#[source] reqwest::Error),
}
