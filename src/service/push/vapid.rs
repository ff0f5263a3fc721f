//! What push services know this server by: a key pair, and what is signed with it (RFC 8292).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use url::Url;
use web_push_native::p256::ecdsa::signature::Signer;
use web_push_native::p256::ecdsa::{Signature, SigningKey};
use web_push_native::p256::elliptic_curve::sec1::ToEncodedPoint;
use web_push_native::p256::{PublicKey, SecretKey};

use crate::app::App;
use crate::service::{Error, Result};
use crate::store::server_key::{self, VAPID};

/// How long a token is good for; a day at most (RFC 8292, section 2). An hour leaves room for a clock that
/// is wrong on either side.
const GOOD_FOR: TimeDelta = TimeDelta::hours(1);

/// What push services know this server by. A browser takes pushes from the key alone that it subscribed
/// with, so it is kept for good.
#[derive(Clone)]
pub struct Vapid {
    key: SigningKey,
    public: String,
}

/// What a token says (RFC 8292, section 2).
#[derive(Serialize)]
struct Claims<'a> {
    aud: String,
    exp: i64,
    sub: &'a Url,
}

/// The key pair, made when it is first asked for, by any process.
///
/// # Errors
/// None but the database's, and a kept key that does not open.
pub async fn vapid(app: &App) -> Result<&Vapid> {
    app.vapid.get_or_try_init(|| kept_or_made(app)).await
}

async fn kept_or_made(app: &App) -> Result<Vapid> {
    let row = server_key::kept_or_made(&app.db, VAPID, || {
        let id = app.uuid();
        let sealed = app.secrets.seal(&draw(app).to_bytes(), id, &app.ids.secret());
        server_key::Model { name: VAPID.to_owned(), id, sealed, created_at: app.now() }
    });
    let row = row.await?;
    let opened = app.secrets.open(&row.sealed, row.id).map_err(Error::internal)?;
    Ok(Vapid::new(&SecretKey::from_slice(&opened).map_err(Error::internal)?))
}

/// A private key. All but one in four thousand million draws of 32 bytes are one.
fn draw(app: &App) -> SecretKey {
    loop {
        if let Ok(key) = SecretKey::from_slice(&app.ids.secret()) {
            return key;
        }
    }
}

impl Vapid {
    /// What push services know the owner of `key` by.
    pub fn new(key: &SecretKey) -> Self {
        Self { public: uncompressed(&key.public_key()), key: key.into() }
    }

    /// The public key as `PushManager.subscribe` takes it: an uncompressed point in base64url.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// The `Authorization` of a push to `endpoint` (RFC 8292, section 3): who sends it, `contact`, to that
    /// push service and no other, for an hour.
    ///
    /// # Errors
    /// None.
    pub fn authorization(
        &self,
        endpoint: &Url,
        contact: &Url,
        now: DateTime<Utc>,
    ) -> Result<String> {
        let aud = endpoint.origin().ascii_serialization();
        let claims = Claims { aud, exp: (now + GOOD_FOR).timestamp(), sub: contact };
        let claims = serde_json::to_vec(&claims).map_err(Error::internal)?;
        let head = URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"ES256"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature: Signature = self.key.sign(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
        Ok(format!("vapid t={signed}.{signature}, k={}", self.public))
    }
}

/// Shows the public half.
impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vapid").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A point as browsers write it (SEC 1, section 2.3.3), in base64url.
pub(super) fn uncompressed(point: &PublicKey) -> String {
    URL_SAFE_NO_PAD.encode(point.to_encoded_point(false))
}

#[cfg(test)]
mod tests {
    use web_push_native::p256::ecdsa::VerifyingKey;
    use web_push_native::p256::ecdsa::signature::Verifier;

    use super::*;

    #[test]
    fn a_token_says_to_whom_from_whom_and_until_when() {
        let key = SecretKey::from_slice(&[7; 32]).unwrap();
        let vapid = Vapid::new(&key);
        let endpoint = Url::parse("https://push.example:8443/abc?d=e").unwrap();
        let contact = Url::parse("mailto:operations@example.com").unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let header = vapid.authorization(&endpoint, &contact, now).unwrap();
        let (token, public) =
            header.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).unwrap();
        assert_eq!(public, vapid.public_key());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let read = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let (head, claims) = signed.split_once('.').unwrap();
        assert_eq!(read(head), br#"{"typ":"JWT","alg":"ES256"}"#);
        let claims: serde_json::Value = serde_json::from_slice(&read(claims)).unwrap();
        let expected = serde_json::json!({
            "aud": "https://push.example:8443",
            "exp": 1_800_003_600,
            "sub": "mailto:operations@example.com",
        });
        assert_eq!(claims, expected);
        let verifying = VerifyingKey::from_sec1_bytes(&read(public)).unwrap();
        let signature = Signature::from_slice(&read(signature)).unwrap();
        verifying.verify(signed.as_bytes(), &signature).unwrap();
        assert!(verifying.verify(b"something else", &signature).is_err());
        assert!(!format!("{vapid:?}").contains(&URL_SAFE_NO_PAD.encode([7; 32])));
    }
}
