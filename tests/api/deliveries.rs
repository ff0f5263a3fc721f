//! What a booking causes: in which order, tried again, given up, and by one worker at a time.

use std::sync::Arc;

use chrono::TimeDelta;
use frontdesk::jobs;
use frontdesk::mail::SendErrorKind;
use frontdesk::store::{outbox, run_raw};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::calendar::{Fault, REMOTE, RemoteCalendar};
use crate::support::{Database, Test};

const VISITOR: &str = "ada@visitors.example";
const TUESDAY_AT_10: &str = "2027-01-05T10:00:00Z";
const LINK: &str = "https://meet.google.example/abc";

/// A server with one agent, whose calendar is in another system and makes conference links.
struct Office {
    test: Test,
    calendar: Arc<RemoteCalendar>,
    agent: String,
}

impl Office {
    async fn start(database: Database) -> Self {
        let calendar = RemoteCalendar::new();
        let provider = Arc::clone(&calendar);
        let test = Test::start_with(database, |setup| {
            setup.providers.push(provider);
            setup.config.limits.provider_timeout_seconds = 1;
        })
        .await;
        let agent = test.bookable_agent("Grace").await;
        let office = Self { test, calendar, agent };
        office.test.connect(&office.agent, REMOTE).await.data("/connectCalendar/calendar/status");
        office.read_calendar().await;
        office
    }

    /// Notes that the calendar is known to be right as of now.
    async fn read_calendar(&self) {
        let sql = "UPDATE calendar_connections SET last_synced_at = ? WHERE provider = ?";
        let now = self.test.app.now();
        run_raw(&self.test.app.db, sql, [now.into(), REMOTE.into()]).await.unwrap();
    }

    async fn want_links(&self) {
        let query = "mutation($input: SetInviteTemplateInput!) { setInviteTemplate(input: $input) {
            invite { includeConferenceLink } } }";
        let input = json!({ "agentId": self.agent, "includeConferenceLink": true });
        let set = self.test.admin(query, json!({ "input": input })).await;
        assert_eq!(set.data("/setInviteTemplate/invite/includeConferenceLink"), true);
    }

    async fn try_to_book(&self, start: &str) -> Value {
        let route = json!({ "agentId": self.agent });
        self.test.book(route, start, VISITOR).await.data("/bookMeeting")
    }

    async fn book(&self, start: &str) -> String {
        let booked = self.try_to_book(start).await;
        booked["booking"]["id"].as_str().unwrap_or_else(|| panic!("{booked:#}")).to_owned()
    }

    async fn booking(&self, id: &str) -> Value {
        let query = "query($id: ID!) { booking(id: $id) { status conference { kind joinUrl }
            calendarEvent { status url problem } confirmation { status problem } } }";
        self.test.admin(query, json!({ "id": id })).await.data("/booking")
    }

    async fn calendar_status(&self) -> Value {
        let query =
            "query($id: ID!) { agent(id: $id) { inMeetingQueue calendar { status problem } } }";
        self.test.admin(query, json!({ "id": self.agent })).await.data("/agent")
    }

    async fn failed(&self) -> Vec<Value> {
        let query = "{ failedDeliveries { nodes { id kind problem } } }";
        let failed = self.test.admin(query, json!({})).await.data("/failedDeliveries/nodes");
        failed.as_array().unwrap().clone()
    }

    async fn retry(&self, delivery: &Value) {
        let query = "mutation($id: ID!) { retryDelivery(deliveryId: $id) { failedAt } }";
        self.test.admin(query, json!({ "id": delivery["id"] })).await.data("/retryDelivery");
    }

    /// The texts of the mails that the visitor received since the last look, in order.
    fn visitor_mails(&self) -> Vec<String> {
        let all = self.test.mails.drain().into_iter();
        all.filter(|sent| sent.mail.to.email == VISITOR)
            .map(|sent| format!("{}\n{}", sent.mail.text, sent.mail.calendar.unwrap().1))
            .collect()
    }

    async fn deliver_after(&self, wait: TimeDelta) {
        self.test.clock.advance(wait);
        self.test.deliver().await;
    }
}

on_both! {
    async fn the_link_is_in_the_confirmation(office: Office) {
        office.want_links().await;
        let id = office.book(TUESDAY_AT_10).await;
        assert_eq!(office.booking(&id).await["conference"], Value::Null);
        office.test.deliver().await;
        let mails = office.visitor_mails();
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains(LINK) && mails[0].contains("SEQUENCE:0"), "{}", mails[0]);
        let booking = office.booking(&id).await;
        assert_eq!(booking["conference"], json!({ "kind": "GOOGLE_MEET", "joinUrl": LINK }));
        assert_eq!(booking["calendarEvent"]["status"], "DELIVERED");
    }

    async fn a_mail_waits_for_its_link_but_not_for_ever(office: Office) {
        office.want_links().await;
        office.calendar.fail_writes(Fault::Down);
        let id = office.book(TUESDAY_AT_10).await;
        office.test.deliver().await;
        office.deliver_after(TimeDelta::seconds(119)).await;
        assert_eq!(office.visitor_mails(), Vec::<String>::new());
        office.deliver_after(TimeDelta::seconds(1)).await;
        let mails = office.visitor_mails();
        assert_eq!(mails.len(), 1);
        assert!(!mails[0].contains(LINK) && mails[0].contains("SEQUENCE:0"), "{}", mails[0]);

        office.calendar.fail_writes(None);
        office.deliver_after(TimeDelta::minutes(30)).await;
        let mails = office.visitor_mails();
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains(LINK) && mails[0].contains("SEQUENCE:1"), "{}", mails[0]);
        let booking = office.booking(&id).await;
        assert_eq!(booking["calendarEvent"]["status"], "DELIVERED");
        assert_eq!(booking["confirmation"]["status"], "DELIVERED");
        office.deliver_after(TimeDelta::days(1)).await;
        assert_eq!(office.visitor_mails(), Vec::<String>::new());
    }

    async fn a_link_that_is_not_made_is_not_waited_for(office: Office) {
        office.want_links().await;
        office.calendar.make_links(false);
        office.book(TUESDAY_AT_10).await;
        office.test.deliver().await;
        let mails = office.visitor_mails();
        assert_eq!(mails.len(), 1);
        assert!(!mails[0].contains(LINK), "{}", mails[0]);
    }

    async fn an_entry_that_is_refused_is_shown_told_and_can_be_retried(office: Office) {
        office.want_links().await;
        office.calendar.fail_writes(Fault::Refusing);
        let id = office.book(TUESDAY_AT_10).await;
        office.test.deliver().await;
        let booking = office.booking(&id).await;
        assert_eq!(booking["calendarEvent"]["status"], "FAILED");
        assert_eq!(booking["calendarEvent"]["problem"], "the calendar refused: it is read-only");
        assert_eq!(booking["confirmation"]["status"], "DELIVERED");
        let to_agent: Vec<String> = office
            .test
            .mails
            .drain()
            .into_iter()
            .filter(|sent| sent.mail.to.email == "grace@agents.example")
            .map(|sent| sent.mail.text)
            .collect();
        assert_eq!(to_agent.len(), 2);
        assert!(to_agent.iter().any(|text| text.contains("it is read-only")), "{to_agent:?}");

        let failed = office.failed().await;
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0]["kind"], "CALENDAR_EVENT");
        office.calendar.fail_writes(None);
        office.retry(&failed[0]).await;
        assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "PENDING");
        office.test.deliver().await;
        assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
        assert_eq!(office.calendar.events().len(), 1);
        assert_eq!(office.failed().await, Vec::<Value>::new());
        let update = office.visitor_mails();
        assert_eq!(update.len(), 1);
        assert!(update[0].contains(LINK) && update[0].contains("SEQUENCE:1"), "{}", update[0]);
    }

    async fn a_calendar_that_stays_down_is_given_up_after_a_day(office: Office) {
        office.calendar.fail_writes(Fault::Down);
        let id = office.book(TUESDAY_AT_10).await;
        for _ in 0..(24 * 2) {
            office.test.deliver().await;
            office.test.clock.advance(TimeDelta::minutes(30));
            assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "PENDING");
        }
        office.test.deliver().await;
        let event = office.booking(&id).await["calendarEvent"].clone();
        assert_eq!(event["status"], "FAILED");
        assert_eq!(event["problem"], "the calendar can't be reached: no connection");
        assert_eq!(office.failed().await.len(), 1);
    }

    async fn a_calendar_that_does_not_answer_is_tried_again(office: Office) {
        office.calendar.fail_writes(Fault::Silent);
        let id = office.book(TUESDAY_AT_10).await;
        office.test.deliver().await;
        let event = office.booking(&id).await["calendarEvent"].clone();
        assert_eq!(event["problem"], "the calendar can't be reached: it did not answer in time");
        office.calendar.fail_writes(None);
        office.deliver_after(TimeDelta::minutes(1)).await;
        assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
    }

    async fn a_calendar_that_asks_for_time_is_given_it(office: Office) {
        office.calendar.fail_writes(Fault::Busy(TimeDelta::minutes(20)));
        let id = office.book(TUESDAY_AT_10).await;
        office.test.deliver().await;
        office.calendar.fail_writes(None);
        office.deliver_after(TimeDelta::minutes(19)).await;
        assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "PENDING");
        office.deliver_after(TimeDelta::minutes(1)).await;
        assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
    }

    async fn a_revoked_consent_takes_the_agent_out_of_the_queue(office: Office) {
        office.calendar.fail_writes(Fault::Revoked);
        let id = office.book(TUESDAY_AT_10).await;
        office.test.deliver().await;
        let problem = "the calendar no longer accepts the agent's authorization";
        let expected = json!({
            "inMeetingQueue": false,
            "calendar": { "status": "REAUTHENTICATION_REQUIRED", "problem": problem },
        });
        assert_eq!(office.calendar_status().await, expected);
        let other = office.try_to_book("2027-01-05T12:00:00Z").await;
        assert_eq!(other["__typename"], "SlotUnavailable");

        office.calendar.fail_writes(None);
        office.test.connect(&office.agent, REMOTE).await.data("/connectCalendar");
        office.deliver_after(TimeDelta::hours(1)).await;
        assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
        office.read_calendar().await;
        assert_eq!(office.calendar_status().await["calendar"]["status"], "CONNECTED");
    }

    async fn a_calendar_that_says_busy_when_asked_is_not_booked(office: Office) {
        office.calendar.add_busy("2027-01-05T10:15:00Z", 5);
        // What is known of the calendar does not hold the entry yet.
        let route = json!({ "agentId": office.agent });
        let starts = office.test.starts(route, "2027-01-05").await;
        assert!(starts.contains(&TUESDAY_AT_10.to_owned()), "{starts:?}");
        assert_eq!(office.try_to_book(TUESDAY_AT_10).await["__typename"], "SlotUnavailable");
        assert_eq!(office.try_to_book("2027-01-05T10:30:00Z").await["__typename"], "MeetingBooked");
    }

    async fn the_next_agent_gets_what_the_first_is_busy_for(office: Office) {
        office.test.clock.advance(TimeDelta::seconds(1));
        let second = office.test.bookable_agent("Hedy").await;
        office.calendar.add_busy(TUESDAY_AT_10, 30);
        let booked = office.test.book(Value::Null, TUESDAY_AT_10, VISITOR).await;
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), second.as_str());
        let booked = office.test.book(Value::Null, "2027-01-05T11:00:00Z", VISITOR).await;
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), office.agent.as_str());
    }

    async fn a_calendar_that_cannot_be_read_is_taken_for_busy(office: Office) {
        for fault in [Fault::Down, Fault::Silent, Fault::Refusing] {
            office.calendar.fail_reads(fault);
            let booked = office.try_to_book(TUESDAY_AT_10).await;
            assert_eq!(booked["__typename"], "SlotUnavailable", "{fault:?}");
        }
        let second = office.test.bookable_agent("Hedy").await;
        let booked = office.test.book(Value::Null, TUESDAY_AT_10, VISITOR).await;
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), second.as_str());
        office.calendar.fail_reads(None);
        assert_eq!(office.try_to_book(TUESDAY_AT_10).await["__typename"], "MeetingBooked");
            // One that ended its consent is not asked again.
        office.calendar.fail_reads(Fault::Revoked);
        let booked = office.try_to_book("2027-01-05T12:00:00Z").await;
        assert_eq!(booked["__typename"], "SlotUnavailable");
        office.calendar.fail_reads(None);
        let status = office.calendar_status().await["calendar"]["status"].clone();
        assert_eq!(status, "REAUTHENTICATION_REQUIRED");
    }

    async fn a_move_asks_the_calendar_too(office: Office) {
        let id = office.book(TUESDAY_AT_10).await;
        let query = "mutation($input: RescheduleBookingInput!) { rescheduleBooking(input: $input) {
            __typename } }";
        let input = json!({ "booking": { "id": id }, "startsAt": "2027-01-05T12:00:00Z" });
        office.calendar.fail_reads(Fault::Down);
        let moved = office.test.admin(query, json!({ "input": input })).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "SlotUnavailable");
        office.calendar.fail_reads(None);
        let moved = office.test.admin(query, json!({ "input": input })).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
    }

    async fn a_calendar_not_read_for_too_long_is_not_booked(office: Office) {
        office.test.clock.advance(TimeDelta::minutes(59));
        assert_eq!(office.calendar_status().await["calendar"]["status"], "CONNECTED");
        office.test.clock.advance(TimeDelta::minutes(1));
        let stale = office.calendar_status().await;
        assert_eq!(stale["calendar"]["status"], "UNREACHABLE");
        assert_eq!(stale["inMeetingQueue"], false);
        assert_ne!(stale["calendar"]["problem"], Value::Null);
        let route = json!({ "agentId": office.agent });
        assert_eq!(office.test.starts(route, "2027-01-05").await, Vec::<String>::new());
        assert_eq!(office.try_to_book(TUESDAY_AT_10).await["__typename"], "SlotUnavailable");
        office.read_calendar().await;
        assert_eq!(office.try_to_book(TUESDAY_AT_10).await["__typename"], "MeetingBooked");
    }

    async fn versions_are_told_in_order(office: Office) {
        let id = office.book(TUESDAY_AT_10).await;
        let move_to = "mutation($input: RescheduleBookingInput!) {
            rescheduleBooking(input: $input) { __typename } }";
        for start in ["2027-01-05T12:00:00Z", "2027-01-05T14:00:00Z"] {
            let input = json!({ "booking": { "id": id }, "startsAt": start });
            let moved = office.test.admin(move_to, json!({ "input": input })).await;
            assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
        }
        let cancel = "mutation($input: CancelBookingInput!) { cancelBooking(input: $input) { status } }";
        let input = json!({ "booking": { "id": id } });
        office.test.admin(cancel, json!({ "input": input })).await.data("/cancelBooking");
        // A failure of the first must not let the later ones overtake it.
        office.test.mails.fail_next(SendErrorKind::Transient);
        office.test.mails.fail_next(SendErrorKind::Transient);
        office.test.deliver().await;
        assert_eq!(office.visitor_mails(), Vec::<String>::new());
        office.deliver_after(TimeDelta::minutes(1)).await;
        let mails = office.visitor_mails();
        let order: Vec<(bool, bool)> = (0..4)
            .map(|version| {
                let mail = &mails[version];
                (mail.contains(&format!("SEQUENCE:{version}")), mail.contains("METHOD:CANCEL"))
            })
            .collect();
        assert_eq!(order, [(true, false), (true, false), (true, false), (true, true)]);
        assert_eq!(mails.len(), 4);
        for (version, hour) in [(0, "11:00"), (1, "13:00"), (2, "15:00"), (3, "15:00")] {
            assert!(mails[version].contains(hour), "{version}: {}", mails[version]);
        }
        assert_eq!(office.calendar.events(), []);
        assert_eq!(office.booking(&id).await["calendarEvent"]["status"], "DELIVERED");
    }

    async fn a_worker_that_outlasts_its_lease_loses_its_say(office: Office) {
        let id = office.book(TUESDAY_AT_10).await;
        let held = office.calendar.hold_next_write();
        let app = Arc::clone(&office.test.app);
        let slow = tokio::spawn(async move { jobs::run_due(&app).await.unwrap() });
        held.begun().await;
        // The others are delivered, the one that is under way is left alone.
        office.deliver_after(TimeDelta::seconds(59)).await;
        assert_eq!(office.calendar.written(), 1);
        office.deliver_after(TimeDelta::seconds(1)).await;
        assert_eq!(office.calendar.written(), 2);
        let after_the_second = office.booking(&id).await["calendarEvent"].clone();
        assert_eq!(after_the_second["status"], "DELIVERED");
        assert!(after_the_second["url"].as_str().unwrap().ends_with("/2"), "{after_the_second}");
        held.go_on();
        slow.await.unwrap();
        assert_eq!(office.booking(&id).await["calendarEvent"], after_the_second);
        let rows = outbox::Entity::find().all(&office.test.app.db).await.unwrap();
        let attempts: Vec<(&str, i32, &str)> =
            rows.iter().map(|row| (&*row.kind, row.attempts, &*row.state)).collect();
        assert!(attempts.contains(&("CALENDAR_EVENT", 2, "DONE")), "{attempts:?}");
        assert_eq!(office.calendar.events().len(), 1);
    }
}

on_both! {
    async fn more_is_put_than_one_statement_takes(test: Test) {
        let (app, now) = (&test.app, test.app.now());
        let row = |number: u32| outbox::New {
            id: app.uuid(),
            kind: outbox::Kind::MissedChatMail,
            about: outbox::About::default(),
            payload: outbox::Payload::MissedChat(outbox::MissedChat { missed_chat: app.uuid() }),
            dedup_key: format!("row/{number}"),
            run_at: now,
            give_up_at: now,
            created_at: now,
        };
        outbox::put(&app.db, (0..4000).map(row).collect()).await.unwrap();
        assert_eq!(test.count("outbox").await, 4000);
        // What is there already stays as it is.
        outbox::put(&app.db, (3990..4010).map(row).collect()).await.unwrap();
        assert_eq!(test.count("outbox").await, 4010);
    }

    async fn workers_side_by_side_deliver_each_thing_once(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let starts = test.starts(json!({ "agentId": agent }), "2027-01-05").await;
        for (number, start) in starts.iter().enumerate() {
            let visitor = format!("visitor-{number}@visitors.example");
            let booked = test.book(json!({ "agentId": agent }), start, &visitor).await;
            assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
        }
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let app = Arc::clone(&test.app);
                tokio::spawn(async move { jobs::run_due(&app).await.unwrap() })
            })
            .collect();
        let mut tries = 0;
        for worker in workers {
            tries += worker.await.unwrap();
        }
        assert_eq!(tries, 3 * starts.len());
        let mut ids: Vec<String> =
            test.mails.drain().into_iter().map(|sent| sent.mail.message_id).collect();
        assert_eq!(ids.len(), 2 * starts.len());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 2 * starts.len());
        let rows = outbox::Entity::find().order_by_asc(outbox::Column::Id).all(&test.app.db);
        for row in rows.await.unwrap() {
            assert_eq!((row.state.as_str(), row.attempts), (outbox::DONE, 1), "{row:?}");
        }
    }
}
