//! Browsers that agents register, and the key for them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use frontdesk::service::access::Profile;
use frontdesk::store::push_registration;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use web_push_native::p256::elliptic_curve::sec1::ToEncodedPoint;

use super::{Browser, CHANGED, REGISTERED, REMOVE};
use crate::on_both;
use crate::subscriptions::Events;
use crate::support::process::Place;
use crate::support::{Database, Test};

/// Refused with this code for this field, and nothing is registered.
async fn refused(test: &Test, input: Value, code: &str, field: &str) {
    let before = test.count("push_registrations").await;
    let answer = test.register(&test.admin, input.clone()).await;
    assert_eq!((answer.code(), answer.field()), (code, field), "{input}: {:#}", answer.body);
    assert_eq!(test.count("push_registrations").await, before);
}

on_both! {
    async fn an_agent_registers_browsers_and_removes_them(test: Test) {
        let agent = test.agent("Grace").await;
        let token = test.token(&agent, 60).await;
        let mut events = Events::open(&test, &token, CHANGED, json!({ "agent": agent })).await;
        let laptop = Browser::at("https://push.example/v1/secret-path?id=1", 1);
        let mut input = laptop.input(&agent);
        input["label"] = " Laptop ".into();
        let answer = test.register(&token, input).await;
        let made = answer.data("/registerPushSubscription");
        let id = made["id"].as_str().unwrap();
        assert!(id.starts_with("psh_"), "{id}");
        let expected = json!({
            "id": id, "origin": "https://push.example", "label": "Laptop",
            "createdAt": "2027-01-04T08:00:00Z",
        });
        assert_eq!(made, expected);
        assert_eq!(test.registered(&agent).await, std::slice::from_ref(&expected));
        let told = events.next().await;
        let told = &told["data"]["agentChanged"]["pushRegistrations"];
        assert_eq!(*told, json!([{ "id": id }]));

        let phone = Browser::at("https://push.example:8443/v1/phone", 2);
        let second = test.register(&token, phone.input(&agent)).await;
        let second = second.data("/registerPushSubscription");
        assert_eq!(second["origin"], "https://push.example:8443");
        assert_eq!(second["label"], Value::Null);
        let query = "query($id: ID!) { node(id: $id) { id ... on PushRegistration { origin } } }";
        let seen = test.send(&token, query, json!({ "id": id })).await.data("/node");
        assert_eq!(seen, json!({ "id": id, "origin": "https://push.example" }));

        let gone = test.send(&token, REMOVE, json!({ "agent": agent, "id": id })).await;
        let left = gone.data("/removePushRegistration/pushRegistrations");
        assert_eq!(left, json!([{ "id": second["id"] }]));
        let by_endpoint = json!({ "agent": agent, "endpoint": phone.endpoint });
        let gone = test.send(&token, REMOVE, by_endpoint.clone()).await;
        assert_eq!(gone.data("/removePushRegistration/pushRegistrations"), json!([]));
        for again in [json!({ "agent": agent, "id": id }), by_endpoint] {
            assert_eq!(test.send(&token, REMOVE, again).await.code(), "NOT_FOUND");
        }
    }

    async fn a_browser_that_registers_again_is_one(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let browser = Browser::at("https://push.example/shared", 1);
        let first = test.register(&test.admin, browser.input(&grace)).await;
        let first = first.data("/registerPushSubscription");
        test.clock.advance(chrono::TimeDelta::minutes(1));
        // It subscribed anew, with other keys, and says so in another spelling.
        let renewed = Browser::at("https://PUSH.example:443/shared#top", 2);
        let mut input = renewed.input(&grace);
        input["label"] = "Laptop".into();
        let again = test.register(&test.admin, input).await;
        let again = again.data("/registerPushSubscription");
        assert_eq!(again["id"], first["id"]);
        assert_eq!(again["label"], "Laptop");
        assert_eq!(again["createdAt"], "2027-01-04T08:01:00Z");
        assert_eq!(test.registered(&grace).await, [again]);
        // Another agent signs in there.
        let token = test.token(&alan, 60).await;
        let moved = test.register(&token, renewed.input(&alan)).await;
        let moved = moved.data("/registerPushSubscription");
        assert_eq!(moved["id"], first["id"]);
        assert_eq!(test.registered(&grace).await, [] as [Value; 0]);
        assert_eq!(test.registered(&alan).await, [moved]);
        let removal = json!({ "agent": grace, "id": first["id"] });
        assert_eq!(test.admin(REMOVE, removal).await.code(), "NOT_FOUND");
    }

    async fn what_is_no_browser_is_refused(test: Test) {
        let agent = test.agent("Grace").await;
        let browser = Browser::at("https://push.example/1", 1);
        let good = browser.input(&agent);
        let with = |pointer: &str, value: Value| {
            let mut input = good.clone();
            *input.pointer_mut(pointer).unwrap() = value;
            input
        };
        let field = "input.endpoint";
        for endpoint in [
            "", "push.example/1", "http://push.example/1", "ftp://push.example/1", "https://",
            "mailto:grace@agents.example", "https://user:password@push.example/1",
        ] {
            refused(&test, with("/endpoint", endpoint.into()), "BAD_USER_INPUT", field).await;
        }
        for private in [
            "https://localhost/1", "https://127.0.0.1/1", "https://0x7f.1/1", "https://[::1]/1",
            "https://10.0.0.8:8080/1", "https://169.254.169.254/latest", "https://192.168.1.1/1",
            "https://[::ffff:10.0.0.1]/1", "https://[fd00::1]/1", "https://printer.localhost/1",
        ] {
            refused(&test, with("/endpoint", private.into()), "BAD_USER_INPUT", field).await;
        }
        let long = format!("https://push.example/{}", "a".repeat(2000));
        refused(&test, with("/endpoint", long.into()), "BAD_USER_INPUT", field).await;
        let mut off_curve = vec![4; 65];
        off_curve[64] = 5;
        for p256dh in [
            String::new(), "nonsense".to_owned(), "é".to_owned(),
            URL_SAFE_NO_PAD.encode(off_curve), URL_SAFE_NO_PAD.encode([0]),
            browser.p256dh()[..40].to_owned(), format!("{}AAAA", browser.p256dh()),
        ] {
            let input = with("/keys/p256dh", p256dh.into());
            refused(&test, input, "BAD_USER_INPUT", "input.keys.p256dh").await;
        }
        for length in [0, 15, 17, 32] {
            let auth = URL_SAFE_NO_PAD.encode(vec![7; length]);
            let input = with("/keys/auth", auth.into());
            refused(&test, input, "BAD_USER_INPUT", "input.keys.auth").await;
        }
        let mut input = good.clone();
        input["label"] = "x".repeat(101).into();
        refused(&test, input, "BAD_USER_INPUT", "input.label").await;
        let nobody = "agt_01941f297c0070008000000000abcdef";
        refused(&test, browser.input(nobody), "NOT_FOUND", "").await;
        for both in [json!({ "agent": agent }), json!({ "agent": agent, "id": "psh_1",
            "endpoint": "https://push.example/1" })]
        {
            let answer = test.admin(REMOVE, both).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "registrationId"));
        }
        // In base64 as it is written elsewhere it can be read all the same.
        let mut padded = good.clone();
        padded["keys"]["auth"] = STANDARD.encode(browser.auth).into();
        let point = browser.private.public_key().to_encoded_point(false);
        padded["keys"]["p256dh"] = STANDARD.encode(point).into();
        test.register(&test.admin, padded).await.data("/registerPushSubscription/id");
    }

    async fn an_agent_has_twenty_browsers(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let browser = |n: usize| Browser::at(format!("https://push.example/{n}"), 1);
        for n in 0..20 {
            let answer = test.register(&test.admin, browser(n).input(&grace)).await;
            answer.data("/registerPushSubscription/id");
        }
        refused(&test, browser(20).input(&grace), "LIMIT_EXCEEDED", "").await;
        // One of the twenty again is no further one; another agent's is.
        let again = test.register(&test.admin, browser(7).input(&grace)).await;
        again.data("/registerPushSubscription/id");
        let others = test.register(&test.admin, browser(20).input(&alan)).await;
        others.data("/registerPushSubscription/id");
        refused(&test, browser(20).input(&grace), "LIMIT_EXCEEDED", "").await;
        let first = test.registered(&grace).await[0]["id"].clone();
        test.admin(REMOVE, json!({ "agent": grace, "id": first })).await.data("");
        let moved = test.register(&test.admin, browser(20).input(&grace)).await;
        moved.data("/registerPushSubscription/id");
        assert_eq!(test.registered(&grace).await.len(), 20);
    }

    async fn many_at_once_are_twenty_at_most(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let browser = |n: usize| Browser::at(format!("https://push.example/{n}"), 1);
        let inputs = (0..30).map(|n| browser(n % 25).input(&grace));
        let all = inputs.map(|input| test.register(&test.admin, input));
        let answers = futures_util::future::join_all(all).await;
        assert_eq!(test.registered(&grace).await.len(), 20);
        for answer in answers {
            let errors = answer.body.get("errors").is_some();
            assert!(!errors || answer.code() == "LIMIT_EXCEEDED", "{:#}", answer.body);
        }
        // One browser, two agents: one of them has it.
        let shared = Browser::at("https://push.example/shared", 2);
        let first = test.registered(&grace).await[0]["id"].clone();
        test.admin(REMOVE, json!({ "agent": grace, "id": first })).await.data("");
        let both = [&grace, &alan].map(|agent| test.register(&test.admin, shared.input(agent)));
        for answer in futures_util::future::join_all(both).await {
            answer.data("/registerPushSubscription/id");
        }
        let total = test.registered(&grace).await.len() + test.registered(&alan).await.len();
        assert_eq!(total, 20);
    }

    async fn secrets_are_never_shown(test: Test) {
        let agent = test.agent("Grace").await;
        let browser = Browser::at("https://push.example/very-secret-path", 1);
        let mut shown = String::new();
        let made = test.register(&test.admin, browser.input(&agent)).await;
        let id = made.data("/registerPushSubscription/id");
        shown.push_str(&made.body.to_string());
        let node = "query($id: ID!) { node(id: $id) { id ... on PushRegistration {
            origin label createdAt } } }";
        for (query, variables) in [
            (REGISTERED, json!({ "id": agent })),
            (node, json!({ "id": id })),
            (REMOVE, json!({ "agent": agent, "endpoint": browser.endpoint })),
            (REMOVE, json!({ "agent": agent, "endpoint": browser.endpoint })),
        ] {
            let answer = test.admin(query, variables).await;
            shown.push_str(&answer.body.to_string());
        }
        let again = test.register(&test.admin, browser.input(&agent)).await;
        again.data("/registerPushSubscription/id");
        test.public_key().await;
        let refused = Browser::at("https://127.0.0.1/very-secret-path", 1).input(&agent);
        shown.push_str(&test.register(&test.admin, refused).await.body.to_string());
        let kept = push_registration::Entity::find().one(&test.app.db).await.unwrap().unwrap();
        for bytes in [&kept.subscription, &kept.endpoint_hash] {
            shown.push_str(&String::from_utf8_lossy(bytes));
        }
        let auth = URL_SAFE_NO_PAD.encode(browser.auth);
        for secret in ["very-secret", &auth, &browser.p256dh(), "p256dh"] {
            assert!(!shown.contains(secret), "{secret} is shown: {shown}");
        }
    }

    async fn others_see_none_of_it(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let browser = Browser::at("https://push.example/1", 1);
        let made = test.register(&test.admin, browser.input(&grace)).await;
        let id = made.data("/registerPushSubscription/id");
        let token = test.token(&alan, 60).await;
        let node = test.send(&token, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id }));
        assert_eq!(node.await.data("/node"), Value::Null);
        assert_eq!(test.send(&token, REGISTERED, json!({ "id": grace })).await.code(), "FORBIDDEN");
        assert_eq!(test.register(&token, browser.input(&grace)).await.code(), "FORBIDDEN");
        let removal = json!({ "agent": alan, "id": id });
        assert_eq!(test.send(&token, REMOVE, removal).await.code(), "NOT_FOUND");
        let removal = json!({ "agent": alan, "endpoint": browser.endpoint });
        assert_eq!(test.send(&token, REMOVE, removal).await.code(), "NOT_FOUND");
        let key = test.key(Profile::MarketingUser).await;
        assert_eq!(test.register(&key, browser.input(&grace)).await.code(), "FORBIDDEN");
        assert_eq!(test.registered(&grace).await.len(), 1);
    }

    async fn the_servers_key_is_made_once(test: Test) {
        let asked = (0..8).map(|_| test.public_key());
        let keys = futures_util::future::join_all(asked).await;
        let point = URL_SAFE_NO_PAD.decode(&keys[0]).unwrap();
        assert_eq!((point.len(), point[0]), (65, 4));
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(test.count("server_keys").await, 1);
        assert_eq!(test.visitor("{ pushPublicKey }", json!({})).await.code(), "UNAUTHENTICATED");
    }

    async fn processes_that_start_together_have_one_key(database: Processes) {
        let Processes(database) = database;
        let place = Place::new(database).await;
        place.print(&["migrate"]);
        let admin = place.admin_key();
        let (one, two) = tokio::join!(place.serve("one", &[]), place.serve("two", &[]));
        let mut keys = Vec::new();
        for process in [&one, &two] {
            let answer = process.send(&admin, "{ pushPublicKey }", json!({})).await;
            keys.push(answer.data("/pushPublicKey"));
        }
        one.stop().await;
        two.stop().await;
        // And it is the same after they went.
        let three = place.serve("three", &[]).await;
        keys.push(three.send(&admin, "{ pushPublicKey }", json!({})).await.data("/pushPublicKey"));
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        three.stop().await;
    }
}

/// Servers as processes of their own, on one database.
struct Processes(Database);

impl Processes {
    async fn start(database: Database) -> Self {
        Self(database)
    }
}
