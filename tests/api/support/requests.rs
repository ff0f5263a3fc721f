//! What callers send, in short.

use serde_json::{Value, json};

use super::Test;

/// An answer, with its HTTP status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Of HTTP.
    pub(crate) status: u16,
    /// `data` and `errors`.
    pub(crate) body: Value,
}

impl Answer {
    /// The data at a JSON pointer, where there were no errors.
    #[track_caller]
    pub(crate) fn data(&self, pointer: &str) -> Value {
        assert_eq!(self.body.get("errors"), None, "{:#}", self.body);
        let found = self.body["data"].pointer(pointer);
        found.unwrap_or_else(|| panic!("nothing at {pointer}: {:#}", self.body)).clone()
    }

    /// The code of the first error.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        let code = self.body["errors"][0]["extensions"]["code"].as_str();
        code.unwrap_or_else(|| panic!("no code: {:#}", self.body))
    }

    /// The field of the first error, or an empty text.
    pub(crate) fn field(&self) -> &str {
        self.body["errors"][0]["extensions"]["field"].as_str().unwrap_or("")
    }
}

impl Test {
    /// Sends an operation as whoever has `bearer`; an empty one is a visitor.
    pub(crate) async fn send(&self, bearer: &str, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let url = format!("http://{}/graphql", self.address);
        let mut request = self.client.post(url).json(&body);
        if !bearer.is_empty() {
            request = request.bearer_auth(bearer);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        Answer { status, body: response.json().await.unwrap() }
    }

    /// The same as the administrator.
    pub(crate) async fn admin(&self, query: &str, variables: Value) -> Answer {
        self.send(&self.admin, query, variables).await
    }

    /// The same as a visitor.
    pub(crate) async fn visitor(&self, query: &str, variables: Value) -> Answer {
        self.send("", query, variables).await
    }

    /// A request of another kind.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// Makes an agent and returns its ID.
    pub(crate) async fn agent(&self, name: &str) -> String {
        let email = format!("{}@agents.example", name.to_lowercase());
        let query = "mutation($input: CreateAgentInput!) { createAgent(input: $input) { id } }";
        let answer = self.admin(query, json!({ "input": { "name": name, "email": email } })).await;
        answer.data("/createAgent/id").as_str().unwrap().to_owned()
    }

    /// An agent who takes meetings of 30 minutes on weekdays from 9:00 to 17:00 in UTC, with no notice,
    /// and has the built-in calendar.
    pub(crate) async fn bookable_agent(&self, name: &str) -> String {
        let agent = self.agent(name).await;
        let blocks: Vec<Value> = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
            .iter()
            .map(|day| json!({ "dayOfWeek": day, "start": "09:00", "end": "17:00" }))
            .collect();
        let input = json!({ "blocks": blocks, "timeZone": "UTC", "minimumNoticeMinutes": 0 });
        self.set_availability(&agent, input).await;
        self.connect(&agent, "builtin").await.data("/connectCalendar/inMeetingQueue");
        agent
    }

    /// Sets meeting availability; `input` without the agent's ID.
    pub(crate) async fn set_availability(&self, agent: &str, mut input: Value) -> Answer {
        input["agentId"] = agent.into();
        let query = "mutation($input: SetMeetingAvailabilityInput!) {
            setMeetingAvailability(input: $input) { id meetingAvailability {
                timeZone durationMinutes bufferMinutes slotIntervalMinutes minimumNoticeMinutes
                horizonDays blocks { dayOfWeek start end } } } }";
        self.admin(query, json!({ "input": input })).await
    }

    /// Connects a calendar that asks for nothing.
    pub(crate) async fn connect(&self, agent: &str, provider: &str) -> Answer {
        let query = "mutation($input: ConnectCalendarInput!) {
            connectCalendar(input: $input) { id inMeetingQueue calendar { id status } } }";
        self.admin(query, json!({ "input": { "agentId": agent, "providerId": provider } })).await
    }

    /// The starts of the slots on one day in UTC, as a visitor sees them.
    pub(crate) async fn starts(&self, route: Value, day: &str) -> Vec<String> {
        let query = "query($input: SlotsInput!) {
            slots(input: $input) { days { date slots { startsAt endsAt } } } }";
        let input = json!({ "from": day, "to": day, "timeZone": "UTC", "route": route });
        let answer = self.visitor(query, json!({ "input": input })).await;
        let slots = answer.data("/slots/days/0/slots");
        let start = |slot: &Value| slot["startsAt"].as_str().unwrap().to_owned();
        slots.as_array().unwrap().iter().map(start).collect()
    }

    /// Asks for a time as a visitor with this e-mail address.
    pub(crate) async fn book(&self, route: Value, start: &str, email: &str) -> Answer {
        let input = json!({
            "startsAt": start, "timeZone": "Europe/Paris", "route": route,
            "person": { "email": email, "firstName": "Ada", "lastName": "Lovelace" },
        });
        self.book_input(input).await
    }

    /// Asks for a time.
    pub(crate) async fn book_input(&self, input: Value) -> Answer {
        self.visitor(BOOK, json!({ "input": input })).await
    }

    /// Moves a booking as a visitor.
    pub(crate) async fn reschedule(&self, booking: Value, start: &str) -> Answer {
        self.reschedule_as("", booking, start).await
    }

    /// Moves a booking.
    pub(crate) async fn reschedule_as(&self, bearer: &str, booking: Value, start: &str) -> Answer {
        let query = "mutation($input: RescheduleBookingInput!) { rescheduleBooking(input: $input) {
            __typename
            ... on MeetingBooked { manageToken booking { id status startsAt endsAt } }
            ... on SlotUnavailable { message alternatives { startsAt endsAt } } } }";
        let input = json!({ "booking": booking, "startsAt": start, "reason": "Something came up" });
        self.send(bearer, query, json!({ "input": input })).await
    }

    /// Calls a booking off as a visitor.
    pub(crate) async fn cancel(&self, booking: Value) -> Answer {
        let query = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) {
            id status cancelledAt cancellationReason } }";
        let input = json!({ "booking": booking, "reason": "No time" });
        self.visitor(query, json!({ "input": input })).await
    }

    /// The booking that a manage token opens.
    pub(crate) async fn managed(&self, token: &str) -> Answer {
        let query = "query($token: String!) { managedBooking(manageToken: $token) {
            id status startsAt endsAt calendarEvent { status } confirmation { status } } }";
        self.visitor(query, json!({ "token": token })).await
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> usize {
        let sql = format!("SELECT CAST(COUNT(*) AS text) FROM {table}");
        self.texts(&sql).await[0].parse().unwrap()
    }

    /// The first column of a query's rows.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        use sea_orm::{ConnectionTrait, Statement};
        let query = Statement::from_string(self.app.db.get_database_backend(), sql);
        let rows = self.app.db.query_all_raw(query).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }
}

/// Books a meeting.
pub(crate) const BOOK: &str = "mutation($input: BookMeetingInput!) { bookMeeting(input: $input) {
    __typename
    ... on MeetingBooked { manageToken booking { id status startsAt endsAt agent { id name } } }
    ... on SlotUnavailable { message alternatives { startsAt endsAt } }
} }";
