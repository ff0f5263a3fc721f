//! Connecting calendars over OAuth, keeping their tokens, and what happens when they end.

mod authorizing;
mod mending;
mod parting;
mod tokens;

use std::sync::Arc;

use calendar_http::HttpClient;
use chrono::TimeDelta;
use fake_oauth::{Renewal, Settings};
use frontdesk::app::{App, Parts};
use frontdesk::clock::Clock;
use frontdesk::http::RateLimit;
use frontdesk::ids::RandomIds;
use frontdesk::mail::Mailer;
use frontdesk::secrets::Secrets;
use frontdesk::service::calendar as service;
use frontdesk::store::{calendar, run_raw};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use url::Url;

use crate::support::oauth_calendar::{Browser, OAuthCalendar, OUTLOOK, Shown};
use crate::support::{Database, Test};

const TUESDAY_AT_10: &str = "2027-01-05T10:00:00Z";
const SETTINGS: &str = "https://app.example.com/settings";

/// A server with one agent who has no calendar yet, and a provider over OAuth.
struct Office {
    test: Test,
    calendar: Arc<OAuthCalendar>,
    agent: String,
}

/// The same where a refresh token is good for one use.
struct Rotating(Office);

impl Rotating {
    async fn start(database: Database) -> Self {
        let rotate = |settings| Settings { renewal: Renewal::Rotate, ..settings };
        Self(Office::start_with(database, rotate).await)
    }
}

/// The same where an address may ask thrice.
struct Limited(Office);

impl Limited {
    async fn start(database: Database) -> Self {
        let calendar = OAuthCalendar::new(|settings| settings).await;
        let test = Test::start_with(database, |setup| {
            let number = |number| std::num::NonZeroU32::new(number).unwrap();
            let limit = RateLimit { per_second: number(1), burst: number(3) };
            setup.http.rate_limit = Some(limit);
        })
        .await;
        Self(Office { test, calendar, agent: String::new() })
    }
}

/// The same where access tokens live for six minutes.
struct ShortLived(Office);

impl ShortLived {
    async fn start(database: Database) -> Self {
        let access_token_lifetime = TimeDelta::minutes(6);
        let short = |settings| Settings { access_token_lifetime, ..settings };
        Self(Office::start_with(database, short).await)
    }
}

impl Office {
    async fn start(database: Database) -> Self {
        Self::start_with(database, |settings| settings).await
    }

    async fn start_with(database: Database, edit: impl FnOnce(Settings) -> Settings) -> Self {
        let calendar = OAuthCalendar::new(edit).await;
        let provider = Arc::clone(&calendar);
        let test = Test::start_with(database, |setup| {
            setup.providers.push(provider);
            setup.providers.extend(OAuthCalendar::lesser());
            setup.config.return_urls = vec![SETTINGS.parse().unwrap()];
        })
        .await;
        let agent = test.agent("Grace").await;
        let blocks = json!([{ "dayOfWeek": "TUESDAY", "start": "09:00", "end": "17:00" }]);
        let input = json!({ "blocks": blocks, "timeZone": "UTC", "minimumNoticeMinutes": 0 });
        test.set_availability(&agent, input).await;
        Self { test, calendar, agent }
    }

    /// Time goes on for both servers.
    fn advance(&self, by: TimeDelta) {
        self.test.clock.advance(by);
        self.calendar.oauth.clock().advance(by);
    }

    async fn try_to_start(&self, return_url: Option<&str>) -> crate::support::Answer {
        let query = "mutation($input: StartCalendarAuthorizationInput!) {
            startCalendarAuthorization(input: $input) { authorizationUrl } }";
        let mut input = json!({ "agentId": self.agent, "providerId": OUTLOOK });
        if let Some(url) = return_url {
            input["returnUrl"] = url.into();
        }
        self.test.admin(query, json!({ "input": input })).await
    }

    async fn start_link(&self, return_url: Option<&str>) -> Url {
        let answer = self.try_to_start(return_url).await;
        let url = answer.data("/startCalendarAuthorization/authorizationUrl");
        url.as_str().unwrap().parse().unwrap()
    }

    /// All the way, in a browser of its own.
    async fn connect(&self) -> Shown {
        let mut browser = Browser::default();
        let start = self.start_link(None).await;
        let back = browser.consent(&self.test, &self.calendar.oauth, &start).await;
        browser.visit(&self.test, &back).await
    }

    /// The same where it must work, and the calendar was read since.
    async fn connected(&self) {
        let shown = self.connect().await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        self.read().await;
    }

    /// Notes that the calendar is known to be right as of now.
    async fn read(&self) {
        let sql = "UPDATE calendar_connections SET last_synced_at = ?";
        run_raw(&self.test.app.db, sql, [self.test.app.now().into()]).await.unwrap();
    }

    async fn seen(&self) -> Value {
        let query = "query($id: ID!) { agent(id: $id) { inMeetingQueue calendar {
            id account status problem calendarName grantedScopes timeZone language
            calendars { calendarRef name primary writable writtenTo busy } } } }";
        self.test.admin(query, json!({ "id": self.agent })).await.data("/agent")
    }

    async fn status(&self) -> Value {
        self.seen().await["calendar"]["status"].clone()
    }

    async fn record(&self) -> calendar::Model {
        calendar::Entity::find().one(&self.test.app.db).await.unwrap().unwrap()
    }

    /// Asks the provider for something, as a delivery would.
    async fn ask(&self) -> Result<usize, String> {
        ask(&self.test.app, &self.record().await).await
    }

    async fn disconnect(&self) {
        let query = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { id } }";
        self.test.admin(query, json!({ "id": self.agent })).await.data("/disconnectCalendar/id");
    }

    /// Takes the agent's consent back, and has the server notice.
    async fn revoke(&self) {
        self.calendar.oauth.remove_access("owner@example.com");
        self.advance(TimeDelta::hours(1));
        self.ask().await.unwrap_err();
    }

    /// Notes channels on which the provider tells of changes.
    async fn watch(&self) {
        let app = &self.test.app;
        let sql = "UPDATE calendar_syncs SET watch_channel = id, watch_ref = 'w1', \
            watch_expires_at = ?";
        let later = app.now() + TimeDelta::days(1);
        run_raw(&app.db, sql, [later.into()]).await.unwrap();
    }

    /// The calendars that are read.
    async fn read_from(&self) -> Vec<String> {
        self.test.texts("SELECT calendar_ref FROM calendar_syncs ORDER BY calendar_ref").await
    }

    /// The mails since the last look that ask to connect again, with their links.
    fn mails(&self) -> Vec<Url> {
        let to_mend = |text: &str| {
            let link = text.split_whitespace().find(|word| word.contains("/oauth/mend/"))?;
            link.parse().ok()
        };
        self.test.mails.drain().iter().filter_map(|sent| to_mend(&sent.mail.text)).collect()
    }

    async fn book(&self) -> String {
        let route = json!({ "agentId": self.agent });
        let booked = self.test.book(route, TUESDAY_AT_10, "ada@visitors.example").await;
        booked.data("/bookMeeting/booking/id").as_str().unwrap().to_owned()
    }

    async fn event_status(&self, booking: &str) -> Value {
        let query = "query($id: ID!) { booking(id: $id) { calendarEvent { status } } }";
        let seen = self.test.admin(query, json!({ "id": booking })).await;
        seen.data("/booking/calendarEvent/status")
    }

    /// Lets written-down channels last, so that only time ends the tries.
    async fn watch_ends(&self) {
        let rows = self.test.texts("SELECT CAST(payload AS text) FROM outbox").await;
        let payload = rows[0].replace("2027-01-05T08", "2027-02-05T08");
        assert_ne!(rows[0], payload);
        let value: Value = serde_json::from_str(&payload).unwrap();
        let value = sea_orm::Value::Json(Some(Box::new(value)));
        run_raw(&self.test.app.db, "UPDATE outbox SET payload = ?", [value]).await.unwrap();
    }

    /// Another process on the same database.
    fn other_process(&self) -> Arc<App> {
        self.process_with(self.calendar.clone())
    }

    /// The same, with another provider.
    fn process_with(&self, provider: Arc<dyn calendar_provider::CalendarProvider>) -> Arc<App> {
        Arc::new(App::new(Parts {
            db: self.test.app.db.clone(),
            clock: Arc::clone(&self.test.clock) as Arc<dyn Clock>,
            ids: Arc::new(RandomIds),
            secrets: Secrets::new(&[7; 32]),
            providers: vec![provider],
            http: HttpClient::new(crate::support::http_settings()).unwrap(),
            mailer: Mailer::memory().0,
            config: crate::support::config(),
        }))
    }

    async fn select(&self, chosen: &str, others: &[&str]) -> crate::support::Answer {
        let query =
            "mutation($input: SelectCalendarInput!) { selectCalendar(input: $input) { id } }";
        let input = json!({
            "agentId": self.agent, "calendarRef": chosen, "busyCalendarRefs": others,
        });
        self.test.admin(query, json!({ "input": input })).await
    }

    /// The agent's place in the queue.
    async fn place(&self) -> Vec<String> {
        self.test.texts("SELECT CAST(joined_at AS text) FROM agents").await
    }
}

async fn ask(app: &App, record: &calendar::Model) -> Result<usize, String> {
    let listed = service::ask(app, record, |provider, connection| async move {
        Ok(provider.calendars(&connection).await?.len())
    });
    listed.await.map_err(|error| error.to_string())
}

#[track_caller]
fn check_refused(shown: &Shown, words: &str) {
    assert_ne!(shown.status, 200, "{}", shown.text);
    assert_eq!(shown.location, None);
    assert!(shown.text.contains(words), "{}", shown.text);
}
