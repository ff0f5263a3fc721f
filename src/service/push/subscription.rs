//! Where a browser takes pushes, and the encryption of what is pushed (RFC 8291).

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use calendar_http::{HttpClient, Network};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;
use web_push_native::Auth;
use web_push_native::p256::PublicKey;

use crate::app::App;
use crate::service::webhook::words;
use crate::service::{Error, Result};

/// Longest endpoint, in bytes. Those of the browsers' vendors have at most some hundred.
const ENDPOINT_BYTES: usize = 2000;
/// What an answer of a push service may have, in bytes, as far as it is read.
const ANSWER_BYTES: usize = 4 * 1024;

/// Where a browser takes pushes, and the keys that they are encrypted with: a secret, since who has it can
/// push. Kept sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    endpoint: Url,
    /// The browser's public key, an uncompressed point in base64url.
    p256dh: String,
    /// The secret that the browser shares with us, 16 bytes in base64url.
    auth: String,
}

impl Subscription {
    /// Reads what a browser gave: `PushSubscription.toJSON()` (Push API, section 8).
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming what can't be used.
    pub fn read(app: &App, endpoint: &str, p256dh: &str, auth: &str) -> Result<Self> {
        let endpoint = read_endpoint(app, "input.endpoint", endpoint)?;
        let point = decode(p256dh).and_then(|bytes| PublicKey::from_sec1_bytes(&bytes).ok());
        let field = "input.keys.p256dh";
        let wrong = format!("{field} must be a point on the curve P-256 in base64url");
        let point = point.ok_or_else(|| Error::bad_input(field, wrong))?;
        let secret = decode(auth).filter(|bytes| bytes.len() == 16);
        let field = "input.keys.auth";
        let wrong = format!("{field} must be 16 bytes in base64url");
        let secret = secret.ok_or_else(|| Error::bad_input(field, wrong))?;
        Ok(Self {
            endpoint,
            p256dh: super::vapid::uncompressed(&point),
            auth: URL_SAFE_NO_PAD.encode(secret),
        })
    }

    /// Where pushes go.
    pub const fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// The push service, without what names the browser.
    pub fn origin(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }

    /// What `message` is for the browser alone, as the body of a push (RFC 8291, section 4). A key and a
    /// salt are drawn for each, from the operating system.
    ///
    /// # Errors
    /// None but a fault of ours: the keys were read when they came.
    pub fn encrypt(&self, message: &[u8]) -> Result<Vec<u8>> {
        let broken = || Error::internal(anyhow::anyhow!("a subscription's keys can't be read"));
        let point = decode(&self.p256dh).ok_or_else(broken)?;
        let point = PublicKey::from_sec1_bytes(&point).map_err(|_| broken())?;
        let auth = decode(&self.auth).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        let auth = Auth::from(auth.ok_or_else(broken)?);
        web_push_native::encrypt(message.to_vec(), &point, &auth).map_err(Error::internal)
    }

    /// Encrypts it for a row.
    pub(super) fn seal(&self, app: &App, row: Uuid) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(app.secrets.seal(&plain, row, &app.ids.secret()))
    }

    /// Opens what [`Self::seal`] made for the same row.
    pub(super) fn open(app: &App, sealed: &[u8], row: Uuid) -> Result<Self> {
        let plain = app.secrets.open(sealed, row).map_err(Error::internal)?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    }
}

/// Shows where, but not whom.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("origin", &self.origin()).finish_non_exhaustive()
    }
}

/// Reads the address of a browser at its push service.
///
/// # Errors
/// `BAD_USER_INPUT` where it is too long, not https, or leads to a private address.
pub(super) fn read_endpoint(app: &App, field: &str, text: &str) -> Result<Url> {
    if ENDPOINT_BYTES < text.len() {
        let message = format!("{field} must have at most {ENDPOINT_BYTES} bytes");
        return Err(Error::bad_input(field, message));
    }
    let schemes: &[&str] =
        if app.config.allow_private_addresses { &["https", "http"] } else { &["https"] };
    let url = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()));
    let wrong = || Error::bad_input(field, format!("{field} must be an https URL"));
    let mut url = url.ok_or_else(wrong)?;
    url.set_fragment(None);
    client(app).check(&url).map_err(|error| {
        Error::bad_input(field, format!("{field} can't be used: {}", words(&error)))
    })?;
    Ok(url)
}

/// What asks push services: addresses that agents give.
pub(crate) fn client(app: &App) -> HttpClient {
    let network = match app.config.allow_private_addresses {
        true => Network::Any,
        false => Network::Public,
    };
    let client = app.http.with_network(network).with_body_limit(ANSWER_BYTES);
    client.with_deadline(Duration::from_secs(app.config.limits.provider_timeout_seconds.into()))
}

/// Reads base64url; also with padding, and in the other alphabet, since not every caller uses `toJSON`.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use web_push_native::p256::SecretKey;

    use super::*;

    /// RFC 8291, appendix A.
    const PLAIN: &[u8] = b"When I grow up, I want to be a watermelon";
    const ENCRYPTED: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml\
        mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZ\
        wbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    const BROWSER_PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
    const BROWSER_PUBLIC: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    fn browser() -> (SecretKey, Auth) {
        let auth: [u8; 16] = decode(AUTH).unwrap().try_into().unwrap();
        (SecretKey::from_slice(&decode(BROWSER_PRIVATE).unwrap()).unwrap(), auth.into())
    }

    /// The library draws the salt and the key by itself, so this half of the example is read back.
    #[test]
    fn the_example_of_the_rfc_is_read() {
        let (private, auth) = browser();
        let read = web_push_native::decrypt(decode(ENCRYPTED).unwrap(), &private, &auth).unwrap();
        assert_eq!(read, PLAIN);
    }

    #[test]
    fn what_is_encrypted_is_for_the_browser_alone() {
        let subscription = Subscription {
            endpoint: Url::parse("https://push.example/abc").unwrap(),
            p256dh: BROWSER_PUBLIC.to_owned(),
            auth: AUTH.to_owned(),
        };
        let (private, auth) = browser();
        let once = subscription.encrypt(PLAIN).unwrap();
        let again = subscription.encrypt(PLAIN).unwrap();
        assert_ne!(once[..16], again[..16], "each has a salt of its own");
        assert_ne!(once[21..86], again[21..86], "and a key");
        assert_eq!(web_push_native::decrypt(once.clone(), &private, &auth).unwrap(), PLAIN);
        let other = SecretKey::from_slice(&[7; 32]).unwrap();
        assert!(web_push_native::decrypt(once.clone(), &other, &auth).is_err());
        assert!(web_push_native::decrypt(once, &private, &[7; 16].into()).is_err());
        assert_eq!(
            format!("{subscription:?}"),
            r#"Subscription { origin: "https://push.example", .. }"#
        );
    }
}
