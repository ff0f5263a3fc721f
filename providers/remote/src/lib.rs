//! A calendar provider in any language, at a URL.
//!
//! [`Remote`] is a [`CalendarProvider`](calendar_provider::CalendarProvider) that sends each call
//! as JSON over HTTP to a program that somebody else wrote. The contract is `docs/providers/remote.yaml`
//! (OpenAPI 3.1), and what it means is the trait's own documentation: the two say the same.
//!
//! - **Signed both ways.** Requests, and the pushes that come back, are signed after the Standard
//!   Webhooks scheme: HMAC-SHA256 over identifier, time and body ([`Secret`]).
//! - **Errors** are problem details (RFC 9457) with one of nine classes. What has no class says
//!   nothing about an agent: a proxy's 401 or a wrong path's 404 disconnects nobody.
//! - **Forward compatible.** Unknown members of answers are ignored; unknown kinds that are needed
//!   to act are errors.
//!
//! The feature `conformance` runs the kit against a URL, as `frontdesk provider test` does; the
//! feature `serve` is the other side, for tests.

mod call;
#[cfg(feature = "conformance")]
pub mod conformance;
mod remote;
#[cfg(feature = "serve")]
pub mod serve;
mod settings;
mod signature;
mod wire;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use remote::Remote;
pub use settings::{Settings, SettingsError};
pub use signature::{NotSigned, Secret, SecretError, TOLERANCE};

/// What tells the time; the server's own clock.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
