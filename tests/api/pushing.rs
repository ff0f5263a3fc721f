//! Telling agents who are not in the app: browsers that they registered, and what is pushed to those.

mod answers;
mod registering;
mod service;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use frontdesk::app::{App, Parts};
use frontdesk::cluster::{Lookout, presence};
use frontdesk::config::Config;
use frontdesk::ids;
use frontdesk::mail::Mailer;
use frontdesk::service::push::{self, Vapid};
use frontdesk::store::live_chat::{offer, request};
use frontdesk::store::{self, process};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use uuid::Uuid;
use web_push_native::p256::SecretKey;
use web_push_native::p256::elliptic_curve::sec1::ToEncodedPoint;

use crate::on_both;
use crate::subscriptions::Events;
use crate::support::{Answer, Database, Test};

use service::{PushService, Reply, TestingService};

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
            place_hash: None,
            network_hash: None,
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
                    // Signs are cut off by zero-width spaces, and what joins characters is gone.
                    let name = name.strip_suffix('…').unwrap().replace('\u{200B}', "");
                    assert!(long.replace('\u{200D}', "").starts_with(&name), "{name}");
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
