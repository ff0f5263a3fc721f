//! The settings of proofs that visitors are no programs.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::written::{List, between, http_url};
use super::{ConfigError, Hidden, problem};

/// Who checks proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifierKind {
    /// Nobody; none are demanded.
    Off,
    /// Cloudflare Turnstile.
    Turnstile,
    /// hCaptcha.
    Hcaptcha,
    /// This server, by the proof of work of Altcha.
    Altcha,
}

impl VerifierKind {
    /// As the settings write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Turnstile => "turnstile",
            Self::Hcaptcha => "hcaptcha",
            Self::Altcha => "altcha",
        }
    }
}

/// How visitors prove that they are no programs. See `src/defaults.toml`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "said where the values stand")]
pub struct Proof {
    pub verifier: VerifierKind,
    /// Never missing for Turnstile and hCaptcha.
    pub site_key: Option<String>,
    /// Never missing for Turnstile and hCaptcha.
    pub secret: Option<SecretString>,
    pub verify_url: Option<Url>,
    pub hostnames: Vec<String>,
    pub action: Option<String>,
    pub timeout_seconds: u32,
    pub difficulty: u64,
    pub challenge_seconds: u32,
}

/// The same, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenProof {
    verifier: VerifierKind,
    site_key: Option<String>,
    secret: Option<SecretString>,
    verify_url: Option<String>,
    hostnames: List,
    action: Option<String>,
    timeout_seconds: u32,
    difficulty: u64,
    challenge_seconds: u32,
}

impl WrittenProof {
    pub(super) fn check(self) -> Result<Proof, ConfigError> {
        let is_remote = matches!(self.verifier, VerifierKind::Turnstile | VerifierKind::Hcaptcha);
        let name = self.verifier.as_str();
        let missing = |key: &str| {
            problem(key, "missing", format!("must be given with proof.verifier = \"{name}\""))
        };
        let site_key = self.site_key.filter(|key| !key.trim().is_empty());
        let secret = self.secret.filter(|secret| {
            use secrecy::ExposeSecret;
            !secret.expose_secret().trim().is_empty()
        });
        if is_remote && site_key.is_none() {
            return Err(missing("proof.site_key"));
        }
        if is_remote && secret.is_none() {
            return Err(missing("proof.secret"));
        }
        for hostname in &self.hostnames.0 {
            if !matches!(url::Host::parse(hostname), Ok(url::Host::Domain(it)) if it == *hostname) {
                let allowed = "must be host names in lower case, e.g. www.example.com";
                return Err(problem("proof.hostnames", hostname, allowed));
            }
        }
        between("proof.timeout_seconds", self.timeout_seconds, 1..=30)?;
        between("proof.difficulty", self.difficulty, 1_000..=10_000_000)?;
        between("proof.challenge_seconds", self.challenge_seconds, 60..=3600)?;
        let verify_url =
            self.verify_url.map(|url| http_url("proof.verify_url", &url)).transpose()?;
        if verify_url.as_ref().is_some_and(|url| url.password().is_some()) {
            return Err(problem("proof.verify_url", Hidden, "must hold no password"));
        }
        Ok(Proof {
            verifier: self.verifier,
            site_key,
            secret,
            verify_url,
            hostnames: self.hostnames.0,
            action: self.action,
            timeout_seconds: self.timeout_seconds,
            difficulty: self.difficulty,
            challenge_seconds: self.challenge_seconds,
        })
    }
}
