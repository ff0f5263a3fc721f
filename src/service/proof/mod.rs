//! Proof that a visitor is no program, where one is demanded: by whom it is asked for, and whether it holds.

mod altcha;
mod site_verify;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

use super::Result;
use crate::app::App;
use crate::config::{Proof, VerifierKind};

/// Longest proof, in bytes. Turnstile's have at most 2,048, hCaptcha's a few thousand, Altcha's some 400.
const PROOF_BYTES: usize = 8 * 1024;

/// Checks proofs of one kind.
#[async_trait]
pub trait Verifier: Send + Sync + 'static {
    /// What a page knows the kind by, e.g. `turnstile`.
    fn provider(&self) -> &'static str;

    /// What the page's widget needs; none where it needs nothing.
    fn site_key(&self) -> Option<&str>;

    /// A new challenge from this server; none where the widget fetches its own.
    fn challenge(&self, app: &App) -> Option<String>;

    /// Whether `proof` holds. One that was accepted is not accepted again. `network` is where the visitor
    /// connects from, where that is known.
    ///
    /// # Errors
    /// `UPSTREAM_UNAVAILABLE` where nobody can tell: that is never a proof.
    async fn verify(&self, app: &App, proof: &str, network: Option<IpAddr>) -> Result<Verdict>;
}

/// What came of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, and is used up.
    Accepted,
    /// It does not hold: wrong, expired, used before, or made for another site.
    Refused,
}

/// What checks proofs; none where it is off.
pub fn verifier(settings: &Proof) -> Option<Arc<dyn Verifier>> {
    match settings.verifier {
        VerifierKind::Off => None,
        VerifierKind::Turnstile | VerifierKind::Hcaptcha => {
            Some(Arc::new(site_verify::SiteVerify::new(settings)))
        }
        VerifierKind::Altcha => Some(Arc::new(altcha::Altcha::new(settings))),
    }
}
