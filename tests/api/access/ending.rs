//! Keys and tokens that end take everything with them that was opened with them.

use std::time::Duration;

use frontdesk::cluster::bus::Reader;
use frontdesk::ids;
use frontdesk::service::access::Profile;
use frontdesk::service::credential;
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::on_both;
use crate::subscriptions::Events;
use crate::support::process::Place;
use crate::support::{Database, Test};

/// Long enough for a busy machine; nothing waits for it to pass but what is broken.
const PATIENCE: Duration = Duration::from_secs(20);
const AGENTS: &str = "subscription { agentChanged { id } }";
const UPDATE: &str = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }";
const REVOKE: &str =
    "mutation($id: ID!) { revokeAgentTokens(input: { agentId: $id }) { agent { id } } }";

/// A WebSocket that said hello.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(test: &Test, bearer: &str) -> Self {
        let url = format!("ws://{}/graphql", test.address);
        let mut request = url.into_client_request().unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let mut socket = Self(connect_async(request).await.unwrap().0);
        let payload = json!({ "authorization": format!("Bearer {bearer}") });
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        let answer = socket.0.next().await.unwrap().unwrap();
        assert_eq!(answer.to_text().unwrap(), r#"{"type":"connection_ack"}"#);
        socket
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Subscribes, and returns once the server listens to changes.
    async fn subscribe(&mut self, test: &Test) {
        let before = test.app.changes.listeners();
        let payload = json!({ "query": AGENTS });
        self.say(json!({ "type": "subscribe", "id": "a", "payload": payload })).await;
        while test.app.changes.listeners() == before {
            tokio::task::yield_now().await;
        }
    }

    /// The close code, past whatever comes before it.
    async fn closed(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What somebody has open.
struct Open {
    idle: Socket,
    busy: Socket,
    events: Events,
}

impl Open {
    async fn new(test: &Test, bearer: &str) -> Self {
        let idle = Socket::open(test, bearer).await;
        let mut busy = Socket::open(test, bearer).await;
        busy.subscribe(test).await;
        let events = Events::open(test, bearer, AGENTS, json!({})).await;
        Self { idle, busy, events }
    }

    async fn expect_closed(mut self) {
        assert_eq!(self.idle.closed().await, 4401);
        assert_eq!(self.busy.closed().await, 4401);
        let mut last = self.events.next().await;
        // News of the agent itself may have come before.
        while last["data"].is_object() {
            last = self.events.next().await;
        }
        assert_eq!(last["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{last:#}");
        assert_eq!(self.events.next().await, Value::Null, "then it is complete");
    }

    /// Neither closed nor without news.
    async fn is_open(&mut self, test: &Test) {
        self.idle.subscribe(test).await;
        let agent = test.agent("News").await;
        let event = self.events.next().await;
        assert_eq!(event["data"]["agentChanged"]["id"], agent, "{event:#}");
        for socket in [&mut self.idle, &mut self.busy] {
            let heard = timeout(PATIENCE, socket.0.next()).await.expect("news in time");
            assert!(heard.unwrap().unwrap().to_text().unwrap().contains(&agent));
        }
    }
}

async fn works(test: &Test, bearer: &str) -> bool {
    let answer = test.send(bearer, "{ viewer { kind } }", json!({})).await;
    match answer.status {
        200 => true,
        _ => {
            assert_eq!(answer.code(), "UNAUTHENTICATED");
            false
        }
    }
}

async fn update(test: &Test, agent: &str, mut input: Value) {
    input["agentId"] = agent.into();
    test.admin(UPDATE, json!({ "input": input })).await.data("/updateAgent/id");
}

on_both! {
    async fn tokens_of_a_deactivated_agent_never_work_again(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let token = test.token(&agent, 720).await;
        let feed = "mutation($id: ID!) { createCalendarFeed(agentId: $id) { url } }";
        let url = test.admin(feed, json!({ "id": agent })).await.data("/createCalendarFeed/url");
        let path = url.as_str().unwrap().strip_prefix("https://meet.example.com").unwrap().to_owned();
        let fed = async || test.request(Method::GET, &path).send().await.unwrap().status().as_u16();
        assert_eq!((works(&test, &token).await, fed().await), (true, 200));
        update(&test, &agent, json!({ "active": false })).await;
        assert_eq!((works(&test, &token).await, fed().await), (false, 404));
        update(&test, &agent, json!({ "active": true })).await;
        assert_eq!((works(&test, &token).await, fed().await), (false, 404));
        assert!(works(&test, &test.token(&agent, 720).await).await);
    }

    async fn another_profile_ends_tokens(test: Test) {
        let agent = test.agent("Grace").await;
        let token = test.token(&agent, 720).await;
        update(&test, &agent, json!({ "profile": "LIVE_AGENT", "name": "New" })).await;
        assert!(works(&test, &token).await, "the same profile changes nothing");
        update(&test, &agent, json!({ "profile": "ADMIN" })).await;
        assert!(!works(&test, &token).await);
    }

    async fn tokens_are_revoked_by_their_agent_and_by_its_managers(test: Test) {
        let (grace, alan) = (test.agent("Grace").await, test.agent("Alan").await);
        let (token, other) = (test.token(&grace, 720).await, test.token(&alan, 720).await);
        let id = json!({ "id": grace });
        assert_eq!(test.send(&other, REVOKE, id.clone()).await.code(), "FORBIDDEN");
        assert!(works(&test, &token).await);
        let answer = test.send(&token, REVOKE, id.clone()).await;
        assert_eq!(answer.data("/revokeAgentTokens/agent/id"), grace);
        assert!(!works(&test, &token).await);
        assert!(works(&test, &other).await, "others' tokens stay");
        let token = test.token(&grace, 720).await;
        test.send(&test.key(Profile::SalesAdmin).await, REVOKE, id).await.data("");
        assert!(!works(&test, &token).await);
    }

    async fn whatever_ends_a_key_or_token_closes_what_it_opened(test: Test) {
        let agent = test.agent("Grace").await;
        let mut other = Open::new(&test, &test.admin).await;
        for input in [json!({ "active": false }), json!({ "active": true, "profile": "CALENDAR_AGENT" })] {
            update(&test, &agent, json!({ "active": true })).await;
            let open = Open::new(&test, &test.token(&agent, 720).await).await;
            update(&test, &agent, input).await;
            open.expect_closed().await;
        }
        let open = Open::new(&test, &test.token(&agent, 720).await).await;
        test.admin(REVOKE, json!({ "id": agent })).await.data("");
        open.expect_closed().await;
        let key = credential::create_api_key(&test.app, "key", Profile::Admin).await.unwrap();
        let open = Open::new(&test, &key.key).await;
        credential::revoke_api_key(&test.app, key.record.id).await.unwrap();
        open.expect_closed().await;
        // What is not meant stays open; it had news of all that was done to the agent.
        while other.events.next().await["data"]["agentChanged"]["id"] != agent.as_str() {}
        assert!(works(&test, &test.admin).await);
        drop(other);
        let mut other = Open::new(&test, &test.admin).await;
        test.admin(REVOKE, json!({ "id": agent })).await.data("");
        other.is_open(&test).await;
    }

    async fn another_process_closes_too_once_it_reads_of_it(here: Test) {
        let there = here.beside().await;
        let agent = here.agent("Grace").await;
        let mut reader = Reader::default();
        reader.read(&there.app).await.unwrap();
        let key = credential::create_api_key(&here.app, "key", Profile::Admin).await.unwrap();
        let by_key = Open::new(&there, &key.key).await;
        let by_token = Open::new(&there, &here.token(&agent, 720).await).await;
        credential::revoke_api_key(&here.app, key.record.id).await.unwrap();
        here.admin(REVOKE, json!({ "id": agent })).await.data("");
        reader.read(&there.app).await.unwrap();
        by_key.expect_closed().await;
        by_token.expect_closed().await;
    }

    /// A process that missed changes looks at what is open, all of it with a few statements.
    async fn many_sockets_look_together(test: Test) {
        let agent = test.agent("Grace").await;
        let token = test.token(&agent, 720).await;
        let mut sockets = Vec::new();
        for _ in 0..100 {
            sockets.push(Socket::open(&test, &token).await);
        }
        let id = ids::AGENT.parse(&agent).unwrap();
        let before = test.statements.load(std::sync::atomic::Ordering::SeqCst);
        let editor = frontdesk::service::access::AgentEditor::server(id);
        credential::revoke_agent_tokens(&test.app, editor).await.unwrap();
        for socket in &mut sockets {
            assert_eq!(socket.closed().await, 4401);
        }
        let took = test.statements.load(std::sync::atomic::Ordering::SeqCst) - before;
        assert!(took < 30, "{took} statements for 100 sockets");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_revoked_on_the_command_line_closes_what_servers_have_open() {
    for database in [Database::Sqlite, Database::Postgres] {
        let place = Place::new(database).await;
        let key = place.admin_key();
        let server = place.serve("server", &[]).await;
        let mut events = Events::open_at(server.address(), &key, AGENTS).await;
        let list = place.print(&["api-key", "list"]);
        place.print(&["api-key", "revoke", list.split_whitespace().next().unwrap()]);
        let last = events.next().await;
        assert_eq!(last["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{last:#}");
        assert_eq!(events.next().await, Value::Null);
    }
}
