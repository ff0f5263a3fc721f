//! The provider: what it is, and each call of the trait.

use async_trait::async_trait;
use calendar_http::{HttpClient, Network};
use calendar_provider::{
    About, BusyInterval, CalendarProvider, Change, Changes, ConnectMethod, ConnectRequest,
    ConnectedAccount, Connection, CredentialField, Cursor, EventSnapshot, ProviderError, TimeRange,
};
use chrono::{DateTime, TimeDelta};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::cursor::Place;
use crate::feed::{Feed, Fetched, Validators};

/// The key that connections are kept under.
pub const ID: &str = "ics";

/// The reference of the one calendar that a connection has.
pub const CALENDAR_REF: &str = "feed";

/// The field that holds the address.
const URL: &str = "url";

/// What the operator decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether an agent may connect an address that is not public (loopback, private, link-local, a
    /// cloud's metadata), and one without TLS (`http:`). False by default: the operator's network is
    /// no business of who types in an address.
    pub allow_private_addresses: bool,
}

/// Calendars that are published as a feed.
#[derive(Debug)]
pub struct Ics {
    about: About,
    settings: Settings,
    http: HttpClient,
}

impl Ics {
    /// A provider that sends its requests with `http`, on the network that `settings` allow.
    pub fn new(settings: Settings, http: HttpClient) -> Self {
        let mut about = About::new(ID, "Calendar feed (ICS)", ConnectMethod::FeedUrl);
        about.credential_fields = vec![CredentialField::secret(URL, "Address of the feed")];
        about.capabilities.writes = false;
        // Whatever the client was made for: agents give these addresses, not the operator.
        let network = if settings.allow_private_addresses { Network::Any } else { Network::Public };
        let http = http.with_network(network).with_body_limit(crate::BODY_LIMIT);
        Self { about, settings, http }
    }

    async fn fetch(
        &self,
        connection: &Connection,
        since: Option<&Validators>,
    ) -> Result<Fetched, ProviderError> {
        if connection.calendar_ref != CALENDAR_REF {
            return Err(ProviderError::not_found("the calendar"));
        }
        let url = Url::parse(connection.credentials.expose_secret())
            .map_err(|_| ProviderError::unauthorized())?;
        Feed::fetch(&self.http, &url, since).await
    }
}

#[async_trait]
impl CalendarProvider for Ics {
    fn about(&self) -> &About {
        &self.about
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        let url = address(request.credentials.get(URL), &self.settings)?;
        let fetched = Feed::fetch(&self.http, &url, None).await.map_err(as_credentials)?;
        let Fetched::New(feed, _) = fetched else { return Err(unasked()) };
        // A feed that can't be read must not be connected; in which window makes no difference.
        feed.occurrences(any_window()?, None).await.map_err(as_credentials)?;
        let host = url.host_str().unwrap_or_default();
        let mut connected = ConnectedAccount::new(host, CALENDAR_REF);
        connected.calendar_name = feed.name();
        connected.time_zone = feed.zone();
        connected.credentials = url.as_str().into();
        Ok(connected)
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        let Fetched::New(feed, _) = self.fetch(connection, None).await? else {
            return Err(unasked());
        };
        let found = feed.occurrences(window, connection.floating_zone).await?;
        let busy = found.into_iter().filter(|it| it.busy);
        Ok(busy
            .map(|it| {
                let mut interval = BusyInterval::new(it.range);
                interval.uid = Some(it.uid).filter(|it| !it.is_empty());
                interval.title = it.title;
                interval
            })
            .collect())
    }

    /// The whole feed is told as one series, whose occurrences are exactly those in the window: what
    /// vanished from a feed can't be told otherwise by who keeps nothing of it.
    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        let before = since.map(Place::read).transpose()?;
        let (feed, validators) =
            match self.fetch(connection, before.as_ref().map(|it| &it.validators)).await? {
                Fetched::New(feed, validators) => (feed, validators),
                Fetched::Unchanged => {
                    let place = before.ok_or_else(unasked)?;
                    return Ok(Changes::new(Vec::new(), place.into_cursor()?));
                }
            };
        let occurrences = feed.snapshots(window, connection.floating_zone).await?;
        let place = Place::new(validators, &occurrences);
        let same = before.is_some_and(|it| it.digest == place.digest);
        let told = if same { Vec::new() } else { vec![replacement(occurrences)] };
        Ok(Changes::new(told, place.into_cursor()?))
    }
}

fn replacement(occurrences: Vec<EventSnapshot>) -> Change {
    Change::Series { series_ref: CALENDAR_REF.to_owned(), occurrences }
}

/// The address as an agent pastes it. `webcal` is what browsers give to calendar programs; it
/// stands for `https`.
fn address(pasted: Option<&SecretString>, settings: &Settings) -> Result<Url, ProviderError> {
    let text = pasted.map_or("", |it| it.expose_secret().trim());
    if text.is_empty() {
        return Err(invalid("is missing"));
    }
    let text = match text.split_once("://") {
        None => format!("https://{text}"),
        Some((scheme, rest))
            if matches!(scheme.to_ascii_lowercase().as_str(), "webcal" | "webcals") =>
        {
            format!("https://{rest}")
        }
        Some(_) => text.to_owned(),
    };
    let mut url = Url::parse(&text).map_err(|_| invalid("is not an address"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "must hold no user name or password: feeds with a login can't be read",
        ));
    }
    url.set_fragment(None);
    match url.scheme() {
        "https" => Ok(url),
        "http" if settings.allow_private_addresses => Ok(url),
        "http" => Err(invalid("must begin with https:// or webcal://")),
        _ => Err(invalid("is not a web address")),
    }
}

/// What stands in the way while connecting, as the field that an agent can correct. A server that
/// is down is still down.
fn as_credentials(error: ProviderError) -> ProviderError {
    let message = match &error {
        ProviderError::Permanent { message, .. } => *message,
        ProviderError::Unauthorized { .. } => {
            "needs a login, and a feed must be open to who knows its address"
        }
        ProviderError::NotFound { .. } => "leads to nothing: the feed may have been taken back",
        _ => return error,
    };
    invalid(message).with_source(error)
}

fn invalid(message: &'static str) -> ProviderError {
    ProviderError::invalid_credentials(URL, message)
}

/// For 304 where nothing was said of what is known (RFC 9110, section 15.4.5).
fn unasked() -> ProviderError {
    ProviderError::transient("it says that nothing changed, and was not asked")
}

fn any_window() -> Result<TimeRange, ProviderError> {
    TimeRange::lasting(DateTime::UNIX_EPOCH, TimeDelta::days(1))
        .map_err(|cause| ProviderError::permanent("there is no such window").with_source(cause))
}
