//! A calendar in another system that is reached over OAuth, and the browser of whoever connects it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calendar_provider::{
    About, BusyInterval, CalendarInfo, CalendarProvider, ConnectMethod, ConnectRequest,
    ConnectedAccount, Connection, EventDraft, EventHandle, EventReceipt, OAuth2, Permission,
    ProviderError, TimeRange, Watch,
};
use fake_oauth::{Access, Client, Clock, OAuth, Paths, Server, Settings, Visit};
use reqwest::header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE};
use secrecy::ExposeSecret;
use url::Url;

use super::{START, Test};

/// The key under which agents connect it.
pub(crate) const OUTLOOK: &str = "outlook";
/// Who signs tokens.
pub(crate) const ISSUER: &str = "https://login.calendars.example";
/// Where the tests' server says it is.
pub(crate) const PUBLIC: &str = "https://meet.example.com";

/// Calendars of any number of accounts. Each call looks at its token.
pub(crate) struct OAuthCalendar {
    about: About,
    client: OAuth2,
    state: Mutex<State>,
    /// The authorization server.
    pub(crate) oauth: OAuth,
    _server: Server,
}

#[derive(Default)]
struct State {
    broken: bool,
    unlisted: bool,
    falls_over: bool,
    floating_zone: Option<chrono_tz::Tz>,
    calendars: Vec<CalendarInfo>,
    tokens: BTreeSet<String>,
    unwatched: Vec<String>,
    events: BTreeMap<String, String>,
}

impl OAuthCalendar {
    /// One whose authorization server differs from the usual as said.
    pub(crate) async fn new(edit: impl FnOnce(Settings) -> Settings) -> Arc<Self> {
        let (listener, url) = Server::bind().await;
        let redirect = format!("{PUBLIC}/oauth/callback");
        let settings = Settings::new(ISSUER)
            .with_client(Client::new("frontdesk", "cl1ent-s3cret", redirect))
            .with_scopes(["calendars", "profile", "mail"]);
        let oauth = OAuth::new(edit(settings), Clock::new(START.parse().unwrap()));
        let paths = Paths {
            authorize: "/authorize".into(),
            token: "/token".into(),
            revoke: Some("/revoke".into()),
        };
        let server = Server::start(listener, oauth.router(&paths));
        let at = |path| url.join(path).unwrap();
        let mut client = OAuth2::new(at("authorize"), at("token"), "frontdesk");
        client.revocation_url = Some(at("revoke"));
        client.client_secret = Some("cl1ent-s3cret".into());
        client.issuer = Some(ISSUER.into());
        client.authorization_params = vec![("access_type".into(), "offline".into())];
        let mut about = About::new(OUTLOOK, "Outlook", ConnectMethod::OAuth2);
        about.permissions = vec![
            Permission::new("calendars", "Have full access to your calendars"),
            Permission::new("profile", "View your basic profile"),
            Permission::new("mail", "Read your mailbox settings").optional(),
        ];
        about.capabilities.calendars = true;
        about.capabilities.changes = false;
        let state = Mutex::new(State::default());
        let calendar = Self { about, client, state, oauth, _server: server };
        calendar.list(&[("primary", true), ("team", true), ("holidays", false)]);
        Arc::new(calendar)
    }

    /// A provider that the operator gave no client, and one of calendars that can only be read.
    pub(crate) fn lesser() -> [Arc<dyn CalendarProvider>; 2] {
        let mut unset = About::new("unset", "Unset", ConnectMethod::OAuth2);
        unset.configured = false;
        let mut feed = About::new("feed", "Feed", ConnectMethod::None);
        feed.capabilities.writes = false;
        [Arc::new(Lesser(unset)), Arc::new(Lesser(feed))]
    }

    /// The same before it was there to be asked, as a provider at an address is that is down.
    pub(crate) fn absent() -> Arc<dyn CalendarProvider> {
        let mut about = About::new(OUTLOOK, OUTLOOK, ConnectMethod::None);
        about.configured = false;
        Arc::new(Lesser(about))
    }

    /// What each account has: the reference, and whether it can be written to.
    pub(crate) fn list(&self, calendars: &[(&str, bool)]) {
        let info = |(calendar_ref, writable): &(&str, bool)| {
            let mut info = CalendarInfo::new(*calendar_ref, calendar_ref.to_uppercase());
            info.writable = *writable;
            info.primary = *calendar_ref == "primary";
            info
        };
        self.state.lock().unwrap().calendars = calendars.iter().map(info).collect();
    }

    /// Whether it fails at everything.
    pub(crate) fn break_down(&self, broken: bool) {
        self.state.lock().unwrap().broken = broken;
    }

    /// Whether it fails at listing calendars.
    pub(crate) fn hide_list(&self, hidden: bool) {
        self.state.lock().unwrap().unlisted = hidden;
    }

    /// From now on it panics where a channel is to be ended.
    pub(crate) fn fall_over(&self) {
        self.state.lock().unwrap().falls_over = true;
    }

    /// The zone for events that name none, as last told.
    pub(crate) fn floating_zone(&self) -> Option<chrono_tz::Tz> {
        self.state.lock().unwrap().floating_zone
    }

    /// The access tokens that came in.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.state.lock().unwrap().tokens.iter().cloned().collect()
    }

    /// The channels that were ended.
    pub(crate) fn unwatched(&self) -> Vec<String> {
        self.state.lock().unwrap().unwatched.clone()
    }

    /// The events by UID, and the calendar of each.
    pub(crate) fn events(&self) -> BTreeMap<String, String> {
        self.state.lock().unwrap().events.clone()
    }

    fn access(&self, token: &str) -> Result<Access, ProviderError> {
        let mut state = self.state.lock().unwrap();
        if state.broken {
            return Err(ProviderError::transient("no connection"));
        }
        state.tokens.insert(token.to_owned());
        self.oauth.access(token).map_err(|_| ProviderError::unauthorized())
    }

    fn of(&self, connection: &Connection) -> Result<Access, ProviderError> {
        self.state.lock().unwrap().floating_zone = connection.floating_zone;
        self.access(connection.credentials.expose_secret())
    }
}

#[async_trait]
impl CalendarProvider for OAuthCalendar {
    fn about(&self) -> &About {
        &self.about
    }

    fn oauth2(&self) -> Option<&OAuth2> {
        Some(&self.client)
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        let token = request.access_token.expect("an access token");
        let access = self.access(token.expose_secret())?;
        let mut account = ConnectedAccount::new(access.account, "primary");
        account.calendar_name = Some("PRIMARY".into());
        account.time_zone = Some(chrono_tz::Europe::Paris);
        account.language = Some("fr-FR".into());
        Ok(account)
    }

    async fn calendars(&self, connection: &Connection) -> Result<Vec<CalendarInfo>, ProviderError> {
        self.of(connection)?;
        let state = self.state.lock().unwrap();
        if state.unlisted {
            return Err(ProviderError::transient("no connection"));
        }
        Ok(state.calendars.clone())
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        _window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        self.of(connection).map(|_| Vec::new())
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        self.of(connection)?;
        let mut state = self.state.lock().unwrap();
        state.events.insert(event.uid.clone(), connection.calendar_ref.clone());
        Ok(EventReceipt::new(&event.uid))
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        self.of(connection)?;
        self.state.lock().unwrap().events.remove(&event.uid);
        Ok(())
    }

    async fn unwatch(&self, connection: &Connection, watch: &Watch) -> Result<(), ProviderError> {
        self.of(connection)?;
        let falls_over = self.state.lock().unwrap().falls_over;
        assert!(!falls_over, "a provider that falls over");
        let ended = format!("{}/{}", connection.calendar_ref, watch.watch_ref);
        self.state.lock().unwrap().unwatched.push(ended);
        Ok(())
    }
}

/// A calendar that does as little as it may.
struct Lesser(About);

#[async_trait]
impl CalendarProvider for Lesser {
    fn about(&self) -> &About {
        &self.0
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        Ok(ConnectedAccount::new(request.owner, "feed"))
    }

    async fn free_busy(
        &self,
        _connection: &Connection,
        _window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        Err(ProviderError::unauthorized())
    }
}

/// A browser that follows nothing by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

/// What it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    /// Where it is sent on.
    pub(crate) location: Option<Url>,
    pub(crate) set_cookies: Vec<String>,
    pub(crate) text: String,
}

impl Browser {
    /// Goes to an address of the tests' server.
    pub(crate) async fn visit(&mut self, test: &Test, url: &Url) -> Shown {
        let path = &url.as_str().strip_prefix(PUBLIC).expect("an address of ours");
        let url = format!("http://{}{path}", test.address);
        let request = super::browser().get(url).header(COOKIE, self.cookie());
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        let text_of = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let set_cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().map(text_of).collect();
        for line in &set_cookies {
            let (pair, attributes) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Shown {
            status: response.status().as_u16(),
            location: headers.get(LOCATION).map(|url| text_of(url).parse().unwrap()),
            set_cookies,
            text: response.text().await.unwrap(),
        }
    }

    /// From a start link through the consent page: the address to which the provider sends it back.
    pub(crate) async fn consent(&mut self, test: &Test, oauth: &OAuth, start: &Url) -> Url {
        let shown = self.visit(test, start).await;
        let page = shown.location.unwrap_or_else(|| panic!("not sent on: {}", shown.text));
        match oauth.visit(&page) {
            Visit::Redirect(back) => back,
            Visit::Refused(why) => panic!("the consent page refuses: {why}: {page}"),
        }
    }

    /// What it sends as Cookie.
    pub(crate) fn cookie(&self) -> String {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        cookies.collect::<Vec<_>>().join("; ")
    }

    /// Whether it holds a cookie.
    pub(crate) fn has_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }
}
