//! An account with a connected calendar, and everything around it.

use std::{sync::Arc, time::Duration};

use calendar_http::{HttpClient, Network};
use calendar_provider::{
    CalendarProvider, ConnectRequest, Connection, EventDraft, EventHandle, EventReceipt,
    EventSnapshot, Participant, TimeRange,
};
use calendar_provider_microsoft::{Microsoft, Settings};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use fake_microsoft::{CLIENT_ID, CLIENT_SECRET, Clock, FakeMicrosoft};
use serde_json::Value;

/// The account that is connected.
pub(crate) const ADA: &str = "ada@contoso.example";
/// Another account.
pub(crate) const BOB: &str = "bob@contoso.example";

/// Which calendar is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The default one of a work account.
    Default,
    /// Another one of a work account.
    Second,
    /// The default one of a personal account.
    Personal,
}

/// A connected calendar.
pub(crate) struct Outlook {
    pub(crate) kind: Kind,
    pub(crate) fake: Arc<FakeMicrosoft>,
    pub(crate) provider: Arc<Microsoft>,
    pub(crate) connection: Connection,
    /// The connected calendar's ID at Microsoft.
    pub(crate) calendar: String,
    /// The ID of another, empty calendar of the account.
    pub(crate) other: String,
}

impl Outlook {
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::start_with(kind, client()).await
    }

    /// The same with a client that others use as well: to make one takes a while.
    pub(crate) async fn start_with(kind: Kind, http: HttpClient) -> Self {
        let clock = Clock::new(at("2031-05-05T00:00:00Z"));
        let fake = FakeMicrosoft::start(clock, "https://desk.example/oauth/callback").await;
        let default = match kind {
            Kind::Personal => fake.add_personal_account(ADA, "Ada Agent"),
            _ => fake.add_account(ADA, "Ada Agent"),
        };
        fake.add_account(BOB, "Bob Agent");
        let second = fake.add_calendar(ADA, "Customers", true);
        let third = fake.add_calendar(ADA, "Family", true);
        let provider = provider(&fake, http);
        let connected = provider.connect(request(&fake, ADA)).await.expect("it connects");
        let mut connection = connected.into_connection("agent-1");
        connection.credentials = fake.token_of(ADA).into();
        let calendar = if kind == Kind::Second {
            connection.calendar_ref.clone_from(&second);
            second
        } else {
            default
        };
        fake.forget_requests();
        let fake = Arc::new(fake);
        Self { kind, fake, provider: Arc::new(provider), connection, calendar, other: third }
    }

    /// The default calendar of a work account.
    pub(crate) async fn work() -> Self {
        Self::start(Kind::Default).await
    }
}

/// A client that tries again at once and never gives up on a server.
pub(crate) fn client() -> HttpClient {
    let settings = calendar_http::Settings {
        network: Network::Any,
        backoff: Duration::ZERO,
        circuit_failures: u32::MAX,
        deadline: Duration::from_secs(20),
        ..calendar_http::Settings::default()
    };
    HttpClient::new(settings).unwrap()
}

/// A provider that talks to `fake`.
pub(crate) fn provider(fake: &FakeMicrosoft, http: HttpClient) -> Microsoft {
    let settings = Settings {
        client_id: CLIENT_ID.into(),
        client_secret: Some(CLIENT_SECRET.into()),
        graph_url: fake.graph_url(),
        login_url: fake.login_url(),
        ..Settings::default()
    };
    Microsoft::new(settings, http)
}

pub(crate) fn request(fake: &FakeMicrosoft, address: &str) -> ConnectRequest {
    let mut request = ConnectRequest::new("agent-1");
    request.access_token = Some(fake.token_of(address).into());
    request
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// 2031-05-05 in UTC.
pub(crate) fn day() -> TimeRange {
    TimeRange::lasting(at("2031-05-05T00:00:00Z"), TimeDelta::days(1)).unwrap()
}

/// An hour of that day.
pub(crate) fn hour(hour: i64) -> TimeRange {
    TimeRange::lasting(day().start() + TimeDelta::hours(hour), TimeDelta::hours(1)).unwrap()
}

pub(crate) fn draft(uid: &str, range: TimeRange) -> EventDraft {
    let mut draft = EventDraft::new(
        uid,
        range,
        Tz::Europe__Paris,
        "Demo with Vic",
        Participant::new(Some("Ada Agent".into()), ADA),
    );
    draft.description = Some("About prices".into());
    draft.attendees = vec![Participant::new(Some("Vic Visitor".into()), "vic@visitor.example")];
    draft
}

impl Outlook {
    pub(crate) async fn put(&self, draft: &EventDraft) -> EventReceipt {
        self.provider.put_event(&self.connection, draft).await.unwrap()
    }

    pub(crate) async fn get(&self, uid: &str) -> Option<EventSnapshot> {
        let handle = EventHandle::new(uid, None);
        self.provider.get_event(&self.connection, &handle).await.unwrap()
    }

    /// The body of the last request with this method and path.
    pub(crate) fn sent(&self, method: &str, path: &str) -> Value {
        let requests = self.fake.requests();
        let found = requests.iter().rfind(|it| it.method == method && it.uri.contains(path));
        found.map(|it| it.body.clone()).unwrap()
    }
}
