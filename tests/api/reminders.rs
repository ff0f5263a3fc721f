//! Reminders to the visitor: sent when due, moved and called off with the meeting, never late.

use chrono::TimeDelta;
use frontdesk::mail::{OutgoingMail, SendErrorKind};
use frontdesk::store::run_raw;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Database, Test};

const VISITOR: &str = "ada@visitors.example";
/// Two days after every test begins.
const WEDNESDAY_AT_10: &str = "2027-01-06T10:00:00Z";

/// A server that reminds a day and an hour before, with one agent.
struct Desk {
    test: Test,
    agent: String,
}

impl Desk {
    async fn start(database: Database) -> Self {
        let test = Test::start_with(database, |setup| {
            setup.config.reminders.minutes_before = vec![1440, 60];
        })
        .await;
        let agent = test.bookable_agent("Grace").await;
        Self { test, agent }
    }

    /// Books a meeting, and has the visitor told.
    async fn book(&self, start: &str) -> (String, Value) {
        let (id, token) = self.test.booked(&self.agent, start, VISITOR).await;
        self.test.deliver().await;
        self.test.mails.drain();
        (id, json!({ "manageToken": token }))
    }

    /// What the visitor is sent once it is `time`.
    async fn at(&self, time: &str) -> Vec<OutgoingMail> {
        self.test.clock.set(time);
        self.told().await
    }

    async fn told(&self) -> Vec<OutgoingMail> {
        self.test.deliver().await;
        let sent = self.test.mails.drain().into_iter().map(|sent| sent.mail);
        sent.filter(|mail| mail.to.email == VISITOR).collect()
    }

    async fn waiting(&self) -> usize {
        self.test.count("outbox WHERE kind = 'REMINDER_MAIL' AND state = 'PENDING'").await
    }
}

on_both! {
    async fn a_visitor_is_reminded_a_day_and_an_hour_before(desk: Desk) {
        desk.book(WEDNESDAY_AT_10).await;
        assert!(desk.at("2027-01-05T09:59:59Z").await.is_empty());
        let first = desk.at("2027-01-05T10:00:00Z").await;
        assert_eq!(first.len(), 1);
        assert!(first[0].subject.starts_with("Reminder: "), "{}", first[0].subject);
        assert!(first[0].calendar.is_none(), "the invitation was sent before");
        assert_eq!(first[0].date.to_rfc3339(), "2027-01-05T10:00:00+00:00");
        assert_eq!(first[0].reply_to.as_ref().unwrap().email, "grace@agents.example");
        for words in ["11:00", "Europe/Paris", "Grace", "/manage?token=fdm_"] {
            assert!(first[0].text.contains(words), "no {words}: {}", first[0].text);
        }
        assert!(desk.at("2027-01-06T08:59:59Z").await.is_empty());
        let second = desk.at("2027-01-06T09:00:00Z").await;
        assert_eq!(second.len(), 1);
        assert_ne!(second[0].message_id, first[0].message_id);
        assert!(desk.at("2027-01-07T10:00:00Z").await.is_empty());
    }

    async fn reminders_move_with_the_meeting(desk: Desk) {
        let (_, booking) = desk.book(WEDNESDAY_AT_10).await;
        assert_eq!(desk.at("2027-01-05T10:00:00Z").await.len(), 1);
        desk.test.reschedule(booking, "2027-01-07T12:00:00Z").await.data("/rescheduleBooking/booking/id");
        assert_eq!(desk.told().await.len(), 1, "the news");
        assert!(desk.at("2027-01-06T09:00:00Z").await.is_empty());
        let first = desk.at("2027-01-06T12:00:00Z").await;
        assert_eq!(first.len(), 1);
        assert!(first[0].text.contains("13:00"), "{}", first[0].text);
        assert_eq!(desk.at("2027-01-07T11:00:00Z").await.len(), 1);
        assert_eq!(desk.waiting().await, 0);
    }

    async fn reminders_are_called_off_with_the_meeting(desk: Desk) {
        let (_, booking) = desk.book(WEDNESDAY_AT_10).await;
        assert_eq!(desk.waiting().await, 2);
        desk.test.cancel(booking).await.data("/cancelBooking/id");
        assert_eq!(desk.waiting().await, 0);
        assert_eq!(desk.told().await.len(), 1, "the news");
        assert!(desk.at("2027-01-06T09:30:00Z").await.is_empty());
    }

    async fn nobody_is_reminded_of_a_time_already_past(desk: Desk) {
        for (start, waiting) in [
            ("2027-01-04T09:00:00Z", 0),
            ("2027-01-04T09:30:00Z", 1),
            ("2027-01-05T09:00:00Z", 3),
        ] {
            desk.test.booked(&desk.agent, start, VISITOR).await;
            // Before anything is delivered, and after: what is due would be sent at once.
            assert_eq!(desk.waiting().await, waiting, "{start}");
            let told = desk.told().await;
            assert_eq!(told.len(), 1, "the confirmation: {told:#?}");
            assert_eq!(desk.waiting().await, waiting, "{start}");
        }
    }

    async fn a_server_that_was_down_sends_the_last_one_alone(desk: Desk) {
        desk.book(WEDNESDAY_AT_10).await;
        desk.book("2027-01-06T09:00:00Z").await;
        // One has begun, of the other both reminders are overdue.
        let told = desk.at("2027-01-06T09:30:00Z").await;
        assert_eq!(told.len(), 1);
        assert!(told[0].text.contains("11:00"), "{}", told[0].text);
        assert_eq!(desk.waiting().await, 0);
        let failed = desk.test.admin("{ failedDeliveries { totalCount } }", json!({})).await;
        assert_eq!(failed.data("/failedDeliveries/totalCount"), 0);
    }

    async fn a_reminder_looks_at_the_booking_once_more(desk: Desk) {
        let (_, _) = desk.book(WEDNESDAY_AT_10).await;
        // As one that was just being sent when the meeting was called off or moved.
        let db = &desk.test.app.db;
        run_raw(db, "UPDATE bookings SET status = 'CANCELLED'", []).await.unwrap();
        assert!(desk.at("2027-01-05T10:00:00Z").await.is_empty());
        run_raw(db, "UPDATE bookings SET status = 'CONFIRMED'", []).await.unwrap();
        desk.test.clock.set("2027-01-06T09:00:00Z");
        let moved = desk.test.app.now() + TimeDelta::minutes(30);
        run_raw(db, "UPDATE bookings SET starts_at = ?", [moved.into()]).await.unwrap();
        assert!(desk.told().await.is_empty());
        assert_eq!(desk.waiting().await, 0);
    }

    async fn a_reminder_that_fails_is_tried_until_the_meeting_begins(desk: Desk) {
        desk.book(WEDNESDAY_AT_10).await;
        assert_eq!(desk.at("2027-01-05T10:00:00Z").await.len(), 1);
        desk.test.mails.fail_next(SendErrorKind::Transient);
        assert!(desk.at("2027-01-06T09:00:00Z").await.is_empty());
        assert_eq!(desk.at("2027-01-06T09:00:10Z").await.len(), 1);

        desk.book("2027-01-08T10:00:00Z").await;
        desk.test.clock.set("2027-01-08T09:00:00Z");
        desk.test.mails.fail_next(SendErrorKind::Transient);
        assert!(desk.told().await.is_empty());
        assert!(desk.at("2027-01-08T10:00:00Z").await.is_empty());
        let failed = desk.test.admin("{ failedDeliveries { nodes { kind problem } } }", json!({})).await;
        let failed = failed.data("/failedDeliveries/nodes");
        assert_eq!(failed[0]["kind"], "REMINDER_MAIL");
        assert_ne!(failed[0]["problem"], Value::Null);
    }

    async fn a_visitor_is_reminded_in_its_language(desk: Desk) {
        let input = json!({
            "startsAt": WEDNESDAY_AT_10, "timeZone": "Europe/Paris", "locale": "fr",
            "route": { "agentId": desk.agent }, "person": { "email": VISITOR },
        });
        desk.test.book_input(input).await.data("/bookMeeting/booking/id");
        desk.told().await;
        let told = desk.at("2027-01-06T09:00:00Z").await;
        assert_eq!(told.len(), 1);
        assert!(told[0].subject.starts_with("Rappel"), "{}", told[0].subject);
    }
}
