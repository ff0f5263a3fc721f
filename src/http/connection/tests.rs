//! Hostile clients against a real socket, with bounds that take milliseconds to reach.

mod http2;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ConnectionLimits;
use crate::http::testing::{Server, app, config, post, send, start};
use crate::http::{HttpConfig, Limits};

/// Far beyond what anything here takes: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(100);
/// More than the system takes for a reader that reads nothing.
const LONG: usize = 24 * 1024 * 1024;

fn bounds() -> ConnectionLimits {
    ConnectionLimits { bytes: 2 * LONG, all_bytes: 8 * LONG, ..ConnectionLimits::default() }
}

async fn serve(connections: ConnectionLimits) -> Server {
    let limits = Limits { answer_bytes: 2 * LONG, ..Limits::default() };
    start(HttpConfig { connections, limits, ..config() }).await
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

fn ask(query: &str) -> String {
    let body = json!({ "query": query }).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What comes until the connection ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset ends it as well.
    let _ = ended.expect("the server ends the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn is_reset(stream: &TcpStream) {
    let reset = timeout(PATIENCE, stream.ready(Interest::ERROR)).await;
    assert!(reset.expect("the server resets the connection").unwrap().is_error());
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off() {
    let server = serve(ConnectionLimits { stalled: SOON, ..bounds() }).await;
    let mut stream = connect(&server).await;
    let query = format!("{{text(length: {LONG})}}");
    stream.write_all(ask(&query).as_bytes()).await.unwrap();
    is_reset(&stream).await;
}

#[tokio::test]
async fn a_reader_that_takes_all_is_not() {
    let server = serve(ConnectionLimits { stalled: SOON, ..bounds() }).await;
    let mut stream = connect(&server).await;
    let request =
        ask("subscription{forever}").replace("host: x", "host: x\r\naccept: text/event-stream");
    stream.write_all(request.as_bytes()).await.unwrap();
    // The comment that keeps a stream alive comes after a multiple of the time.
    let mut seen = String::new();
    while !seen.contains("\n:\n\n") {
        let mut bytes = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(read, 0, "the connection ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

#[tokio::test]
async fn a_socket_whose_client_takes_nothing_is_cut_off() {
    let server = serve(ConnectionLimits { stalled: SOON, ..bounds() }).await;
    let mut stream = connect(&server).await;
    stream.write_all(UPGRADE).await.unwrap();
    let query = format!("{{text(length: {LONG})}}");
    let subscribe = json!({ "type": "subscribe", "id": "a", "payload": { "query": query } });
    for message in [json!({ "type": "connection_init" }), subscribe] {
        stream.write_all(&text_frame(&message)).await.unwrap();
    }
    is_reset(&stream).await;
}

const UPGRADE: &[u8] = b"GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-protocol: graphql-transport-ws\r\n\r\n";

/// A text message of fewer than 126 bytes, masked with zeros (RFC 6455, section 5.2).
fn text_frame(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126, "{text}");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test]
async fn bytes_without_a_request_end_the_connection() {
    let limits = ConnectionLimits { unasked_bytes: 20_000, ..ConnectionLimits::default() };
    let server = serve(limits).await;
    let mut stream = connect(&server).await;
    let _ = stream.write_all(&b"\r\n".repeat(11_000)).await;
    assert!(!rest(&mut stream).await.contains("200 OK"));
}

#[tokio::test]
async fn a_request_under_way_may_send_more() {
    // More than hyper reads at once, which is a request's head with the beginning of its body.
    let limits = ConnectionLimits { unasked_bytes: 150_000, ..ConnectionLimits::default() };
    let server = serve(limits).await;
    let mut stream = connect(&server).await;
    // Twice, since what a request sends does not count against the time after it.
    for _ in 0..2 {
        let query = format!("{{hello}} #{}", "x".repeat(200_000));
        stream.write_all(ask(&query).as_bytes()).await.unwrap();
        let mut seen = String::new();
        while !seen.ends_with(r#"{"data":{"hello":"world"}}"#) {
            let mut bytes = [0; 1024];
            let read = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
            assert_ne!(read, 0, "the connection ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_ends() {
    let server = serve(ConnectionLimits { idle: SOON, ..bounds() }).await;
    for beginning in ["", "GET /healthz HTTP/1.1\r\n", "PRI * HT"] {
        let mut stream = connect(&server).await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn a_body_has_a_deadline_whatever_its_route() {
    let server = serve(ConnectionLimits { body: SOON, ..bounds() }).await;
    for beginning in ["", "{\"query\":"] {
        let mut stream = connect(&server).await;
        let request = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
            content-length: 100\r\n\r\n";
        stream.write_all(format!("{request}{beginning}").as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

#[tokio::test]
async fn one_host_is_needed() {
    let server = serve(bounds()).await;
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\n", "HTTP/1.1 400 "),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\n", "HTTP/1.1 400 "),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\n", "HTTP/1.1 200 "),
        ("GET /healthz HTTP/1.0\r\n", "HTTP/1.0 200 "),
    ] {
        let mut stream = connect(&server).await;
        let request = format!("{head}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(status), "{head}: {answer}");
    }
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const FORWARDED_HEALTH: &[u8] =
    b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.1\r\n\r\n";

/// The first line of the answer to a request.
async fn status(stream: &mut TcpStream, request: &[u8]) -> String {
    // A connection that is refused may be closed before anything is sent.
    let _ = stream.write_all(request).await;
    let mut bytes = [0; 1024];
    let read = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap_or(0);
    String::from_utf8_lossy(&bytes[..read]).lines().next().unwrap_or("closed").to_owned()
}

#[tokio::test]
async fn connections_past_the_bound_are_told_so() {
    let limits = ConnectionLimits { per_address: Some(2), ..bounds() };
    let server = serve(limits).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&server).await;
        assert_eq!(status(&mut stream, HEALTH).await, "HTTP/1.1 200 OK");
        open.push(stream);
    }
    let mut third = connect(&server).await;
    assert_eq!(status(&mut third, b"").await, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(rest(&mut third).await, "");
    open.pop();
    // The server hears of the end in its own time.
    let again = async {
        loop {
            let mut stream = connect(&server).await;
            if status(&mut stream, HEALTH).await == "HTTP/1.1 200 OK" {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.expect("a place is free again");
}

#[tokio::test]
async fn a_proxy_in_the_same_network_may_open_more() {
    let limits = ConnectionLimits { per_address: Some(1), ..bounds() };
    let server = serve(limits).await;
    let mut first = connect(&server).await;
    assert_eq!(status(&mut first, FORWARDED_HEALTH).await, "HTTP/1.1 200 OK");
    let mut second = connect(&server).await;
    assert_eq!(status(&mut second, HEALTH).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn sockets_that_never_say_hello_are_bounded() {
    let limits = ConnectionLimits { per_address: Some(4), ..bounds() };
    let server = serve(limits).await;
    let (mut first, mut second, mut third) =
        (connect(&server).await, connect(&server).await, connect(&server).await);
    assert_eq!(status(&mut first, UPGRADE).await, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(status(&mut second, UPGRADE).await, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(status(&mut third, UPGRADE).await, "HTTP/1.1 503 Service Unavailable");
    // Who says hello makes room.
    let hello = text_frame(&json!({ "type": "connection_init" }));
    assert!(status(&mut first, &hello).await.contains("connection_ack"));
    assert_eq!(status(&mut third, UPGRADE).await, "HTTP/1.1 101 Switching Protocols");
}

fn small_answers() -> HttpConfig {
    HttpConfig { limits: Limits { answer_bytes: 1000, ..Limits::default() }, ..config() }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let app = app(small_answers());
    let fits = json!({ "query": "{text(length: 900)}" });
    let large = json!({ "query": "{text(length: 1001)}" });
    let answer = send(&app, post(fits.to_string(), &[])).await;
    assert_eq!(answer.json()["data"]["text"].as_str().unwrap().len(), 900);
    for accept in ["application/json", "text/event-stream"] {
        let answer = send(&app, post(large.to_string(), &[("accept", accept)])).await;
        let text = answer.text;
        assert!(
            text.contains("the answer is larger than 1000 bytes") && text.len() < 500,
            "{text}"
        );
        assert!(text.contains(r#""code":"LIMIT_EXCEEDED""#), "{text}");
    }
}

#[tokio::test]
async fn a_stream_whose_event_is_too_large_ends() {
    let limits = Limits { answer_bytes: 20, ..Limits::default() };
    let app = app(HttpConfig { limits, ..config() });
    let query = json!({ "query": "subscription{forever}" });
    let request = post(query.to_string(), &[("accept", "text/event-stream")]);
    let answer = timeout(PATIENCE, send(&app, request)).await.expect("the stream ends");
    assert!(answer.text.contains("LIMIT_EXCEEDED"), "{}", answer.text);
    assert!(answer.text.ends_with("event: complete\ndata:\n\n"), "{}", answer.text);
}

#[tokio::test]
async fn a_batch_shares_the_room_of_one_answer() {
    let app = app(small_answers());
    let half = json!({ "query": "{text(length: 600)}" });
    let hello = json!({ "query": "{hello}" });
    let answer = send(&app, post(json!([half, half, hello]).to_string(), &[])).await;
    let answers = answer.json();
    assert_eq!(answers[0]["data"]["text"].as_str().unwrap().len(), 600);
    for refused in [&answers[1], &answers[2]] {
        assert_eq!(refused["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED", "{refused}");
        assert_eq!(refused.get("data"), None);
    }
    assert_eq!(answers.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn heads_that_do_not_end_are_bounded_in_bytes() {
    let limits = ConnectionLimits { bytes: 20_000, ..ConnectionLimits::default() };
    let server = serve(limits).await;
    let mut stream = connect(&server).await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}", "x".repeat(30_000));
    let _ = stream.write_all(head.as_bytes()).await;
    rest(&mut stream).await;
}

/// A frame of a client, masked with zeros (RFC 6455, section 5.2).
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    match u8::try_from(length) {
        Ok(length) if length < 126 => [&[first, 0x80 | length, 0, 0, 0, 0][..], payload].concat(),
        _ => [&[first, 0x80 | 126][..], &length.to_be_bytes(), &[0; 4], payload].concat(),
    }
}

#[tokio::test]
async fn messages_that_do_not_end_are_bounded_in_bytes() {
    let limits = ConnectionLimits { bytes: 40_000, ..ConnectionLimits::default() };
    let server = serve(limits).await;
    let mut stream = connect(&server).await;
    assert_eq!(status(&mut stream, UPGRADE).await, "HTTP/1.1 101 Switching Protocols");
    let hello = text_frame(&json!({ "type": "connection_init" }));
    assert!(status(&mut stream, &hello).await.contains("connection_ack"));
    // Control frames keep nothing, however many come.
    stream.write_all(&client_frame(0x8a, &[0; 125]).repeat(1000)).await.unwrap();
    let subscribe = json!({ "type": "subscribe", "id": "a", "payload": { "query": "{hello}" } });
    assert!(status(&mut stream, &text_frame(&subscribe)).await.contains("world"));
    // The beginning of a message and what follows, none of it the end, with control frames between.
    for opcode in [0x01, 0x00, 0x00] {
        let _ = stream.write_all(&client_frame(opcode, &[b'x'; 20_000])).await;
        let _ = stream.write_all(&client_frame(0x8a, b"")).await;
    }
    rest(&mut stream).await;
}
