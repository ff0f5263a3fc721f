//! Mail through a real mail server that misbehaves: nothing is lost, and nothing comes twice.

use std::time::Duration;

use chrono::TimeDelta;
use frontdesk::mail::Mailer;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::smtp::{SmtpServer, Taken};
use crate::support::{Database, Test};

const VISITOR: &str = "ada@visitors.example";
const AGENT: &str = "grace@agents.example";
/// How long a mail may take here: long for a server that answers, short for a test that waits.
const DEADLINE: Duration = Duration::from_secs(2);

/// A server with one agent, and the mail server it sends through.
struct Office {
    test: Test,
    smtp: SmtpServer,
    agent: String,
}

impl Office {
    async fn start(database: Database) -> Self {
        let smtp = SmtpServer::start();
        let mailer = Mailer::from_url(&smtp.url()).unwrap().with_deadline(DEADLINE);
        let test = Test::start_with(database, |setup| setup.mailer = Some(mailer)).await;
        let agent = test.bookable_agent("Grace").await;
        Self { test, smtp, agent }
    }

    /// Books a meeting, and returns its ID.
    async fn book(&self, start: &str) -> String {
        let answer = self.test.book(json!({ "agentId": self.agent }), start, VISITOR).await;
        answer.data("/bookMeeting/booking/id").as_str().unwrap().to_owned()
    }

    async fn confirmation(&self, booking: &str) -> Value {
        let query = "query($id: ID!) { booking(id: $id) { confirmation { status problem } } }";
        self.test.admin(query, json!({ "id": booking })).await.data("/booking/confirmation")
    }

    /// Everything that was taken, by receiver.
    fn taken(&self, receiver: &str) -> Vec<Taken> {
        let mut taken = self.smtp.taken();
        taken.retain(|mail| mail.to == [receiver]);
        taken
    }

    /// Plays a fault once, and expects both mails to be there once in the end.
    async fn overcome(self, mode: &str, problem: &str) {
        let booking = self.book("2027-01-05T10:00:00Z").await;
        self.smtp.fault(mode, 2);
        self.test.deliver().await;
        assert_eq!(self.smtp.faults(), 2, "{mode}");
        assert_eq!(self.smtp.taken(), []);
        let waiting = self.confirmation(&booking).await;
        assert_eq!(waiting["status"], "PENDING");
        assert!(waiting["problem"].as_str().unwrap().contains(problem), "{waiting}");
        self.test.clock.advance(TimeDelta::minutes(1));
        self.test.deliver().await;
        assert_eq!(self.taken(VISITOR).len(), 1);
        assert_eq!(self.taken(AGENT).len(), 1);
        let there = self.confirmation(&booking).await;
        assert_eq!(there, json!({ "status": "DELIVERED", "problem": null }));
        self.test.clock.advance(TimeDelta::days(2));
        assert_eq!(self.test.deliver().await, 0);
    }
}

on_both! {
    async fn a_recipient_refused_for_now_is_tried_again(office: Office) {
        office.overcome("rcpt-451", "451").await;
    }

    async fn a_message_refused_for_now_is_tried_again(office: Office) {
        office.overcome("data-451", "451").await;
    }

    async fn a_server_that_goes_silent_is_not_waited_for(office: Office) {
        office.overcome("hang", "no answer within 2s").await;
    }

    async fn a_server_that_never_greets_is_not_waited_for(office: Office) {
        office.overcome("hang-connect", "no answer within 2s").await;
    }

    async fn a_line_dropped_amid_the_message_is_tried_again(office: Office) {
        office.overcome("drop-mid-data", "the mail could not be sent").await;
    }

    async fn a_mail_whose_acceptance_was_not_heard_is_sent_again_as_the_same(office: Office) {
        office.book("2027-01-05T10:00:00Z").await;
        office.smtp.fault("drop-before-250", 2);
        office.test.deliver().await;
        office.test.clock.advance(TimeDelta::minutes(1));
        office.test.deliver().await;
        for receiver in [VISITOR, AGENT] {
            let taken = office.taken(receiver);
            let heard: Vec<bool> = taken.iter().map(|mail| mail.acknowledged).collect();
            assert_eq!(heard, [false, true]);
            assert_eq!(taken[0].message_id, taken[1].message_id);
            assert_eq!(taken[0].raw, taken[1].raw);
        }
    }

    async fn a_mail_refused_for_good_is_shown_told_and_can_be_retried(office: Office) {
        let booking = office.book("2027-01-05T10:00:00Z").await;
        office.smtp.refuse(VISITOR);
        office.test.deliver().await;
        assert_eq!(office.confirmation(&booking).await["status"], "FAILED");
        let told: Vec<String> =
            office.taken(AGENT).into_iter().map(|mail| mail.subject).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|subject| subject.contains("New meeting")), "{told:?}");
        let notice = office.taken(AGENT).pop().unwrap();
        assert!(notice.raw.contains("550"), "{}", notice.raw);

        let query = "{ failedDeliveries { totalCount nodes { id kind attempts problem failedAt
            booking { id } } } }";
        let failed = office.test.admin(query, json!({})).await.data("/failedDeliveries");
        assert_eq!(failed["totalCount"], 1);
        let failed = &failed["nodes"][0];
        assert_eq!(failed["kind"], "VISITOR_MAIL");
        assert_eq!(failed["attempts"], 1);
        assert_eq!(failed["booking"]["id"], booking.as_str());
        assert_eq!(failed["failedAt"], "2027-01-04T08:00:00Z");
        assert!(failed["problem"].as_str().unwrap().contains("550"), "{failed}");

        office.smtp.mode("ok");
        let query_again = "mutation($id: ID!) { retryDelivery(deliveryId: $id) { id failedAt } }";
        let id = json!({ "id": failed["id"] });
        let again = office.test.admin(query_again, id.clone()).await;
        assert_eq!(again.data("/retryDelivery/failedAt"), Value::Null);
        assert_eq!(office.test.admin(query_again, id).await.code(), "CONFLICT");
        office.test.deliver().await;
        assert_eq!(office.taken(VISITOR).len(), 1);
        assert_eq!(office.confirmation(&booking).await["status"], "DELIVERED");
        let left = office.test.admin(query, json!({})).await;
        assert_eq!(left.data("/failedDeliveries/totalCount"), 0);
    }

    async fn a_server_down_for_an_hour_loses_nothing(office: Office) {
        office.smtp.mode("down");
        let mut bookings = Vec::new();
        for start in ["2027-01-05T10:00:00Z", "2027-01-05T11:00:00Z", "2027-01-05T12:00:00Z"] {
            bookings.push(office.book(start).await);
        }
        for _ in 0..60 {
            office.test.deliver().await;
            office.test.clock.advance(TimeDelta::minutes(1));
        }
        assert_eq!(office.smtp.taken(), []);
        office.smtp.mode("ok");
        // The longest wait between two tries.
        office.test.clock.advance(TimeDelta::minutes(30));
        office.test.deliver().await;
        assert_eq!(office.taken(VISITOR).len(), 3);
        assert_eq!(office.taken(AGENT).len(), 3);
        let mut ids: Vec<String> =
            office.smtp.taken().into_iter().map(|mail| mail.message_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 6);
        for booking in bookings {
            assert_eq!(office.confirmation(&booking).await["status"], "DELIVERED");
        }
    }
}
