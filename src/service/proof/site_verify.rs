//! Turnstile and hCaptcha. Both are asked by one form of request, at different addresses:
//! <https://developers.cloudflare.com/turnstile/get-started/server-side-validation/> and
//! <https://docs.hcaptcha.com/#verify-the-user-response-server-side>. Both accept an answer once, and for some minutes.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use calendar_http::http::Request;
use calendar_http::http::header::{ACCEPT, CONTENT_TYPE};
use calendar_http::{Bytes, read_json};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::{PROOF_BYTES, Verdict, Verifier};
use crate::app::App;
use crate::config::{Proof, VerifierKind};
use crate::service::{Error, Result};

/// Largest answer of a verifier, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;

/// What the vendors answer about us or themselves rather than about the proof. `bad-request` is not among them: the
/// bytes of a proof can bring it about, and a fault lets the visitor go on by e-mail.
const FAULTS: [&str; 5] = [
    "missing-input-secret",
    "invalid-input-secret",
    "sitekey-secret-mismatch",
    "not-using-dummy-secret",
    "internal-error",
];

/// A verifier elsewhere.
pub(super) struct SiteVerify {
    provider: &'static str,
    /// hCaptcha compares it with the proof's; Turnstile ties the two together by the secret.
    sends_site_key: bool,
    url: String,
    site_key: String,
    secret: SecretString,
    hostnames: Vec<String>,
    action: Option<String>,
    timeout: Duration,
}

/// What a verifier answers.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    hostname: Option<String>,
    action: Option<String>,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

impl SiteVerify {
    /// `settings` are of one of the two.
    pub(super) fn new(settings: &Proof) -> Self {
        let is_hcaptcha = settings.verifier == VerifierKind::Hcaptcha;
        let vendor = match is_hcaptcha {
            true => "https://api.hcaptcha.com/siteverify",
            false => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        };
        Self {
            provider: settings.verifier.as_str(),
            sends_site_key: is_hcaptcha,
            url: settings.verify_url.as_ref().map_or(vendor, Url::as_str).to_owned(),
            site_key: settings.site_key.clone().unwrap_or_default(),
            secret: settings.secret.clone().unwrap_or_default(),
            hostnames: settings.hostnames.clone(),
            action: settings.action.clone(),
            timeout: Duration::from_secs(settings.timeout_seconds.into()),
        }
    }

    fn request(&self, proof: &str, network: Option<IpAddr>) -> Result<Request<Bytes>> {
        let mut form = Serializer::new(String::new());
        form.append_pair("secret", self.secret.expose_secret()).append_pair("response", proof);
        // Of IPv6 only the network is known, which is nobody's address.
        if let Some(IpAddr::V4(address)) = network {
            form.append_pair("remoteip", &address.to_string());
        }
        if self.sends_site_key {
            form.append_pair("sitekey", &self.site_key);
        }
        Request::post(&self.url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form.finish().into())
            .map_err(Error::internal)
    }

    /// Nobody can tell whether the proof holds. `cause` is for the log; it holds no proof and no secret.
    fn unavailable(&self, cause: &dyn std::fmt::Display) -> Error {
        let provider = self.provider;
        tracing::error!(provider, %cause, "a visitor's proof could not be checked");
        Error::Upstream(format!("{provider} can't check the proof now; try again later"))
    }

    fn judge(&self, answer: &Answer) -> Result<Verdict> {
        if let Some(fault) = answer.error_codes.iter().find_map(|code| known_fault(code)) {
            return Err(self.unavailable(&fault));
        }
        let hostname = answer.hostname.as_deref().unwrap_or_default();
        let is_ours = self.hostnames.is_empty()
            || self.hostnames.iter().any(|ours| ours.eq_ignore_ascii_case(hostname));
        let is_for_this = self.action.is_none() || self.action == answer.action;
        if answer.success && is_ours && is_for_this {
            return Ok(Verdict::Accepted);
        }
        tracing::debug!(
            provider = self.provider,
            success = answer.success,
            is_ours,
            is_for_this,
            "a visitor's proof was refused"
        );
        Ok(Verdict::Refused)
    }
}

/// Whether it is worth a request: proofs of both vendors are short and of printable ASCII.
fn can_be_proof(proof: &str) -> bool {
    let is_printable = proof.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    !proof.is_empty() && proof.len() <= PROOF_BYTES && is_printable
}

fn known_fault(code: &str) -> Option<&'static str> {
    FAULTS.into_iter().find(|fault| *fault == code)
}

#[async_trait]
impl Verifier for SiteVerify {
    fn provider(&self) -> &'static str {
        self.provider
    }

    fn site_key(&self) -> Option<&str> {
        Some(&self.site_key)
    }

    fn challenge(&self, _app: &App) -> Option<String> {
        None
    }

    async fn verify(&self, app: &App, proof: &str, network: Option<IpAddr>) -> Result<Verdict> {
        if !can_be_proof(proof) {
            return Ok(Verdict::Refused);
        }
        let client = app.http.with_body_limit(ANSWER_BYTES).with_deadline(self.timeout);
        let response = client.send(self.request(proof, network)?).await;
        let response = response.map_err(|error| self.unavailable(&error))?;
        let status = response.status();
        // hCaptcha and Turnstile tell of faults with 200 or 400, in the same form.
        if !status.is_success() && status.as_u16() != 400 {
            return Err(self.unavailable(&format!("it answered with status {status}")));
        }
        let answer: Answer = read_json(&response).map_err(|error| self.unavailable(&error))?;
        if answer.success && !status.is_success() {
            return Err(self.unavailable(&format!("it answered with status {status}")));
        }
        self.judge(&answer)
    }
}
