//! What the provider says of itself, and its OAuth client.

use calendar_provider::{About, ConferenceKind, ConnectMethod, OAuth2, Permission};
use url::Url;

use crate::Settings;

/// Microsoft's only limit that spans mailboxes: 130,000 requests in 10 seconds for an app
/// (<https://learn.microsoft.com/graph/throttling-limits>). The limits of one mailbox, 10,000 in 10
/// minutes and 4 at once, are far below it; the latter is kept by [`Lanes`](crate::lanes::Lanes).
const REQUESTS_PER_MINUTE: u32 = 780_000;

/// What it is and can do.
pub(crate) fn about(settings: &Settings) -> About {
    let mut about = About::new("microsoft", "Outlook", ConnectMethod::OAuth2);
    about.permissions = permissions(settings);
    about.conference = Some(ConferenceKind::MicrosoftTeams);
    about.capabilities.calendars = true;
    about.capabilities.push = true;
    about.configured = settings.is_complete();
    about.requests_per_minute = Some(REQUESTS_PER_MINUTE);
    about
}

/// The narrowest delegated permissions that do the job, in the words of the consent page
/// (<https://learn.microsoft.com/graph/permissions-reference>). A link to a Teams meeting comes
/// with the event: `OnlineMeetings.ReadWrite` is not needed for it.
fn permissions(settings: &Settings) -> Vec<Permission> {
    let graph = |scope: &str, description: &str| {
        let mut permission = Permission::new(scope, description);
        // The token endpoint may answer scopes with the resource they belong to.
        let mut qualified = settings.graph_url.clone();
        qualified.set_path(scope);
        permission.aliases = vec![format!("https://graph.microsoft.com/{scope}"), qualified.into()];
        permission.aliases.dedup();
        permission
    };
    vec![
        graph("Calendars.ReadWrite", "Have full access to your calendars"),
        graph("User.Read", "Sign you in and read your profile"),
        // It only tells the agent's time zone and language: without it both are asked for.
        graph("MailboxSettings.Read", "Read your mailbox settings").optional(),
        // Never among the granted scopes, even where it was granted: the refresh token shows it.
        Permission::new("offline_access", "Maintain access to data you have given it access to")
            .optional(),
    ]
}

/// The client of the v2.0 endpoint, where it is configured.
///
/// There is no revocation endpoint (RFC 7009) and no `iss` in answers (RFC 9207): the discovery
/// document names neither, and with `common` the issuer is that of whoever signs in.
pub(crate) fn oauth2(settings: &Settings) -> Option<OAuth2> {
    if !settings.is_complete() {
        return None;
    }
    let authorization = endpoint(settings, "authorize")?;
    let token = endpoint(settings, "token")?;
    let mut oauth = OAuth2::new(authorization, token, &settings.client_id);
    oauth.client_secret.clone_from(&settings.client_secret);
    oauth.authorization_params = vec![
        ("response_mode".into(), "query".into()),
        // Without it whoever is signed in to the browser is taken, unasked.
        ("prompt".into(), "select_account".into()),
    ];
    Some(oauth)
}

fn endpoint(settings: &Settings, name: &str) -> Option<Url> {
    let mut url = settings.login_url.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend([
        settings.tenant.as_str(),
        "oauth2",
        "v2.0",
        name,
    ]);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::{about, oauth2};
    use crate::Settings;

    fn settings() -> Settings {
        Settings {
            client_id: "app".into(),
            client_secret: Some("s3cret".into()),
            ..Settings::default()
        }
    }

    #[test]
    fn the_client_uses_the_tenants_v2_endpoint() {
        let oauth = oauth2(&Settings { tenant: "contoso.example".into(), ..settings() }).unwrap();
        let base = "https://login.microsoftonline.com/contoso.example/oauth2/v2.0";
        assert_eq!(oauth.authorization_url.as_str(), format!("{base}/authorize"));
        assert_eq!(oauth.token_url.as_str(), format!("{base}/token"));
        assert!(oauth.revocation_url.is_none());
        assert!(oauth.issuer.is_none());
    }

    #[test]
    fn nobody_can_connect_without_a_client_and_its_secret() {
        assert!(about(&settings()).configured);
        for incomplete in [
            Settings { client_id: String::new(), ..settings() },
            Settings { client_secret: None, ..settings() },
            Settings { client_secret: Some("".into()), ..settings() },
        ] {
            assert!(!about(&incomplete).configured);
            assert!(oauth2(&incomplete).is_none());
        }
    }

    #[test]
    fn granted_scopes_are_known_in_either_spelling() {
        let permissions = about(&settings()).permissions;
        let calendars = &permissions[0];
        assert!(calendars.required);
        for granted in ["calendars.readwrite", "https://graph.microsoft.com/Calendars.ReadWrite"] {
            assert!(calendars.is_granted(&[granted.into()]), "{granted}");
        }
        assert!(!calendars.is_granted(&["Calendars.Read".into()]));
        let offline = permissions.last().unwrap();
        assert!(!offline.required, "it is never told");
    }
}
