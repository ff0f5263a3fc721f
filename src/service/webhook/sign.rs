//! Signing, after the Standard Webhooks specification: HMAC-SHA-256 over ID, time and body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use crate::app::App;
use crate::secrets;
use crate::service::{Error, Result};
use crate::store::webhook::Model;

/// What is sent beside the body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// `webhook-timestamp`: of the try, in seconds since 1970.
    pub(crate) timestamp: String,
    /// `webhook-signature`: one for each secret, with spaces between.
    pub(crate) signature: String,
}

/// The secrets that a webhook is signed with now: the former one too, for a while after there is another.
///
/// # Errors
/// Where they don't open with this server's secret key.
pub(crate) fn secrets(app: &App, webhook: &Model, now: DateTime<Utc>) -> Result<Vec<Vec<u8>>> {
    let former = webhook.former_secret.as_ref();
    let former = former.filter(|_| webhook.former_secret_until.is_some_and(|until| now < until));
    let sealed = std::iter::once(&webhook.secret).chain(former);
    let opened = sealed.map(|sealed| app.secrets.open(sealed, webhook.id).map_err(Error::internal));
    opened.collect()
}

/// Signs a message that is sent `at`.
pub(crate) fn sign(secrets: &[Vec<u8>], id: &str, at: DateTime<Utc>, body: &str) -> Signed {
    let timestamp = at.timestamp().to_string();
    let content = format!("{id}.{timestamp}.{body}");
    let signature = |secret: &Vec<u8>| {
        format!("v1,{}", STANDARD.encode(secrets::hmac_sha256(secret, content.as_bytes())))
    };
    let signature = secrets.iter().map(signature).collect::<Vec<_>>().join(" ");
    Signed { timestamp, signature }
}

/// A secret as its receiver is given it.
pub(super) fn shown(secret: &[u8; 32]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the README files of the specification's own libraries.
    #[test]
    fn a_message_is_signed_as_the_reference_does() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = sign(&[secret], id, at, r#"{"test": 2432232314}"#);
        assert_eq!(signed.timestamp, "1614265330");
        assert_eq!(signed.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
