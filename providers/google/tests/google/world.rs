//! A provider, a fake Google and an account that is connected.

use std::time::Duration;

use calendar_http::{HttpClient, Settings as HttpSettings};
use calendar_provider::{
    Connection, EventDraft, EventHandle, Participant, ProviderError, TimeRange,
};
use calendar_provider_google::{Google, Settings};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use fake_google::{CLIENT_ID, CLIENT_SECRET, Clock, FakeGoogle};

pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const REDIRECT: &str = "https://desk.example/oauth/callback";

/// The scopes that the provider asks for, as they are told when granted.
pub(crate) const GRANTED: [&str; 6] = [
    "openid",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
    "https://www.googleapis.com/auth/calendar.events.owned",
    "https://www.googleapis.com/auth/calendar.freebusy",
    "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
];

pub(crate) struct World {
    pub(crate) fake: FakeGoogle,
    pub(crate) google: Google,
    pub(crate) connection: Connection,
}

impl World {
    /// Ada in London, with nothing in her calendar.
    pub(crate) async fn new() -> Self {
        let fake = FakeGoogle::start(Clock::new(at("2031-05-01T00:00:00Z")), REDIRECT).await;
        fake.add_account(ADA, "Ada Agent", Tz::Europe__London);
        let connection = Connection::new("agent-1", ADA, token(&fake, ADA));
        Self { google: Google::new(settings(&fake), client()), fake, connection }
    }
}

/// A valid access token of the account's.
pub(crate) fn token(fake: &FakeGoogle, account: &str) -> secrecy::SecretString {
    fake.oauth().issue(account, &GRANTED).access_token.into()
}

pub(crate) fn settings(fake: &FakeGoogle) -> Settings {
    Settings {
        client_id: CLIENT_ID.into(),
        client_secret: CLIENT_SECRET.into(),
        api_url: fake.api_url(),
        authorization_url: fake.authorization_url(),
        token_url: fake.token_url(),
        revocation_url: fake.revocation_url(),
        userinfo_url: fake.userinfo_url(),
    }
}

/// A client that makes one attempt and never stops asking, so that each test sees each fault.
pub(crate) fn client() -> HttpClient {
    let settings = HttpSettings {
        attempts: 1,
        circuit_failures: u32::MAX,
        deadline: Duration::from_secs(30),
        ..HttpSettings::default()
    };
    HttpClient::new(settings).expect("the settings are valid")
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

pub(crate) fn between(start: &str, end: &str) -> TimeRange {
    TimeRange::new(at(start), at(end)).expect("not empty")
}

/// Monday 2031-05-05.
pub(crate) fn day() -> TimeRange {
    between("2031-05-05T00:00:00Z", "2031-05-06T00:00:00Z")
}

/// That day from one hour to another.
pub(crate) fn hours(start: i64, end: i64) -> TimeRange {
    let zero = day().start();
    TimeRange::new(zero + TimeDelta::hours(start), zero + TimeDelta::hours(end)).expect("not empty")
}

pub(crate) fn draft(uid: &str, range: TimeRange) -> EventDraft {
    let agent = Participant::new(Some("Ada Agent".into()), ADA);
    EventDraft::new(uid, range, Tz::Europe__London, "Demo", agent)
}

pub(crate) fn handle(uid: &str) -> EventHandle {
    EventHandle::new(uid, None)
}

#[track_caller]
pub(crate) fn expect_error<T: std::fmt::Debug>(
    result: Result<T, ProviderError>,
    class: calendar_provider::ErrorClass,
) -> ProviderError {
    let error = result.expect_err("it must fail");
    assert_eq!(error.class(), class, "{error:?}");
    error
}
