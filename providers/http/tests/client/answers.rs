use std::{io::Write, time::Duration};

use calendar_http::{Bytes, HttpClient, Settings, final_url, http::Request, read_json};
use calendar_provider::ErrorClass::{Permanent, Transient};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::{
    check_error, client, get, request,
    server::{Reply, SECRET, Server, answer, closing},
    settings,
};

const MIB: usize = 1024 * 1024;

fn gzip(status: &str, headers: &str, body: &[u8]) -> Reply {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    let packed = encoder.finish().unwrap();
    let length = packed.len();
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    bytes.extend(packed);
    Reply::Raw(bytes)
}

#[tokio::test]
async fn json_is_read_from_where_it_was_asked() {
    let json = "Content-Type: application/json\r\n";
    let server = Server::start(move |_| closing("200 OK", json, r#"{"id":1}"#)).await;
    let response = get(&client(), &server.url()).await.unwrap();
    assert_eq!(read_json::<Value>(&response).unwrap()["id"], 1);
    assert_eq!(final_url(&response).unwrap().as_str(), server.url());
    let received = &server.received()[0].head;
    assert!(received.starts_with(&format!("get /path?key={SECRET} http/1.1\r\n")), "{received}");
    assert!(received.contains("\r\nuser-agent: frontdesk/"), "{received}");
    assert!(received.contains("\r\naccept-encoding: gzip\r\n"), "{received}");
}

#[tokio::test]
async fn the_user_agent_is_the_operator_s_or_the_request_s() {
    let server = Server::start(|_| closing("200 OK", "", "")).await;
    let own = Settings { user_agent: "Example/1".to_owned(), ..settings() };
    let client = HttpClient::new(own).unwrap();
    get(&client, &server.url()).await.unwrap();
    let mut another = request("GET", &server.url());
    another.headers_mut().insert("user-agent", "Other/2".parse().unwrap());
    client.send(another).await.unwrap();
    let received = server.received();
    assert!(received[0].head.contains("\r\nuser-agent: example/1\r\n"));
    assert!(received[1].head.contains("\r\nuser-agent: other/2\r\n"));
    assert!(HttpClient::new(Settings { user_agent: "a\nb".to_owned(), ..settings() }).is_err());
}

#[tokio::test]
async fn a_body_is_sent_with_its_length_even_when_empty() {
    let server = Server::start(|_| closing("200 OK", "", "")).await;
    let full = Request::post(server.url()).body(Bytes::from_static(b"hello")).unwrap();
    client().send(full).await.unwrap();
    client().send(request("POST", &server.url())).await.unwrap();
    get(&client(), &server.url()).await.unwrap();
    let received = server.received();
    assert_eq!(received[0].body, "hello");
    assert!(received[1].head.contains("\r\ncontent-length: 0\r\n"));
    assert!(!received[2].head.contains("\r\ncontent-length:"));
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(|_| Reply::KeepAlive(answer("200 OK", "", "x"))).await;
    let client = client();
    for _ in 0..3 {
        get(&client, &server.url()).await.unwrap();
    }
    get(&client.clone().with_body_limit(1), &server.url()).await.unwrap();
    assert_eq!((server.received().len(), server.connections()), (4, 1));
}

#[tokio::test]
async fn statuses_about_the_request_are_given_back() {
    for status in [204, 207, 304, 300, 400, 401, 403, 404, 409, 410, 412, 501, 505, 507] {
        let server = Server::start(move |_| closing(&format!("{status} X"), "", "")).await;
        let response = get(&client(), &server.url()).await.unwrap();
        assert_eq!((response.status().as_u16(), server.received().len()), (status, 1));
    }
}

#[tokio::test]
async fn gzip_is_unpacked() {
    let body = "BEGIN:VCALENDAR\r\n".repeat(1000);
    let expected = body.clone();
    let server = Server::start(move |_| gzip("200 OK", "", body.as_bytes())).await;
    let response = get(&client(), &server.url()).await.unwrap();
    assert!(response.body() == expected.as_bytes());
    assert!(!response.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn an_answer_without_a_body_may_name_an_encoding() {
    let head = "Content-Encoding: gzip\r\nConnection: close\r\n";
    let server = Server::start(move |_| {
        Reply::Close(format!("HTTP/1.1 200 OK\r\nContent-Length: 70000000\r\n{head}\r\n"))
    })
    .await;
    let response = client().send(request("HEAD", &server.url())).await.unwrap();
    assert!(response.body().is_empty());
    let server = Server::start(move |_| closing("304 Not Modified", head, "")).await;
    assert_eq!(get(&client(), &server.url()).await.unwrap().status(), 304);
}

#[tokio::test]
async fn the_limit_is_exact() {
    let server = Server::start(|_| closing("200 OK", "", "0123456789")).await;
    let response = get(&client().with_body_limit(10), &server.url()).await.unwrap();
    assert_eq!(response.body().len(), 10);
    let result = get(&client().with_body_limit(9), &server.url()).await;
    check_error(result, Permanent, "the answer is too large");
}

#[tokio::test]
async fn an_answer_of_200_mib_is_left_at_the_limit() {
    let server = Server::start(|_| Reply::Large(200 * MIB)).await;
    let result = get(&client().with_body_limit(MIB), &server.url()).await;
    check_error(result, Permanent, "the answer is too large");
    // What is over the limit stands in the sockets' buffers.
    assert!(server.sent() < 32 * MIB, "{} bytes were taken", server.sent());
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_large_one_is_refused() {
    let server = Server::start(|_| gzip("200 OK", "", &vec![0; 16 * MIB])).await;
    let client = client().with_body_limit(MIB);
    check_error(get(&client, &server.url()).await, Permanent, "the answer is too large");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_asked_for_again_and_then_an_error() {
    for cut in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{SECRET}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{SECRET}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}"),
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{SECRET}"),
    ] {
        let server = Server::start(move |_| Reply::Close(cut.clone())).await;
        check_error(get(&client(), &server.url()).await, Transient, "the answer was cut off");
        assert_eq!(server.received().len(), 3);
    }
    let server = Server::start(|_| match gzip("200 OK", "", &[7; 5000]) {
        Reply::Raw(mut bytes) => {
            let end = bytes.len() - 12;
            bytes.truncate(end);
            Reply::Raw(bytes)
        }
        other => other,
    })
    .await;
    check_error(get(&client(), &server.url()).await, Transient, "the answer was cut off");
}

#[tokio::test]
async fn what_is_not_http_is_an_error() {
    for bytes in [
        format!("<html>{SECRET}</html>"),
        format!("HTTP/1.1 2000 {SECRET}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{SECRET}\0: x\r\n\r\n"),
        String::new(),
    ] {
        let server = Server::start(move |_| Reply::Close(bytes.clone())).await;
        check_error(get(&client(), &server.url()).await, Transient, "no valid answer");
    }
}

#[tokio::test]
async fn a_page_or_other_bytes_instead_of_json_are_an_error() {
    let page = "Content-Type: text/html\r\n";
    let server = Server::start(move |_| closing("200 OK", page, "<html></html>")).await;
    let response = get(&client(), &server.url()).await.unwrap();
    assert_eq!(read_json::<Value>(&response).unwrap_err().class(), Transient);
    let server = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
        Reply::Raw([head.as_bytes(), b"{\"a\":\"\xff\xfe\"}"].concat())
    })
    .await;
    let response = get(&client(), &server.url()).await.unwrap();
    assert_eq!(read_json::<Value>(&response).unwrap_err().class(), Transient);
}

#[tokio::test]
async fn who_keeps_us_waiting_meets_the_deadline() {
    for said in [
        "",
        "HTTP/1.1 200 OK\r\nX-Slow: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f",
    ] {
        let server = Server::start(move |_| Reply::Hang(said)).await;
        let client = client().with_deadline(Duration::from_millis(200));
        let url = server.url();
        let call = tokio::time::timeout(Duration::from_secs(5), get(&client, &url));
        check_error(call.await.expect("the deadline holds"), Transient, "no answer in time");
        server.departure().await;
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn an_address_that_can_t_be_sent_to_is_an_error() {
    for url in ["/path", "ftp://example.com/path", "http://u:s3cret@example.com/path"] {
        let result = get(&client(), url).await;
        assert_eq!(result.as_ref().map_err(|it| it.class()).err(), Some(Permanent), "{url}");
        check_error(result, Permanent, "");
    }
}

#[tokio::test]
async fn asked_once_it_gives_back_whatever_is_answered() {
    for (status, headers) in [
        ("204 X", ""),
        ("307 X", "Location: /elsewhere\r\n"),
        ("410 X", ""),
        ("429 X", "Retry-After: 0\r\n"),
        ("500 X", ""),
        ("503 X", "Retry-After: 0\r\n"),
    ] {
        let server = Server::start(move |_| closing(status, headers, "text")).await;
        let client = client().with_body_limit(3);
        // More often than opens a circuit.
        for _ in 0..7 {
            let response = client.send_once(request("POST", &server.url())).await.unwrap();
            assert!(status.starts_with(response.status().as_str()), "{status}");
            if status != "204 X" {
                assert_eq!(response.body().as_ref(), b"tex", "{status}");
            }
        }
        assert_eq!(server.received().len(), 7, "{status}");
    }
}
