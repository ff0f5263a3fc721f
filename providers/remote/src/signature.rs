//! Signatures after the Standard Webhooks specification (standardwebhooks.com), version 1.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

/// How far the sender's clock may be from ours, either way.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// The headers that carry a signature, in lower case.
pub(crate) const ID: &str = "webhook-id";
pub(crate) const TIMESTAMP: &str = "webhook-timestamp";
pub(crate) const SIGNATURE: &str = "webhook-signature";

const PREFIX: &str = "whsec_";

/// A key that two sides share, as `whsec_` and base64.
///
/// ```
/// use calendar_provider_remote::Secret;
///
/// let secret = Secret::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into())?;
/// let at = "2031-05-05T09:00:00Z".parse().expect("an instant");
/// let signature = secret.sign("msg_1", at, b"{}");
/// assert!(secret.verify("msg_1", &at.timestamp().to_string(), &signature, b"{}", at).is_ok());
/// assert!(secret.verify("msg_2", &at.timestamp().to_string(), &signature, b"{}", at).is_err());
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// # Ok::<(), calendar_provider_remote::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a text is no secret. It does not say the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It does not begin with `whsec_`, or what follows is not base64.
    #[error("the secret is not \"whsec_\" and base64")]
    Form,
    /// The key is too short or too long to be one.
    #[error("the secret's key must be 24 to 64 bytes long, before base64")]
    Length,
}

/// A message is not signed with the secret, or not lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSigned {
    /// Its time is none, or more than [`TOLERANCE`] from now.
    #[error("the time of the signature is not within 5 minutes of now")]
    Time,
    /// None of its signatures is right.
    #[error("the signature is not right")]
    Signature,
}

impl Secret {
    /// Reads `whsec_` and base64 of a key of 24 to 64 bytes, as the specification asks.
    ///
    /// # Errors
    /// Where it has another form.
    pub fn parse(text: &SecretString) -> Result<Self, SecretError> {
        let encoded = text.expose_secret().trim().strip_prefix(PREFIX).ok_or(SecretError::Form)?;
        let key = BASE64_STANDARD.decode(encoded).map_err(|_| SecretError::Form)?;
        if !(24..=64).contains(&key.len()) {
            return Err(SecretError::Length);
        }
        Ok(Self(key.into()))
    }

    /// The secret of a channel, whose key is the text's bytes.
    pub(crate) fn of_channel(text: &SecretString) -> Self {
        Self(text.expose_secret().as_bytes().to_vec().into())
    }

    /// As [`parse`](Self::parse) reads it.
    pub(crate) fn to_text(&self) -> SecretString {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(self.0.expose_secret())).into()
    }

    #[cfg(feature = "serve")]
    pub(crate) fn key(&self) -> &SecretSlice<u8> {
        &self.0
    }

    /// The value of `webhook-signature` for a message sent `at`.
    pub fn sign(&self, id: &str, at: DateTime<Utc>, body: &[u8]) -> String {
        let code = self.code(id, &at.timestamp().to_string(), body).finalize().into_bytes();
        format!("v1,{}", BASE64_STANDARD.encode(code))
    }

    /// Whether one of `signatures` (with spaces between, as while a secret is changed) is right,
    /// compared in constant time, and `timestamp` (seconds since 1970) lies near `now`.
    ///
    /// # Errors
    /// Where not; then nothing of the message may be believed.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<(), NotSigned> {
        let sent = timestamp.parse().ok().and_then(|it| DateTime::from_timestamp(it, 0));
        let near = sent.is_some_and(|sent| (now - sent).abs() <= TOLERANCE);
        if !near {
            return Err(NotSigned::Time);
        }
        let right = |signature: &str| {
            let code = signature.strip_prefix("v1,").and_then(|it| BASE64_STANDARD.decode(it).ok());
            code.is_some_and(|code| self.code(id, timestamp, body).verify_slice(&code).is_ok())
        };
        if signatures.split(' ').any(right) { Ok(()) } else { Err(NotSigned::Signature) }
    }

    fn code(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes a key of any length");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            code.update(part);
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{NotSigned, Secret, SecretError};

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_614_265_330, 0).unwrap()
    }

    fn secret() -> Secret {
        Secret::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap()
    }

    /// The example that the specification's reference libraries test with.
    #[test]
    fn the_published_example_is_signed_alike() {
        let signature =
            secret().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at(), br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_message_that_differs_in_anything_is_refused() {
        let signature = secret().sign("msg_1", at(), b"body");
        let verify = |id: &str, time: i64, signature: &str, body: &[u8]| {
            secret().verify(id, &time.to_string(), signature, body, at())
        };
        let time = at().timestamp();
        assert_eq!(verify("msg_1", time, &signature, b"body"), Ok(()));
        assert_eq!(verify("msg_1", time, &format!("v1,AAAA v2,x {signature}"), b"body"), Ok(()));
        let wrong = Err(NotSigned::Signature);
        assert_eq!(verify("msg_2", time, &signature, b"body"), wrong);
        assert_eq!(verify("msg_1", time + 1, &signature, b"body"), wrong);
        assert_eq!(verify("msg_1", time, &signature, b"bodY"), wrong);
        assert_eq!(verify("msg_1", time, &signature[..20], b"body"), wrong);
        assert_eq!(verify("msg_1", time, &signature.replace("v1,", "v0,"), b"body"), wrong);
        for bad in ["", "v1,", "v1", " ", "v1,====", "é"] {
            assert_eq!(verify("msg_1", time, bad, b"body"), wrong, "{bad}");
        }
    }

    #[test]
    fn a_clock_may_be_off_by_five_minutes_and_no_more() {
        for (off, accepted) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let sent = at() + TimeDelta::seconds(off);
            let signature = secret().sign("msg_1", sent, b"");
            let time = sent.timestamp().to_string();
            let verified = secret().verify("msg_1", &time, &signature, b"", at());
            assert_eq!(verified.is_ok(), accepted, "{off}");
        }
        for time in ["", "now", "99999999999999999999", "9223372036854775807", "-1"] {
            let verified = secret().verify("msg_1", time, "v1,AAAA", b"", at());
            assert_eq!(verified, Err(NotSigned::Time), "{time}");
        }
    }

    #[test]
    fn a_secret_must_be_long_enough_and_spelt_right() {
        for (text, error) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Form),
            ("whsec_not base64", SecretError::Form),
            ("whsec_", SecretError::Length),
            ("whsec_c2hvcnQ=", SecretError::Length),
        ] {
            assert_eq!(Secret::parse(&text.into()).unwrap_err(), error, "{text}");
        }
    }
}
