//! Of what webhooks are told.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{AT_10, AT_11, Desk, VISITOR, signatures_by};
use crate::on_both;
use crate::support::Database;
use crate::support::calendar::Fault;
use crate::support::office::Office;
use crate::support::receiver::{Received, Receiver};

on_both! {
    async fn a_webhook_is_told_of_bookings(desk: Desk) {
        let events = ["BOOKING_CREATED", "BOOKING_RESCHEDULED", "BOOKING_CANCELLED"];
        let hook = desk.create(&events).await;
        let second = desk.create(&["BOOKING_CREATED"]).await;
        let (id, token) = desk.book(AT_10).await;
        let booking = json!({ "manageToken": token });
        desk.test.reschedule(booking.clone(), AT_11).await.data("/rescheduleBooking/booking/id");
        desk.test.cancel(booking).await.data("/cancelBooking/id");
        desk.test.deliver().await;
        let received = desk.receiver.take();
        assert_eq!(received.len(), 4);
        assert!(received.iter().all(|request| !request.body.contains("fdm_")), "{received:#?}");
        let of = |kind: &str| -> Vec<&Received> {
            received.iter().filter(|request| request.json()["type"] == kind).collect()
        };
        let created = of("booking.created");
        assert_eq!(created.len(), 2);
        assert_eq!(created[0].headers["webhook-id"], created[1].headers["webhook-id"]);
        for secret in [&hook.secret, &second.secret] {
            assert_eq!(created.iter().map(|it| signatures_by(secret, it)).sum::<usize>(), 1);
        }
        let expected = json!({
            "type": "booking.created",
            "timestamp": "2027-01-04T08:00:00Z",
            "data": { "booking": {
                "id": id,
                "status": "CONFIRMED",
                "startsAt": AT_10,
                "endsAt": "2027-01-05T10:30:00Z",
                "timeZone": "Europe/Paris",
                "locale": "en",
                "agent": { "id": desk.agent, "name": "Grace" },
                "person": {
                    "email": VISITOR, "firstName": "Ada", "lastName": "Lovelace",
                    "phone": null, "jobTitle": null, "attributes": [],
                },
                "company": null,
                "notes": null,
                "conference": null,
                "createdAt": "2027-01-04T08:00:00Z",
                "cancelledAt": null,
                "cancellationReason": null,
            } },
        });
        assert_eq!(created[0].json(), expected);
        let moved = of("booking.rescheduled")[0].json();
        assert_eq!(moved["data"]["booking"]["startsAt"], AT_11);
        assert_eq!(moved["data"]["previousStartsAt"], AT_10);
        assert_eq!(moved["data"]["reason"], "Something came up");
        let cancelled = of("booking.cancelled")[0].json();
        assert_eq!(cancelled["data"]["booking"]["status"], "CANCELLED");
        assert_eq!(cancelled["data"]["booking"]["cancellationReason"], "No time");
        let kept = desk.deliveries(&hook.id).await;
        let names: Vec<&str> = kept.iter().map(|kept| kept["event"].as_str().unwrap()).collect();
        assert_eq!(names, events);
        assert_eq!(kept[0]["status"], "DELIVERED");
        assert_eq!(kept[0]["deliveredAt"], "2027-01-04T08:00:00Z");
        assert_eq!(kept[0]["messageId"], created[0].headers["webhook-id"]);
        assert_eq!(kept[0]["body"], created[0].body);
        assert_eq!(kept[0]["attempts"][0]["status"], 204);
        assert_eq!(kept[0]["attempts"][0]["problem"], Value::Null);
    }

    async fn nobody_is_told_of_what_nobody_wants_to_know_or_did_not_happen(desk: Desk) {
        desk.book(AT_10).await;
        assert_eq!(desk.test.count("outbox").await, 3);
        let hook = desk.create(&["BOOKING_CREATED", "BOOKING_CANCELLED"]).await;
        desk.update(json!({ "events": ["BOOKING_CANCELLED"] }), &hook.id).await.data("/updateWebhook");
        desk.book(AT_11).await;
        assert_eq!(desk.test.count("outbox").await, 6);
        desk.update(json!({ "events": ["BOOKING_CREATED"] }), &hook.id).await.data("/updateWebhook");
        let route = json!({ "agentId": desk.agent });
        let taken = desk.test.book(route, AT_11, VISITOR).await;
        assert_eq!(taken.data("/bookMeeting/__typename"), "SlotUnavailable");
        assert_eq!(desk.test.count("outbox").await, 6);
        desk.update(json!({ "enabled": false }), &hook.id).await.data("/updateWebhook");
        desk.book("2027-01-05T12:00:00Z").await;
        assert_eq!(desk.test.count("outbox").await, 9);
        desk.test.deliver().await;
        assert!(desk.receiver.take().is_empty());
    }
}

/// Whose agent has a calendar elsewhere.
struct Elsewhere {
    office: Office,
    receiver: Receiver,
}

impl Elsewhere {
    async fn start(database: Database) -> Self {
        let allow = |config: &mut frontdesk::config::Config| config.allow_private_addresses = true;
        let office = Office::start_with(database, |_| {}, allow).await;
        let receiver = Receiver::start().await;
        let query =
            "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { secret } }";
        let events = ["BOOKING_FAILED", "AGENT_CALENDAR_DISCONNECTED"];
        let input = json!({ "url": receiver.url(), "events": events });
        office.test.admin(query, json!({ "input": input })).await.data("/createWebhook/secret");
        Self { office, receiver }
    }

    async fn told(&self) -> Vec<Value> {
        self.office.test.deliver().await;
        self.receiver.take().iter().map(Received::json).collect()
    }
}

on_both! {
    async fn a_webhook_is_told_of_failures(elsewhere: Elsewhere) {
        let office = &elsewhere.office;
        office.calendar.fail_writes(Fault::Refusing);
        let id = office.book(AT_10).await;
        let told = elsewhere.told().await;
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0]["type"], "booking.failed");
        assert_eq!(told[0]["data"]["booking"]["id"], id);
        let failure = json!({ "delivery": "CALENDAR_EVENT", "problem": "the calendar refused: it is read-only" });
        assert_eq!(told[0]["data"]["failure"], failure);
    }

    async fn a_webhook_is_told_of_calendars_that_are_lost(elsewhere: Elsewhere) {
        let office = &elsewhere.office;
        office.calendar.fail_reads(Fault::Down);
        for _ in 0..62 {
            office.poll().await;
        }
        let told = elsewhere.told().await;
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0]["type"], "agent.calendar_disconnected");
        let agent = json!({ "id": office.agent, "name": "Grace" });
        assert_eq!(told[0]["data"]["agent"], agent);
        assert_eq!(told[0]["data"]["calendar"]["provider"], "remote");
        assert_eq!(told[0]["data"]["calendar"]["status"], "UNREACHABLE");
        office.calendar.fail_reads(Fault::Revoked);
        office.sync_after(TimeDelta::minutes(6)).await;
        let told = elsewhere.told().await;
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0]["data"]["calendar"]["status"], "REAUTHENTICATION_REQUIRED");
        let query = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { id } }";
        office.test.admin(query, json!({ "id": office.agent })).await.data("/disconnectCalendar/id");
        let told = elsewhere.told().await;
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0]["data"]["calendar"]["status"], "DISCONNECTED");
        assert_eq!(told[0]["data"]["agent"], agent);
    }
}
