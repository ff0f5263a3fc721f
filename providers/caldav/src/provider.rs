//! The provider: what it is, and each call of the trait.

use async_trait::async_trait;
use calendar_http::{HttpClient, Network};
use calendar_provider::{
    About, BusyInterval, CalendarInfo, CalendarProvider, Changes, ConnectMethod, ConnectRequest,
    ConnectedAccount, Connection, CredentialField, Cursor, EventDraft, EventHandle, EventReceipt,
    EventSnapshot, ProviderError, TimeRange,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::account::{Account, Login};
use crate::dav::Dav;
use crate::events::Events;
use crate::{busy, calendars, changes, discovery};

/// The key that connections are kept under.
pub const ID: &str = "caldav";

/// What the operator decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether an agent may connect an address that is not public (loopback, private, link-local, a
    /// cloud's metadata), and one without TLS (`http:`). False by default: the operator's network is
    /// no business of who types in an address.
    pub allow_private_addresses: bool,
}

/// Calendars on CalDAV servers.
#[derive(Debug)]
pub struct CalDav {
    about: About,
    settings: Settings,
    http: HttpClient,
}

impl CalDav {
    /// A provider that sends its requests with `http`, on the network that `settings` allow.
    pub fn new(settings: Settings, http: HttpClient) -> Self {
        let mut about = About::new(ID, "CalDAV", ConnectMethod::Credentials);
        about.credential_fields = vec![
            CredentialField::plain("url", "Server address"),
            CredentialField::plain("username", "User name (empty for a token)"),
            CredentialField::secret("password", "App password or token"),
        ];
        about.capabilities.calendars = true;
        // Whatever the client was made for: agents give these addresses, not the operator.
        let network = if settings.allow_private_addresses { Network::Any } else { Network::Public };
        Self { about, settings, http: http.with_network(network) }
    }

    fn open(&self, connection: &Connection) -> Result<(Dav, Account), ProviderError> {
        let account = Account::of(connection)?;
        Ok((Dav::new(&self.http, &account.login)?, account))
    }
}

#[async_trait]
impl CalendarProvider for CalDav {
    fn about(&self) -> &About {
        &self.about
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        let given = |field: &str| request.credentials.get(field);
        let address = address(given("url"), &self.settings)?;
        let username = given("username").map_or("", |it| it.expose_secret().trim());
        if username.contains(':') {
            // RFC 7617, section 2: the name ends at the first colon.
            return Err(ProviderError::invalid_credentials("username", "must hold no colon"));
        }
        let password = given("password").filter(|it| !it.expose_secret().is_empty());
        let password =
            password.ok_or_else(|| ProviderError::invalid_credentials("password", "is missing"))?;
        let login = Login::new(username, password.clone());
        let found = discovery::discover(&self.http, &address, login).await?;
        let mut connected = ConnectedAccount::new(found.label, found.account.main.as_str());
        connected.calendar_name = Some(found.name);
        connected.time_zone = found.zone;
        connected.credentials = found.account.to_credentials()?;
        Ok(connected)
    }

    async fn calendars(&self, connection: &Connection) -> Result<Vec<CalendarInfo>, ProviderError> {
        let (dav, account) = self.open(connection)?;
        let found = calendars::list_all(&dav, &account).await?;
        Ok(calendars::describe(&account, &found))
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        let (dav, account) = self.open(connection)?;
        busy::free_busy(&dav, &account, connection, window).await
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        let (dav, account) = self.open(connection)?;
        let calendar = &account.calendar(&connection.calendar_ref)?;
        Events { dav: &dav, account: &account, calendar }.put(event).await
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        let (dav, account) = self.open(connection)?;
        let calendar = &account.calendar(&connection.calendar_ref)?;
        Events { dav: &dav, account: &account, calendar }.delete(event).await
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        let (dav, account) = self.open(connection)?;
        let calendar = &account.calendar(&connection.calendar_ref)?;
        Events { dav: &dav, account: &account, calendar }.get(event).await
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        let (dav, account) = self.open(connection)?;
        let calendar = account.calendar(&connection.calendar_ref)?;
        changes::changes(&dav, &account, &calendar, since, window).await
    }
}

/// The address as an agent types it: a host alone is enough, and `https` is understood.
fn address(typed_in: Option<&SecretString>, settings: &Settings) -> Result<Url, ProviderError> {
    let invalid = |message| ProviderError::invalid_credentials("url", message);
    let text = typed_in.map_or("", |it| it.expose_secret().trim());
    if text.is_empty() {
        return Err(invalid("is missing"));
    }
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&text).map_err(|_| invalid("is not an address"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must hold no user name or password: they have fields of their own"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if settings.allow_private_addresses => Ok(url),
        "http" => Err(invalid("must begin with https://")),
        _ => Err(invalid("is not a web address")),
    }
}
