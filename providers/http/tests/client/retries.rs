use std::time::Duration;

use calendar_http::{Bytes, http::Request};
use calendar_provider::{
    ErrorClass::{RateLimited, Transient},
    ProviderError,
};
use chrono::TimeDelta;
use tokio::time::Instant;

use crate::{
    check_error, client, get, request,
    server::{Reply, Server, closing},
};

/// How often a request with `method` is sent to a server that always answers `reply`.
async fn times_sent(method: &str, reply: fn() -> Reply) -> usize {
    let server = Server::start(move |_| reply()).await;
    assert!(client().send(request(method, &server.url())).await.is_err());
    server.received().len()
}

#[tokio::test]
async fn a_server_s_failure_is_retried_where_that_does_no_harm() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND", "REPORT"] {
        assert_eq!(times_sent(method, || closing("500 X", "", "")).await, 3, "{method}");
        assert_eq!(times_sent(method, || Reply::Close(String::new())).await, 3, "{method}");
    }
    for method in ["POST", "PATCH", "MKCALENDAR"] {
        assert_eq!(times_sent(method, || closing("500 X", "", "")).await, 1, "{method}");
        assert_eq!(times_sent(method, || closing("503 X", "", "")).await, 1, "{method}");
        assert_eq!(times_sent(method, || Reply::Close(String::new())).await, 1, "{method}");
    }
}

#[tokio::test]
async fn a_request_that_was_not_carried_out_is_retried_with_its_body() {
    for status in ["429 X", "503 X"] {
        let server = Server::start(move |n| match n {
            0 => closing(status, "Retry-After: 0\r\n", ""),
            _ => closing("201 Created", "", ""),
        })
        .await;
        let post = Request::post(server.url()).body(Bytes::from_static(b"body")).unwrap();
        assert_eq!(client().send(post).await.unwrap().status(), 201);
        let bodies: Vec<_> = server.received().into_iter().map(|it| it.body).collect();
        assert_eq!(bodies, ["body", "body"]);
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    for status in ["500 X", "502 X", "503 X", "504 X", "520 X", "429 X"] {
        let server = Server::start(move |n| match n {
            0 | 1 => closing(status, "", ""),
            _ => closing("200 OK", "", ""),
        })
        .await;
        assert_eq!(get(&client(), &server.url()).await.unwrap().status(), 200, "{status}");
    }
}

#[tokio::test]
async fn a_server_s_failure_that_stays_is_transient() {
    for status in ["500 X", "502 X", "503 X", "504 X"] {
        let server = Server::start(move |_| closing(status, "", crate::SECRET)).await;
        let result = get(&client(), &server.url()).await;
        check_error(result, Transient, "it has a failure of its own");
    }
}

#[tokio::test]
async fn a_closed_port_is_transient() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/path?key=s3cret", listener.local_addr().unwrap());
    drop(listener);
    check_error(get(&client(), &url).await, Transient, "no connection");
}

#[tokio::test]
async fn the_wait_asked_for_is_kept() {
    let server = Server::start(|n| match n {
        0 => closing("429 X", "Retry-After: 1\r\n", ""),
        _ => closing("200 OK", "", ""),
    })
    .await;
    let start = Instant::now();
    get(&client(), &server.url()).await.unwrap();
    assert!(Duration::from_secs(1) <= start.elapsed());
}

#[tokio::test]
async fn a_wait_past_the_deadline_is_left_to_the_caller() {
    let date =
        "Date: Mon, 06 Jan 2031 10:00:00 GMT\r\nRetry-After: Mon, 06 Jan 2031 11:00:00 GMT\r\n";
    for status in ["429 X", "503 X"] {
        for headers in ["Retry-After: 3600\r\n", date] {
            let server = Server::start(move |_| closing(status, headers, "")).await;
            let error = client().send(request("POST", &server.url())).await.unwrap_err();
            let ProviderError::RateLimited { retry_after, .. } = error else {
                panic!("{error:?}");
            };
            assert_eq!(retry_after, Some(TimeDelta::hours(1)));
            assert_eq!(server.received().len(), 1);
        }
    }
}

#[tokio::test]
async fn too_many_requests_stay_bounded_when_no_wait_is_said() {
    let server = Server::start(|_| closing("429 X", "", "")).await;
    let result = get(&client(), &server.url()).await;
    check_error(result, RateLimited, "the calendar asks for fewer requests");
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn dropping_a_call_ends_it() {
    let server = Server::start(|_| Reply::Hang("")).await;
    let (client, url) = (client(), server.url());
    tokio::select! {
        result = get(&client, &url) => panic!("{result:?}"),
        () = server.arrival() => {}
    }
    server.departure().await;
}
