//! What holds for every calendar that is connected in the vendor's own pages.

use std::sync::Arc;

use calendar_provider::CalendarProvider;
use chrono::{DateTime, TimeDelta, Utc};
use fake_oauth::{Clock, OAuth};
use serde_json::{Value, json};
use url::Url;

use super::Desk;
use super::callbacks::{Callbacks, Way};
use crate::support::oauth_calendar::{Browser, PUBLIC, Shown};
use crate::support::{Answer, Database, START, Test};

/// The account that the agent has at every vendor.
pub(super) const OWNER: &str = "owner@example.com";
/// Another account of the agent's, with a calendar of its own.
pub(super) const OTHER: &str = "other@example.com";
/// Where the agent's own application has its settings.
pub(super) const SETTINGS: &str = "https://app.example.com/settings";

/// A calendar of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one that is connected first.
    Main,
    /// Another that can be written to; its name is `Team`.
    Team,
}

/// What stands in a calendar at the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) start: DateTime<Utc>,
    pub(super) link: Option<String>,
}

/// A vendor's fake, as the vendor and the agent in the vendor's pages deal with it. The account has the
/// calendars of [`Which`] and `Holidays`, which can only be read.
pub(super) trait Vendor: Sized {
    /// The provider's key.
    const ID: &'static str;
    /// The kind of its conference links.
    const CONFERENCE: &'static str;
    /// What those begin with.
    const LINK: &'static str;
    /// A scope that is needed, and what it is called on the consent page.
    const NEEDED: (&'static str, &'static str);
    /// A scope that can be done without.
    const OPTIONAL: &'static str;
    /// Whether tokens can be revoked by whoever holds them.
    const REVOKES: bool;

    async fn open(clock: Clock, callback: &str) -> Self;
    fn provider(&self) -> Arc<dyn CalendarProvider>;
    fn oauth(&self) -> &OAuth;
    /// What the consent page's address begins with.
    fn consent_page(&self) -> String;
    /// Makes an event of half an hour.
    fn add_event(&self, calendar: Which, start: DateTime<Utc>);
    fn move_event(&self, id: &str, start: DateTime<Utc>);
    fn delete_event(&self, id: &str);
    /// All that stands in a calendar.
    async fn entries(&self, calendar: Which) -> Vec<Entry>;
    /// Links are pending from now on.
    fn hold_links(&self);
    /// Those that are pending are made.
    fn make_links(&self);
    /// The next write is carried out, and its answer is lost.
    fn lose_next_answer(&self);
    /// Waits until all that is to be told was told.
    async fn told(&self);
    /// How many channels are open.
    fn channels(&self) -> usize;
    /// Whom the vendor itself sent invitations.
    fn invitations(&self) -> usize;
}

/// A server with one agent whose calendar is at the vendor, and was read once.
pub(super) struct Connected<V> {
    pub(super) desk: Desk,
    pub(super) vendor: V,
    pub(super) way: Option<Way>,
}

impl<V: Vendor> Connected<V> {
    pub(super) async fn start(database: Database) -> Self {
        let office = Self::unconnected(database).await;
        let shown = office.connect().await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        assert!(shown.text.contains(&format!("{OWNER} is connected")), "{}", shown.text);
        assert!(!office.desk.standing().await.0, "what was not read is not known");
        assert_eq!(office.desk.test.sync().await, 1);
        assert_eq!(office.desk.standing().await, (true, "CONNECTED".into()));
        office
    }

    pub(super) async fn unconnected(database: Database) -> Self {
        let callback = format!("{PUBLIC}/oauth/callback");
        let vendor = V::open(Clock::new(START.parse().unwrap()), &callback).await;
        let callbacks = Callbacks::bind().await;
        let test = Test::start_with(database, |setup| {
            setup.providers.push(vendor.provider());
            setup.config.push_url = Some(callbacks.url());
            setup.config.return_urls = vec![SETTINGS.parse().unwrap()];
        })
        .await;
        let way = Some(callbacks.lead_to(test.address));
        Self { desk: Desk::open(test).await, vendor, way }
    }

    /// Time goes on for both servers.
    pub(super) fn advance(&self, by: TimeDelta) {
        self.desk.test.clock.advance(by);
        self.vendor.oauth().clock().advance(by);
    }

    /// From startCalendarAuthorization through the consent page to what the agent sees in the end.
    pub(super) async fn connect(&self) -> Shown {
        let query = "mutation($input: StartCalendarAuthorizationInput!) {
            startCalendarAuthorization(input: $input) { authorizationUrl } }";
        let input = json!({ "agentId": self.desk.agent, "providerId": V::ID });
        let started = self.desk.test.admin(query, json!({ "input": input })).await;
        let url = started.data("/startCalendarAuthorization/authorizationUrl");
        self.follow(&url.as_str().unwrap().parse().unwrap()).await
    }

    /// From a link through the consent page.
    pub(super) async fn follow(&self, link: &Url) -> Shown {
        let mut browser = Browser::default();
        let page = browser.visit(&self.desk.test, link).await.location.expect("it is sent on");
        assert!(page.as_str().starts_with(&self.vendor.consent_page()), "{page}");
        let back = match self.vendor.oauth().visit(&page) {
            fake_oauth::Visit::Redirect(back) => back,
            fake_oauth::Visit::Refused(why) => panic!("the consent page refuses: {why}: {page}"),
        };
        browser.visit(&self.desk.test, &back).await
    }

    /// What the vendor told is read; how many looks that were.
    pub(super) async fn read_what_is_told(&self) -> usize {
        self.vendor.told().await;
        self.desk.test.sync().await
    }

    pub(super) async fn delivered(&self, start: &str) -> String {
        let id = self.desk.book(start).await;
        self.desk.test.deliver().await;
        self.read_what_is_told().await;
        id
    }

    pub(super) async fn entries(&self) -> Vec<Entry> {
        self.vendor.entries(Which::Main).await
    }

    pub(super) async fn select(&self, name: &str, busy: &[&str]) -> Answer {
        let calendar = self.desk.calendar().await;
        let named = |name: &str| {
            let all = calendar["calendars"].as_array().unwrap();
            let found = all.iter().find(|it| it["name"] == name);
            found.unwrap_or_else(|| panic!("{name}: {calendar:#}"))["calendarRef"].clone()
        };
        let busy: Vec<_> = busy.iter().map(|name| named(name)).collect();
        let query =
            "mutation($input: SelectCalendarInput!) { selectCalendar(input: $input) { id } }";
        let input = json!({
            "agentId": self.desk.agent, "calendarRef": named(name), "busyCalendarRefs": busy,
        });
        self.desk.test.admin(query, json!({ "input": input })).await
    }

    pub(super) async fn drift(&self, id: &str) -> Value {
        self.read_what_is_told().await;
        self.desk.booking(id).await["calendarEvent"]["drift"].clone()
    }

    pub(super) async fn resolve(&self, mutation: &str, id: &str) {
        let query = format!("mutation($id: ID!) {{ {mutation}(bookingId: $id) {{ id }} }}");
        let resolved = self.desk.test.admin(&query, json!({ "id": id })).await;
        resolved.data(&format!("/{mutation}/id"));
        self.desk.test.deliver().await;
    }
}

/// Asks a vendor's API as the agent's own programs would.
pub(super) async fn get(url: Url, token: &str, headers: &[(&str, &str)]) -> Value {
    let mut request = crate::support::client().get(url).bearer_auth(token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}
