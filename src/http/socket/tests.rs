//! A client of ours against a real socket: hyper only upgrades real connections.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::http::{
    HttpConfig, Limits,
    testing::{Server, config, points, start},
};

/// Far beyond what anything here takes: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn try_connect(server: &Server, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(Self(connect_async(request).await?.0))
    }

    async fn connect(server: &Server) -> Self {
        let protocol = [("sec-websocket-protocol", "graphql-transport-ws")];
        Self::try_connect(server, &protocol).await.unwrap()
    }

    /// Connected and acknowledged.
    async fn ready(server: &Server) -> Self {
        let mut client = Self::connect(server).await;
        client.say(json!({ "type": "connection_init" })).await;
        client.hears(json!({ "type": "connection_ack" })).await;
        client
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    async fn next(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn hears(&mut self, expected: Value) {
        assert_eq!(self.next().await, expected);
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

fn next(id: &str, data: Value) -> Value {
    json!({ "type": "next", "id": id, "payload": { "data": data } })
}

fn complete(id: &str) -> Value {
    json!({ "type": "complete", "id": id })
}

#[tokio::test]
async fn operations_of_all_kinds_are_answered() {
    let server = start(config()).await;
    let mut client = Client::ready(&server).await;
    client.subscribe("a", "subscription{count(to:2)}").await;
    client.hears(next("a", json!({ "count": 1 }))).await;
    client.hears(next("a", json!({ "count": 2 }))).await;
    client.hears(complete("a")).await;
    client.subscribe("a", "{hello}").await;
    client.hears(next("a", json!({ "hello": "world" }))).await;
    client.hears(complete("a")).await;
    client.subscribe("b", "mutation{add(number:1)}").await;
    client.hears(next("b", json!({ "add": 2 }))).await;
    client.hears(complete("b")).await;
}

#[tokio::test]
async fn a_client_that_closes_is_answered_with_its_code() {
    let server = start(config()).await;
    let mut client = Client::ready(&server).await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
    client.0.send(Message::Close(Some(frame))).await.unwrap();
    assert_eq!(client.closed().await, 1000);
}

#[tokio::test]
async fn request_errors_end_an_operation_and_not_the_socket() {
    let server = start(config()).await;
    let mut client = Client::ready(&server).await;
    for query in ["{", "{nothing}", "subscription{nothing}", "{...a} fragment a on Query{...a}"] {
        client.subscribe("a", query).await;
        let message = client.next().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("a")), "{message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], "BAD_USER_INPUT", "{message}");
    }
    client.subscribe("a", "subscription{failing}").await;
    client.hears(next("a", json!({ "failing": 1 }))).await;
    let message = client.next().await;
    assert_eq!(message["payload"][0]["extensions"]["code"], "INTERNAL", "{message}");
    client.subscribe("a", "{hello}").await;
    client.hears(next("a", json!({ "hello": "world" }))).await;
}

#[tokio::test]
async fn a_completed_operation_is_silent_and_its_id_is_free() {
    let server = start(config()).await;
    let mut client = Client::ready(&server).await;
    client.subscribe("a", "subscription{count(to:1000000)}").await;
    client.hears(next("a", json!({ "count": 1 }))).await;
    client.say(complete("a")).await;
    client.say(json!({ "type": "ping" })).await;
    // What was sent before the server read "complete" still arrives.
    while client.next().await["type"] != "pong" {}
    client.subscribe("a", "{hello}").await;
    client.hears(next("a", json!({ "hello": "world" }))).await;
    client.hears(complete("a")).await;
}

#[tokio::test]
async fn pings_are_answered_with_their_payload() {
    let server = start(config()).await;
    let mut client = Client::connect(&server).await;
    client.say(json!({ "type": "ping", "payload": { "a": 1 } })).await;
    client.hears(json!({ "type": "pong", "payload": { "a": 1 } })).await;
    client.say(json!({ "type": "pong" })).await;
    client.say(json!({ "type": "ping" })).await;
    client.hears(json!({ "type": "pong" })).await;
}

#[tokio::test]
async fn the_token_comes_with_the_payload_or_the_header() {
    let server = start(config()).await;
    let header =
        [("sec-websocket-protocol", "graphql-transport-ws"), ("authorization", "Bearer good")];
    for (headers, payload, who) in [
        (&header[..], Value::Null, json!("good")),
        (&header[..1], json!({ "authorization": "Bearer good" }), json!("good")),
        (&header[..1], json!({}), Value::Null),
    ] {
        let mut client = Client::try_connect(&server, headers).await.unwrap();
        client.say(json!({ "type": "connection_init", "payload": payload })).await;
        client.hears(json!({ "type": "connection_ack" })).await;
        client.subscribe("a", "{who}").await;
        client.hears(next("a", json!({ "who": who }))).await;
    }
}

#[tokio::test]
async fn refused_tokens_close_with_4401_and_outages_with_1013() {
    let server = start(config()).await;
    for (authorization, code) in [("Bearer unknown", 4401), ("good", 4401), ("Bearer down", 1013)] {
        let mut client = Client::connect(&server).await;
        client
            .say(
                json!({ "type": "connection_init", "payload": { "authorization": authorization } }),
            )
            .await;
        assert_eq!(client.closed().await, code, "{authorization}");
    }
}

#[tokio::test]
async fn each_breach_of_the_protocol_has_its_code() {
    let server = start(config()).await;
    let init = json!({ "type": "connection_init" }).to_string();
    let forever =
        json!({ "type": "subscribe", "id": "a", "payload": { "query": "subscription{forever}" } })
            .to_string();
    for (messages, code) in [
        (vec!["not JSON"], 4400),
        (vec![r#"{"type":"unknown"}"#], 4400),
        (vec![r#"{"type":"connection_init","payload":"text"}"#], 4400),
        (vec![&init, r#"{"type":"subscribe","id":"","payload":{"query":"{hello}"}}"#], 4400),
        (vec![&init, r#"{"type":"subscribe","id":"a","payload":{}}"#], 4400),
        (vec![forever.as_str()], 4401),
        (vec![&init, &forever, &forever], 4409),
        (vec![&init, &init], 4429),
    ] {
        let mut client = Client::connect(&server).await;
        for message in &messages {
            client.0.send(Message::text(*message)).await.unwrap();
        }
        assert_eq!(client.closed().await, code, "{messages:?}");
    }
    let mut client = Client::connect(&server).await;
    client.0.send(Message::binary(init.into_bytes())).await.unwrap();
    assert_eq!(client.closed().await, 4400);
    let mut client = Client::ready(&server).await;
    client.0.send(Message::text("x".repeat(256 * 1024 + 1))).await.unwrap();
    assert_eq!(client.closed().await, 4400);
}

#[tokio::test]
async fn only_the_current_subprotocol_is_spoken() {
    let server = start(config()).await;
    // A client whose offer is not taken up fails the handshake by itself; without one it sees the code.
    assert_eq!(Client::try_connect(&server, &[]).await.unwrap().closed().await, 4406);
    let old = [("sec-websocket-protocol", "graphql-ws")];
    assert!(Client::try_connect(&server, &old).await.is_err());
}

#[tokio::test]
async fn a_socket_without_init_is_closed() {
    let limits = Limits { socket_init_seconds: 0, ..Limits::default() };
    let server = start(HttpConfig { limits, ..config() }).await;
    assert_eq!(Client::connect(&server).await.closed().await, 4408);
}

#[tokio::test]
async fn operations_of_a_socket_are_bounded() {
    let limits = Limits { socket_operations: 2, ..Limits::default() };
    let server = start(HttpConfig { limits, ..config() }).await;
    let mut client = Client::ready(&server).await;
    for id in ["a", "b"] {
        client.subscribe(id, "subscription{forever}").await;
        client.hears(next(id, json!({ "forever": 1 }))).await;
    }
    client.subscribe("c", "{hello}").await;
    let message = client.next().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("c")));
    assert_eq!(message["payload"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
    client.say(complete("a")).await;
    client.subscribe("c", "{hello}").await;
    client.hears(next("c", json!({ "hello": "world" }))).await;
}

#[tokio::test]
async fn operations_count_against_the_rate_limit() {
    // The first goes to connection_init.
    let server = start(HttpConfig { points: points(2), ..config() }).await;
    let mut client = Client::ready(&server).await;
    client.subscribe("a", "{hello}").await;
    let answer = client.next().await;
    assert_eq!(answer["payload"]["data"], json!({ "hello": "world" }));
    let limit = &answer["payload"]["extensions"]["rateLimit"];
    assert_eq!((&limit["cost"], &limit["limit"]), (&json!(200), &json!(400)));
    assert!(limit["remaining"].as_u64() < Some(200), "{limit}");
    assert_eq!(limit["resetSeconds"], 2);
    client.hears(complete("a")).await;
    client.subscribe("b", "{hello}").await;
    let refused = client.next().await;
    let extensions = &refused["payload"][0]["extensions"];
    assert_eq!(extensions["code"], "RATE_LIMITED");
    assert_eq!(extensions["retryAfterSeconds"], 1);
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let cors_origins = vec!["https://www.example.com".to_owned()];
    let server = start(HttpConfig { cors_origins, ..config() }).await;
    let own = format!("http://{}", server.address);
    for (origin, allowed) in [
        ("https://www.example.com", true),
        (&own, true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let headers = [("sec-websocket-protocol", "graphql-transport-ws"), ("origin", origin)];
        assert_eq!(Client::try_connect(&server, &headers).await.is_ok(), allowed, "{origin}");
    }
}

#[tokio::test]
async fn a_socket_is_closed_when_its_credentials_expire() {
    let server = start(config()).await;
    let mut client = Client::connect(&server).await;
    client
        .say(json!({ "type": "connection_init", "payload": { "authorization": "Bearer short" } }))
        .await;
    assert_eq!(client.closed().await, 4401);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_dropped() {
    let server = start(config()).await;
    let mut client = Client::ready(&server).await;
    // From here on time passes as soon as everybody waits; reading below the protocol answers nothing.
    tokio::time::pause();
    let MaybeTlsStream::Plain(stream) = client.0.get_mut() else { panic!("no TLS here") };
    let mut received = Vec::new();
    let ended = timeout(3 * PATIENCE, stream.read_to_end(&mut received)).await;
    ended.expect("dropped after two keepalive periods").unwrap();
    assert_eq!(received, [0x89, 0], "one ping frame, unanswered");
}

#[tokio::test]
async fn what_a_busy_server_has_not_read_yet_is_a_sign_of_life() {
    let period = Duration::from_secs(5);
    let limits = Limits { keepalive_seconds: period.as_secs(), ..Limits::default() };
    let server = start(HttpConfig { limits, ..config() }).await;
    let mut clients = Vec::new();
    // As many as make it certain that one of them is looked at in the wrong order.
    for _ in 0..20 {
        clients.push(Client::ready(&server).await);
    }
    tokio::time::pause();
    tokio::time::advance(period).await;
    tokio::time::resume();
    for client in &mut clients {
        let message = timeout(PATIENCE, client.0.next()).await.expect("a ping in time");
        assert!(matches!(message, Some(Ok(Message::Ping(_)))), "{message:?}");
    }
    tokio::time::pause();
    for client in &mut clients {
        client.say(json!({ "type": "ping" })).await;
    }
    // The server meets what was said and the end of the period at once.
    tokio::time::advance(period).await;
    tokio::time::resume();
    for client in &mut clients {
        client.hears(json!({ "type": "pong" })).await;
    }
}

#[tokio::test]
async fn sockets_are_closed_when_the_server_stops() {
    let server = start(config()).await;
    let mut client = Client::ready(&server).await;
    client.subscribe("a", "subscription{forever}").await;
    client.hears(next("a", json!({ "forever": 1 }))).await;
    server.shutdown.token.cancel();
    assert_eq!(client.closed().await, 1001);
    assert!(!server.task.is_finished(), "the server waits for the client's answer");
    drop(client);
    timeout(PATIENCE, server.task).await.expect("the server ends in time").unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "still accepting");
}
