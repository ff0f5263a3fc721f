//! The client.

use std::{fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use calendar_provider::ProviderError;
use http::HeaderValue;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::{
    ClientError, Network, Settings,
    circuit::Circuits,
    failure::{Failure, Health},
    guard::{Guard, GuardedResolver, SystemResolver},
    hop::Hop,
    redirect, retry, tls,
};

/// The longest a call may take, whatever the settings say: a point of time that can be reckoned.
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer, read to its end.
pub type Response = http::Response<Bytes>;

/// Where an answer came from after all redirects; among the extensions of each [`Response`].
#[derive(Clone, PartialEq, Eq)]
pub struct FinalUrl(pub Url);

/// Sends requests as the crate's documentation says. Clones and derived clients share
/// connections and circuits; those of each [`Network`] are apart.
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
    network: Network,
    body_limit: usize,
    deadline: Duration,
}

struct Shared {
    public: Pool,
    any: Pool,
    attempts: u32,
    backoff: Duration,
}

/// The connections to what a guard allows. Each network has its own, since a connection once made
/// is used again with no further look at its address; and its own circuits, so that what users'
/// addresses lead to closes nothing to the operator's.
struct Pool {
    guard: Guard,
    client: reqwest::Client,
    circuits: Circuits,
}

impl HttpClient {
    /// A client with connections and circuits of its own.
    ///
    /// # Errors
    ///
    /// Where the settings or the system's certificates are not valid.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let tls = tls::config(&settings.extra_roots)?;
        let shared = Shared {
            public: Pool::new(&settings, Network::Public, tls.clone())?,
            any: Pool::new(&settings, Network::Any, tls)?,
            attempts: settings.attempts.max(1),
            backoff: settings.backoff,
        };
        Ok(Self {
            shared: Arc::new(shared),
            network: settings.network,
            body_limit: settings.body_limit,
            deadline: settings.deadline,
        })
    }

    /// The same client, with another limit for the unpacked body of an answer.
    #[must_use]
    pub fn with_body_limit(&self, bytes: usize) -> Self {
        Self { body_limit: bytes, ..self.clone() }
    }

    /// The same client, for another network.
    #[must_use]
    pub fn with_network(&self, network: Network) -> Self {
        Self { network, ..self.clone() }
    }

    /// The same client, with another deadline for each call.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Refuses an address by what can be seen in it, as [`Self::send`] would: for addresses that are
    /// kept to be asked later. What a name leads to is looked at when it is asked.
    ///
    /// # Errors
    ///
    /// `Permanent`: neither http nor https, a user name or password, or an address that is not allowed.
    pub fn check(&self, url: &Url) -> Result<(), ProviderError> {
        self.pool().guard.check_url(url)
    }

    /// Sends `request` and reads the answer to its end. Its extensions hold the [`FinalUrl`].
    ///
    /// Statuses other than 429, 5xx and redirects are given back as they are, and so are 501, 505
    /// and 507, which are about the request. Dropping the future ends the call.
    ///
    /// # Errors
    ///
    /// - `RateLimited`: 429, or 503 with `Retry-After`, whose wait does not fit in the deadline;
    /// - `Transient`: no connection, no answer in time, one that is cut off, a server's own
    ///   failure, or a circuit that is open;
    /// - `Permanent`: an address that is not valid or not allowed, a redirect that is not
    ///   followed, an answer that is too large.
    pub async fn send(&self, request: http::Request<Bytes>) -> Result<Response, ProviderError> {
        let deadline = Instant::now() + self.deadline.min(MAX_DEADLINE);
        let mut hop = Hop::first(request)?;
        for _ in 0..=redirect::LIMIT {
            let mut response = self.visit(&hop, deadline).await?;
            if !redirect::is_redirect(response.status()) {
                response.extensions_mut().insert(FinalUrl(hop.url));
                return Ok(response);
            }
            hop = redirect::follow(hop, response.status(), response.headers())?;
        }
        Err(ProviderError::permanent("it redirects too often"))
    }

    /// Sends `request` once and gives back whatever is answered: for callers who retry by a schedule of
    /// their own, and to whom each outcome is news. No status is an error, no redirect is followed, and
    /// no circuit is asked or told. A body is read up to the limit, or to the deadline once the headers
    /// are there, and what is beyond that is left unread.
    ///
    /// # Errors
    ///
    /// - `Transient`: no connection, or no answer in time;
    /// - `Permanent`: an address that is not valid or not allowed.
    pub async fn send_once(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<Response, ProviderError> {
        let deadline = Instant::now() + self.deadline.min(MAX_DEADLINE);
        let hop = Hop::first(request)?;
        self.pool().guard.check_url(&hop.url)?;
        let answer = timeout_at(deadline, self.execute(&hop)).await;
        let mut answer =
            answer.unwrap_or_else(|_| Err(Failure::timeout())).map_err(|it| it.error)?;
        let mut body = BytesMut::new();
        // A body that breaks off or does not come takes nothing from the status.
        while let Ok(Ok(Some(chunk))) = timeout_at(deadline, answer.chunk()).await {
            let room = self.body_limit - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == self.body_limit {
                break;
            }
        }
        Ok(response(&mut answer, body.freeze()))
    }

    /// One hop, where guard and circuit allow it.
    async fn visit(&self, hop: &Hop, deadline: Instant) -> Result<Response, ProviderError> {
        let pool = self.pool();
        pool.guard.check_url(&hop.url)?;
        let Ok(permit) = pool.circuits.enter(hop.url.origin()) else {
            return Err(ProviderError::transient("it is down and is not asked for now"));
        };
        // Who has just been down gets one request to show that it works, not three.
        let attempts = if permit.is_trial() { 1 } else { self.shared.attempts };
        let had = deadline.saturating_duration_since(Instant::now());
        let result = self.attempt_until(deadline, attempts, hop).await;
        match result.as_ref().map_or_else(|it| it.health, |_| Health::Up) {
            // Who redirected here has used up the time that the call had.
            Health::Down if had < self.fair_share() => drop(permit),
            Health::Up => permit.succeeded(),
            Health::Down => permit.failed(),
            Health::Unknown => drop(permit),
        }
        result.map_err(|failure| failure.error)
    }

    /// Attempts until one succeeds, no other makes sense, or none would end in time.
    async fn attempt_until(
        &self,
        deadline: Instant,
        attempts: u32,
        hop: &Hop,
    ) -> Result<Response, Failure> {
        let mut attempt = 1;
        loop {
            let failure = match timeout_at(deadline, self.attempt(hop)).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(failure)) => failure,
                Err(_) => return Err(Failure::timeout()),
            };
            let backoff = retry::backoff(self.shared.backoff, attempt);
            let wait = failure.wait.unwrap_or_default().max(backoff);
            let fits = wait < deadline.saturating_duration_since(Instant::now());
            if attempts <= attempt || !fits || !failure.may_retry(&hop.method) {
                return Err(failure);
            }
            sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, hop: &Hop) -> Result<Response, Failure> {
        let mut answer = self.execute(hop).await?;
        if let Some(failure) = Failure::of_status(answer.status(), answer.headers()) {
            return Err(failure);
        }
        let body = if redirect::is_redirect(answer.status()) {
            Bytes::new()
        } else {
            read_body(&mut answer, self.body_limit).await?
        };
        Ok(response(&mut answer, body))
    }

    /// Sends one request, and reads the answer up to its body.
    async fn execute(&self, hop: &Hop) -> Result<reqwest::Response, Failure> {
        let pool = self.pool();
        let mut request = reqwest::Request::new(hop.method.clone(), hop.url.clone());
        *request.headers_mut() = hop.headers.clone();
        if !hop.body.is_empty() {
            *request.body_mut() = Some(hop.body.clone().into());
        }
        let answer = pool.client.execute(request).await?;
        // The resolver and `check_url` have seen to it; this is the address itself.
        if answer.remote_addr().is_some_and(|it| !pool.guard.allows(it.ip())) {
            return Err(Failure::not_public());
        }
        Ok(answer)
    }

    /// Who had less of the deadline than this is not blamed for what went wrong.
    fn fair_share(&self) -> Duration {
        self.deadline.min(MAX_DEADLINE) / 3
    }

    fn pool(&self) -> &Pool {
        match self.network {
            Network::Public => &self.shared.public,
            Network::Any => &self.shared.any,
        }
    }
}

impl Pool {
    fn new(
        settings: &Settings,
        network: Network,
        tls: rustls::ClientConfig,
    ) -> Result<Self, ClientError> {
        let guard = Guard { network, allowed: settings.allowed_networks.as_slice().into() };
        let resolver = settings.resolver.clone().unwrap_or_else(|| Arc::new(SystemResolver));
        let user_agent =
            HeaderValue::from_str(&settings.user_agent).map_err(|_| ClientError::UserAgent)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // A proxy would connect for us, where no guard sees the address.
            .no_proxy()
            .dns_resolver(GuardedResolver { guard: guard.clone(), resolver })
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.connect_timeout)
            .user_agent(user_agent)
            .referer(false)
            .build()
            .map_err(|cause| ClientError::Http(cause.without_url()))?;
        let circuits = Circuits::new(settings.circuit_failures, settings.circuit_pause);
        Ok(Self { guard, client, circuits })
    }
}

/// The answer with its body, once that is read.
fn response(answer: &mut reqwest::Response, body: Bytes) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = answer.status();
    *response.version_mut() = answer.version();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    response
}

/// The body, unpacked, of at most `limit` bytes; no more than that is ever held.
async fn read_body(answer: &mut reqwest::Response, limit: usize) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        if limit - body.len() < chunk.len() {
            return Err(Failure::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Where `response` came from after all redirects.
pub fn final_url(response: &Response) -> Option<&Url> {
    response.extensions().get::<FinalUrl>().map(|it| &it.0)
}

/// Shows the origin only: what follows it can hold secrets.
impl fmt::Debug for FinalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FinalUrl").field(&self.0.origin().ascii_serialization()).finish()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("network", &self.network)
            .field("body_limit", &self.body_limit)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
