//! What an operator says about one remote provider.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::signature::{Secret, SecretError};

/// One remote provider, as a section of the server's settings.
///
/// ```toml
/// url = "https://calendars.example.com/frontdesk/"
/// secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
/// id = "acme"
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The address that the contract's paths begin with: https, or http within one's own network,
    /// since agents' credentials go there.
    pub url: Url,
    /// The secret that signs requests, as `whsec_` and base64 of 24 to 64 random bytes.
    pub secret: SecretString,
    /// The key that its connections are kept under, [`About::id`](calendar_provider::About::id);
    /// `remote` where none is given. It is the operator's and not the provider's, so that no
    /// connection is orphaned by what happens elsewhere.
    #[serde(default = "default_id")]
    pub id: String,
    /// What people call it. Without one the provider says it.
    pub name: Option<String>,
    /// For a provider that connects with OAuth 2: the client's identifier, where the provider does
    /// not say one itself.
    pub client_id: Option<String>,
    /// The OAuth client's secret, where it has one.
    pub client_secret: Option<SecretString>,
}

fn default_id() -> String {
    "remote".to_owned()
}

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The URL has another form.
    #[error("url must be an http or https address without user, query and fragment")]
    Url,
    /// The identifier has another form.
    #[error("id must be 1 to 32 characters of a-z, 0-9 and -")]
    Id,
    /// The secret has another form.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Settings {
    /// A provider at `url`, under the default identifier and its own name.
    pub fn new(url: Url, secret: SecretString) -> Self {
        Self { url, secret, id: default_id(), name: None, client_id: None, client_secret: None }
    }

    /// The address with a slash at its end, so that paths can be joined to it.
    pub(crate) fn base(&self) -> Result<Url, SettingsError> {
        let mut url = self.url.clone();
        let plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !plain {
            return Err(SettingsError::Url);
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(url)
    }

    pub(crate) fn checked_id(&self) -> Result<&str, SettingsError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let sound = (1..=32).contains(&self.id.len()) && self.id.bytes().all(plain);
        if sound { Ok(&self.id) } else { Err(SettingsError::Id) }
    }

    pub(crate) fn key(&self) -> Result<Secret, SettingsError> {
        Ok(Secret::parse(&self.secret)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Settings, SettingsError};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn settings_are_read_with_their_defaults_and_nothing_unknown() {
        let read = |value| serde_json::from_value::<Settings>(value);
        let settings = read(json!({ "url": "https://a.example/b", "secret": SECRET })).unwrap();
        assert_eq!((settings.id.as_str(), settings.name.is_none()), ("remote", true));
        assert_eq!(settings.base().unwrap().join("about").unwrap().path(), "/b/about");
        assert!(!format!("{settings:?}").contains("MfKQ"));
        assert!(
            read(json!({ "url": "https://a.example", "secret": SECRET, "sekret": 1 })).is_err()
        );
    }

    #[test]
    fn what_can_not_be_used_is_refused() {
        for url in ["ftp://a.example/", "https://a@b.example/", "https://a.example/?x=1"] {
            let settings = Settings::new(url.parse().unwrap(), SECRET.into());
            assert!(matches!(settings.base(), Err(SettingsError::Url)), "{url}");
        }
        for id in ["", "Acme", "a b", &"x".repeat(33)] {
            let mut settings = Settings::new("https://a.example".parse().unwrap(), SECRET.into());
            settings.id = id.into();
            assert!(matches!(settings.checked_id(), Err(SettingsError::Id)), "{id}");
        }
    }
}
