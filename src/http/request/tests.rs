use axum::http::{HeaderName, HeaderValue};

use super::*;

fn headers(name: HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}

#[track_caller]
fn prefers(accept: &str, preferred: Media, json: Media, streams: bool) {
    let accepts = Accepts::read(&headers(ACCEPT, accept)).unwrap();
    assert_eq!(accepts, Accepts { preferred, json, streams }, "{accept}");
}

#[test]
fn accept_decides_the_answers_form() {
    use Media::{EventStream, GraphqlResponse, Html, Json};
    prefers("", Json, Json, false);
    prefers("*/*", Json, Json, false);
    prefers(
        "application/graphql-response+json, application/json;q=0.9",
        GraphqlResponse,
        GraphqlResponse,
        false,
    );
    prefers(
        "application/json;q=0.5, APPLICATION/GRAPHQL-RESPONSE+JSON;q=0.6",
        GraphqlResponse,
        GraphqlResponse,
        false,
    );
    prefers("text/event-stream", EventStream, Json, true);
    prefers("application/json, text/event-stream", Json, Json, true);
    prefers("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Html, Json, false);
    prefers("image/png, application/*;q=0.1", Json, Json, false);
}

#[test]
fn what_is_not_produced_is_406() {
    for accept in ["text/plain", "application/json;q=0", "image/*"] {
        let refusal = Accepts::read(&headers(ACCEPT, accept)).unwrap_err();
        assert_eq!(refusal.status, StatusCode::NOT_ACCEPTABLE, "{accept}");
    }
}

#[test]
fn only_json_in_utf8_is_read() {
    for value in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
    ] {
        assert!(require_json(&headers(CONTENT_TYPE, value)).is_ok(), "{value}");
    }
    for value in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=latin1",
        "text/plain; application/json",
    ] {
        let refusal = require_json(&headers(CONTENT_TYPE, value)).unwrap_err();
        assert_eq!(refusal.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{value}");
    }
    assert!(require_json(&HeaderMap::new()).is_err());
}

#[track_caller]
fn body(text: &str, ok: bool) {
    assert_eq!(Operations::decode(text.as_bytes(), &Limits::default()).is_ok(), ok, "{text}");
}

#[test]
fn bodies_are_objects_with_typed_parameters() {
    body(r#"{"query":"{a}"}"#, true);
    body(
        r#"{"query":"{a}","variables":null,"operationName":null,"extensions":null,"other":1}"#,
        true,
    );
    body(r#"{"query":"{a}","variables":{"a":[1,"b",{"c":null}]},"extensions":{"a":[1]}}"#, true);
    for text in ["", "{", "null", "0", "\"{a}\"", "{}", r#"{"query":1}"#, r#"{"query":null}"#] {
        body(text, false);
    }
    for wrong in ["1", "\"{}\"", "false", "[]"] {
        body(&format!(r#"{{"query":"{{a}}","variables":{wrong}}}"#), false);
        body(&format!(r#"{{"query":"{{a}}","extensions":{wrong}}}"#), false);
    }
    body(
        &format!(
            r#"{{"query":"{{a}}","variables":{{"a":{}1{}}}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        ),
        false,
    );
}

#[test]
fn query_strings_are_read() {
    let params =
        Params::from_query_string("query=%7Ba%7D+%23&variables=%7B%22x%22%3A1%7D&operationName=")
            .unwrap();
    assert_eq!(params.query, "{a} #");
    assert_eq!(params.operation_name(), None);
    assert_eq!(params.variables.len(), 1);
    assert!(Params::from_query_string("variables={}").is_err());
    assert!(Params::from_query_string("query={a}&variables=[1]").is_err());
    assert!(Params::from_query_string("query={a}&extensions=1").is_err());
}

#[tokio::test]
async fn bodies_stop_at_the_limit() {
    let limits = Limits { body_bytes: 10, ..Limits::default() };
    let chunks = |sizes: &'static [usize]| {
        let chunks = sizes.iter().map(|size| Ok::<_, std::io::Error>(vec![b'x'; *size]));
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    for (sizes, expected) in [
        (&[][..], Some(0)),
        (&[10], Some(10)),
        (&[11], None),
        (&[5, 5], Some(10)),
        (&[4, 4, 2], Some(10)),
        (&[4, 4, 3], None),
    ] {
        let read = read_body(&HeaderMap::new(), chunks(sizes), &limits).await;
        assert_eq!(read.as_ref().ok().map(Bytes::len), expected, "{sizes:?}");
        if let Err(refusal) = read {
            assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
    let announced = read_body(&headers(CONTENT_LENGTH, "11"), Body::empty(), &limits).await;
    assert_eq!(announced.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
}
