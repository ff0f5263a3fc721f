//! A server with one agent, whose calendar is in another system.

use std::sync::Arc;

use calendar_provider::About;
use chrono::TimeDelta;
use frontdesk::config::Config;
use serde_json::{Value, json};

use super::calendar::{REMOTE, RemoteCalendar};
use super::{Database, Setup, Test};

/// The visitor of all meetings.
pub(crate) const VISITOR: &str = "ada@visitors.example";

/// A server with one agent, whose calendar is in another system and was read once.
pub(crate) struct Office {
    pub(crate) test: Test,
    pub(crate) calendar: Arc<RemoteCalendar>,
    pub(crate) agent: String,
}

impl Office {
    pub(crate) async fn start(database: Database) -> Self {
        Self::start_with(database, |_| {}, |_| {}).await
    }

    /// The same with a provider that can do other things, and other settings.
    pub(crate) async fn start_with(
        database: Database,
        about: impl FnOnce(&mut About),
        config: impl FnOnce(&mut Config),
    ) -> Self {
        Self::set_up(database, about, |setup| config(&mut setup.config)).await
    }

    /// The same with anything else of the server set up otherwise.
    pub(crate) async fn set_up(
        database: Database,
        about: impl FnOnce(&mut About),
        edit: impl FnOnce(&mut Setup),
    ) -> Self {
        let calendar = RemoteCalendar::with(about);
        let provider = Arc::clone(&calendar);
        let test = Test::start_with(database, |setup| {
            setup.providers.push(provider);
            setup.config.limits.provider_timeout_seconds = 1;
            edit(setup);
        })
        .await;
        let agent = test.bookable_agent("Grace").await;
        test.connect(&agent, REMOTE).await.data("/connectCalendar/calendar/status");
        test.sync().await;
        Self { test, calendar, agent }
    }

    /// Another agent with such a calendar.
    pub(crate) async fn hire(&self, name: &str) -> String {
        let agent = self.test.bookable_agent(name).await;
        self.test.connect(&agent, REMOTE).await.data("/connectCalendar/calendar/status");
        self.test.sync().await;
        agent
    }

    pub(crate) fn route(&self) -> Value {
        json!({ "agentId": self.agent })
    }

    /// The starts that visitors are offered on a day.
    pub(crate) async fn starts(&self, day: &str) -> Vec<String> {
        self.test.starts(self.route(), day).await
    }

    /// Whether visitors are offered a start.
    pub(crate) async fn offers(&self, start: &str) -> bool {
        self.starts(&start[..10]).await.contains(&start.to_owned())
    }

    pub(crate) async fn try_to_book(&self, start: &str) -> Value {
        self.test.book(self.route(), start, VISITOR).await.data("/bookMeeting")
    }

    /// Books a meeting, has everything delivered, and returns its ID.
    pub(crate) async fn book(&self, start: &str) -> String {
        let booked = self.try_to_book(start).await;
        let id = booked["booking"]["id"].as_str().unwrap_or_else(|| panic!("{booked:#}"));
        self.test.deliver().await;
        id.to_owned()
    }

    pub(crate) async fn booking(&self, id: &str) -> Value {
        let query = "query($id: ID!) { booking(id: $id) { id status startsAt endsAt
            conference { joinUrl } confirmation { status }
            calendarEvent { status url problem drift { kind startsAt endsAt noticedAt } } } }";
        self.test.admin(query, json!({ "id": id })).await.data("/booking")
    }

    /// Whether the agent is in the queue, and its calendar's status and problem.
    pub(crate) async fn standing(&self) -> (bool, String, Value) {
        self.standing_of(&self.agent).await
    }

    pub(crate) async fn standing_of(&self, agent: &str) -> (bool, String, Value) {
        let query = "query($id: ID!) { agent(id: $id) { inMeetingQueue
            calendar { status problem lastSyncedAt } } }";
        let agent = self.test.admin(query, json!({ "id": agent })).await.data("/agent");
        let calendar = &agent["calendar"];
        let status = calendar["status"].as_str().unwrap().to_owned();
        (agent["inMeetingQueue"].as_bool().unwrap(), status, calendar["problem"].clone())
    }

    /// When the calendar was last known to be right.
    pub(crate) async fn last_synced_at(&self) -> Value {
        let query = "query($id: ID!) { agent(id: $id) { calendar { lastSyncedAt } } }";
        let agent = self.test.admin(query, json!({ "id": self.agent })).await;
        agent.data("/agent/calendar/lastSyncedAt")
    }

    /// The agent's revision: what bears on its slots grows it.
    pub(crate) async fn revision(&self) -> i64 {
        let sql = "SELECT CAST(revision AS text) FROM agents ORDER BY id LIMIT 1";
        self.test.texts(sql).await[0].parse().unwrap()
    }

    /// Lets time pass, reads what is due, and says how many looks that were.
    pub(crate) async fn sync_after(&self, wait: TimeDelta) -> usize {
        self.test.clock.advance(wait);
        self.test.sync().await
    }

    /// The same with as much time as a poll takes.
    pub(crate) async fn poll(&self) -> usize {
        self.sync_after(TimeDelta::seconds(60)).await
    }
}
