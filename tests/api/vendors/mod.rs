//! Each kind of calendar with the real provider and its counterpart: connected, read, written to, lost
//! and mended, all of it through the API.

mod caldav;
mod callbacks;
mod google;
mod ics;
mod journeys;
mod microsoft;
mod oauth;
pub(crate) mod python;
mod remote;

use calendar_http::HttpClient;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{Answer, Test, http_settings};

const AT_10: &str = "2027-01-05T10:00:00Z";
const AT_11: &str = "2027-01-05T11:00:00Z";
const AT_14: &str = "2027-01-05T14:00:00Z";
const VISITOR: &str = "ada@visitors.example";

/// The client that providers of the tests ask with.
fn http() -> HttpClient {
    HttpClient::new(http_settings()).unwrap()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A server with one agent, and what is asked of both.
struct Desk {
    test: Test,
    agent: String,
}

impl Desk {
    /// An agent who takes meetings in working hours, with conference links wherever there are any, and
    /// has no calendar yet.
    async fn open(test: Test) -> Self {
        let agent = test.agent("Grace").await;
        let blocks = json!([{ "dayOfWeek": "TUESDAY", "start": "09:00", "end": "17:00" }]);
        let input = json!({ "blocks": blocks, "timeZone": "UTC", "minimumNoticeMinutes": 0 });
        test.set_availability(&agent, input).await.data("/setMeetingAvailability/id");
        let query = "mutation($input: SetInviteTemplateInput!) { setInviteTemplate(input: $input) {
            invite { includeConferenceLink } } }";
        let input = json!({ "agentId": agent, "includeConferenceLink": true });
        test.admin(query, json!({ "input": input })).await.data("/setInviteTemplate/invite");
        Self { test, agent }
    }

    /// Connects with what the agent typed in.
    async fn connect(&self, provider: &str, credentials: &[(&str, &str)]) -> Answer {
        let query = "mutation($input: ConnectCalendarInput!) { connectCalendar(input: $input) {
            calendar { account calendarName status } } }";
        let credentials: Vec<_> = credentials
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let input = json!({
            "agentId": self.agent, "providerId": provider, "credentials": credentials,
        });
        self.test.admin(query, json!({ "input": input })).await
    }

    /// The same where it must work, and the first look at the calendar.
    async fn connected(&self, provider: &str, credentials: &[(&str, &str)]) {
        self.connect(provider, credentials).await.data("/connectCalendar/calendar/account");
        self.test.sync().await;
        assert_eq!(self.standing().await, (true, "CONNECTED".into()));
    }

    async fn calendar(&self) -> Value {
        let query = "query($id: ID!) { agent(id: $id) { calendar { account status problem
            calendars { calendarRef name writable writtenTo busy } } } }";
        self.test.admin(query, json!({ "id": self.agent })).await.data("/agent/calendar")
    }

    /// Whether the agent is in the queue, and how the calendar stands.
    async fn standing(&self) -> (bool, String) {
        let query = "query($id: ID!) { agent(id: $id) { inMeetingQueue calendar { status } } }";
        let agent = self.test.admin(query, json!({ "id": self.agent })).await.data("/agent");
        let status = agent["calendar"]["status"].as_str().unwrap_or("NONE").to_owned();
        (agent["inMeetingQueue"].as_bool().unwrap(), status)
    }

    fn route(&self) -> Value {
        json!({ "agentId": self.agent })
    }

    /// Whether visitors are offered a start.
    async fn offers(&self, start: &str) -> bool {
        self.test.starts(self.route(), &start[..10]).await.contains(&start.to_owned())
    }

    async fn try_to_book(&self, start: &str) -> Value {
        self.test.book(self.route(), start, VISITOR).await.data("/bookMeeting")
    }

    /// Books a meeting; its ID. Nothing is delivered yet.
    async fn book(&self, start: &str) -> String {
        let booked = self.try_to_book(start).await;
        let id = booked["booking"]["id"].as_str().unwrap_or_else(|| panic!("{booked:#}"));
        id.to_owned()
    }

    async fn booking(&self, id: &str) -> Value {
        let query = "query($id: ID!) { booking(id: $id) { status startsAt
            conference { kind joinUrl } confirmation { status }
            calendarEvent { status problem drift { kind startsAt } } } }";
        self.test.admin(query, json!({ "id": id })).await.data("/booking")
    }

    /// Moves a booking, and has everything delivered.
    async fn reschedule(&self, id: &str, start: &str) {
        let moved = self.test.reschedule_as(&self.test.admin, json!({ "id": id }), start).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
        self.test.deliver().await;
    }

    /// Calls a booking off, and has everything delivered.
    async fn cancel(&self, id: &str) {
        let query = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { id } }";
        let input = json!({ "booking": { "id": id } });
        self.test.admin(query, json!({ "input": input })).await.data("/cancelBooking/id");
        self.test.deliver().await;
    }

    async fn disconnect(&self) {
        let query = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { id } }";
        self.test.admin(query, json!({ "id": self.agent })).await.data("/disconnectCalendar/id");
        self.test.deliver().await;
    }

    /// The mails to the visitor since the last look: text and invitation.
    fn mails_to_visitor(&self) -> Vec<String> {
        let all = self.test.mails.drain().into_iter();
        all.filter(|sent| sent.mail.to.email == VISITOR)
            .map(|sent| {
                let invitation = sent.mail.calendar.unwrap().1;
                // Long lines are folded (RFC 5545, section 3.1).
                format!("{}\n{}", sent.mail.text, invitation.replace("\r\n ", ""))
            })
            .collect()
    }

    /// The texts of the mails to the agent since the last look.
    fn mails_to_agent(&self) -> Vec<String> {
        let all = self.test.mails.drain().into_iter();
        all.filter(|sent| sent.mail.to.email == "grace@agents.example")
            .map(|sent| sent.mail.text)
            .collect()
    }

    /// Lets time pass and reads what is due.
    async fn poll(&self) {
        self.test.clock.advance(TimeDelta::seconds(60));
        self.test.sync().await;
    }

    /// Goes on with a meeting that is booked and delivered: it is moved and called off, and its one
    /// entry with it. `entries` are the starts of what stands in the calendar.
    async fn see_it_follow(&self, id: &str, entries: impl AsyncFn() -> Vec<DateTime<Utc>>) {
        assert_eq!(entries().await, [instant(AT_10)]);
        self.poll().await;
        assert_eq!(self.booking(id).await["calendarEvent"]["drift"], Value::Null);
        self.reschedule(id, AT_14).await;
        assert_eq!(entries().await, [instant(AT_14)]);
        self.poll().await;
        assert!(self.offers(AT_10).await && !self.offers(AT_14).await);
        self.cancel(id).await;
        assert_eq!(entries().await.len(), 0);
        assert_eq!(self.booking(id).await["calendarEvent"]["status"], "DELIVERED");
        self.poll().await;
        assert!(self.offers(AT_14).await);
    }
}
