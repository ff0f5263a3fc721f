//! The HTTP client that calendar providers share.
//!
//! [`HttpClient::send`] takes an [`http::Request`] and gives back an [`http::Response`], both with
//! their bodies in memory. What happens in between is the same for every provider:
//!
//! - **Deadline.** One for the whole call: connecting, redirects, waits, retries and the body.
//! - **Size.** The body is counted while it is read and after it is unpacked (gzip), so that a
//!   small answer that unpacks to a large one is stopped at the limit too.
//! - **Retries.** A server's own failure (5xx) and a lost connection are tried again, a few times,
//!   with exponential backoff and full jitter, for methods that are idempotent. 429, and 503 with
//!   `Retry-After` (RFC 9110, section 10.2.3), say that nothing was done, so any method is tried
//!   again, after the time asked for; where that is past the deadline the caller is told it.
//! - **Redirects.** At most 5, with the same method and body (RFC 9110, section 15.4). Credentials
//!   and headers marked sensitive stay with their origin; https never becomes http; POST and PATCH
//!   go elsewhere only by 307 and 308, and to no other origin at all.
//! - **Circuit.** An origin that fails 5 calls in a row is not asked for 30 s, and longer each time
//!   that it fails again, up to 5 minutes; one call at a time then finds out. A 4xx, 429 included,
//!   shows that it works. A call whose caller gives up counts for nothing.
//! - **Network.** With [`Network::Public`] requests reach public addresses only, as OWASP's sheet
//!   on server-side request forgery asks: literal addresses are refused in any spelling (WHATWG
//!   URL, section 3.5), names are resolved first and connected to at the checked addresses (so a
//!   name that changes its address in between gains nothing), redirects are checked alike, and
//!   proxies from the environment are not used. What is public follows IANA's registries of
//!   special-purpose addresses (RFC 6890).
//! - **Secrecy.** Errors hold no URL, header or body. A [`Response`]'s own `Debug` shows both its
//!   headers and its body: don't log it.
//!
//! [`HttpClient::send_once`] is for callers with a schedule of their own: one request through the same guard,
//! and whatever is answered to it.
//!
//! TLS is rustls on ring with the system's certificates; no provider has to be installed for the
//! process.
//!
//! ```no_run
//! use calendar_http::{Bytes, HttpClient, Settings, final_url, http::Request};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = HttpClient::new(Settings::default())?;
//! let request = Request::get("https://calendar.example.com/feed.ics").body(Bytes::new())?;
//! let response = client.send(request).await?;
//! assert!(response.status().is_success());
//! assert!(final_url(&response).is_some());
//! # Ok(())
//! # }
//! ```

mod address;
mod circuit;
mod client;
mod failure;
mod guard;
mod hop;
mod json;
mod redirect;
mod retry;
mod settings;
mod tls;

pub use bytes::Bytes;
pub use client::{FinalUrl, HttpClient, Response, final_url};
pub use guard::Resolve;
pub use http;
pub use ipnet::IpNet;
pub use json::{json_request, read_json};
pub use retry::parse_retry_after;
pub use rustls::pki_types::CertificateDer;
pub use settings::{ClientError, Network, Settings};
