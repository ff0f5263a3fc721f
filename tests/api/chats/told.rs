//! What webhooks are told of live chats.

use chrono::TimeDelta;
use frontdesk::service::access::Profile;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::receiver::{Received, Receiver};
use crate::support::{Database, Test};

/// A server that tells a receiver of all that becomes of live chats.
struct Listened {
    test: Test,
    receiver: Receiver,
}

impl Listened {
    async fn start(database: Database) -> Self {
        let allow = |setup: &mut crate::support::Setup| setup.config.allow_private_addresses = true;
        let test = Test::start_with(database, allow).await;
        let receiver = Receiver::start().await;
        let query =
            "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { secret } }";
        let events =
            ["LIVE_CHAT_REQUESTED", "LIVE_CHAT_ACCEPTED", "LIVE_CHAT_ENDED", "LIVE_CHAT_TIMED_OUT"];
        let input = json!({ "url": receiver.url(), "events": events });
        test.admin(query, json!({ "input": input })).await.data("/createWebhook/secret");
        Self { test, receiver }
    }

    /// What the receiver was told since it was asked last.
    async fn told(&self) -> Vec<Value> {
        self.test.deliver().await;
        self.receiver.take().iter().map(Received::json).collect()
    }

    /// The same: which events, of which request each, and how it ended.
    async fn events(&self) -> Vec<[String; 3]> {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let event = |told: &Value| {
            let chat = &told["data"]["liveChat"];
            [text(&told["type"]), text(&chat["id"]), text(&chat["endReason"])]
        };
        let mut events: Vec<_> = self.told().await.iter().map(event).collect();
        events.sort();
        events
    }
}

fn event(kind: &str, id: &str, end: &str) -> [String; 3] {
    [format!("live_chat.{kind}"), id.to_owned(), end.to_owned()]
}

on_both! {
    async fn who_sees_no_chats_reads_none_of_what_was_sent(listened: Listened) {
        let test = &listened.test;
        test.ask(json!({ "message": "Bonjour" })).await;
        listened.told().await;
        let query = "{ webhooks { deliveries(first: 1) { nodes { body attempts { status response } } } } }";
        let seen = async |profile| {
            let answer = test.send(&test.key(profile).await, query, json!({})).await;
            answer.data("/webhooks/0/deliveries/nodes/0")
        };
        let all = seen(Profile::Admin).await;
        assert!(all["body"].as_str().unwrap().contains("Bonjour"), "{all:#}");
        let none = seen(Profile::MarketingAdmin).await;
        assert_eq!((&none["body"], &none["attempts"][0]["response"]), (&Value::Null, &Value::Null));
        assert_eq!(none["attempts"][0]["status"], all["attempts"][0]["status"]);
    }

    async fn a_webhook_is_told_how_a_chat_goes(listened: Listened) {
        let test = &listened.test;
        let grace = test.chatter("Grace").await;
        let id = test.offered(json!({
            "conversationId": "c-1", "locale": "fr", "timeZone": "Europe/Paris", "message": "Bonjour",
            "person": { "email": "ada@visitors.example", "firstName": "Ada" },
            "company": { "name": "Analytical Engines", "country": "France" },
        })).await;
        let mut chat = json!({
            "id": id, "conversationId": "c-1", "conversationUrl": null, "agent": null,
            "person": { "email": "ada@visitors.example", "firstName": "Ada", "lastName": null,
                "phone": null, "jobTitle": null, "attributes": [] },
            "company": { "name": "Analytical Engines", "domain": null, "industry": null,
                "country": "France", "attributes": [] },
            "locale": "fr", "timeZone": "Europe/Paris", "message": "Bonjour",
            "requestedAt": "2027-01-04T08:00:00Z", "acceptedAt": null, "endedAt": null,
            "endReason": null,
        });
        let said = |kind: &str, at: &str, chat: &Value| {
            json!([{ "type": format!("live_chat.{kind}"), "timestamp": at, "data": { "liveChat": chat } }])
        };
        assert_eq!(json!(listened.told().await), said("requested", "2027-01-04T08:00:00Z", &chat));
        test.clock.advance(TimeDelta::seconds(5));
        test.take(&grace, &id).await;
        chat["agent"] = json!({ "id": grace.id, "name": "Grace" });
        chat["acceptedAt"] = "2027-01-04T08:00:05Z".into();
        assert_eq!(json!(listened.told().await), said("accepted", "2027-01-04T08:00:05Z", &chat));
        test.clock.advance(TimeDelta::seconds(60));
        test.change_chat(&grace.token, "end", &id).await.data("");
        chat["endedAt"] = "2027-01-04T08:01:05Z".into();
        chat["endReason"] = "CLOSED".into();
        assert_eq!(json!(listened.told().await), said("ended", "2027-01-04T08:01:05Z", &chat));
        // Each once, whoever ends it again.
        test.change_chat(&grace.token, "end", &id).await.data("");
        assert_eq!(listened.events().await, [[""; 3]; 0]);
    }

    async fn a_webhook_is_told_what_nobody_did(listened: Listened) {
        let test = &listened.test;
        let grace = test.chatter("Grace").await;
        let [idle, declined, left] =
            [test.offered(json!({})).await, test.offered(json!({})).await, test.offered(json!({})).await];
        test.take(&grace, &idle).await;
        test.decline(&grace, &declined).await;
        // Whoever gives up waiting was not kept waiting too long.
        test.change_chat("", "cancel", &left).await.data("");
        let mut expected = vec![
            event("accepted", &idle, ""), event("timed_out", &declined, ""),
            event("requested", &idle, ""), event("requested", &declined, ""), event("requested", &left, ""),
        ];
        expected.sort();
        assert_eq!(listened.events().await, expected);
        test.clock.advance(TimeDelta::minutes(10));
        test.run_chats().await;
        assert_eq!(listened.events().await, [event("ended", &idle, "IDLE")]);
        // Nobody is there to be asked.
        test.toggle(&grace, "UNAVAILABLE").await;
        let none = test.ask(json!({})).await["request"]["id"].as_str().unwrap().to_owned();
        assert_eq!(listened.events().await, [event("requested", &none, ""), event("timed_out", &none, "")]);
    }
}
