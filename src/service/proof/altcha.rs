//! The proof of work of Altcha, version 1, which all versions of its widget solve: the browser looks for the number
//! whose SHA-256 after the salt is the challenge. See
//! <https://github.com/altcha-org/altcha-lib/tree/main/src/v1>.

use std::net::IpAddr;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{PROOF_BYTES, Verdict, Verifier};
use crate::app::App;
use crate::config::Proof;
use crate::secrets::{Secrets, digest};
use crate::service::Result;
use crate::store::used_proof;

const ALGORITHM: &str = "SHA-256";
/// Hexadecimal digits of the random part of a salt.
const SALT_DIGITS: usize = 32;

/// This server, as one that checks proofs of work.
pub(super) struct Altcha {
    difficulty: u64,
    good_for: TimeDelta,
}

/// What the widget is given, as JSON.
#[derive(Serialize)]
struct Challenge<'a> {
    algorithm: &'a str,
    challenge: &'a str,
    maxnumber: u64,
    salt: &'a str,
    signature: &'a str,
}

/// What the widget gives back, as JSON in base64. What else it says, such as how long it took, counts for nothing.
#[derive(Deserialize)]
struct Solution {
    algorithm: String,
    challenge: String,
    /// A number and not text: the rest of a salt that was cut short could pass for text.
    number: u64,
    salt: String,
    signature: String,
}

impl Altcha {
    pub(super) fn new(settings: &Proof) -> Self {
        let good_for = TimeDelta::seconds(settings.challenge_seconds.into());
        Self { difficulty: settings.difficulty, good_for }
    }

    /// A challenge made of these random bytes: the number of the first 8, the salt of others.
    fn make(&self, secrets: &Secrets, now: DateTime<Utc>, random: &[u8; 32]) -> String {
        let mut first = [0; 8];
        first.copy_from_slice(&random[24..]);
        let number = u64::from_be_bytes(first) % (self.difficulty + 1);
        // The number must not be told by the salt, so the salt is of other bytes, all of which are hashed.
        let salt_bytes = digest(&[b"salt", &random[..]].concat());
        let expires = (now + self.good_for).timestamp();
        let salt = format!("{}?expires={expires}&", &hex(&salt_bytes)[..SALT_DIGITS]);
        let challenge = hashed(&salt, number);
        let signature = hex(&secrets.sign_challenge(&challenge));
        let challenge = Challenge {
            algorithm: ALGORITHM,
            challenge: &challenge,
            maxnumber: self.difficulty,
            salt: &salt,
            signature: &signature,
        };
        serde_json::to_string(&challenge).unwrap_or_else(|_| unreachable!("text and a number"))
    }
}

/// When the solved challenge expires; none where the solution is wrong or the challenge is not this server's.
fn check(secrets: &Secrets, proof: &str) -> Option<(Solution, DateTime<Utc>)> {
    let json = STANDARD.decode(proof).ok()?;
    let solution: Solution = serde_json::from_slice(&json).ok()?;
    let expires_at = expiry(&solution.salt)?;
    let is_solved = same(&hashed(&solution.salt, solution.number), &solution.challenge);
    let signature = hex(&secrets.sign_challenge(&solution.challenge));
    let is_ours = same(&signature, &solution.signature);
    (solution.algorithm == ALGORITHM && is_solved && is_ours).then_some((solution, expires_at))
}

/// When the challenge with this salt expires; none for a salt that is not exactly as this server writes them, so that
/// no part of it can be taken for something else.
fn expiry(salt: &str) -> Option<DateTime<Utc>> {
    let (random, rest) = salt.split_at_checked(SALT_DIGITS)?;
    let seconds = rest.strip_prefix("?expires=")?.strip_suffix('&')?;
    let is_plain = random.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        && seconds.bytes().all(|c| c.is_ascii_digit());
    if !is_plain {
        return None;
    }
    DateTime::from_timestamp(seconds.parse().ok()?, 0)
}

fn hashed(salt: &str, number: u64) -> String {
    hex(&digest(format!("{salt}{number}").as_bytes()))
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl Verifier for Altcha {
    fn provider(&self) -> &'static str {
        "altcha"
    }

    fn site_key(&self) -> Option<&str> {
        None
    }

    fn challenge(&self, app: &App) -> Option<String> {
        Some(self.make(&app.secrets, app.now(), &app.ids.secret()))
    }

    async fn verify(&self, app: &App, proof: &str, _network: Option<IpAddr>) -> Result<Verdict> {
        if PROOF_BYTES < proof.len() {
            return Ok(Verdict::Refused);
        }
        let Some((solution, expires_at)) = check(&app.secrets, proof) else {
            return Ok(Verdict::Refused);
        };
        if expires_at <= app.now() {
            return Ok(Verdict::Refused);
        }
        // By the challenge, not by the proof: the same solution can be written in many ways.
        let hash = digest(solution.challenge.as_bytes());
        let is_new = used_proof::note(&app.db, hash, expires_at).await?;
        Ok(if is_new { Verdict::Accepted } else { Verdict::Refused })
    }
}
