//! News, as server-sent events.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use frontdesk::service::access::Profile;
use frontdesk::service::credential;
use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Test, client};

/// Long enough for a busy machine; nothing waits for it to pass but what is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A subscription as a caller has it.
pub(crate) struct Events {
    response: reqwest::Response,
    read: String,
}

impl Events {
    /// Subscribes, and returns once the server listens to changes, or has refused to.
    pub(crate) async fn open(test: &Test, bearer: &str, query: &str, variables: Value) -> Self {
        let before = test.app.changes.listeners();
        let body = json!({ "query": query, "variables": variables });
        let mut request = test.request(Method::POST, "/graphql").json(&body);
        request = request.header("accept", "text/event-stream");
        if !bearer.is_empty() {
            request = request.bearer_auth(bearer);
        }
        let mut events = Self { response: request.send().await.unwrap(), read: String::new() };
        let listening = async {
            while test.app.changes.listeners() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = events.read_on() => {}
            () = listening => {}
        }
        events
    }

    /// Subscribes to a server elsewhere, which may not listen to changes yet when this returns.
    pub(crate) async fn open_at(address: SocketAddr, bearer: &str, query: &str) -> Self {
        let request = client().post(format!("http://{address}/graphql"));
        let request = request.bearer_auth(bearer).header("accept", "text/event-stream");
        let response = request.json(&json!({ "query": query })).send().await.unwrap();
        Self { response, read: String::new() }
    }

    /// The next event's data; null at the end.
    pub(crate) async fn next(&mut self) -> Value {
        let wait = async {
            loop {
                if let Some(event) = self.take() {
                    return event;
                }
                self.read_on().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("an event in time")
    }

    async fn read_on(&mut self) {
        match self.response.chunk().await.unwrap() {
            Some(bytes) => self.read.push_str(std::str::from_utf8(&bytes).unwrap()),
            None => self.read.push_str("event: complete\ndata:\n\n"),
        }
    }

    fn take(&mut self) -> Option<Value> {
        if !self.response.status().is_success() {
            return serde_json::from_str(&self.read).ok();
        }
        while let Some((event, rest)) = self.read.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            self.read = rest;
            let data = event.lines().find_map(|line| line.strip_prefix("data:"));
            match data.map(str::trim) {
                Some("") => return Some(Value::Null),
                Some(data) => return Some(serde_json::from_str(data).unwrap()),
                None => {}
            }
        }
        None
    }
}

impl Test {
    /// A token for an agent's browser.
    pub(crate) async fn token(&self, agent: &str, minutes: i64) -> String {
        let query = "mutation($agent: ID!, $minutes: Int!) {
            issueAgentToken(agentId: $agent, ttlMinutes: $minutes) { token expiresAt } }";
        let answer = self.admin(query, json!({ "agent": agent, "minutes": minutes })).await;
        answer.data("/issueAgentToken/token").as_str().unwrap().to_owned()
    }

    /// Books a free time with an agent, and returns the booking's ID and its manage token.
    pub(crate) async fn booked(&self, agent: &str, start: &str, email: &str) -> (String, String) {
        let answer = self.book(json!({ "agentId": agent }), start, email).await;
        let id = answer.data("/bookMeeting/booking/id").as_str().unwrap().to_owned();
        (id, answer.data("/bookMeeting/manageToken").as_str().unwrap().to_owned())
    }
}

const BOOKINGS: &str = "subscription($agent: ID) { bookingChanged(agentId: $agent) {
    id status startsAt calendarEvent { status } confirmation { status } agent { id } } }";
const AGENTS: &str = "subscription($agent: ID) { agentChanged(agentId: $agent) {
    id name active inMeetingQueue calendar { status } liveChat { status }
    dateOverrides { date } meetingAvailability { durationMinutes } } }";

#[track_caller]
fn check(event: &Value, pointer: &str, expected: impl Into<Value>) {
    let found = event.pointer(&format!("/data/{pointer}"));
    assert_eq!(found, Some(&expected.into()), "{event:#}");
}

on_both! {
    async fn every_change_to_a_booking_is_told(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let token = test.token(&agent, 60).await;
        let mut all = Events::open(&test, &test.admin, BOOKINGS, json!({})).await;
        let mut own = Events::open(&test, &token, BOOKINGS, json!({ "agent": agent })).await;
        let (id, manage) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        for events in [&mut all, &mut own] {
            let event = events.next().await;
            check(&event, "bookingChanged/id", id.clone());
            check(&event, "bookingChanged/status", "CONFIRMED");
            check(&event, "bookingChanged/calendarEvent/status", "PENDING");
        }
        // The calendar entry and the two mails: the last news has all of them.
        test.deliver().await;
        for events in [&mut all, &mut own] {
            loop {
                let event = events.next().await;
                let of = |what: &str| event.pointer(&format!("/data/bookingChanged/{what}/status"));
                if of("calendarEvent") == Some(&json!("DELIVERED"))
                    && of("confirmation") == Some(&json!("DELIVERED"))
                {
                    break;
                }
            }
        }
        let by_token = json!({ "manageToken": manage });
        let query = "mutation($input: RescheduleBookingInput!) {
            rescheduleBooking(input: $input) { __typename } }";
        let start = "2027-01-05T10:00:00Z";
        let input = json!({ "booking": by_token, "startsAt": start });
        let moved = test.visitor(query, json!({ "input": input })).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
        until(&mut all, "startsAt", start).await;
        until(&mut own, "startsAt", start).await;
        let query = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { id } }";
        test.visitor(query, json!({ "input": { "booking": by_token } })).await.data("/cancelBooking");
        until(&mut all, "status", "CANCELLED").await;
        until(&mut own, "status", "CANCELLED").await;
    }
}

/// Reads on to the news that a booking's field has a value.
async fn until(events: &mut Events, field: &str, value: &str) {
    loop {
        let event = events.next().await;
        let found = event.pointer(&format!("/data/bookingChanged/{field}"));
        if found.unwrap_or_else(|| panic!("{event:#}")) == value {
            return;
        }
    }
}

on_both! {
    async fn nobody_hears_of_another_agents_bookings(test: Test) {
        let grace = test.bookable_agent("Grace").await;
        let alan = test.bookable_agent("Alan").await;
        let token = test.token(&alan, 60).await;
        let mut alans = Events::open(&test, &token, BOOKINGS, json!({})).await;
        let mut of_alan = Events::open(&test, &test.admin, BOOKINGS, json!({ "agent": alan })).await;
        test.booked(&grace, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        let (id, _) = test.booked(&alan, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        check(&alans.next().await, "bookingChanged/id", id.clone());
        check(&of_alan.next().await, "bookingChanged/id", id);
        let mut refused = Events::open(&test, &token, BOOKINGS, json!({ "agent": grace })).await;
        let event = refused.next().await;
        assert_eq!(event["errors"][0]["extensions"]["code"], "FORBIDDEN", "{event:#}");
        assert_eq!(refused.next().await, Value::Null);
    }
}

on_both! {
    async fn every_change_to_an_agent_is_told(test: Test) {
        let agent = test.agent("Grace").await;
        let other = test.agent("Alan").await;
        let token = test.token(&agent, 60).await;
        let mut all = Events::open(&test, &test.admin, AGENTS, json!({ "agent": agent })).await;
        let mut own = Events::open(&test, &token, AGENTS, json!({})).await;
        let rename = "mutation($id: ID!) { updateAgent(input: { agentId: $id, name: \"New\" }) { id } }";
        test.admin(rename, json!({ "id": other })).await.data("/updateAgent/id");
        let block = "[{ dayOfWeek: MONDAY, start: \"08:00\", end: \"24:00\" }]";
        let changes = [
            ("updateAgent(input: { agentId: $id, name: \"New\" })".to_owned(), "name", json!("New")),
            (
                "setMeetingAvailability(input: { agentId: $id, durationMinutes: 45 })".to_owned(),
                "meetingAvailability/durationMinutes", json!(45),
            ),
            (
                format!("setMeetingAvailability(input: {{ agentId: $id, blocks: {block} }})"),
                "inMeetingQueue", json!(false),
            ),
            (
                "connectCalendar(input: { agentId: $id, providerId: \"builtin\" })".to_owned(),
                "inMeetingQueue", json!(true),
            ),
            (
                "setDateOverride(input: { agentId: $id, date: \"2027-02-01\", blocks: [] })".to_owned(),
                "dateOverrides/0/date", json!("2027-02-01"),
            ),
            (
                "removeDateOverride(agentId: $id, date: \"2027-02-01\")".to_owned(),
                "dateOverrides", json!([]),
            ),
            (
                format!("setLiveChatAvailability(input: {{ agentId: $id, blocks: {block} }})"),
                "liveChat/status", json!("AVAILABLE"),
            ),
            (
                "setLiveChatOverride(input: { agentId: $id, status: UNAVAILABLE })".to_owned(),
                "liveChat/status", json!("UNAVAILABLE"),
            ),
            ("clearLiveChatOverride(agentId: $id)".to_owned(), "liveChat/status", json!("AVAILABLE")),
            (
                "setInviteTemplate(input: { agentId: $id, subject: \"Hello\" })".to_owned(),
                "name", json!("New"),
            ),
            ("disconnectCalendar(agentId: $id)".to_owned(), "calendar", Value::Null),
        ];
        for (change, field, value) in changes {
            let query = format!("mutation($id: ID!) {{ {change} {{ id }} }}");
            let answer = test.admin(&query, json!({ "id": agent })).await;
            assert_eq!(answer.body.get("errors"), None, "{change}: {:#}", answer.body);
            for events in [&mut all, &mut own] {
                let event = events.next().await;
                check(&event, "agentChanged/id", agent.clone());
                check(&event, &format!("agentChanged/{field}"), value.clone());
            }
        }
    }
}

on_both! {
    async fn a_subscription_ends_with_its_token(test: Test) {
        let agent = test.agent("Grace").await;
        let token = test.token(&agent, 1).await;
        // A tenth of a second before the end, by the server's own clock.
        test.clock.advance(TimeDelta::milliseconds(59_900));
        let mut events = Events::open(&test, &token, AGENTS, json!({})).await;
        let event = events.next().await;
        assert_eq!(event["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{event:#}");
        assert_eq!(events.next().await, Value::Null);
    }
}

on_both! {
    async fn a_key_without_the_permission_hears_nothing(test: Test) {
        let key = test.key(Profile::MarketingUser).await;
        for query in [BOOKINGS, AGENTS] {
            let mut events = Events::open(&test, &key, query, json!({})).await;
            let event = events.next().await;
            assert_eq!(event["errors"][0]["extensions"]["code"], "FORBIDDEN", "{event:#}");
        }
    }
}

/// Subscribers of one change. Each read three rows of its own once: whether it may still hear of it, the booking
/// and its agent.
const MANY: usize = 200;

on_both! {
    async fn subscribers_share_what_is_read_of_a_change(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let mut subscribers = Vec::new();
        for _ in 0..MANY {
            subscribers.push(Events::open(&test, &test.admin, BOOKINGS, json!({})).await);
        }
        let before = test.statements.load(Ordering::SeqCst);
        let (id, _) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        for events in &mut subscribers {
            check(&events.next().await, "bookingChanged/id", id.clone());
        }
        let spent = test.statements.load(Ordering::SeqCst) - before;
        assert!(spent < MANY as u64, "{spent} statements for {MANY} subscribers");
    }

    async fn of_those_who_share_a_read_a_revoked_key_hears_nothing(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let made = credential::create_api_key(&test.app, "tests", Profile::Admin).await.unwrap();
        let revoked = made.key;
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            theirs.push(Events::open(&test, &revoked, BOOKINGS, json!({})).await);
            ours.push(Events::open(&test, &test.admin, BOOKINGS, json!({})).await);
        }
        credential::revoke_api_key(&test.app, made.record.id).await.unwrap();
        let (id, _) = test.booked(&agent, "2027-01-05T09:00:00Z", "ada@visitors.example").await;
        for events in &mut ours {
            check(&events.next().await, "bookingChanged/id", id.clone());
        }
        for events in &mut theirs {
            let event = events.next().await;
            assert_eq!(event["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{event:#}");
            assert_eq!(events.next().await, Value::Null);
        }
    }
}
