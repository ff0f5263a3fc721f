//! Telling agents who are not in the app: browsers that they registered, and what is pushed to those.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use frontdesk::app::{App, Parts};
use frontdesk::cluster::{Lookout, presence};
use frontdesk::config::Config;
use frontdesk::mail::Mailer;
use frontdesk::service::access::Profile;
use frontdesk::service::push::{self, Vapid};
use frontdesk::store::live_chat::{offer, request};
use frontdesk::store::{self, process, push_registration};
use frontdesk::{ids, jobs};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use web_push_native::p256::SecretKey;
use web_push_native::p256::elliptic_curve::sec1::ToEncodedPoint;

use crate::on_both;
use crate::subscriptions::Events;
use crate::support::process::Place;
use crate::support::{Answer, Database, Test};

const REGISTER: &str = "mutation($input: RegisterPushSubscriptionInput!) {
    registerPushSubscription(input: $input) { id origin label createdAt } }";
const REMOVE: &str = "mutation($agent: ID!, $id: ID, $endpoint: Url) {
    removePushRegistration(agentId: $agent, registrationId: $id, endpoint: $endpoint) {
        id pushRegistrations { id } } }";
const REGISTERED: &str =
    "query($id: ID!) { agent(id: $id) { pushRegistrations { id origin label createdAt } } }";
const CHANGED: &str = "subscription($agent: ID) { agentChanged(agentId: $agent) {
    pushRegistrations { id } } }";

/// A browser that subscribed to pushes.
struct Browser {
    endpoint: String,
    private: SecretKey,
    auth: [u8; 16],
}

impl Browser {
    /// One that is reached at `endpoint`; `number` tells its keys apart.
    fn at(endpoint: impl Into<String>, number: u8) -> Self {
        let private = SecretKey::from_slice(&[number; 32]).unwrap();
        Self { endpoint: endpoint.into(), private, auth: [number; 16] }
    }

    fn p256dh(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.private.public_key().to_encoded_point(false))
    }

    /// What it tells of itself, for an agent.
    fn input(&self, agent: &str) -> Value {
        json!({
            "agentId": agent,
            "endpoint": self.endpoint,
            "keys": { "p256dh": self.p256dh(), "auth": URL_SAFE_NO_PAD.encode(self.auth) },
        })
    }
}

impl Test {
    async fn register(&self, bearer: &str, input: Value) -> Answer {
        self.send(bearer, REGISTER, json!({ "input": input })).await
    }

    async fn registered(&self, agent: &str) -> Vec<Value> {
        let answer = self.admin(REGISTERED, json!({ "id": agent })).await;
        answer.data("/agent/pushRegistrations").as_array().unwrap().clone()
    }

    async fn public_key(&self) -> String {
        let answer = self.admin("{ pushPublicKey }", json!({})).await;
        answer.data("/pushPublicKey").as_str().unwrap().to_owned()
    }
}

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

/// A push service: takes what it is asked to push, and answers as it is told to.
#[derive(Clone)]
struct PushService {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    /// The next answers; 201 once they are through.
    answers: VecDeque<Reply>,
}

/// How it answers.
#[derive(Clone, Copy)]
enum Reply {
    /// With this status.
    Status(u16),
    /// The same, and after how many seconds to come back.
    After(u16, u32),
    /// Never.
    Silence,
}

/// What it was asked to push.
#[derive(Clone)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl PushService {
    async fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let router =
            Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: Bytes| {
                let reply = {
                    let mut state = shared.lock().unwrap();
                    let (path, body) = (uri.path().to_owned(), body.to_vec());
                    state.received.push(Received { path, headers, body });
                    state.answers.pop_front().unwrap_or(Reply::Status(201))
                };
                let mut answer = HeaderMap::new();
                let status = match reply {
                    Reply::Status(status) => status,
                    Reply::After(status, seconds) => {
                        answer.insert("retry-after", seconds.into());
                        status
                    }
                    Reply::Silence => std::future::pending().await,
                };
                (StatusCode::from_u16(status).unwrap(), answer)
            });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    fn reply(&self, replies: &[Reply]) {
        self.state.lock().unwrap().answers.extend(replies);
    }

    /// What it was asked since this was called last.
    fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.lock().unwrap().received)
    }

    fn browser(&self, name: &str, number: u8) -> Browser {
        Browser::at(format!("http://{}/secret-{name}", self.address), number)
    }
}

impl Received {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }

    /// What the browser's service worker reads.
    fn read(&self, browser: &Browser) -> Value {
        let auth = browser.auth.into();
        let read = web_push_native::decrypt(self.body.clone(), &browser.private, &auth).unwrap();
        serde_json::from_slice(&read).unwrap()
    }
}

/// An agent who takes live chats and is not in the app, with a browser at a push service.
struct Desk {
    test: Test,
    service: PushService,
    agent: String,
    browser: Browser,
}

impl Desk {
    async fn start(database: Database) -> Self {
        Self::start_with(database, 1).await
    }

    /// With so many seconds for a push service to answer.
    async fn start_with(database: Database, patience: u32) -> Self {
        let edit = |setup: &mut crate::support::Setup| {
            setup.config.allow_private_addresses = true;
            setup.config.limits.provider_timeout_seconds = patience;
        };
        let test = Test::start_with(database, edit).await;
        let service = PushService::start().await;
        let agent = test.agent("Grace").await;
        let browser = service.browser("laptop", 1);
        test.register(&test.admin, browser.input(&agent)).await.data("/registerPushSubscription");
        Self { test, service, agent, browser }
    }

    /// Offers the agent a chat with somebody, for 100 s.
    async fn offer(&self) -> offer::Model {
        let person = json!({
            "email": "ada@visitors.example", "first_name": "Ada", "last_name": "Lovelace",
            "phone": "+33 1 23 45 67 89",
        });
        self.offer_to(&self.agent, Some(person), None).await
    }

    async fn offer_to(
        &self,
        agent: &str,
        person: Option<Value>,
        company: Option<Value>,
    ) -> offer::Model {
        let (app, now) = (&self.test.app, self.test.app.now());
        let agent = ids::AGENT.parse(agent).unwrap();
        let transaction = store::begin(&app.db).await.unwrap();
        let request = request::Model {
            id: app.uuid(),
            state: request::OFFERED.to_owned(),
            requester: "visitor".to_owned(),
            conversation_id: Some("secret conversation".to_owned()),
            conversation_url: Some("https://chat.example/secret".to_owned()),
            person: person.map(read),
            company: company.map(read),
            locale: "en".to_owned(),
            time_zone: None,
            message: Some("my secret message".to_owned()),
            route: store::JsonOf(request::Route::default()),
            routing: store::JsonOf(json!({})),
            agent_id: None,
            created_at: now,
            accepted_at: None,
            touched_at: None,
            ended_at: None,
            end_reason: None,
            due_at: Some(now + TimeDelta::seconds(100)),
            revision: 1,
        };
        let offer = offer::Model {
            id: app.uuid(),
            request_id: request.id,
            agent_id: agent,
            state: offer::OPEN.to_owned(),
            offered_at: now,
            expires_at: now + TimeDelta::seconds(100),
            ended_at: None,
            pushed_at: None,
        };
        let row = request.into_active_model().reset_all();
        request::Entity::insert(row).exec_without_returning(&transaction).await.unwrap();
        let row = offer.clone().into_active_model().reset_all();
        offer::Entity::insert(row).exec_without_returning(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        self.look().await;
        offer
    }

    /// Ends an offer, as its agent's answer or a withdrawal does.
    async fn end(&self, offer: &offer::Model, state: &str) {
        let app = &self.test.app;
        assert!(offer::end(&app.db, offer.id, state, app.now()).await.unwrap());
    }

    /// Has those told who are not in the app, and says of how many offers.
    async fn look(&self) -> usize {
        push::tell_absent(&self.test.app).await.unwrap()
    }

    fn agent_id(&self) -> Uuid {
        ids::AGENT.parse(&self.agent).unwrap()
    }

    /// The kind and the problem of each delivery that was given up.
    async fn given_up(&self) -> Vec<Value> {
        let query = "{ failedDeliveries { nodes { kind problem } } }";
        let failed = self.test.admin(query, json!({})).await;
        failed.data("/failedDeliveries/nodes").as_array().unwrap().clone()
    }

    /// Another process on the same database, with other settings.
    fn other_process(&self, edit: impl FnOnce(&mut Config)) -> App {
        let app = &self.test.app;
        let mut config = app.config.clone();
        edit(&mut config);
        App::new(Parts {
            db: app.db.clone(),
            clock: Arc::clone(&app.clock),
            ids: Arc::clone(&app.ids),
            secrets: app.secrets.clone(),
            providers: Vec::new(),
            http: app.http.clone(),
            mailer: Mailer::memory().0,
            config,
        })
    }
}

/// A desk that waits long for push services.
struct Patient(Desk);

impl Patient {
    async fn start(database: Database) -> Self {
        Self(Desk::start_with(database, 30).await)
    }
}

/// A record's value, with no attributes.
fn read<T: serde::de::DeserializeOwned>(mut value: Value) -> store::JsonOf<T> {
    value["attributes"] = json!([]);
    store::JsonOf(serde_json::from_value(value).unwrap())
}

on_both! {
    async fn an_offer_is_pushed_to_an_agent_who_is_away(desk: Desk) {
        let offer = desk.offer().await;
        desk.test.clock.advance(TimeDelta::seconds(3));
        assert_eq!(desk.test.deliver().await, 1);
        let received = desk.service.received();
        assert_eq!(received.len(), 1);
        let push = &received[0];
        assert_eq!(push.path, "/secret-laptop");
        assert_eq!(push.header("ttl"), "97");
        assert_eq!(push.header("urgency"), "high");
        assert_eq!(push.header("content-encoding"), "aes128gcm");
        assert_eq!(push.header("topic"), URL_SAFE_NO_PAD.encode(offer.id));
        assert!(push.header("topic").len() <= 32);
        let expected = json!({
            "type": "live_chat_offer",
            "offerId": ids::LIVE_CHAT_OFFER.format(offer.id),
            "requestId": ids::LIVE_CHAT_REQUEST.format(offer.request_id),
            "title": "New live chat",
            "visitor": "Ada Lovelace",
            "expiresAt": "2027-01-04T08:01:40Z",
        });
        assert_eq!(push.read(&desk.browser), expected, "and nothing else of the visitor");
        let (token, key) = push
            .header("authorization")
            .strip_prefix("vapid t=")
            .and_then(|rest| rest.split_once(", k="))
            .unwrap();
        assert_eq!(key, desk.test.public_key().await);
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], format!("http://{}", desk.service.address));
        assert_eq!(claims["sub"], "mailto:frontdesk@meet.example.com");
        let expiry = desk.test.app.now() + TimeDelta::hours(1);
        assert_eq!(claims["exp"], expiry.timestamp());
        // It was told; a later look finds nothing more to tell.
        assert_eq!(desk.look().await, 0);
        assert_eq!(desk.test.deliver().await, 0);
    }

    async fn every_browser_of_the_agent_is_told_and_no_other(desk: Desk) {
        let (test, service) = (&desk.test, &desk.service);
        let alan = test.agent("Alan").await;
        for (agent, name, number) in
            [(&desk.agent, "phone", 2), (&alan, "alans", 3), (&desk.agent, "removed", 4),
             (&desk.agent, "moved", 5)]
        {
            let input = service.browser(name, number).input(agent);
            test.register(&test.admin, input).await.data("/registerPushSubscription");
        }
        desk.offer().await;
        // One goes, and another agent takes over one, before they are told.
        let removed = service.browser("removed", 4).endpoint;
        test.admin(REMOVE, json!({ "agent": desk.agent, "endpoint": removed })).await.data("");
        let moved = service.browser("moved", 5).input(&alan);
        test.register(&test.admin, moved).await.data("/registerPushSubscription");
        assert_eq!(test.deliver().await, 4);
        let mut paths: Vec<String> = service.received().into_iter().map(|it| it.path).collect();
        paths.sort();
        assert_eq!(paths, ["/secret-laptop", "/secret-phone"]);
    }

    async fn who_is_in_the_app_is_told_there(desk: Desk) {
        let test = &desk.test;
        let token = test.token(&desk.agent, 60).await;
        let events = Events::open(test, &token, CHANGED, json!({ "agent": desk.agent })).await;
        assert!(test.app.presence.is_here(desk.agent_id()));
        desk.offer().await;
        assert_eq!((test.deliver().await, desk.look().await), (0, 0));
        presence::settle(&test.app).await.unwrap();
        assert_eq!((test.deliver().await, desk.look().await), (0, 0));
        // Leaves while it is open.
        drop(events);
        while test.app.presence.is_here(desk.agent_id()) {
            tokio::task::yield_now().await;
        }
        assert_eq!(desk.look().await, 0, "the others do not know yet");
        presence::settle(&test.app).await.unwrap();
        test.clock.advance(TimeDelta::seconds(40));
        assert_eq!(desk.look().await, 1);
        assert_eq!(test.deliver().await, 1);
        let received = desk.service.received();
        assert_eq!(received[0].header("ttl"), "60");
        assert_eq!(desk.look().await, 0, "once");
    }

    async fn who_was_in_the_app_of_a_process_that_died_is_told(desk: Desk) {
        let (app, dead) = (&desk.test.app, desk.test.app.uuid());
        process::beat(&app.db, dead, app.now()).await.unwrap();
        process::set_presence(&app.db, dead, &[desk.agent_id()], true).await.unwrap();
        desk.offer().await;
        assert_eq!((desk.test.deliver().await, desk.look().await), (0, 0));
        desk.test.clock.advance(TimeDelta::seconds(9));
        let mut lookout = Lookout::default();
        while lookout.look(app).await.unwrap().is_empty() {}
        // Two processes look at once.
        let other = desk.other_process(|_| {});
        let (one, two) = tokio::join!(push::tell_absent(app), push::tell_absent(&other));
        assert_eq!(one.unwrap() + two.unwrap(), 1);
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received()[0].header("ttl"), "91");
    }

    async fn who_registers_while_an_offer_is_open_is_told(desk: Desk) {
        let test = &desk.test;
        let alan = test.agent("Alan").await;
        desk.offer_to(&alan, None, None).await;
        assert_eq!((test.deliver().await, desk.look().await), (0, 0));
        let browser = desk.service.browser("alans", 2);
        test.register(&test.admin, browser.input(&alan)).await.data("/registerPushSubscription");
        assert_eq!((desk.look().await, test.deliver().await), (1, 1));
        assert_eq!(desk.service.received()[0].read(&browser)["visitor"], Value::Null);
    }

    async fn a_browser_that_is_no_more_is_removed(desk: Desk) {
        for status in [404, 410] {
            let gone = desk.service.browser("gone", 2);
            let input = gone.input(&desk.agent);
            desk.test.register(&desk.test.admin, input).await.data("/registerPushSubscription");
            desk.service.reply(&[Reply::Status(201), Reply::Status(status)]);
            let offer = desk.offer().await;
            assert_eq!(desk.test.deliver().await, 2);
            assert_eq!(desk.service.received().len(), 2);
            let left = desk.test.registered(&desk.agent).await;
            assert_eq!(left.len(), 1, "{status}");
            desk.end(&offer, offer::DECLINED).await;
        }
        desk.offer().await;
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received()[0].path, "/secret-laptop");
        assert_eq!(desk.given_up().await, [] as [Value; 0]);
    }

    async fn a_push_service_that_is_busy_is_asked_again(desk: Desk) {
        desk.service.reply(&[Reply::After(429, 30), Reply::Status(503), Reply::Status(500)]);
        desk.offer().await;
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received()[0].header("ttl"), "100");
        desk.test.clock.advance(TimeDelta::seconds(29));
        assert_eq!(desk.test.deliver().await, 0, "not before it asked for");
        let mut ttls = Vec::new();
        for _ in 0..3 {
            // The longest waits after a second, a third and a fourth try: 4, 8 and 16 s.
            desk.test.clock.advance(TimeDelta::seconds(16));
            assert_eq!(desk.test.deliver().await, 1);
            ttls.push(desk.service.received()[0].header("ttl").to_owned());
        }
        assert_eq!(ttls, ["55", "39", "23"]);
        assert_eq!(desk.given_up().await, [] as [Value; 0]);
    }

    async fn what_is_over_is_not_pushed(desk: Desk) {
        desk.service.reply(&[Reply::After(429, 600), Reply::After(429, 600)]);
        desk.offer().await;
        desk.test.deliver().await;
        desk.test.clock.advance(TimeDelta::seconds(99));
        assert_eq!(desk.test.deliver().await, 0);
        // Its last try is when it is over, and there is nothing to push any more.
        desk.test.clock.advance(TimeDelta::seconds(1));
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received().len(), 1);
        for state in [offer::ACCEPTED, offer::DECLINED, offer::WITHDRAWN] {
            let offer = desk.offer().await;
            desk.end(&offer, state).await;
            assert_eq!(desk.test.deliver().await, 1);
        }
        assert_eq!(desk.service.received().len(), 0);
        assert_eq!(desk.given_up().await, [] as [Value; 0]);
        // Nor is it caught up with.
        let sql = "UPDATE live_chat_offers SET pushed_at = NULL";
        desk.test.app.db.execute_unprepared(sql).await.unwrap();
        assert_eq!(desk.look().await, 0);
    }

    async fn a_refusal_is_final_and_leaves_the_browser(desk: Desk) {
        for status in [307, 400, 401, 403, 413] {
            desk.service.reply(&[Reply::Status(status)]);
            desk.offer().await;
            assert_eq!(desk.test.deliver().await, 1);
            desk.test.clock.advance(TimeDelta::seconds(50));
            assert_eq!(desk.test.deliver().await, 0);
            let given_up = desk.given_up().await;
            let status = StatusCode::from_u16(status).unwrap();
            let problem = format!("the push service answered {status}");
            let last = json!({ "kind": "WEB_PUSH", "problem": problem });
            assert_eq!(given_up.last(), Some(&last));
            assert!(!json!(given_up).to_string().contains("secret"));
        }
        assert_eq!(desk.test.registered(&desk.agent).await.len(), 1);
    }

    async fn a_push_service_that_hangs_is_cut_off(desk: Desk) {
        desk.service.reply(&[Reply::Silence]);
        desk.offer().await;
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received().len(), 1);
        desk.test.clock.advance(TimeDelta::seconds(2));
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.service.received().len(), 1);
    }

    async fn a_push_that_is_under_way_when_its_offer_ends_has_not_failed(desk: Desk) {
        desk.service.reply(&[Reply::Silence]);
        desk.offer().await;
        let (tries, ()) = tokio::join!(desk.test.deliver(), async {
            while desk.service.received().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            desk.test.clock.advance(TimeDelta::seconds(100));
        });
        assert_eq!(tries, 1);
        assert_eq!(desk.given_up().await, [] as [Value; 0]);
        assert_eq!(desk.test.count("outbox WHERE state = 'DONE'").await, 1);
    }

    async fn push_services_that_hang_leave_room_for_mails(patient: Patient) {
        let desk = patient.0;
        desk.service.reply(&[Reply::Silence; 20]);
        for _ in 0..20 {
            desk.offer().await;
        }
        let shutdown = CancellationToken::new();
        let worker = tokio::spawn(jobs::run(Arc::clone(&desk.test.app), shutdown.clone()));
        let agent = desk.test.bookable_agent("Hedy").await;
        desk.test.booked(&agent, "2027-01-05T10:00:00Z", "ada@visitors.example").await;
        let begun = Instant::now();
        while desk.test.mails.mails().len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(8), "mails wait for push services");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // A quarter of the eight places.
        let asked = desk.service.received().len();
        assert!((1..=2).contains(&asked), "{asked}");
        shutdown.cancel();
        worker.abort();
    }

    async fn a_private_address_is_refused_when_it_is_asked_too(desk: Desk) {
        desk.offer().await;
        let strict = desk.other_process(|config| config.allow_private_addresses = false);
        assert_eq!(frontdesk::jobs::run_due(&strict).await.unwrap(), 1);
        assert_eq!(desk.service.received().len(), 0);
        let problem = "the address is not public";
        assert_eq!(desk.given_up().await, [json!({ "kind": "WEB_PUSH", "problem": problem })]);
    }

    async fn a_push_is_small_whoever_waits(desk: Desk) {
        let long = "\u{1F9D1}\u{200D}\"\\é".repeat(20);
        let person = json!({ "email": "a@visitors.example", "first_name": long, "last_name": long });
        let company = json!({ "name": "Visitors & Co" });
        for (person, company, shown) in [
            (Some(person), Some(&company), None),
            (Some(json!({ "email": "a@visitors.example" })), Some(&company), Some("Visitors & Co")),
            (None, None, None),
        ] {
            let is_long = person.as_ref().is_some_and(|it| it.get("first_name").is_some());
            let offer = desk.offer_to(&desk.agent, person, company.cloned()).await;
            assert_eq!(desk.test.deliver().await, 1);
            let received = desk.service.received();
            assert!(received[0].body.len() <= 3072, "{}", received[0].body.len());
            let visitor = received[0].read(&desk.browser)["visitor"].clone();
            match visitor.as_str() {
                Some(name) if is_long => {
                    assert_eq!(name.chars().count(), 80);
                    assert!(name.ends_with('…') && long.starts_with(name.trim_end_matches('…')));
                }
                name => assert_eq!(name, shown),
            }
            desk.end(&offer, offer::DECLINED).await;
        }
    }

    async fn the_title_is_in_the_agents_language(desk: Desk) {
        let query = "mutation($id: ID!) { updateAgent(input: { agentId: $id, locale: \"fr-CA\" }) { id } }";
        desk.test.admin(query, json!({ "id": desk.agent })).await.data("");
        desk.offer().await;
        desk.test.deliver().await;
        assert_eq!(desk.service.received()[0].read(&desk.browser)["title"], "Nouveau chat");
    }

    async fn a_push_service_that_others_wrote_takes_it(desk: Desk) {
        let Some(mut service) = TestingService::start(&desk.test).await else { return };
        let browser = service.subscribe(&desk.test.public_key().await).await;
        let agent = desk.test.agent("Alan").await;
        let input = json!({
            "agentId": agent, "endpoint": browser["endpoint"], "keys": browser["keys"],
        });
        desk.test.register(&desk.test.admin, input).await.data("/registerPushSubscription/id");
        let offer = desk.offer_to(&agent, None, Some(json!({ "name": "Visitors" }))).await;
        assert_eq!(desk.test.deliver().await, 1);
        let messages = service.messages(&browser).await;
        assert_eq!(desk.given_up().await, [] as [Value; 0]);
        assert_eq!(messages.len(), 1);
        let message: Value = serde_json::from_str(messages[0].as_str().unwrap()).unwrap();
        assert_eq!(message["offerId"], ids::LIVE_CHAT_OFFER.format(offer.id));
        assert_eq!(message["visitor"], "Visitors");
        // A browser that subscribed with another key does not take it.
        let other = Vapid::new(&SecretKey::from_slice(&[9; 32]).unwrap());
        let deaf = service.subscribe(other.public_key()).await;
        let hedy = desk.test.agent("Hedy").await;
        let input = json!({ "agentId": hedy, "endpoint": deaf["endpoint"], "keys": deaf["keys"] });
        desk.test.register(&desk.test.admin, input).await.data("/registerPushSubscription/id");
        desk.offer_to(&hedy, None, None).await;
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(service.messages(&deaf).await, [] as [Value; 0]);
        assert_eq!(desk.given_up().await.len(), 1);
        // One that expired is removed.
        service.expire(&browser).await;
        desk.offer_to(&agent, None, None).await;
        assert_eq!(desk.test.deliver().await, 1);
        assert_eq!(desk.test.registered(&agent).await, [] as [Value; 0]);
    }
}

/// The npm package web-push-testing: a push service that decrypts what it takes, and checks who sent it.
struct TestingService {
    address: String,
    client: reqwest::Client,
    _child: tokio::process::Child,
}

impl TestingService {
    /// Starts it at the test's time. None, and a word of it, where Node.js or the package is missing and
    /// counterparts are not asked for.
    async fn start(test: &Test) -> Option<Self> {
        let directory = std::env::var_os("FRONTDESK_TEST_NODE_DIR").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/node"),
            PathBuf::from,
        );
        if !directory.join("node_modules/web-push-testing").is_dir() {
            let required = std::env::var_os("FRONTDESK_TEST_COUNTERPARTS").is_some();
            assert!(!required, "{} has no web-push-testing", directory.display());
            eprintln!("NOT RUN: {} has no web-push-testing", directory.display());
            return None;
        }
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let mut child = tokio::process::Command::new("node")
            .arg(directory.join("web-push.mjs"))
            .args([port.to_string(), test.app.now().timestamp_millis().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
        let ready = ready.expect("it starts in time").unwrap();
        assert_eq!(ready, Some(format!("Server running on port {port}")));
        let address = format!("http://localhost:{port}");
        Some(Self { address, client: crate::support::client(), _child: child })
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.address);
        let response = self.client.post(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null)
    }

    /// A browser that subscribes as one does.
    async fn subscribe(&mut self, key: &str) -> Value {
        let body = json!({ "userVisibleOnly": "true", "applicationServerKey": key });
        self.post("/subscribe", body).await["data"].clone()
    }

    /// What a browser's service worker was given.
    async fn messages(&self, browser: &Value) -> Vec<Value> {
        let body = json!({ "clientHash": browser["clientHash"] });
        let answer = self.post("/get-notifications", body).await;
        answer["data"]["messages"].as_array().unwrap().clone()
    }

    async fn expire(&self, browser: &Value) {
        let path = format!("/expire-subscription/{}", browser["clientHash"].as_str().unwrap());
        self.post(&path, json!({})).await;
    }
}
