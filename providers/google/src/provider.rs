//! The provider: what it says of itself, and which module does what.

use async_trait::async_trait;
use calendar_http::{HttpClient, Network};
use calendar_provider::{
    About, BusyInterval, CalendarInfo, CalendarProvider, Changes, ConferenceKind, ConnectMethod,
    ConnectRequest, ConnectedAccount, Connection, Cursor, EventDraft, EventHandle, EventReceipt,
    EventSnapshot, OAuth2, Permission, ProviderError, Push, Pushed, TimeRange, Watch, WatchRequest,
};
use secrecy::ExposeSecret;

use crate::{Settings, push};

/// Requests in a minute that Google lets one Cloud project make, over all agents; each agent has
/// 600 of them (guide "Usage limits").
const REQUESTS_PER_MINUTE: u32 = 10_000;

/// As the authorization answer names it (RFC 9207), and Google's discovery document.
const ISSUER: &str = "https://accounts.google.com";

/// Google Calendar.
pub struct Google {
    pub(crate) settings: Settings,
    pub(crate) http: HttpClient,
    about: About,
    oauth2: Option<OAuth2>,
}

impl Google {
    /// Google Calendar by way of `http`. Its addresses are the operator's, so that they may be of
    /// any network.
    pub fn new(settings: Settings, http: HttpClient) -> Self {
        let oauth2 = settings.is_complete().then(|| oauth2(&settings));
        let http = http.with_network(Network::Any);
        Self { about: about(settings.is_complete()), oauth2, settings, http }
    }
}

fn about(configured: bool) -> About {
    let mut about = About::new("google", "Google Calendar", ConnectMethod::OAuth2);
    about.permissions = permissions();
    about.conference = Some(ConferenceKind::GoogleMeet);
    about.capabilities.calendars = true;
    about.capabilities.push = true;
    about.configured = configured;
    about.requests_per_minute = Some(REQUESTS_PER_MINUTE);
    about
}

/// The narrowest scopes that do the job, in the words of Google's own consent page: the list
/// "OAuth 2.0 Scopes for Google APIs", and the API's discovery document.
fn permissions() -> Vec<Permission> {
    let scope = |name: &str, words: &str| {
        Permission::new(format!("https://www.googleapis.com/auth/{name}"), words)
    };
    let identity = |name: &str, words: &str| {
        let mut permission = scope(&format!("userinfo.{name}"), words);
        // What it is asked for by in OpenID Connect; Google tells the long spelling.
        permission.aliases = vec![name.to_owned()];
        permission
    };
    vec![
        scope(
            "calendar.events.owned",
            "See, create, change, and delete events on Google calendars you own",
        ),
        scope("calendar.freebusy", "View your availability in your calendars"),
        scope(
            "calendar.calendarlist.readonly",
            "See the list of Google calendars you’re subscribed to",
        ),
        Permission::new("openid", "Associate you with your personal info on Google"),
        identity("email", "See your primary Google Account email address"),
        identity(
            "profile",
            "See your personal info, including any personal info you've made publicly available",
        )
        .optional(),
    ]
}

fn oauth2(settings: &Settings) -> OAuth2 {
    let mut oauth2 = OAuth2::new(
        settings.authorization_url.clone(),
        settings.token_url.clone(),
        settings.client_id.clone(),
    );
    oauth2.client_secret = Some(settings.client_secret.expose_secret().into());
    oauth2.revocation_url = Some(settings.revocation_url.clone());
    oauth2.issuer = Some(ISSUER.to_owned());
    // A refresh token comes with `offline` only, and at a later consent with `consent` only.
    let params =
        [("access_type", "offline"), ("prompt", "consent"), ("include_granted_scopes", "true")];
    oauth2.authorization_params =
        params.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    oauth2
}

#[async_trait]
impl CalendarProvider for Google {
    fn about(&self) -> &About {
        &self.about
    }

    fn oauth2(&self) -> Option<&OAuth2> {
        self.oauth2.as_ref()
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        self.connect_account(request).await
    }

    async fn calendars(&self, connection: &Connection) -> Result<Vec<CalendarInfo>, ProviderError> {
        self.list_calendars(&connection.credentials).await
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        self.query_free_busy(connection, window).await
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        self.write_event(connection, event).await
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        self.remove_event(connection, event).await
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        self.read_event(connection, event).await
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        self.read_changes(connection, since, window).await
    }

    async fn watch(
        &self,
        connection: &Connection,
        request: &WatchRequest,
        _before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        // Google prolongs no channel (guide "Push notifications").
        self.open_channel(connection, request).await
    }

    async fn unwatch(&self, connection: &Connection, watch: &Watch) -> Result<(), ProviderError> {
        self.stop_channel(connection, watch).await
    }

    fn read_push(&self, push: &Push) -> Result<Pushed, ProviderError> {
        push::read(push)
    }
}

#[cfg(test)]
mod tests {
    use super::permissions;

    #[test]
    fn what_google_tells_counts_as_what_was_asked_for() {
        let told: Vec<String> = [
            "openid",
            "https://www.googleapis.com/auth/userinfo.email",
            "https://www.googleapis.com/auth/userinfo.profile",
            "https://www.googleapis.com/auth/calendar.events.owned",
            "https://www.googleapis.com/auth/calendar.freebusy",
            "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
        ]
        .map(str::to_owned)
        .into();
        for permission in permissions() {
            assert!(permission.is_granted(&told), "{}", permission.scope);
            let rest: Vec<_> = told.iter().filter(|it| **it != permission.scope).cloned().collect();
            assert!(!permission.is_granted(&rest), "{}", permission.scope);
        }
    }
}
