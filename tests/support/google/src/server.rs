//! The fake, and where it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono_tz::Tz;
use fake_oauth::{Client, Clock, OAuth, Offline, Renewal, Revocation, Scope, Server, Settings};
use tokio::task::JoinHandle;
use url::Url;

use crate::state::{Account, Calendar, Entry, State};
use crate::{Fault, Meetings, PushMessage, Recorded, routes};

/// The OAuth client that is registered.
pub const CLIENT_ID: &str = "frontdesk.apps.googleusercontent.example";
/// Its secret.
pub const CLIENT_SECRET: &str = "fake-client-secret";

/// The scopes that can be asked for, as they are told when granted.
pub const SCOPES: [&str; 12] = [
    "openid",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
    "https://www.googleapis.com/auth/calendar",
    "https://www.googleapis.com/auth/calendar.readonly",
    "https://www.googleapis.com/auth/calendar.events",
    "https://www.googleapis.com/auth/calendar.events.readonly",
    "https://www.googleapis.com/auth/calendar.events.owned",
    "https://www.googleapis.com/auth/calendar.events.owned.readonly",
    "https://www.googleapis.com/auth/calendar.freebusy",
    "https://www.googleapis.com/auth/calendar.calendarlist",
    "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
];

/// A Google of the test's own; it ends when dropped.
#[derive(Debug)]
pub struct FakeGoogle {
    pub(crate) shared: Arc<Shared>,
    base: Url,
    _server: Server,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) oauth: OAuth,
    pub(crate) clock: Clock,
    pub(crate) http: reqwest::Client,
    pub(crate) sending: Mutex<Vec<JoinHandle<()>>>,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeGoogle {
    /// A Google without accounts whose OAuth client may send people back to `redirect_uri`.
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn start(clock: Clock, redirect_uri: &str) -> Self {
        let mut settings = Settings::new("https://accounts.google.com")
            .with_client(Client::new(CLIENT_ID, CLIENT_SECRET, redirect_uri))
            .with_scopes(SCOPES);
        for short in ["email", "profile"] {
            let told = format!("https://www.googleapis.com/auth/userinfo.{short}");
            settings.scopes.push(Scope::told_as(short, told));
        }
        settings.offline = Offline::AccessType;
        settings.renewal = Renewal::Keep;
        settings.revocation = Revocation::Google;
        let shared = Arc::new(Shared {
            oauth: OAuth::new(settings, clock.clone()),
            clock,
            http: reqwest::Client::new(),
            sending: Mutex::default(),
            state: Mutex::default(),
        });
        let (listener, base) = Server::bind().await;
        let server = Server::start(listener, routes::router(Arc::clone(&shared)));
        Self { shared, base, _server: server }
    }

    fn at(&self, path: &str) -> Url {
        self.base.join(path).expect("the paths are well formed")
    }

    /// The Calendar API; for Google `https://www.googleapis.com/calendar/v3/`.
    pub fn api_url(&self) -> Url {
        self.at("calendar/v3/")
    }

    /// For Google `https://accounts.google.com/o/oauth2/v2/auth`.
    pub fn authorization_url(&self) -> Url {
        self.at("o/oauth2/v2/auth")
    }

    /// For Google `https://oauth2.googleapis.com/token`.
    pub fn token_url(&self) -> Url {
        self.at("token")
    }

    /// For Google `https://oauth2.googleapis.com/revoke`.
    pub fn revocation_url(&self) -> Url {
        self.at("revoke")
    }

    /// For Google `https://openidconnect.googleapis.com/v1/userinfo`.
    pub fn userinfo_url(&self) -> Url {
        self.at("v1/userinfo")
    }

    /// Its authorization server.
    pub fn oauth(&self) -> &OAuth {
        &self.shared.oauth
    }

    /// The clock that it lives by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Opens an account; its primary calendar has the account's address as its ID, as Google has
    /// it.
    pub fn add_account(&self, email: &str, name: &str, zone: Tz) {
        let entry =
            Entry { calendar: email.to_owned(), role: "owner", primary: true, hidden: false };
        let account = Account { name: name.to_owned(), locale: "en-GB".into(), list: vec![entry] };
        let mut state = self.shared.lock();
        state.accounts.insert(email.to_owned(), account);
        state.calendars.insert(email.to_owned(), Calendar::new(email, zone));
    }

    /// Puts a calendar on the account's list, and makes it where it is not there yet. `role` is
    /// `owner`, `writer`, `reader` or `freeBusyReader`.
    ///
    /// # Panics
    /// Where there is no such account.
    pub fn add_calendar(&self, account: &str, id: &str, summary: &str, role: &'static str) {
        let mut state = self.shared.lock();
        let list = &mut state.accounts.get_mut(account).expect("the account is there").list;
        list.push(Entry { calendar: id.to_owned(), role, primary: false, hidden: false });
        state.calendars.entry(id.to_owned()).or_insert_with(|| Calendar::new(summary, Tz::UTC));
    }

    /// Breaks every call of the API until [`FakeGoogle::mend`].
    pub fn inflict(&self, fault: Fault) {
        self.shared.lock().fault = Some((fault, None));
    }

    /// Breaks the next `calls` calls of the API.
    pub fn inflict_next(&self, calls: usize, fault: Fault) {
        self.shared.lock().fault = (calls > 0).then_some((fault, Some(calls)));
    }

    /// Ends what [`FakeGoogle::inflict`] began.
    pub fn mend(&self) {
        self.shared.lock().fault = None;
    }

    /// Lets each account make so many requests in a minute; none for any number.
    pub fn set_quota(&self, requests_per_minute: Option<usize>) {
        self.shared.lock().quota = requests_per_minute;
    }

    /// How requests for a meeting end from now on.
    pub fn set_meetings(&self, meetings: Meetings) {
        self.shared.lock().meetings = meetings;
    }

    /// Pages hold at most this many entries.
    pub fn set_page_limit(&self, entries: usize) {
        self.shared.lock().page_limit = Some(entries.max(1));
    }

    /// Takes channels with http addresses, and calls them.
    pub fn allow_http_callbacks(&self) {
        self.shared.lock().http_callbacks = true;
    }

    /// What came in so far, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().requests.clone()
    }

    /// Who was sent an invitation by Google.
    pub fn invitations(&self) -> Vec<String> {
        self.shared.lock().invitations.clone()
    }

    /// How many channels are open.
    pub fn open_channels(&self) -> usize {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        state.channels.retain(|channel| channel.is_open(now));
        state.channels.len()
    }

    /// The messages sent to channels, oldest first.
    pub fn pushes(&self) -> Vec<PushMessage> {
        self.shared.lock().pushes.clone()
    }

    /// Waits until every message sent so far was answered or lost.
    pub async fn pushes_delivered(&self) {
        let sending = std::mem::take(
            &mut *self.shared.sending.lock().unwrap_or_else(PoisonError::into_inner),
        );
        for message in sending {
            // A task that was aborted with its runtime has nothing to say.
            drop(message.await);
        }
    }
}
