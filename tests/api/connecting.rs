//! Connecting calendars over OAuth, keeping their tokens, and what happens when they end.

use std::sync::Arc;

use calendar_http::HttpClient;
use chrono::TimeDelta;
use fake_oauth::{Consent, Fault, Iss, Renewal, Settings};
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

use crate::on_both;
use crate::subscriptions::Events;
use crate::support::oauth_calendar::{Browser, ISSUER, OAuthCalendar, OUTLOOK, PUBLIC, Shown};
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

on_both! {
    async fn an_agent_connects_a_calendar(office: Office) {
        let mut browser = Browser::default();
        let start = office.start_link(None).await;
        assert!(start.as_str().starts_with(&format!("{PUBLIC}/oauth/start/fda_")), "{start}");
        let shown = browser.visit(&office.test, &start).await;
        assert_eq!(shown.status, 303);
        let cookie = &shown.set_cookies[0];
        for part in ["__Host-", "; Path=/;", "Max-Age=600", "HttpOnly", "SameSite=Lax", "Secure"] {
            assert!(cookie.contains(part), "{part}: {cookie}");
        }
        let page = shown.location.unwrap();
        let asked: std::collections::BTreeMap<_, _> = page.query_pairs().into_owned().collect();
        assert_eq!(asked["redirect_uri"], format!("{PUBLIC}/oauth/callback"));
        assert_eq!(asked["scope"], "calendars profile mail");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["access_type"], "offline");
        let fake_oauth::Visit::Redirect(back) = office.calendar.oauth.visit(&page) else {
            panic!("the consent page refuses: {page}");
        };
        let shown = browser.visit(&office.test, &back).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        assert!(shown.text.contains("Outlook of owner@example.com is connected"), "{}", shown.text);
        assert!(!browser.has_cookies(), "the cookie has served its time");
        let seen = office.seen().await;
        let calendar = |name, primary, writable, is_main| json!({
            "calendarRef": name, "name": str::to_uppercase(name), "primary": primary,
            "writable": writable, "writtenTo": is_main, "busy": is_main,
        });
        let expected = json!({
            "id": seen["calendar"]["id"], "account": "owner@example.com", "status": "CONNECTED",
            "problem": null, "calendarName": "PRIMARY",
            "grantedScopes": ["calendars", "mail", "profile"],
            "timeZone": "Europe/Paris", "language": "fr-FR",
            "calendars": [
                calendar("primary", true, true, true), calendar("team", false, true, false),
                calendar("holidays", false, false, false),
            ],
        });
        assert_eq!(seen["calendar"], expected);
        assert_eq!(seen["inMeetingQueue"], false, "what was not read is not known");
        assert_eq!(office.read_from().await, ["primary"]);
        office.read().await;
        assert_eq!(office.seen().await["inMeetingQueue"], true);
    }

    async fn the_browser_goes_back_to_an_address_of_the_list(office: Office) {
        let elsewhere = office.try_to_start(Some("https://evil.example/settings")).await;
        assert_eq!((elsewhere.code(), elsewhere.field()), ("BAD_USER_INPUT", "input.returnUrl"));
        let mut browser = Browser::default();
        let start = office.start_link(Some(&format!("{SETTINGS}/calendar?tab=2&calendar=failed"))).await;
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        let shown = browser.visit(&office.test, &back).await;
        let there = format!("{SETTINGS}/calendar?tab=2&calendar=connected");
        assert_eq!(shown.location.map(String::from), Some(there));
        // What went wrong is said on the page, with the way back.
        office.calendar.oauth.set_consent(Consent::Deny);
        let start = office.start_link(Some(SETTINGS)).await;
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        let shown = browser.visit(&office.test, &back).await;
        check_refused(&shown, "did not give Outlook’s consent");
        assert!(shown.text.contains(&format!("href=\"{SETTINGS}?calendar")), "{}", shown.text);
    }

    async fn the_page_speaks_the_agents_language(office: Office) {
        let update = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }";
        let input = json!({ "agentId": office.agent, "locale": "fr-CA" });
        office.test.admin(update, json!({ "input": input })).await.data("/updateAgent/id");
        let shown = office.connect().await;
        assert!(shown.text.contains("<html lang=\"fr\">"), "{}", shown.text);
        assert!(shown.text.contains("Votre agenda est connecté"), "{}", shown.text);
    }

    async fn links_and_states_work_once(office: Office) {
        let mut browser = Browser::default();
        let start = office.start_link(None).await;
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        check_refused(&browser.visit(&office.test, &start).await, "used already or is too old");
        let replayer = browser.clone();
        assert_eq!(browser.visit(&office.test, &back).await.status, 200);
        let exchanges = office.calendar.oauth.counts().token_requests;
        for mut browser in [browser, replayer] {
            check_refused(&browser.visit(&office.test, &back).await, "used already or is too old");
        }
        assert_eq!(office.calendar.oauth.counts().token_requests, exchanges, "no code went out");
    }

    async fn a_look_at_a_link_does_not_use_it_up(office: Office) {
        let start = office.start_link(None).await;
        let path = start.as_str().strip_prefix(PUBLIC).unwrap();
        let looked = office.test.request(reqwest::Method::HEAD, path).send().await.unwrap();
        assert_eq!(looked.status().as_u16(), 405);
        assert_eq!(Browser::default().visit(&office.test, &start).await.status, 303);
    }

    async fn links_and_states_end_after_ten_minutes(office: Office) {
        let start = office.start_link(None).await;
        office.advance(TimeDelta::minutes(10));
        let mut browser = Browser::default();
        check_refused(&browser.visit(&office.test, &start).await, "used already or is too old");
        let start = office.start_link(None).await;
        office.advance(TimeDelta::minutes(9));
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        office.advance(TimeDelta::minutes(10));
        check_refused(&browser.visit(&office.test, &back).await, "used already or is too old");
        assert_eq!(office.calendar.oauth.counts().token_requests, 0, "no code went out");
        assert_eq!(office.seen().await["calendar"], Value::Null);
    }

    async fn another_browser_gets_nowhere(office: Office) {
        let mut browser = Browser::default();
        // The victim is at an authorization of its own, so it has a cookie, but another one.
        let mut victim = Browser::default();
        victim.visit(&office.test, &office.start_link(None).await).await;
        for other in [&mut Browser::default(), &mut victim] {
            let start = office.start_link(None).await;
            let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
            check_refused(&other.visit(&office.test, &back).await, "begun in another browser");
            // Nor the right one, afterwards.
            check_refused(&browser.visit(&office.test, &back).await, "used already");
        }
        assert_eq!(office.calendar.oauth.counts().token_requests, 0);
        assert_eq!(office.seen().await["calendar"], Value::Null);
    }

    async fn two_authorizations_in_one_browser_do_not_mix(office: Office) {
        let other = office.test.agent("Hedy").await;
        let mut browser = Browser::default();
        let start = office.start_link(None).await;
        let first = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        let second = Office { agent: other.clone(), calendar: Arc::clone(&office.calendar), ..office };
        let start = second.start_link(None).await;
        second.calendar.oauth.sign_in("hedy@example.com");
        let back = browser.consent(&second.test, &second.calendar.oauth, &start).await;
        assert_eq!(browser.visit(&second.test, &first).await.status, 200);
        assert_eq!(browser.visit(&second.test, &back).await.status, 200);
        assert_eq!(second.seen().await["calendar"]["account"], "hedy@example.com");
        assert_eq!(second.agent, other);
    }

    async fn an_answer_from_elsewhere_is_not_believed(office: Office) {
        office.calendar.oauth.set_iss(Iss::Other("https://evil.example".into()));
        check_refused(&office.connect().await, "did not come from Outlook");
        assert_eq!(office.calendar.oauth.counts().token_requests, 0, "the code went nowhere");
        office.calendar.oauth.set_iss(Iss::Absent);
        assert_eq!(office.connect().await.status, 200, "{ISSUER} need not name itself");
    }

    async fn a_permission_that_was_unticked_is_named(office: Office) {
        office.calendar.oauth.set_consent(Consent::Untick(vec!["calendars".into(), "mail".into()]));
        let shown = office.connect().await;
        check_refused(&shown, "<li>Have full access to your calendars</li>");
        assert!(!shown.text.contains("mailbox"), "that one is not needed: {}", shown.text);
        assert_eq!(office.calendar.oauth.standing_grants("owner@example.com"), 0, "given back");
        office.calendar.oauth.set_consent(Consent::Untick(vec!["mail".into()]));
        assert_eq!(office.connect().await.status, 200);
        assert_eq!(office.seen().await["calendar"]["grantedScopes"], json!(["calendars", "profile"]));
    }

    async fn what_does_not_work_leaves_the_former_calendar(office: Office) {
        office.connected().await;
        let before = office.seen().await;
        let (calendar, oauth) = (&office.calendar, &office.calendar.oauth);
        oauth.set_consent(Consent::Deny);
        check_refused(&office.connect().await, "Nothing was changed");
        oauth.set_consent(Consent::Untick(vec!["calendars".into()]));
        check_refused(&office.connect().await, "leave their boxes ticked");
        oauth.set_consent(Consent::Grant);
        oauth.inflict_next(1, Fault::Html);
        check_refused(&office.connect().await, "did not answer");
        calendar.break_down(true);
        check_refused(&office.connect().await, "did not answer");
        calendar.break_down(false);
        assert_eq!(office.seen().await, before);
        assert_eq!(office.test.deliver().await, 0, "nobody is told of an end");
        assert_eq!(office.ask().await, Ok(3), "its tokens still work");
    }

    async fn another_account_takes_the_place_of_the_former(office: Office) {
        office.connected().await;
        office.watch().await;
        office.calendar.oauth.sign_in("new@example.com");
        office.connected().await;
        assert_eq!(office.seen().await["calendar"]["account"], "new@example.com");
        assert_eq!(office.test.count("calendar_connections").await, 1);
        assert_eq!(office.calendar.oauth.standing_grants("owner@example.com"), 1, "not before");
        office.test.deliver().await;
        assert_eq!(office.calendar.unwatched(), ["primary/w1"], "with its own credentials");
        assert_eq!(office.calendar.oauth.standing_grants("owner@example.com"), 0);
        assert_eq!(office.calendar.oauth.standing_grants("new@example.com"), 1);
        assert_eq!(office.ask().await, Ok(3));
    }

    async fn the_same_account_again_is_not_revoked(office: Office) {
        office.connected().await;
        office.connected().await;
        office.test.deliver().await;
        assert_eq!(office.calendar.oauth.counts().revocations, 0, "Google would end both");
        assert_eq!(office.ask().await, Ok(3));
        office.disconnect().await;
        office.test.deliver().await;
        assert_eq!(office.calendar.oauth.counts().revocations, 1);
    }

    async fn disconnecting_revokes_and_stops_push_and_keeps_bookings(office: Office) {
        office.connected().await;
        let booking = office.book().await;
        office.test.deliver().await;
        office.watch().await;
        // The access token has ended by then.
        office.advance(TimeDelta::hours(2));
        office.disconnect().await;
        assert_eq!(office.seen().await, json!({ "inMeetingQueue": false, "calendar": null }));
        office.calendar.oauth.inflict_next(1, Fault::Status(500));
        office.test.deliver().await;
        assert_eq!(office.calendar.oauth.counts().revocations, 0, "tried again later");
        office.advance(TimeDelta::minutes(1));
        office.test.deliver().await;
        assert_eq!(office.calendar.unwatched(), ["primary/w1"]);
        assert_eq!(office.calendar.oauth.standing_grants("owner@example.com"), 0);
        assert_eq!(office.event_status(&booking).await, "DELIVERED");
        assert_eq!(office.calendar.events().len(), 1, "the entry stays");
        let kept = "SELECT CAST(payload AS text) FROM outbox WHERE kind = 'CALENDAR_FAREWELL'";
        let kept: Value = serde_json::from_str(&office.test.texts(kept).await[0]).unwrap();
        assert_eq!(kept["credentials"], "", "what was sealed is gone");
    }

    async fn an_end_that_nobody_hears_is_given_up_quietly(office: Office) {
        office.connected().await;
        office.watch().await;
        office.calendar.break_down(true);
        office.disconnect().await;
        office.test.deliver().await;
        office.advance(TimeDelta::days(2));
        office.calendar.oauth.inflict(Fault::Status(503));
        office.watch_ends().await;
        office.test.deliver().await;
        let failed = office.test.admin("{ failedDeliveries { nodes { id } } }", json!({})).await;
        assert_eq!(failed.data("/failedDeliveries/nodes"), json!([]));
        assert_eq!(office.test.texts("SELECT state FROM outbox").await, ["DONE"]);
    }
}

impl Office {
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
        let provider: Arc<dyn calendar_provider::CalendarProvider> = self.calendar.clone();
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
}

on_both! {
    async fn tokens_are_refreshed_before_they_end(office: Office) {
        office.connected().await;
        office.advance(TimeDelta::minutes(54));
        office.ask().await.unwrap();
        assert_eq!(office.calendar.oauth.counts().refreshes, 0);
        office.advance(TimeDelta::minutes(1));
        office.ask().await.unwrap();
        assert_eq!(office.calendar.oauth.counts().refreshes, 1);
        office.ask().await.unwrap();
        assert_eq!(office.calendar.oauth.counts().refreshes, 1);
        assert_eq!(office.calendar.tokens().len(), 2);
    }

    async fn tokens_of_six_minutes_are_refreshed_after_three(office: ShortLived) {
        let ShortLived(office) = office;
        office.connected().await;
        for (minutes, refreshes) in [(0, 0), (2, 0), (1, 1), (2, 1), (1, 2)] {
            office.advance(TimeDelta::minutes(minutes));
            office.ask().await.unwrap();
            assert_eq!(office.calendar.oauth.counts().refreshes, refreshes);
        }
    }

    async fn a_token_that_ended_five_minutes_early_is_replaced(office: Office) {
        office.calendar.oauth.set_skew(TimeDelta::minutes(5));
        office.connected().await;
        for _ in 0..3 {
            office.advance(TimeDelta::minutes(55));
            office.ask().await.unwrap();
        }
        assert_eq!(office.calendar.oauth.counts().refreshes, 3);
        // And one that was not known to have ended.
        office.calendar.oauth.expire_access_tokens();
        assert_eq!(office.ask().await, Ok(3));
        assert_eq!(office.calendar.oauth.counts().refreshes, 4);
        assert_eq!(office.status().await, "UNREACHABLE", "not read for hours, and nothing worse");
    }

    async fn an_authorization_server_that_is_down_ends_nothing(office: Office) {
        office.connected().await;
        office.calendar.oauth.inflict(Fault::Status(500));
        office.advance(TimeDelta::minutes(56));
        assert_eq!(office.ask().await, Ok(3), "the token at hand does");
        office.advance(TimeDelta::minutes(4));
        assert!(office.ask().await.unwrap_err().contains("can't be reached"));
        office.calendar.oauth.inflict(Fault::Html);
        assert!(office.ask().await.unwrap_err().contains("can't be reached"));
        office.read().await;
        assert_eq!(office.status().await, "CONNECTED");
        office.calendar.oauth.mend();
        assert_eq!(office.ask().await, Ok(3));
    }
}

on_both! {
    async fn a_rotated_refresh_token_is_kept(office: Rotating) {
        let Rotating(office) = office;
        office.connected().await;
        for _ in 0..3 {
            office.advance(TimeDelta::hours(2));
            assert_eq!(office.ask().await, Ok(3));
        }
        assert_eq!(office.calendar.oauth.counts().refreshes, 3);
    }

    async fn two_processes_refresh_one_token_once(office: Rotating) {
        let Rotating(office) = office;
        office.connected().await;
        office.advance(TimeDelta::hours(2));
        office.calendar.oauth.inflict(Fault::Slow(std::time::Duration::from_millis(100)));
        let record = office.record().await;
        let others = [office.other_process(), office.other_process()];
        let apps = others.iter().chain([&office.test.app]);
        let asked = apps.flat_map(|app| std::iter::repeat_n(app, 4));
        let answers = asked.map(|app| ask(app, &record));
        for answer in futures_util::future::join_all(answers).await {
            assert_eq!(answer, Ok(3));
        }
        let counts = office.calendar.oauth.counts();
        assert_eq!((counts.refreshes, counts.token_requests_at_once), (1, 1));
        assert_eq!(office.ask().await, Ok(3));
    }

    async fn a_caller_that_gives_up_loses_no_token(office: Rotating) {
        let Rotating(office) = office;
        office.connected().await;
        office.advance(TimeDelta::hours(2));
        office.calendar.oauth.inflict_next(1, Fault::Slow(std::time::Duration::from_millis(200)));
        let record = office.record().await;
        tokio::select! {
            _ = ask(&office.test.app, &record) => panic!("it was to be slow"),
            () = async {
                while office.calendar.oauth.counts().token_requests < 2 {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        assert_eq!(office.ask().await, Ok(3));
        assert_eq!(office.calendar.oauth.counts().refreshes, 1);
    }
}

on_both! {
    async fn a_revoked_grant_takes_the_agent_out_and_one_mail_tells(office: Office) {
        office.connected().await;
        assert_eq!(office.seen().await["inMeetingQueue"], true);
        let query = "subscription($agent: ID) { agentChanged(agentId: $agent) {
            inMeetingQueue calendar { status } } }";
        let variables = json!({ "agent": office.agent });
        let mut news = Events::open(&office.test, &office.test.admin, query, variables).await;
        office.revoke().await;
        let told = news.next().await;
        let expected = json!({
            "inMeetingQueue": false, "calendar": { "status": "REAUTHENTICATION_REQUIRED" },
        });
        assert_eq!(told["data"]["agentChanged"], expected);
        office.ask().await.unwrap_err();
        office.test.deliver().await;
        assert_eq!(office.mails().len(), 1);
        let requests = office.calendar.oauth.counts().token_requests;
        office.ask().await.unwrap_err();
        office.test.deliver().await;
        assert_eq!(office.mails(), []);
        assert_eq!(office.calendar.oauth.counts().token_requests, requests, "nobody is asked");
    }

    async fn the_link_in_the_mail_mends_it(office: Office) {
        office.connected().await;
        office.select("team", &["holidays"]).await.data("/selectCalendar/id");
        office.read().await;
        let place = office.place().await;
        let booking = office.book().await;
        office.calendar.oauth.remove_access("owner@example.com");
        office.test.deliver().await;
        assert_eq!(office.event_status(&booking).await, "PENDING");
        let links = office.mails();
        let [link] = links.as_slice() else { panic!("{links:?}") };
        // Two days on, the entry was given up.
        for _ in 0..2 {
            office.advance(TimeDelta::days(1));
            office.test.deliver().await;
        }
        office.test.mails.drain();
        office.test.clock.set("2027-01-05T07:00:00Z");
        office.calendar.oauth.clock().set("2027-01-05T07:00:00Z".parse().unwrap());
        assert_eq!(office.event_status(&booking).await, "FAILED");
        let mut browser = Browser::default();
        let back = browser.consent(&office.test, &office.calendar.oauth, link).await;
        let shown = browser.visit(&office.test, &back).await;
        assert_eq!(shown.location.unwrap().as_str(), format!("{SETTINGS}?calendar=connected"));
        office.read().await;
        assert_eq!(office.seen().await["inMeetingQueue"], true);
        assert_eq!(office.place().await, place, "in the queue where it was");
        let seen = office.seen().await;
        assert_eq!(seen["calendar"]["calendars"][1]["writtenTo"], true, "{seen:#}");
        assert_eq!(seen["calendar"]["calendars"][2]["busy"], true, "{seen:#}");
        office.test.deliver().await;
        assert_eq!(office.event_status(&booking).await, "DELIVERED");
        assert_eq!(office.calendar.events().into_values().collect::<Vec<_>>(), ["team"]);
        let shown = browser.visit(&office.test, link).await;
        assert!(shown.text.contains("There is nothing to do"), "{}", shown.text);
    }

    async fn the_link_in_the_mail_is_for_one_account_and_a_week(office: Office) {
        office.connected().await;
        office.revoke().await;
        office.test.deliver().await;
        let link = office.mails().remove(0);
        office.calendar.oauth.sign_in("thief@example.com");
        let mut browser = Browser::default();
        let back = browser.consent(&office.test, &office.calendar.oauth, &link).await;
        check_refused(&browser.visit(&office.test, &back).await, "for the account owner@example.com");
        assert_eq!(office.status().await, "REAUTHENTICATION_REQUIRED");
        let mut forged = link.clone();
        forged.set_path(&format!("{}x", link.path()));
        check_refused(&browser.visit(&office.test, &forged).await, "used already or is too old");
        office.advance(TimeDelta::days(7));
        check_refused(&browser.visit(&office.test, &link).await, "used already or is too old");
    }

    async fn the_agent_picks_which_calendars_count(office: Office) {
        office.connected().await;
        for (chosen, others, field) in [
            ("unknown", vec![], "input.calendarRef"),
            ("holidays", vec![], "input.calendarRef"),
            ("team", vec!["unknown"], "input.busyCalendarRefs"),
        ] {
            let answer = office.select(chosen, &others).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", field));
        }
        office.calendar.list(&[("primary", true), ("new", true), ("holidays", false)]);
        office.select("new", &["holidays", "new", "holidays"]).await.data("/selectCalendar/id");
        let record = office.record().await;
        assert_eq!(record.calendar_name.as_deref(), Some("NEW"));
        assert_eq!((record.calendar_ref.as_str(), record.also_busy.0), ("new", vec!["holidays".into()]));
        assert_eq!(office.read_from().await, ["holidays", "new"]);
        assert_eq!(office.seen().await["inMeetingQueue"], false, "what was not read is not known");
        office.watch().await;
        office.read().await;
        office.book().await;
        office.test.deliver().await;
        assert_eq!(office.calendar.events().into_values().collect::<Vec<_>>(), ["new"]);
        let many: Vec<String> = (0..21).map(|number| format!("c{number}")).collect();
        let mut all: Vec<(&str, bool)> = many.iter().map(|name| (name.as_str(), true)).collect();
        all.push(("primary", true));
        office.calendar.list(&all);
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        let answer = office.select("primary", &names).await;
        assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "input.busyCalendarRefs"));
        office.select("primary", &names[1..]).await.data("/selectCalendar/id");
        office.test.deliver().await;
        assert_eq!(office.calendar.unwatched(), ["holidays/w1", "new/w1"]);
        assert_eq!(office.calendar.oauth.counts().revocations, 0);
        office.calendar.break_down(true);
        assert_eq!(office.select("primary", &[]).await.code(), "UPSTREAM_UNAVAILABLE");
    }

    async fn what_is_not_set_up_says_so(office: Office) {
        let query = "mutation($input: StartCalendarAuthorizationInput!) {
            startCalendarAuthorization(input: $input) { authorizationUrl } }";
        for (provider, words) in [
            ("unset", "Unset is not set up on this server"),
            ("builtin", "connects through connectCalendar"),
        ] {
            let input = json!({ "agentId": office.agent, "providerId": provider });
            let answer = office.test.admin(query, json!({ "input": input })).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "input.providerId"));
            assert!(answer.body.to_string().contains(words), "{:#}", answer.body);
        }
        let query = "{ calendarProviders { id configured permissions { scope description } } }";
        let seen = office.test.admin(query, json!({})).await.data("/calendarProviders");
        let of = |id| seen.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
        assert_eq!(of("unset")["configured"], false);
        let first = json!({ "scope": "calendars", "description": "Have full access to your calendars" });
        assert_eq!(of(OUTLOOK)["permissions"][0], first);
    }

    async fn who_only_reads_elsewhere_has_a_feed_here(office: Office) {
        let query = "mutation($id: ID!) { createCalendarFeed(agentId: $id) { url } }";
        let id = json!({ "id": office.agent });
        office.connected().await;
        assert_eq!(office.test.admin(query, id.clone()).await.code(), "BAD_USER_INPUT");
        office.test.connect(&office.agent, "feed").await.data("/connectCalendar/id");
        let url = office.test.admin(query, id).await.data("/createCalendarFeed/url");
        let path = url.as_str().unwrap().strip_prefix(PUBLIC).unwrap().to_owned();
        let read = office.test.request(reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(read.status().as_u16(), 200);
    }

    async fn a_calendar_without_oauth_is_mended_in_the_application(office: Office) {
        office.test.connect(&office.agent, "feed").await.data("/connectCalendar/id");
        office.read().await;
        let route = json!({ "agentId": office.agent });
        let booked = office.test.book(route, TUESDAY_AT_10, "ada@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/__typename"), "SlotUnavailable");
        office.test.deliver().await;
        let mails = office.test.mails.drain();
        let [sent] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(sent.mail.to.email, "grace@agents.example");
        assert!(sent.mail.text.contains(SETTINGS), "{}", sent.mail.text);
    }

    async fn an_address_can_ask_so_often(office: Limited) {
        let Limited(office) = office;
        let url = format!("{PUBLIC}/oauth/start/fda_guessed").parse().unwrap();
        let mut browser = Browser::default();
        for _ in 0..3 {
            assert_eq!(browser.visit(&office.test, &url).await.status, 400);
        }
        assert_eq!(browser.visit(&office.test, &url).await.status, 429);
    }

    async fn what_is_secret_is_nowhere_to_be_read(office: Office) {
        office.connected().await;
        office.revoke().await;
        office.test.deliver().await;
        let seen = office.seen().await.to_string();
        let mut dump = seen;
        for (table, columns) in [
            ("outbox", "CAST(payload AS text) || COALESCE(last_error, '')"),
            ("calendar_connections", "account || COALESCE(problem, '') || CAST(calendars AS text)"),
        ] {
            dump += &office.test.texts(&format!("SELECT {columns} FROM {table}")).await.join("\n");
        }
        let sealed = office.record().await.credentials;
        let sealed = String::from_utf8_lossy(&sealed);
        for secret in ["fake-access", "fake-refresh", "cl1ent-s3cret", "fake-code"] {
            assert!(!dump.contains(secret) && !sealed.contains(secret), "{secret}");
        }
    }
}

impl Office {
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
