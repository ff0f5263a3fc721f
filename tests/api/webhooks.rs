//! Webhooks: kept, signed, told of what happens, tried again, and given up.

mod events;
mod receivers;

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use frontdesk::clock::{Clock, SystemClock};
use frontdesk::secrets::hmac_sha256;
use frontdesk::service::access::Profile;
use frontdesk::store::webhook;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::receiver::{Received, Receiver, Reply};
use crate::support::{Answer, Database, Setup, Test};
use crate::vendors::python;

const VISITOR: &str = "ada@visitors.example";
const AT_10: &str = "2027-01-05T10:00:00Z";
const AT_11: &str = "2027-01-05T11:00:00Z";

const FIELDS: &str = "id url description events enabled disabledReason failingSince createdAt";

/// A server with one agent, and a receiver on the same machine.
struct Desk {
    test: Test,
    agent: String,
    receiver: Receiver,
}

/// A webhook, and what it is signed with.
struct Hook {
    id: String,
    secret: String,
}

impl Desk {
    async fn start(database: Database) -> Self {
        Self::start_with(database, |setup| setup.config.allow_private_addresses = true).await
    }

    async fn start_with(database: Database, edit: impl FnOnce(&mut Setup)) -> Self {
        let test = Test::start_with(database, edit).await;
        let agent = test.bookable_agent("Grace").await;
        Self { test, agent, receiver: Receiver::start().await }
    }

    async fn try_to_create(&self, url: &str, events: &[&str]) -> Answer {
        let query = format!(
            "mutation($input: CreateWebhookInput!) {{ createWebhook(input: $input) {{
                secret webhook {{ {FIELDS} }} }} }}"
        );
        let input = json!({ "url": url, "description": "CRM", "events": events });
        self.test.admin(&query, json!({ "input": input })).await
    }

    /// A webhook to the receiver.
    async fn create(&self, events: &[&str]) -> Hook {
        let made = self.try_to_create(&self.receiver.url(), events).await.data("/createWebhook");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Hook { id: text(&made["webhook"]["id"]), secret: text(&made["secret"]) }
    }

    async fn update(&self, mut input: Value, id: &str) -> Answer {
        input["webhookId"] = id.into();
        let query = format!(
            "mutation($input: UpdateWebhookInput!) {{ updateWebhook(input: $input) {{ {FIELDS} }} }}"
        );
        self.test.admin(&query, json!({ "input": input })).await
    }

    async fn webhook(&self, id: &str) -> Value {
        let query = format!("query($id: ID!) {{ webhook(id: $id) {{ {FIELDS} }} }}");
        self.test.admin(&query, json!({ "id": id })).await.data("/webhook")
    }

    async fn deliveries(&self, id: &str) -> Vec<Value> {
        let query =
            "query($id: ID!) { webhook(id: $id) { deliveries(first: 50) { totalCount nodes {
            id event messageId body status problem createdAt nextAttemptAt deliveredAt
            attempts { attemptedAt durationMilliseconds status problem response } } } } }";
        let found = self.test.admin(query, json!({ "id": id })).await.data("/webhook/deliveries");
        let nodes = found["nodes"].as_array().unwrap().clone();
        assert_eq!(found["totalCount"], nodes.len());
        nodes
    }

    async fn resend(&self, delivery: &Value) -> Answer {
        let query = "mutation($id: ID!) {
            resendWebhookDelivery(deliveryId: $id) { id messageId status } }";
        self.test.admin(query, json!({ "id": delivery["id"] })).await
    }

    async fn book(&self, start: &str) -> (String, String) {
        self.test.booked(&self.agent, start, VISITOR).await
    }

    async fn deliver_after(&self, wait: TimeDelta) -> Vec<Received> {
        self.test.clock.advance(wait);
        self.test.deliver().await;
        self.receiver.take()
    }
}

/// How many of a request's signatures are by this secret.
fn signatures_by(secret: &str, request: &Received) -> usize {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, time) = (&request.headers["webhook-id"], &request.headers["webhook-timestamp"]);
    let content = format!("{id}.{time}.{}", request.body);
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, content.as_bytes())));
    let signatures = request.headers["webhook-signature"].split(' ');
    signatures.filter(|signature| *signature == expected).count()
}

/// What the specification's own library says.
fn verify(secret: &str, request: &Received) -> Option<Result<String, String>> {
    let python = python::that_runs("import standardwebhooks")?;
    let mut verifier = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/webhook.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let given = json!({ "secret": secret, "headers": request.headers, "body": request.body });
    verifier.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = verifier.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Some(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

on_both! {
    async fn the_reference_verifies_what_is_delivered(desk: Desk) {
        // It looks at the time too.
        desk.test.clock.set(&SystemClock.now().to_rfc3339());
        let hook = desk.create(&["AGENT_CALENDAR_DISCONNECTED"]).await;
        let query = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { id } }";
        desk.test.admin(query, json!({ "id": desk.agent })).await.data("/disconnectCalendar/id");
        desk.test.deliver().await;
        let [request] = <[_; 1]>::try_from(desk.receiver.take()).unwrap();
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(request.headers["user-agent"].starts_with("Frontdesk/"), "{request:?}");
        assert!(request.headers["webhook-id"].starts_with("msg_"), "{request:?}");
        assert_eq!(signatures_by(&hook.secret, &request), 1);
        let Some(verified) = verify(&hook.secret, &request) else { return };
        assert_eq!(verified.as_deref(), Ok("agent.calendar_disconnected"));
        let forged = Received { body: request.body.replace("Grace", "Eve"), ..request.clone() };
        let refused = verify(&hook.secret, &forged).unwrap().unwrap_err();
        assert!(refused.contains("No matching signature"), "{refused}");
    }

    async fn a_failed_delivery_is_tried_by_the_schedule(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        desk.receiver.reply(Reply::With(500, String::new(), format!("oops\0{}", "é".repeat(2000))));
        desk.book(AT_10).await;
        desk.test.deliver().await;
        let first = desk.receiver.take().remove(0);
        let waits = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (tries, seconds) in waits.into_iter().enumerate() {
            let early = desk.deliver_after(TimeDelta::seconds(seconds - 1)).await;
            assert!(early.is_empty(), "{tries}: {early:#?}");
            assert_eq!(desk.deliveries(&hook.id).await[0]["status"], "PENDING");
            // A tenth is left to chance.
            let due = desk.deliver_after(TimeDelta::milliseconds(seconds * 100 + 1000)).await;
            assert_eq!(due.len(), 1, "{tries}");
            assert_eq!(due[0].headers["webhook-id"], first.headers["webhook-id"]);
            assert_ne!(due[0].headers["webhook-timestamp"], first.headers["webhook-timestamp"]);
            assert_eq!((&due[0].body, signatures_by(&hook.secret, &due[0])), (&first.body, 1));
        }
        assert!(desk.deliver_after(TimeDelta::days(10)).await.is_empty());
        let kept = desk.deliveries(&hook.id).await.remove(0);
        assert_eq!((&kept["status"], &kept["nextAttemptAt"]), (&json!("FAILED"), &Value::Null));
        let problem = "the receiver answered 500 Internal Server Error";
        assert_eq!(kept["problem"], problem);
        let attempts = kept["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 10);
        assert_eq!((&attempts[9]["status"], &attempts[9]["problem"]), (&json!(500), &json!(problem)));
        let response = attempts[9]["response"].as_str().unwrap();
        assert!(response.starts_with("oopsé") && response.len() <= 1024, "{response}");
        let webhook = desk.webhook(&hook.id).await;
        assert_eq!((&webhook["enabled"], &webhook["failingSince"]), (&json!(true), &json!("2027-01-04T08:00:00Z")));
        let failed = desk.test.admin("{ failedDeliveries { nodes { id kind } } }", json!({})).await;
        assert_eq!(failed.data("/failedDeliveries/nodes"), json!([{ "id": kept["id"], "kind": "WEBHOOK" }]));
    }

    async fn a_delivery_can_be_sent_again(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        desk.book(AT_10).await;
        desk.test.deliver().await;
        let first = desk.receiver.take().remove(0);
        let kept = desk.deliveries(&hook.id).await.remove(0);
        let again = desk.resend(&kept).await.data("/resendWebhookDelivery");
        assert_eq!(again, json!({ "id": kept["id"], "messageId": kept["messageId"], "status": "PENDING" }));
        let second = desk.deliver_after(TimeDelta::zero()).await.remove(0);
        assert_eq!(second.headers["webhook-id"], first.headers["webhook-id"]);
        assert_eq!(second.body, first.body);
        assert_eq!(desk.deliveries(&hook.id).await[0]["attempts"].as_array().unwrap().len(), 2);
        desk.update(json!({ "enabled": false }), &hook.id).await.data("/updateWebhook");
        assert_eq!(desk.resend(&kept).await.code(), "CONFLICT");
        let mail = desk.test.texts("SELECT kind FROM outbox WHERE kind = 'VISITOR_MAIL'").await;
        assert_eq!(mail.len(), 1);
        let unknown = json!({ "id": "dlv_01900000000070008000000000000001" });
        assert_eq!(desk.resend(&unknown).await.code(), "NOT_FOUND");
    }

    async fn the_former_secret_signs_too_for_a_day(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        let query = "mutation($id: ID!) { rotateWebhookSecret(webhookId: $id) { secret webhook { id } } }";
        let rotated = desk.test.admin(query, json!({ "id": hook.id })).await.data("/rotateWebhookSecret");
        let secret = rotated["secret"].as_str().unwrap();
        assert_ne!(secret, hook.secret);
        desk.book(AT_10).await;
        let request = desk.deliver_after(TimeDelta::hours(24) - TimeDelta::seconds(1)).await.remove(0);
        assert_eq!(request.headers["webhook-signature"].split(' ').count(), 2);
        assert_eq!(signatures_by(secret, &request), 1);
        assert_eq!(signatures_by(&hook.secret, &request), 1);
        desk.test.clock.advance(TimeDelta::seconds(1));
        desk.book("2027-01-06T10:00:00Z").await;
        let request = desk.deliver_after(TimeDelta::zero()).await.remove(0);
        assert_eq!((signatures_by(secret, &request), signatures_by(&hook.secret, &request)), (1, 0));
        assert_eq!(request.headers["webhook-signature"].split(' ').count(), 1);
    }

    async fn webhooks_are_kept_changed_and_deleted(desk: Desk) {
        let made = desk.try_to_create("https://hooks.example/frontdesk#part", &["BOOKING_CREATED"]).await;
        let made = made.data("/createWebhook");
        let secret = made["secret"].as_str().unwrap();
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(key.len(), 32);
        let expected = json!({
            "id": made["webhook"]["id"], "url": "https://hooks.example/frontdesk", "description": "CRM",
            "events": ["BOOKING_CREATED"], "enabled": true, "disabledReason": null,
            "failingSince": null, "createdAt": "2027-01-04T08:00:00Z",
        });
        assert_eq!(made["webhook"], expected);
        let id = made["webhook"]["id"].as_str().unwrap();
        let rows = desk.test.texts("SELECT url FROM webhooks").await;
        assert_eq!(rows.len(), 1);
        let change = json!({ "url": "https://other.example/", "description": "", "events": ["LIVE_CHAT_ENDED", "BOOKING_FAILED"] });
        let changed = desk.update(change, id).await.data("/updateWebhook");
        assert_eq!(changed["url"], "https://other.example/");
        assert_eq!(changed["description"], Value::Null);
        assert_eq!(changed["events"], json!(["LIVE_CHAT_ENDED", "BOOKING_FAILED"]));
        assert_eq!(desk.webhook(id).await, changed);
        let all = desk.test.admin("{ webhooks { id } }", json!({})).await.data("/webhooks");
        assert_eq!(all, json!([{ "id": id }]));
        let node = "query($id: ID!) { node(id: $id) { ... on Webhook { url } } }";
        let found = desk.test.admin(node, json!({ "id": id })).await.data("/node");
        assert_eq!(found, json!({ "url": "https://other.example/" }));
        let delete = "mutation($id: ID!) { deleteWebhook(webhookId: $id) }";
        assert_eq!(desk.test.admin(delete, json!({ "id": id })).await.data("/deleteWebhook"), id);
        assert_eq!(desk.webhook(id).await, Value::Null);
        assert_eq!(desk.test.admin(delete, json!({ "id": id })).await.code(), "NOT_FOUND");
        assert_eq!(desk.update(json!({ "enabled": true }), id).await.code(), "NOT_FOUND");
    }

    async fn live_chats_are_told_where_who_sees_them_says(desk: Desk) {
        let marketing = desk.test.key(Profile::MarketingAdmin).await;
        let create = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } } }";
        let update = "mutation($input: UpdateWebhookInput!) { updateWebhook(input: $input) { id } }";
        let send = async |query: &str, input: Value| {
            desk.test.send(&marketing, query, json!({ "input": input })).await
        };
        let url = "https://hooks.example/";
        let input = json!({ "url": url, "events": ["BOOKING_CREATED", "LIVE_CHAT_ENDED"] });
        assert_eq!(send(create, input).await.code(), "FORBIDDEN");
        let input = json!({ "url": url, "events": ["BOOKING_CREATED"] });
        let own = send(create, input).await.data("/createWebhook/webhook/id");
        let input = json!({ "webhookId": own, "events": ["LIVE_CHAT_REQUESTED"] });
        assert_eq!(send(update, input).await.code(), "FORBIDDEN");
        send(update, json!({ "webhookId": own, "url": "https://other.example/" })).await.data("/updateWebhook/id");
        let theirs = desk.create(&["LIVE_CHAT_REQUESTED"]).await.id;
        desk.test.visitor("mutation { requestLiveChat(input: {}) { __typename } }", json!({})).await.data("");
        let events = json!({ "webhookId": theirs, "events": ["BOOKING_CREATED"] });
        let moved = json!({ "webhookId": theirs, "url": url });
        assert_eq!(send(update, moved.clone()).await.code(), "FORBIDDEN");
        send(update, events).await.data("/updateWebhook/id");
        assert_eq!(send(update, moved).await.code(), "FORBIDDEN", "what waits would go there");
    }

    async fn what_was_sent_goes_with_its_webhook_and_with_time(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        desk.book(AT_10).await;
        desk.test.deliver().await;
        let month = TimeDelta::days(30);
        webhook::forget(&desk.test.app.db, desk.test.app.now() - month).await.unwrap();
        assert_eq!(desk.deliveries(&hook.id).await[0]["attempts"].as_array().unwrap().len(), 1);
        desk.test.clock.advance(month + TimeDelta::seconds(1));
        webhook::forget(&desk.test.app.db, desk.test.app.now() - month).await.unwrap();
        assert!(desk.deliveries(&hook.id).await.is_empty());
        assert_eq!(desk.test.count("webhook_attempts").await, 0);

        desk.book("2027-02-08T10:00:00Z").await;
        desk.test.deliver().await;
        desk.book("2027-02-08T11:00:00Z").await;
        let delete = "mutation($id: ID!) { deleteWebhook(webhookId: $id) }";
        desk.test.admin(delete, json!({ "id": hook.id })).await.data("/deleteWebhook");
        assert_eq!(desk.test.count("webhook_attempts").await, 0);
        assert_eq!(desk.test.count("outbox WHERE kind = 'WEBHOOK'").await, 0);
    }

    async fn input_that_can_t_be_used_changes_nothing(desk: Desk) {
        let hook = desk.create(&["BOOKING_CREATED"]).await;
        let before = desk.webhook(&hook.id).await;
        let long = format!("https://hooks.example/{}", "a".repeat(2000));
        for (change, field) in [
            (json!({ "url": "" }), "input.url"),
            (json!({ "url": "hooks.example" }), "input.url"),
            (json!({ "url": "ftp://hooks.example/" }), "input.url"),
            (json!({ "url": "https://me:secret@hooks.example/" }), "input.url"),
            (json!({ "url": long }), "input.url"),
            (json!({ "description": "a".repeat(201) }), "input.description"),
            (json!({ "events": [] }), "input.events"),
            (json!({ "events": ["BOOKING_CREATED", "BOOKING_FAILED", "BOOKING_CREATED"] }), "input.events.2"),
        ] {
            let refused = desk.update(change.clone(), &hook.id).await;
            assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", field), "{change}");
            let mut input = json!({ "url": "https://hooks.example/", "events": ["BOOKING_CREATED"] });
            input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let query = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { secret } }";
            let refused = desk.test.admin(query, json!({ "input": input })).await;
            assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", field), "{input}");
        }
        assert_eq!(desk.webhook(&hook.id).await, before);
        for _ in 1..50 {
            desk.create(&["BOOKING_CREATED"]).await;
        }
        let one_more = desk.try_to_create("https://hooks.example/", &["BOOKING_CREATED"]).await;
        assert_eq!(one_more.code(), "LIMIT_EXCEEDED");
        assert_eq!(desk.test.count("webhooks").await, 50);
    }
}
