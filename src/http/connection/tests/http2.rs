//! HTTP/2 by hand (RFC 9113): clients of others do not close their windows.

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The preface, with this initial window for each stream.
fn hello(window: u32) -> Vec<u8> {
    let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
    [PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat()
}

fn get(stream: u32, query: &str) -> Vec<u8> {
    let path = format!("/graphql?query={}", query.replace('{', "%7B").replace('}', "%7D"));
    let length = u8::try_from(path.len()).unwrap();
    // GET, http, :path as a literal, :authority as a literal (RFC 7541).
    let block = [&[0x82, 0x86, 0x04, length], path.as_bytes(), &[0x01, 1, b'x']].concat();
    frame(HEADERS, 0x4 | 0x1, stream, &block)
}

#[tokio::test]
async fn a_stream_whose_window_stays_closed_ends_the_connection() {
    let server = serve(ConnectionLimits { stalled: SOON, ..bounds() }).await;
    let mut stream = connect(&server).await;
    let requests = [hello(0), get(1, "{hello}")].concat();
    stream.write_all(&requests).await.unwrap();
    // All that comes is taken: only the window is closed.
    let seen = rest(&mut stream).await;
    assert!(!seen.contains("world"), "{seen}");
}

#[tokio::test]
async fn a_connection_whose_window_is_used_up_ends() {
    let server = serve(ConnectionLimits { stalled: SOON, ..bounds() }).await;
    let mut stream = connect(&server).await;
    // Each stream may have 1 MiB; the connection's window is 64 KiB and never grows.
    let requests = [hello(1024 * 1024), get(1, "{text(length:200000)}")].concat();
    stream.write_all(&requests).await.unwrap();
    let seen = rest(&mut stream).await;
    assert!(60_000 < seen.len() && seen.len() < 100_000, "{}", seen.len());
}

#[tokio::test]
async fn a_stream_whose_window_opens_is_served() {
    let server = serve(ConnectionLimits { stalled: SOON, ..bounds() }).await;
    let mut stream = connect(&server).await;
    let open = frame(WINDOW_UPDATE, 0, 1, &1000_u32.to_be_bytes());
    // In one piece, so that the window is not closed for long on a busy machine.
    stream.write_all(&[hello(0), get(1, "{hello}"), open].concat()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(5).any(|part| part == b"world") {
        let mut bytes = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(read, 0, "the connection ended");
        seen.extend_from_slice(&bytes[..read]);
    }
}

#[tokio::test]
async fn a_stream_that_waits_for_events_is_no_stall() {
    let limits = Limits { keepalive_seconds: 1, ..Limits::default() };
    let connections = ConnectionLimits { stalled: SOON, ..ConnectionLimits::default() };
    let server = start(HttpConfig { connections, limits, ..config() }).await;
    let mut stream = connect(&server).await;
    let path = "/graphql?query=subscription%7Bforever%7D";
    let length = u8::try_from(path.len()).unwrap();
    // Accept is number 19 of HPACK's static table.
    let accept = [&[0x0f, 4, 17], &b"text/event-stream"[..]].concat();
    let block = [&[0x82, 0x86, 0x04, length], path.as_bytes(), &[0x01, 1, b'x'], &accept].concat();
    let request = [hello(65_535), frame(HEADERS, 0x4 | 0x1, 1, &block)].concat();
    stream.write_all(&request).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(3).any(|part| part == b":\n\n") {
        let mut bytes = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(read, 0, "the connection ended");
        seen.extend_from_slice(&bytes[..read]);
    }
}

#[tokio::test]
async fn answers_that_wait_are_bounded_in_bytes() {
    let limits = ConnectionLimits { bytes: 100_000, ..ConnectionLimits::default() };
    // A request that finds no room gives up at once.
    let patience = Limits { timeout_seconds: 0, ..Limits::default() };
    let server = start(HttpConfig { connections: limits, limits: patience, ..config() }).await;
    let mut stream = connect(&server).await;
    let streams = (0..10).map(|number| get(2 * number + 1, "{text(length:60000)}"));
    let requests = [hello(0)].into_iter().chain(streams).collect::<Vec<_>>().concat();
    stream.write_all(&requests).await.unwrap();
    // Nothing of the first answer is taken, so the others find no room. A status of 503 is no entry
    // of HPACK's static table, and is told as a literal.
    let mut seen = Vec::new();
    while !seen.windows(3).any(|part| part == b"503" || part == HUFFMAN_503) {
        let mut bytes = [0; 4096];
        let read = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(read, 0, "the connection ended");
        seen.extend_from_slice(&bytes[..read]);
    }
}

/// "503" in HPACK's code: 011011, 00000, 011001, and ones to the end (RFC 7541, appendix B).
const HUFFMAN_503: &[u8] = &[0b0110_1100, 0b0000_1100, 0b1111_1111];

#[tokio::test]
async fn pings_without_a_stream_end_the_connection() {
    let limits = ConnectionLimits { unasked_bytes: 20_000, ..ConnectionLimits::default() };
    let server = serve(limits).await;
    let mut stream = connect(&server).await;
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(2000);
    // It may end before all are sent.
    let _ = stream.write_all(&[hello(1000), pings].concat()).await;
    rest(&mut stream).await;
}
