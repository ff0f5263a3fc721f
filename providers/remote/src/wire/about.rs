//! What a provider says of itself.

use std::collections::BTreeMap;

use calendar_provider as api;
use serde::{Deserialize, Serialize};
use url::Url;

/// The version of the contract that this crate speaks.
pub(crate) const CONTRACT: u32 = 1;

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct About {
    pub(crate) contract: u32,
    pub(crate) name: String,
    pub(crate) connect_with: ConnectWith,
    #[serde(default)]
    pub(crate) credential_fields: Vec<CredentialField>,
    #[serde(default)]
    pub(crate) permissions: Vec<Permission>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conference: Option<Conference>,
    #[serde(default)]
    pub(crate) capabilities: Capabilities,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) oauth2: Option<OAuth2>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_minute: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) enum ConnectWith {
    #[serde(rename = "oauth2")]
    OAuth2,
    #[serde(rename = "credentials")]
    Credentials,
    #[serde(rename = "feed_url")]
    FeedUrl,
    #[serde(rename = "none")]
    None,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct CredentialField {
    name: String,
    label: String,
    /// Hidden unless said otherwise.
    #[serde(default = "yes")]
    secret: bool,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Permission {
    scope: String,
    description: String,
    #[serde(default = "yes")]
    required: bool,
    #[serde(default)]
    aliases: Vec<String>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Conference {
    GoogleMeet,
    MicrosoftTeams,
    /// A kind that this version has no name for: its links are shown, but none is asked for.
    #[serde(other)]
    Unknown,
}

/// What is not said can't be done.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Capabilities {
    writes: bool,
    changes: bool,
    calendars: bool,
    push: bool,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct OAuth2 {
    pub(crate) authorization_url: Url,
    pub(crate) token_url: Url,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revocation_url: Option<Url>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    #[serde(default)]
    pub(crate) authorization_params: BTreeMap<String, String>,
}

impl About {
    /// The same in the trait's terms, under the operator's identifier and, where there is one, name.
    pub(crate) fn into_api(self, id: &str, name: Option<&str>) -> api::About {
        let method = match self.connect_with {
            ConnectWith::OAuth2 => api::ConnectMethod::OAuth2,
            ConnectWith::Credentials => api::ConnectMethod::Credentials,
            ConnectWith::FeedUrl => api::ConnectMethod::FeedUrl,
            ConnectWith::None => api::ConnectMethod::None,
        };
        let mut about = api::About::new(id, name.unwrap_or(&self.name), method);
        about.credential_fields = self
            .credential_fields
            .into_iter()
            .map(|field| match field.secret {
                true => api::CredentialField::secret(field.name, field.label),
                false => api::CredentialField::plain(field.name, field.label),
            })
            .collect();
        about.permissions = self
            .permissions
            .into_iter()
            .map(|it| {
                let mut permission = api::Permission::new(it.scope, it.description);
                permission.required = it.required;
                permission.aliases = it.aliases;
                permission
            })
            .collect();
        about.conference = match self.conference {
            Some(Conference::GoogleMeet) => Some(api::ConferenceKind::GoogleMeet),
            Some(Conference::MicrosoftTeams) => Some(api::ConferenceKind::MicrosoftTeams),
            Some(Conference::Unknown) | None => None,
        };
        let Capabilities { writes, changes, calendars, push } = self.capabilities;
        about.capabilities.writes = writes;
        about.capabilities.changes = changes;
        about.capabilities.calendars = calendars;
        about.capabilities.push = push;
        about.requests_per_minute = self.requests_per_minute;
        about
    }
}

#[cfg(feature = "serve")]
impl About {
    /// What `about` is on the wire. An OAuth client's secret stays where it is.
    pub(crate) fn from_api(about: &api::About, oauth2: Option<&api::OAuth2>) -> Self {
        let capabilities = about.capabilities;
        Self {
            contract: CONTRACT,
            name: about.name.clone(),
            connect_with: match about.connect_with {
                api::ConnectMethod::OAuth2 => ConnectWith::OAuth2,
                api::ConnectMethod::Credentials => ConnectWith::Credentials,
                api::ConnectMethod::FeedUrl => ConnectWith::FeedUrl,
                api::ConnectMethod::None => ConnectWith::None,
            },
            credential_fields: about
                .credential_fields
                .iter()
                .map(|it| CredentialField {
                    name: it.name.clone(),
                    label: it.label.clone(),
                    secret: it.secret,
                })
                .collect(),
            permissions: about
                .permissions
                .iter()
                .map(|it| Permission {
                    scope: it.scope.clone(),
                    description: it.description.clone(),
                    required: it.required,
                    aliases: it.aliases.clone(),
                })
                .collect(),
            conference: about.conference.map(|kind| match kind {
                api::ConferenceKind::GoogleMeet => Conference::GoogleMeet,
                api::ConferenceKind::MicrosoftTeams => Conference::MicrosoftTeams,
            }),
            capabilities: Capabilities {
                writes: capabilities.writes,
                changes: capabilities.changes,
                calendars: capabilities.calendars,
                push: capabilities.push,
            },
            oauth2: oauth2.map(|it| OAuth2 {
                authorization_url: it.authorization_url.clone(),
                token_url: it.token_url.clone(),
                revocation_url: it.revocation_url.clone(),
                client_id: Some(it.client_id.clone()),
                issuer: it.issuer.clone(),
                authorization_params: it.authorization_params.iter().cloned().collect(),
            }),
            requests_per_minute: about.requests_per_minute,
        }
    }
}
