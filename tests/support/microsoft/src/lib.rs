//! Microsoft 365 for tests.
//!
//! The part of Microsoft Graph v1.0 that a provider of calendars uses, with the OAuth 2.0 endpoints
//! of the Microsoft identity platform, on a free port of 127.0.0.1. It keeps what it is told, and is
//! strict: a query option, a preference or a field that is not documented is refused, and so is a
//! call whose token lacks the permission, a fifth request at once, or an address for notifications
//! that does not answer the validation. Notifications are really sent. What the agent does in
//! Outlook are methods of [`FakeMicrosoft`]; what goes wrong is a [`Fault`]. Its time is a [`Clock`]
//! that stands.
//!
//! It follows the published reference and guides (<https://learn.microsoft.com/graph/>). Where they
//! leave a case open, the answer is the one that is harder on the client: an occurrence in a delta
//! tells only what differs from its series, whole days are told as dates in no zone, and without
//! the preference for immutable IDs an ID ends when its event is moved to another calendar.
//! Recurring events are lists of occurrences, and clients can't make any.

mod account;
mod agent;
mod ask;
mod delta;
mod dispatch;
mod events;
mod fault;
mod notify;
mod render;
mod schedule;
mod server;
mod subscriptions;
mod view;
mod world;
mod write;

use std::sync::Arc;

use chrono::DateTime;
use fake_oauth::{Client, Iss, Offline, Paths, Renewal, Revocation, Scope, Server, Settings};
use url::Url;

use crate::{
    fault::Rule,
    server::Shared,
    world::{Calendar, Mailbox},
};

pub use agent::{Occurrence, OutlookEvent};
pub use fake_oauth::{Clock, OAuth};
pub use fault::Fault;
pub use world::Recorded;

/// The app registration's ID.
pub const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";
/// Its secret.
pub const CLIENT_SECRET: &str = "fake-client-secret";
/// The permissions that can be asked for and are told when granted.
pub const SCOPES: [&str; 4] =
    ["Calendars.ReadWrite", "Calendars.Read", "User.Read", "MailboxSettings.Read"];

/// A Microsoft of the test's own; it ends when dropped.
pub struct FakeMicrosoft {
    pub(crate) shared: Arc<Shared>,
    base: Url,
    _server: Server,
}

impl FakeMicrosoft {
    /// A Microsoft without accounts whose app may send people back to `redirect_uri`.
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn start(clock: Clock, redirect_uri: &str) -> Self {
        let (listener, base) = Server::bind().await;
        let oauth = OAuth::new(oauth_settings(redirect_uri), clock);
        oauth.set_iss(Iss::Absent);
        let shared = Arc::new(Shared::new(oauth, format!("{base}v1.0")));
        let paths = Paths {
            authorize: "/{tenant}/oauth2/v2.0/authorize".into(),
            token: "/{tenant}/oauth2/v2.0/token".into(),
            revoke: None,
        };
        let router = shared.oauth.router(&paths).merge(server::router(Arc::clone(&shared)));
        let server = Server::start(listener, router);
        Self { shared, base, _server: server }
    }

    /// Graph with its version; for Microsoft `https://graph.microsoft.com/v1.0`.
    pub fn graph_url(&self) -> Url {
        self.shared.base.parse().expect("it is a URL")
    }

    /// The identity platform; for Microsoft `https://login.microsoftonline.com`.
    pub fn login_url(&self) -> Url {
        self.base.clone()
    }

    /// Its authorization server.
    pub fn oauth(&self) -> &OAuth {
        &self.shared.oauth
    }

    /// The clock that it lives by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Opens a work account; its default calendar's ID.
    pub fn add_account(&self, address: &str, name: &str) -> String {
        self.open(address, name, false)
    }

    /// Opens a personal account: without published free/busy and Teams.
    pub fn add_personal_account(&self, address: &str, name: &str) -> String {
        self.open(address, name, true)
    }

    /// Adds another calendar to an account; its ID.
    ///
    /// # Panics
    /// Where there is no such account.
    pub fn add_calendar(&self, address: &str, name: &str, can_edit: bool) -> String {
        let mut world = self.shared.lock();
        let id = format!("AAMkCalendar{:06}=", world.fresh());
        let mailbox = world.mailboxes.get_mut(address).expect("the account is there");
        mailbox.calendars.push(Calendar {
            id: id.clone(),
            name: name.into(),
            default: false,
            can_edit,
            owner: address.into(),
            teams: !mailbox.personal,
        });
        id
    }

    /// Deletes a calendar with all that is in it.
    ///
    /// # Panics
    /// Where there is no such account.
    pub fn delete_calendar(&self, address: &str, id: &str) {
        let mut world = self.shared.lock();
        let mailbox = world.mailboxes.get_mut(address).expect("the account is there");
        mailbox.calendars.retain(|it| it.id != id);
        mailbox.items.retain(|_, item| item.calendar != id);
    }

    /// Takes away or gives back the mailbox's license.
    ///
    /// # Panics
    /// Where there is no such account.
    pub fn enable_mailbox(&self, address: &str, enabled: bool) {
        let mut world = self.shared.lock();
        world.mailboxes.get_mut(address).expect("the account is there").enabled = enabled;
    }

    /// Sets the mailbox's time zone, as it is named there, and its language.
    ///
    /// # Panics
    /// Where there is no such account.
    pub fn set_mailbox(&self, address: &str, time_zone: &str, locale: &str) {
        let mut world = self.shared.lock();
        let mailbox = world.mailboxes.get_mut(address).expect("the account is there");
        mailbox.time_zone = time_zone.into();
        mailbox.locale = locale.into();
    }

    /// Whether events in a calendar can have a Teams meeting from now on.
    ///
    /// # Panics
    /// Where there is no such account.
    pub fn offer_teams(&self, address: &str, offered: bool) {
        let mut world = self.shared.lock();
        let mailbox = world.mailboxes.get_mut(address).expect("the account is there");
        mailbox.calendars.iter_mut().for_each(|it| it.teams = offered);
    }

    /// An access token as if the account's owner had consented to everything.
    pub fn token_of(&self, address: &str) -> String {
        self.shared.oauth.issue(address, &SCOPES).access_token
    }

    /// Breaks every request until [`FakeMicrosoft::mend`].
    pub fn inflict(&self, fault: Fault) {
        self.rule(None, "", None, fault);
    }

    /// Breaks the next request with this method, in whose path and query `within` stands; either
    /// may be empty for any.
    pub fn inflict_next(&self, method: &str, within: &str, fault: Fault) {
        self.rule(Some(method), within, Some(1), fault);
    }

    /// The same for every such request until [`FakeMicrosoft::mend`].
    pub fn inflict_on(&self, method: &str, within: &str, fault: Fault) {
        self.rule(Some(method), within, None, fault);
    }

    /// Ends what was inflicted.
    pub fn mend(&self) {
        self.shared.lock().rules.clear();
    }

    /// Lets an app make so many requests to a mailbox in 10 minutes; none for any number.
    pub fn set_quota(&self, requests: Option<usize>) {
        self.shared.lock().quota = requests;
    }

    /// Pages hold at most this many entries.
    pub fn set_page_size(&self, entries: usize) {
        self.shared.lock().page_size = Some(entries.max(1));
    }

    /// Forgets all delta and skip tokens.
    pub fn forget_history(&self) {
        self.shared.lock().rounds.clear();
    }

    /// A transaction ID can't be used again after its event was deleted.
    pub fn keep_transactions(&self) {
        self.shared.lock().transactions_outlive_events = true;
    }

    /// What `getSchedule` answers for each mailbox instead of its free/busy.
    pub fn set_schedule_error(&self, response_code: Option<&str>) {
        self.shared.lock().schedule_error = response_code.map(Into::into);
    }

    /// What came in so far, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().requests.clone()
    }

    /// Forgets what came in so far.
    pub fn forget_requests(&self) {
        self.shared.lock().requests.clear();
    }

    /// The most requests that were under way to one mailbox at a time.
    pub fn most_at_once(&self) -> usize {
        self.shared.lock().most_at_once
    }

    /// How many invitations Exchange has sent by itself.
    pub fn invitations(&self, address: &str) -> usize {
        self.shared.lock().mailboxes[address].invitations
    }

    /// The IDs of the subscriptions that stand.
    pub fn subscriptions(&self) -> Vec<String> {
        let now = self.shared.clock.now();
        let mut world = self.shared.lock();
        world.subscriptions.retain(|_, it| now < it.until);
        world.subscriptions.keys().cloned().collect()
    }

    /// Sends a lifecycle notification: `reauthorizationRequired`, `subscriptionRemoved` (after
    /// which it is) or `missed`.
    ///
    /// # Panics
    /// Where there is no such subscription.
    pub fn send_lifecycle(&self, subscription: &str, event: &str) {
        let mut world = self.shared.lock();
        let found = world.subscriptions.get(subscription).expect("the subscription is there");
        let outgoing = notify::lifecycle(found, event);
        if event == "subscriptionRemoved" {
            world.subscriptions.remove(subscription);
        }
        world.outgoing.extend(outgoing);
        drop(world);
        self.shared.flush();
    }

    /// Waits until every notification so far was answered or lost.
    pub async fn notifications_delivered(&self) {
        loop {
            let sent = self.shared.sent.notified();
            let sending = *self.shared.sending.lock().expect("nobody panics while it counts");
            if sending == 0 {
                return;
            }
            sent.await;
        }
    }

    fn rule(&self, method: Option<&str>, within: &str, left: Option<usize>, fault: Fault) {
        let method = method.filter(|it| !it.is_empty()).map(Into::into);
        let rule = Rule { method, within: within.into(), left, fault };
        self.shared.lock().rules.push(rule);
    }

    fn open(&self, address: &str, name: &str, personal: bool) -> String {
        let mut world = self.shared.lock();
        let id = format!("AAMkCalendar{:06}=", world.fresh());
        let calendar = Calendar {
            id: id.clone(),
            name: "Calendar".into(),
            default: true,
            can_edit: true,
            owner: address.into(),
            teams: !personal,
        };
        let mailbox = Mailbox {
            address: address.into(),
            name: name.into(),
            personal,
            enabled: true,
            time_zone: "UTC".into(),
            locale: "en-GB".into(),
            calendars: vec![calendar],
            items: Default::default(),
            at_once: 0,
            spent: (DateTime::UNIX_EPOCH, 0),
            invitations: 0,
        };
        world.mailboxes.insert(address.into(), mailbox);
        id
    }
}

/// As the Microsoft identity platform has it: refresh tokens are renewed and the former still
/// works, `offline_access` is never told, and there is no revocation.
fn oauth_settings(redirect_uri: &str) -> Settings {
    let mut settings = Settings::new("https://login.microsoftonline.com/fake-tenant/v2.0")
        .with_client(Client::new(CLIENT_ID, CLIENT_SECRET, redirect_uri))
        .with_scopes(["Calendars.Read", "User.Read", "MailboxSettings.Read"]);
    settings.scopes.push(Scope::told_as(
        "Calendars.ReadWrite",
        "https://graph.microsoft.com/Calendars.ReadWrite",
    ));
    settings.scopes.push(Scope::untold("offline_access"));
    settings.offline = Offline::Scope("offline_access".into());
    settings.renewal = Renewal::Renew;
    settings.revocation = Revocation::Rfc7009;
    settings
}
