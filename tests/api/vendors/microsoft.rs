//! Microsoft 365, as its fake has it.

use std::sync::Arc;

use calendar_provider::CalendarProvider;
use calendar_provider_microsoft::{Microsoft, Settings};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use fake_microsoft::{CLIENT_ID, CLIENT_SECRET, Clock, FakeMicrosoft, Fault, OAuth, OutlookEvent};
use serde_json::Value;

use super::http;
use super::journeys::{self, journeys};
use super::oauth::{self, Connected, Entry, OTHER, OWNER, Vendor, Which};

/// The fake, and the IDs of the account's calendars.
pub(super) struct Outlook {
    fake: FakeMicrosoft,
    main: String,
    team: String,
}

type Office = Connected<Outlook>;

journeys!(Office, "Calendar");

impl Outlook {
    fn calendar(&self, which: Which) -> &str {
        match which {
            Which::Main => &self.main,
            Which::Team => &self.team,
        }
    }
}

impl Vendor for Outlook {
    const ID: &'static str = "microsoft";
    const CONFERENCE: &'static str = "MICROSOFT_TEAMS";
    const LINK: &'static str = "https://teams.microsoft.com/";
    const NEEDED: (&'static str, &'static str) =
        ("Calendars.ReadWrite", "Have full access to your calendars");
    const OPTIONAL: &'static str = "MailboxSettings.Read";
    const REVOKES: bool = false;

    async fn open(clock: Clock, callback: &str) -> Self {
        let fake = FakeMicrosoft::start(clock, callback).await;
        let main = fake.add_account(OWNER, "Grace");
        let team = fake.add_calendar(OWNER, "Team", true);
        fake.add_calendar(OWNER, "Holidays", false);
        fake.add_account(OTHER, "Grace");
        Self { fake, main, team }
    }

    fn provider(&self) -> Arc<dyn CalendarProvider> {
        let settings = Settings {
            client_id: CLIENT_ID.into(),
            client_secret: Some(CLIENT_SECRET.into()),
            graph_url: self.fake.graph_url(),
            login_url: self.fake.login_url(),
            ..Settings::default()
        };
        Arc::new(Microsoft::new(settings, http()))
    }

    fn oauth(&self) -> &OAuth {
        self.fake.oauth()
    }

    fn consent_page(&self) -> String {
        format!("{}common/oauth2/v2.0/authorize?", self.fake.login_url())
    }

    fn add_event(&self, which: Which, start: DateTime<Utc>) {
        let event = OutlookEvent::new("Lunch", start, start + TimeDelta::minutes(30));
        self.fake.add_event(OWNER, self.calendar(which), &event);
    }

    fn move_event(&self, id: &str, start: DateTime<Utc>) {
        self.fake.move_event(OWNER, id, start, start + TimeDelta::minutes(30));
    }

    fn delete_event(&self, id: &str) {
        self.fake.delete_event(OWNER, id);
    }

    async fn entries(&self, which: Which) -> Vec<Entry> {
        let window = "startDateTime=2027-01-01T00:00:00Z&endDateTime=2027-02-01T00:00:00Z";
        let (graph, calendar) = (self.fake.graph_url(), self.calendar(which));
        let url = format!("{graph}/me/calendars/{calendar}/calendarView?{window}&$top=100");
        let token = self.fake.token_of(OWNER);
        let immutable = [("prefer", "IdType=\"ImmutableId\"")];
        let view = oauth::get(url.parse().unwrap(), &token, &immutable).await;
        view["value"].as_array().unwrap().iter().map(entry).collect()
    }

    fn hold_links(&self) {
        self.fake.hold_teams();
    }

    fn make_links(&self) {
        self.fake.finish_teams();
    }

    fn lose_next_answer(&self) {
        self.fake.inflict_next("POST", "/events", Fault::AnswerLost);
    }

    async fn told(&self) {
        self.fake.notifications_delivered().await;
    }

    fn channels(&self) -> usize {
        self.fake.subscriptions().len()
    }

    fn invitations(&self) -> usize {
        self.fake.invitations(OWNER)
    }
}

fn entry(event: &Value) -> Entry {
    assert_eq!(event["start"]["timeZone"], "UTC");
    let start: NaiveDateTime = event["start"]["dateTime"].as_str().unwrap().parse().unwrap();
    Entry {
        id: event["id"].as_str().unwrap().to_owned(),
        start: start.and_utc(),
        link: event["onlineMeeting"]["joinUrl"].as_str().map(str::to_owned),
    }
}
