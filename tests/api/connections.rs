//! What one connection, one address and one answer may have of the server.

use std::num::NonZeroU32;
use std::time::Duration;

use frontdesk::http::RateLimit;
use frontdesk::work::Allowances;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::on_both;
use crate::support::{Database, Setup, Test};

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn start(database: Database, edit: impl FnOnce(&mut Setup)) -> Test {
    Test::start_with(database, edit).await
}

fn three_at_once() -> Option<RateLimit> {
    let number = |number| NonZeroU32::new(number).unwrap();
    Some(RateLimit { per_second: number(1), burst: number(3) })
}

/// A server that waits 100 ms for the body of a request.
struct Hasty(Test);

impl Hasty {
    async fn start(database: Database) -> Self {
        let hasty = |setup: &mut Setup| setup.http.connections.body = Duration::from_millis(100);
        Self(start(database, hasty).await)
    }
}

/// A server that answers three requests without a key at once, and counts bad ones the same way.
struct Limited(Test);

impl Limited {
    async fn start(database: Database) -> Self {
        // What an operation costs, with its one field.
        let hello = 201;
        let mut points = Allowances::default();
        points.visitors.points_per_second = hello;
        points.visitors.burst = 3 * hello;
        let limited = |setup: &mut Setup| {
            setup.http.rate_limit = three_at_once();
            setup.http.points = Some(points);
        };
        Self(start(database, limited).await)
    }

    async fn hello(&self, headers: &[(&str, &str)]) -> u16 {
        let mut request = self.0.request(Method::POST, "/graphql");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = json!({ "query": "{ __typename }" });
        request.json(&body).send().await.unwrap().status().as_u16()
    }
}

/// A server whose answers have 100,000 bytes at most.
struct Short(Test);

impl Short {
    async fn start(database: Database) -> Self {
        Self(start(database, |setup| setup.http.limits.answer_bytes = 100_000).await)
    }
}

on_both! {
    async fn the_body_of_a_push_has_a_deadline(hasty: Hasty) {
        let Hasty(test) = hasty;
        let mut stream = TcpStream::connect(test.address).await.unwrap();
        let request = "POST /calendar-pushes/01941f29-7c00-7000-8000-00000000ffff HTTP/1.1\r\n\
            host: x\r\ncontent-length: 10\r\n\r\nhalf";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
        read.expect("the server gives up").unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }

    async fn a_feed_is_not_read_without_end(test: Test) {
        let (ada, grace) = (test.bookable_agent("Ada").await, test.bookable_agent("Grace").await);
        let (path, other) = (test.feed(&ada).await, test.feed(&grace).await);
        let mut statuses = Vec::new();
        while statuses.last() != Some(&429) && statuses.len() < 100 {
            statuses.push(test.get(&path).await.status().as_u16());
        }
        assert!(20 < statuses.len() && statuses.len() < 50, "{statuses:?}");
        assert!(statuses.iter().take(20).all(|status| *status == 200), "{statuses:?}");
        assert!(test.get(&path).await.headers().contains_key("retry-after"));
        assert_eq!(test.get(&other).await.status(), 200);
    }

    async fn guessing_feeds_is_limited_by_address(limited: Limited) {
        let Limited(test) = limited;
        let mut statuses = Vec::new();
        while statuses.last() != Some(&429) && statuses.len() < 50 {
            let path = format!("/feeds/fdf_guess{}.ics", statuses.len());
            statuses.push(test.get(&path).await.status().as_u16());
        }
        assert_eq!(statuses[..3], [404, 404, 404]);
        assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    }

    async fn visitors_behind_a_proxy_do_not_share_a_limit(limited: Limited) {
        for header in ["x-forwarded-for", "forwarded"] {
            for _ in 0..20 {
                assert_eq!(limited.hello(&[(header, "for=192.0.2.1")]).await, 200);
            }
        }
        // Who comes by itself is counted.
        let mut statuses = Vec::new();
        while statuses.last() != Some(&429) && statuses.len() < 50 {
            statuses.push(limited.hello(&[]).await);
        }
        assert_eq!(statuses[..3], [200, 200, 200]);
        assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    }

    async fn slots_that_are_too_many_are_refused(short: Short) {
        let Short(test) = short;
        test.bookable_agent("Grace").await;
        let input = json!({ "from": "2027-01-04", "to": "2027-03-07", "timeZone": "Europe/Paris" });
        for fields in ["startsAt endsAt", "... on Slot { startsAt endsAt }"] {
            let query = format!(
                "query($input: SlotsInput!) {{ slots(input: $input) {{ days {{ slots {{ {fields} }} }} }} }}"
            );
            let aliases: String = (0..8)
                .map(|number| format!("a{number}: slots(input: $input) {{ days {{ slots {{ {fields} }} }} }} "))
                .collect();
            let several = format!("query($input: SlotsInput!) {{ {aliases} }}");
            let one = test.visitor(&query, json!({ "input": input })).await;
            let length = one.body.to_string().len();
            assert!(one.body.get("errors").is_none() && length < 100_000, "{length}");
            assert!(100_000 < 8 * length, "{length}");
            let answer = test.visitor(&several, json!({ "input": input })).await;
            assert_eq!(answer.code(), "LIMIT_EXCEEDED", "{fields}");
            // What fits is answered, and the rest is null.
            let length = answer.body.to_string().len();
            assert!(length <= 100_000, "{length}");
            let errors = answer.body["errors"].as_array().unwrap();
            for error in errors {
                let message = error["message"].as_str().unwrap();
                assert!(message.contains("larger than 100000 bytes"), "{error}");
                let path = error["path"][0].as_str().unwrap();
                assert_eq!(answer.body["data"][path], json!(null), "{error}");
            }
            assert!((1..8).contains(&errors.len()), "{}", errors.len());
        }
    }
}
