//! What the operator sets.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// The app registration that agents connect through, and where Microsoft's services are.
///
/// ```
/// use calendar_provider_microsoft::Settings;
///
/// let settings: Settings = serde_json::from_str(r#"{ "client_id": "app", "client_secret": "s3cret" }"#)?;
/// assert_eq!(settings.tenant, "common");
/// assert_eq!(settings.graph_url.as_str(), "https://graph.microsoft.com/v1.0");
/// assert!(settings.is_complete());
/// assert!(!Settings::default().is_complete());
/// assert!(!format!("{settings:?}").contains("s3cret"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The registration's "Application (client) ID".
    pub client_id: String,
    /// The value of one of its client secrets.
    pub client_secret: Option<SecretString>,
    /// Who can sign in: `common` for work, school and personal accounts, `organizations`,
    /// `consumers`, or one tenant's ID or domain name.
    pub tenant: String,
    /// Microsoft Graph with its version; another one in national clouds.
    pub graph_url: Url,
    /// The Microsoft identity platform; another one in national clouds.
    pub login_url: Url,
}

impl Settings {
    /// Whether agents can connect: there is a client with a secret.
    pub fn is_complete(&self) -> bool {
        let secret = self.client_secret.as_ref().is_some_and(|it| !it.expose_secret().is_empty());
        !self.client_id.is_empty() && secret
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: None,
            tenant: "common".into(),
            graph_url: Url::parse("https://graph.microsoft.com/v1.0").expect("a valid address"),
            login_url: Url::parse("https://login.microsoftonline.com").expect("a valid address"),
        }
    }
}
