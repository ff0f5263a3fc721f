//! Keeping secrets: encryption at rest, and keyed hashes of tokens.
//!
//! One key of 32 bytes is given; a key for each purpose is derived from it, so that what one
//! purpose gives away says nothing about another.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// What the secret key unlocks.
#[derive(Clone)]
pub struct Secrets {
    cipher: XChaCha20Poly1305,
    hashing: [u8; 32],
    manage: [u8; 32],
    mend: [u8; 32],
    push: [u8; 32],
    proof: [u8; 32],
    confirm: [u8; 32],
}

/// A secret key that is not 32 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret key must be 32 bytes in base64")]
pub struct NotAKey;

/// Sealed bytes that do not open: another key, another row, or changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open with this key for this row")]
pub struct Unopenable;

impl Secrets {
    /// Takes a key as it is kept: 32 bytes in base64.
    ///
    /// # Errors
    /// Where it is anything else.
    pub fn from_base64(key: &SecretString) -> Result<Self, NotAKey> {
        let bytes = STANDARD.decode(key.expose_secret().trim()).map_err(|_| NotAKey)?;
        Ok(Self::new(&<[u8; 32]>::try_from(bytes).map_err(|_| NotAKey)?))
    }

    /// Takes the key's bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        let derive = |purpose: &str| mac(key, &[purpose.as_bytes()]);
        Self {
            cipher: XChaCha20Poly1305::new(&derive("frontdesk/credentials/1").into()),
            hashing: derive("frontdesk/token-hash/1"),
            manage: derive("frontdesk/manage-token/1"),
            mend: derive("frontdesk/mend-token/1"),
            push: derive("frontdesk/push-secret/1"),
            proof: derive("frontdesk/proof/1"),
            confirm: derive("frontdesk/confirm-token/1"),
        }
    }

    /// A key as it is kept.
    pub fn encode_key(key: &[u8; 32]) -> String {
        STANDARD.encode(key)
    }

    /// Encrypts `plain` for one row (XChaCha20-Poly1305; the row's ID is bound as associated
    /// data). `random` must be new: its first 24 bytes are the nonce.
    ///
    /// # Panics
    /// Never in practice: the cipher refuses only messages past 256 GiB.
    pub fn seal(&self, plain: &[u8], row: Uuid, random: &[u8; 32]) -> Vec<u8> {
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&random[..24]);
        let payload = Payload { msg: plain, aad: row.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .unwrap_or_else(|_| panic!("a message of {} bytes is too long", plain.len()));
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts what [`Self::seal`] made for the same row.
    ///
    /// # Errors
    /// Where the key or the row is another, or a byte was changed.
    pub fn open(&self, sealed: &[u8], row: Uuid) -> Result<Vec<u8>, Unopenable> {
        let (nonce, sealed) = sealed.split_at_checked(24).ok_or(Unopenable)?;
        let nonce = <[u8; 24]>::try_from(nonce).map_err(|_| Unopenable)?;
        let payload = Payload { msg: sealed, aad: row.as_bytes() };
        self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| Unopenable)
    }

    /// The keyed hash (HMAC-SHA-256) under which a token is kept and found. Tokens hold 256 random
    /// bits, so a slow hash would add nothing.
    pub fn hash(&self, token: &str) -> Vec<u8> {
        mac(&self.hashing, &[token.as_bytes()]).to_vec()
    }

    /// The token that opens one booking. It is derived, not kept: each mail and each replayed
    /// answer makes the same one again.
    pub fn manage_token(&self, booking: Uuid) -> String {
        derived(MANAGE, &self.manage, booking)
    }

    /// The token of the link in the mail that a delivery sends about a calendar to connect again. It is
    /// derived like [`Self::manage_token`].
    pub fn mend_token(&self, delivery: Uuid) -> String {
        derived(MEND, &self.mend, delivery)
    }

    /// The delivery whose mail has this token in its link; none for a token that was made up.
    pub fn delivery_of_mend_token(&self, token: &str) -> Option<Uuid> {
        let delivery = named(MEND, token)?;
        let same = self.mend_token(delivery).as_bytes().ct_eq(token.as_bytes());
        bool::from(same).then_some(delivery)
    }

    /// The token of the link in the mail by which a visitor confirms a booking. It is derived like
    /// [`Self::manage_token`].
    pub fn confirm_token(&self, confirmation: Uuid) -> String {
        derived(CONFIRM, &self.confirm, confirmation)
    }

    /// The confirmation whose mail has this token in its link; none for a token that was made up.
    pub fn confirmation_of_token(&self, token: &str) -> Option<Uuid> {
        let confirmation = named(CONFIRM, token)?;
        let same = self.confirm_token(confirmation).as_bytes().ct_eq(token.as_bytes());
        bool::from(same).then_some(confirmation)
    }

    /// What a calendar's provider is to say with each call on a channel: 43 characters of base64url.
    /// Derived, not kept.
    pub fn push_secret(&self, channel: Uuid) -> SecretString {
        URL_SAFE_NO_PAD.encode(mac(&self.push, &[channel.as_bytes()])).into()
    }

    /// The signature (HMAC-SHA-256) by which a proof-of-work challenge is known as one of this server's.
    pub fn sign_challenge(&self, challenge: &str) -> [u8; 32] {
        mac(&self.proof, &[challenge.as_bytes()])
    }
}

/// A new token: a prefix that says what it opens, and 256 random bits.
pub fn token(prefix: &str, random: &[u8; 32]) -> String {
    format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(random))
}

/// The booking that a manage token names, whether or not it opens it.
pub fn booking_of_manage_token(token: &str) -> Option<Uuid> {
    named(MANAGE, token)
}

const MANAGE: &str = "fdm_";
const MEND: &str = "fdr_";
const CONFIRM: &str = "fdc_";

fn derived(prefix: &str, key: &[u8; 32], id: Uuid) -> String {
    let proof = mac(key, &[id.as_bytes()]);
    format!("{prefix}{}{}", URL_SAFE_NO_PAD.encode(id), URL_SAFE_NO_PAD.encode(proof))
}

/// What a derived token names, whether or not its proof is right.
fn named(prefix: &str, token: &str) -> Option<Uuid> {
    let id = token.strip_prefix(prefix)?.get(..22)?;
    Uuid::from_slice(&URL_SAFE_NO_PAD.decode(id).ok()?).ok()
}

/// SHA-256, for telling inputs apart.
pub fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// HMAC-SHA-256 (RFC 2104) with a key that is another's too.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    mac(key, &[message])
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length (RFC 2104, section 3), so this one is never refused.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { unreachable!() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_with_their_key_and_row() {
        let (row, other_row) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let secrets = Secrets::new(&[7; 32]);
        let mut sealed = secrets.seal(b"refresh token", row, &[9; 32]);
        assert_eq!(secrets.open(&sealed, row).as_deref(), Ok(b"refresh token".as_slice()));
        assert_eq!(secrets.open(&sealed, other_row), Err(Unopenable));
        assert_eq!(Secrets::new(&[8; 32]).open(&sealed, row), Err(Unopenable));
        assert_eq!(secrets.open(&sealed[..10], row), Err(Unopenable));
        sealed[30] ^= 1;
        assert_eq!(secrets.open(&sealed, row), Err(Unopenable));
    }

    #[test]
    fn a_manage_token_names_its_booking_and_depends_on_the_key() {
        let booking = Uuid::from_u128(0x0190_aaaa_bbbb);
        let token = Secrets::new(&[7; 32]).manage_token(booking);
        assert_eq!(booking_of_manage_token(&token), Some(booking));
        assert_ne!(Secrets::new(&[8; 32]).manage_token(booking), token);
        let mend = Secrets::new(&[7; 32]).mend_token(booking);
        assert_eq!(Secrets::new(&[7; 32]).delivery_of_mend_token(&mend), Some(booking));
        assert_eq!(Secrets::new(&[8; 32]).delivery_of_mend_token(&mend), None);
        let confirm = Secrets::new(&[7; 32]).confirm_token(booking);
        assert_eq!(Secrets::new(&[7; 32]).confirmation_of_token(&confirm), Some(booking));
        assert_eq!(Secrets::new(&[8; 32]).confirmation_of_token(&confirm), None);
        assert_eq!(Secrets::new(&[7; 32]).confirmation_of_token(&token), None);
        for broken in ["", "fdm_", "fdm_ééééééééééé", "fdm_*********************A", &token[4..]]
        {
            assert_eq!(booking_of_manage_token(broken), None, "{broken}");
        }
    }
}
