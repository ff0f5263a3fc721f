//! The endpoint as a client meets it.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use serde_json::{Value, json};

use super::{
    HttpConfig, Limits, Readiness,
    testing::{app, ask, ask_with, config, get, points, post, send},
};

const STRICT: (&str, &str) = ("accept", "application/graphql-response+json");

#[tokio::test]
async fn a_query_is_answered() {
    let answer = ask("{hello}").await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (StatusCode::OK, r#"{"data":{"hello":"world"}}"#)
    );
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/json; charset=utf-8");
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
}

#[tokio::test]
async fn the_second_time_comes_from_the_cache_and_is_the_same() {
    let app = app(config());
    for number in [1, 2] {
        let body = json!({ "query": "mutation A($n: Int!){add(number: $n)}", "variables": { "n": number } });
        let answer = send(&app, post(body.to_string(), &[])).await;
        assert_eq!(answer.json()["data"]["add"], number + 1);
    }
}

#[track_caller]
fn is_request_error(answer: &super::testing::Answer, code: &str) {
    assert_eq!(answer.code(), code, "{}", answer.text);
    assert!(answer.json().get("data").is_none(), "{}", answer.text);
}

#[tokio::test]
async fn request_errors_are_200_or_400_by_media_type() {
    for (query, code) in [
        ("{", "BAD_USER_INPUT"),
        ("{nothing}", "BAD_USER_INPUT"),
        ("query($n: Int!){nested{hello}}", "BAD_USER_INPUT"),
        ("query A{hello} query B{hello}", "BAD_USER_INPUT"),
        ("{...a} fragment a on Query{...a}", "BAD_USER_INPUT"),
        ("{costly}", "LIMIT_EXCEEDED"),
        ("query($x: [Unknown] = [1]){hello}", "BAD_USER_INPUT"),
    ] {
        let body = json!({ "query": query }).to_string();
        let answer = send(&app(config()), post(body.clone(), &[])).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        is_request_error(&answer, code);
        let answer = send(&app(config()), post(body, &[STRICT])).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.header(header::CONTENT_TYPE).starts_with(STRICT.1));
        is_request_error(&answer, code);
    }
}

#[tokio::test]
async fn an_operation_is_selected_by_name() {
    let query = "query A{hello} query B{__typename}";
    for (name, expected) in
        [("A", json!({ "hello": "world" })), ("B", json!({ "__typename": "Query" }))]
    {
        let body = json!({ "query": query, "operationName": name });
        assert_eq!(
            send(&app(config()), post(body.to_string(), &[])).await.json()["data"],
            expected
        );
    }
    let body = json!({ "query": query, "operationName": "C" });
    is_request_error(&send(&app(config()), post(body.to_string(), &[])).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn what_a_resolver_says_is_kept_and_what_it_leaks_is_not() {
    let answer = ask("{forbidden}").await;
    assert_eq!((answer.code().as_str(), answer.status), ("FORBIDDEN", StatusCode::OK));
    let answer = ask("{leak}").await;
    assert_eq!((answer.code().as_str(), &answer.json()["data"]), ("INTERNAL", &Value::Null));
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[tokio::test]
async fn a_panic_is_internal_and_keeps_its_text() {
    let answer = send(&app(config()), post(r#"{"query":"{burst}"}"#, &[STRICT])).await;
    assert_eq!(
        (answer.code().as_str(), answer.status),
        ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR)
    );
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[tokio::test]
async fn coercion_errors_name_the_argument() {
    let query = "query($input: Blocks!){sum(input: $input)}";
    let answer =
        ask_with(query, json!({ "input": { "blocks": [{ "start": 1, "end": "x" }] } }), config())
            .await;
    assert_eq!(answer.code(), "BAD_USER_INPUT");
    assert_eq!(answer.json()["errors"][0]["extensions"]["field"], "input.blocks.0.end");
    let answer = ask_with(
        query,
        json!({ "input": { "blocks": [{ "start": 1, "end": 9_999_999_999_u64 }] } }),
        config(),
    )
    .await;
    assert_eq!(answer.code(), "BAD_USER_INPUT");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_given_up() {
    let answer = ask("{hang}").await;
    assert_eq!((answer.code().as_str(), answer.status), ("LIMIT_EXCEEDED", StatusCode::OK));
    let body =
        Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request =
        Request::post("/graphql").header("content-type", "application/json").body(body).unwrap();
    let answer = send(&app(config()), request).await;
    assert_eq!(
        (answer.code().as_str(), answer.status),
        ("LIMIT_EXCEEDED", StatusCode::REQUEST_TIMEOUT)
    );
}

#[tokio::test]
async fn forms_and_plain_text_are_refused() {
    for value in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let body = Body::from(r#"{"query":"mutation{add(number:1)}"}"#);
        let request = Request::post("/graphql").header("content-type", value).body(body).unwrap();
        let answer = send(&app(config()), request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_USER_INPUT")
        );
    }
}

#[tokio::test]
async fn malformed_json_is_400_in_both_media_types() {
    for accept in ["application/json", STRICT.1] {
        let answer = send(&app(config()), post("{ \"not a JSON", &[("accept", accept)])).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "BAD_USER_INPUT")
        );
    }
}

#[tokio::test]
async fn bodies_above_256_kib_are_413() {
    let body = |length: usize| {
        let body = String::from(r##"{"query":"{hello} #"}"##);
        body.replace('#', &format!("#{}", "x".repeat(length - body.len())))
    };
    let app = app(config());
    assert_eq!(send(&app, post(body(256 * 1024), &[])).await.status, StatusCode::OK);
    let answer = send(&app, post(body(256 * 1024 + 1), &[])).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "LIMIT_EXCEEDED")
    );
}

#[tokio::test]
async fn get_runs_queries_only() {
    let app = app(config());
    let answer = send(&app, get("/graphql?query=%7Bhello%7D", &[])).await;
    assert_eq!(answer.json()["data"]["hello"], "world");
    let answer = send(&app, get("/graphql?query=mutation%7Badd(number:1)%7D", &[])).await;
    assert_eq!(
        (answer.status, answer.header(header::ALLOW)),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    let answer = send(&app, get("/graphql?query=subscription%7Bcount(to:1)%7D", &[])).await;
    assert_eq!(answer.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(send(&app, get("/graphql", &[])).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn other_methods_are_405() {
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let request =
            Request::builder().method(method).uri("/graphql").body(Body::empty()).unwrap();
        let answer = send(&app(config()), request).await;
        assert_eq!(
            (answer.status, answer.header(header::ALLOW)),
            (StatusCode::METHOD_NOT_ALLOWED, "GET, POST")
        );
    }
}

#[tokio::test]
async fn batches_are_bounded_and_each_answer_stands_alone() {
    let batch = |size: usize| format!("[{}]", vec![r#"{"query":"{hello}"}"#; size].join(","));
    let app = app(config());
    assert_eq!(send(&app, post(batch(10), &[])).await.json().as_array().unwrap().len(), 10);
    let answer = send(&app, post(batch(11), &[])).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::BAD_REQUEST, "LIMIT_EXCEEDED")
    );
    assert_eq!(send(&app, post("[]", &[])).await.status, StatusCode::BAD_REQUEST);
    let body = r#"[{"query":"{hello}"},{"query":"{"},{"query":"subscription{count(to:1)}"},{"query":"{who}"}]"#;
    let answers = send(&app, post(body, &[("authorization", "Bearer good")])).await.json();
    assert_eq!(answers[0]["data"]["hello"], "world");
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(answers[2]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(answers[3]["data"]["who"], "good");
}

#[tokio::test]
async fn callers_are_identified() {
    let app = app(config());
    let ask = async |token: &str| {
        send(&app, post(r#"{"query":"{who}"}"#, &[("authorization", token)])).await
    };
    assert_eq!(ask("bearer good").await.json()["data"]["who"], "good");
    assert_eq!(ask("Basic good").await.json()["data"]["who"], Value::Null);
    let answer = ask("Bearer unknown").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED")
    );
    assert_eq!(answer.header(header::WWW_AUTHENTICATE), "Bearer");
    let answer = ask("Bearer down").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
    );
    let answer = ask("Bearer bug").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL")
    );
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[tokio::test]
async fn callers_without_a_key_are_limited_by_address() {
    let limited = || app(HttpConfig { points: points(2), trusted_proxies: 1, ..config() });
    let from = |address, token| {
        post(r#"{"query":"{hello}"}"#, &[("x-forwarded-for", address), ("authorization", token)])
    };
    let app = limited();
    for _ in 0..2 {
        assert_eq!(send(&app, from("192.0.2.1", "")).await.status, StatusCode::OK);
    }
    let answer = send(&app, from("192.0.2.1", "")).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED")
    );
    assert_eq!(answer.header(header::RETRY_AFTER), "1");
    assert_eq!(answer.json()["errors"][0]["extensions"]["retryAfterSeconds"], 1);
    assert_eq!(send(&app, from("192.0.2.2", "")).await.status, StatusCode::OK);
    assert_eq!(send(&app, from("192.0.2.1", "Bearer good")).await.status, StatusCode::OK);
    // Guessing keys counts; so does each operation of a batch.
    let app = limited();
    for status in
        [StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS]
    {
        assert_eq!(send(&app, from("192.0.2.1", "Bearer guess")).await.status, status);
    }
    let app = limited();
    let guess =
        || post(r#"[{"query":"{"},{"query":"{hello}"}]"#, &[("authorization", "Bearer guess")]);
    for status in
        [StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS]
    {
        assert_eq!(send(&app, guess()).await.status, status);
    }
    let batch = format!("[{}]", [r#"{"query":"{hello}"}"#; 3].join(","));
    assert_eq!(send(&limited(), post(batch, &[])).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn documents_above_a_limit_are_refused_with_its_name() {
    let limits = Limits { selections: 3, ..Limits::default() };
    let config = HttpConfig { limits, ..config() };
    let answer = ask_with("{nested{hello nested{hello}}}", json!({}), config).await;
    is_request_error(&answer, "LIMIT_EXCEEDED");
    let message = &answer.json()["errors"][0]["message"];
    assert_eq!(message, "the document has 4 selections, at most 3 are allowed");
}

#[tokio::test]
async fn event_streams_carry_subscriptions_and_queries() {
    let app = app(config());
    let accept = ("accept", "text/event-stream");
    let query = r#"{"query":"subscription{count(to:2)}"}"#;
    let answer = send(&app, post(query, &[accept])).await;
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/event-stream; charset=utf-8");
    let expected = "event: next\ndata: {\"data\":{\"count\":1}}\n\n\
        event: next\ndata: {\"data\":{\"count\":2}}\n\nevent: complete\ndata:\n\n";
    assert_eq!(answer.text, expected);
    let by_get = send(&app, get("/graphql?query=subscription%7Bcount(to:2)%7D", &[accept])).await;
    assert_eq!(by_get.text, expected);
    let mixed = send(&app, post(query, &[("accept", "application/json, text/event-stream")])).await;
    assert_eq!(mixed.text, expected);
    let answer = send(&app, post(r#"{"query":"{hello}"}"#, &[accept])).await;
    assert_eq!(
        answer.text,
        "event: next\ndata: {\"data\":{\"hello\":\"world\"}}\n\nevent: complete\ndata:\n\n"
    );
    let answer = send(&app, post(r#"{"query":"{"}"#, &[accept])).await;
    assert!(
        answer.text.contains("BAD_USER_INPUT")
            && answer.text.ends_with("event: complete\ndata:\n\n")
    );
}

#[tokio::test]
async fn streams_survive_neither_panics_nor_expired_credentials() {
    let app = app(config());
    let accept = ("accept", "text/event-stream");
    let answer = send(&app, post(r#"{"query":"subscription{failing}"}"#, &[accept])).await;
    assert!(
        answer.text.contains("{\"failing\":1}") && answer.text.contains("INTERNAL"),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    let headers = [accept, ("authorization", "Bearer short")];
    let answer = send(&app, post(r#"{"query":"subscription{forever}"}"#, &headers)).await;
    assert!(answer.text.contains("UNAUTHENTICATED"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn event_streams_stay_alive_and_end_with_the_server() {
    let shutdown = super::Shutdown::default();
    let app = super::testing::app_until(config(), shutdown.clone());
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_secs(25)).await;
        shutdown.token.cancel();
    };
    let request = post(r#"{"query":"subscription{forever}"}"#, &[("accept", "text/event-stream")]);
    let (answer, ()) = tokio::join!(send(&app, request), stop);
    let expected =
        "event: next\ndata: {\"data\":{\"forever\":1}}\n\n:\n\n:\n\nevent: complete\ndata:\n\n";
    assert_eq!(answer.text, expected);
}

#[tokio::test]
async fn browsers_get_graphiql_unless_it_is_off() {
    let accept =
        [("accept", "text/html,application/xhtml+xml,*/*;q=0.8"), ("accept-encoding", "gzip, br")];
    let served = app(config());
    let answer = send(&served, get("/graphql", &accept)).await;
    assert!(answer.text.contains("/graphiql/graphiql.js"));
    let policy = answer.header(header::CONTENT_SECURITY_POLICY);
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self';"),
        "{policy}"
    );
    assert!(!answer.text.contains("http"), "nothing from outside");
    for file in ["/graphiql/graphiql.js", "/graphiql/graphiql.css"] {
        let answer = send(&served, get(file, &accept)).await;
        assert_eq!(
            (answer.status, answer.header(header::CONTENT_ENCODING)),
            (StatusCode::OK, "gzip")
        );
        assert!(answer.text.len() > 100_000, "{file} is empty");
        assert_eq!(send(&served, get(file, &[])).await.status, StatusCode::NOT_ACCEPTABLE);
    }
    let off = app(HttpConfig { graphiql: false, ..config() });
    assert_eq!(send(&off, get("/graphql", &accept)).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        send(&off, get("/graphiql/graphiql.js", &accept)).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn other_origins_are_let_in_by_name() {
    let allowed =
        app(HttpConfig { cors_origins: vec!["https://www.example.com".into()], ..config() });
    let preflight = |origin| {
        Request::options("/graphql")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .body(Body::empty())
            .unwrap()
    };
    let answer = send(&allowed, preflight("https://www.example.com")).await;
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "https://www.example.com");
    assert!(answer.header(header::ACCESS_CONTROL_ALLOW_HEADERS).contains("authorization"));
    let answer = send(&allowed, preflight("https://evil.example")).await;
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    let answer = send(&app(config()), preflight("https://www.example.com")).await;
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
}

#[test]
fn origins_must_be_origins() {
    for wrong in ["example.com", "https://example.com/", "https://example.com/path", "null", ""] {
        assert!(super::cors(&[wrong.to_owned()]).is_err(), "{wrong:?}");
    }
    for right in ["*", "https://example.com", "http://localhost:3000"] {
        assert!(super::cors(&[right.to_owned()]).is_ok(), "{right:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_names_what_failed() {
    async fn ready(readiness: Readiness) -> (StatusCode, Value) {
        let response = super::health::readyz(readiness).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, serde_json::from_slice(&bytes).unwrap())
    }
    let unavailable = |name| json!({ "status": "unavailable", "failed": [name] });
    let readiness = |failed: Vec<&'static str>| -> Readiness {
        std::sync::Arc::new(move || Box::pin(std::future::ready(failed.clone())))
    };
    assert_eq!(ready(readiness(vec![])).await, (StatusCode::OK, json!({ "status": "ok" })));
    let failed = ready(readiness(vec!["database"])).await;
    assert_eq!(failed, (StatusCode::SERVICE_UNAVAILABLE, unavailable("database")));
    let hangs: Readiness = std::sync::Arc::new(|| Box::pin(std::future::pending()));
    assert_eq!(ready(hangs).await, (StatusCode::SERVICE_UNAVAILABLE, unavailable("timeout")));
}

#[tokio::test]
async fn health_needs_no_dependency() {
    let answer = send(&app(config()), get("/healthz", &[])).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "status": "ok" })));
}

#[tokio::test]
async fn metrics_count_operations_without_their_text() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let app = metrics::with_local_recorder(&recorder, || super::testing::app_with_metrics(handle));
    send(&app, post(r#"{"query":"query Secret{hello}"}"#, &[])).await;
    send(&app, post(r#"{"query":"{"}"#, &[])).await;
    let text = send(&app, get("/metrics", &[])).await.text;
    for line in [
        r#"frontdesk_graphql_operations_total{kind="query",outcome="ok"} 1"#,
        r#"frontdesk_graphql_refusals_total{reason="request"} 1"#,
        r#"frontdesk_graphql_operation_seconds_count{kind="query"} 1"#,
    ] {
        assert!(text.contains(line), "{line} not in:\n{text}");
    }
    assert!(!text.contains("Secret"), "{text}");
}
