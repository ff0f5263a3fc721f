//! Google Calendar, as its fake has it.

use std::sync::Arc;

use calendar_provider::CalendarProvider;
use calendar_provider_google::{Google, Settings};
use chrono::{DateTime, TimeDelta, Utc};
use fake_google::{CLIENT_ID, CLIENT_SECRET, Clock, FakeGoogle, Fault, Meetings, OAuth};
use serde_json::Value;

use super::http;
use super::journeys::{self, journeys};
use super::oauth::{self, Connected, Entry, OTHER, OWNER, Vendor, Which};

const TEAM: &str = "team@group.calendar.google.com";

type Office = Connected<FakeGoogle>;

journeys!(Office, OWNER);

fn calendar(which: Which) -> &'static str {
    match which {
        Which::Main => OWNER,
        Which::Team => TEAM,
    }
}

impl Vendor for FakeGoogle {
    const ID: &'static str = "google";
    const CONFERENCE: &'static str = "GOOGLE_MEET";
    const LINK: &'static str = "https://meet.google.com/";
    const NEEDED: (&'static str, &'static str) = (
        "https://www.googleapis.com/auth/calendar.freebusy",
        "View your availability in your calendars",
    );
    const OPTIONAL: &'static str = "profile";
    const REVOKES: bool = true;

    async fn open(clock: Clock, callback: &str) -> Self {
        let google = Self::start(clock, callback).await;
        google.add_account(OWNER, "Grace", chrono_tz::UTC);
        google.add_calendar(OWNER, TEAM, "Team", "owner");
        google.add_calendar(OWNER, "holidays@group.v.calendar.google.com", "Holidays", "reader");
        google.add_account(OTHER, "Grace", chrono_tz::UTC);
        google.allow_http_callbacks();
        google
    }

    fn provider(&self) -> Arc<dyn CalendarProvider> {
        let settings = Settings {
            client_id: CLIENT_ID.into(),
            client_secret: CLIENT_SECRET.into(),
            api_url: self.api_url(),
            authorization_url: self.authorization_url(),
            token_url: self.token_url(),
            revocation_url: self.revocation_url(),
            userinfo_url: self.userinfo_url(),
        };
        Arc::new(Google::new(settings, http()))
    }

    fn oauth(&self) -> &OAuth {
        self.oauth()
    }

    fn consent_page(&self) -> String {
        format!("{}?", self.authorization_url())
    }

    fn add_event(&self, which: Which, start: DateTime<Utc>) {
        self.add_meeting(calendar(which), "Lunch", start, start + TimeDelta::minutes(30));
    }

    fn move_event(&self, id: &str, start: DateTime<Utc>) {
        self.move_event(OWNER, id, start, start + TimeDelta::minutes(30));
    }

    fn delete_event(&self, id: &str) {
        self.delete_event(OWNER, id);
    }

    async fn entries(&self, which: Which) -> Vec<Entry> {
        let mut url = self.api_url();
        url.path_segments_mut().unwrap().pop_if_empty().extend([
            "calendars",
            calendar(which),
            "events",
        ]);
        url.set_query(Some("singleEvents=true"));
        let scope = "https://www.googleapis.com/auth/calendar.readonly";
        let token = self.oauth().issue(OWNER, &[scope]).access_token;
        let list = oauth::get(url, &token, &[]).await;
        let mut entries: Vec<_> = list["items"].as_array().unwrap().iter().map(entry).collect();
        entries.sort_by_key(|it| it.start);
        entries
    }

    fn hold_links(&self) {
        self.set_meetings(Meetings::Later);
    }

    fn make_links(&self) {
        // They are there from the next look on.
    }

    fn lose_next_answer(&self) {
        self.inflict_next(1, Fault::AnswerLost);
    }

    async fn told(&self) {
        self.pushes_delivered().await;
    }

    fn channels(&self) -> usize {
        self.open_channels()
    }

    fn invitations(&self) -> usize {
        self.invitations().len()
    }
}

fn entry(event: &Value) -> Entry {
    Entry {
        id: event["id"].as_str().unwrap().to_owned(),
        start: event["start"]["dateTime"].as_str().unwrap().parse().unwrap(),
        link: event["hangoutLink"].as_str().map(str::to_owned),
    }
}
