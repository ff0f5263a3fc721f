use calendar_http::{final_url, http::Request};
use calendar_provider::ErrorClass::Permanent;

use crate::{
    SECRET, check_error, client, get, request,
    server::{Server, closing},
};

async fn redirecting_to(status: &'static str, url: String) -> Server {
    Server::start(move |_| closing(status, &format!("Location: {url}\r\n"), "")).await
}

#[tokio::test]
async fn a_redirect_is_followed_and_the_credentials_stay_behind() {
    let target = Server::start(|_| closing("207 X", "", "")).await;
    let server = redirecting_to("301 X", target.url()).await;
    let propfind = Request::builder()
        .method("PROPFIND")
        .uri(server.url())
        .header("authorization", SECRET)
        .header("cookie", SECRET)
        .header("depth", "1")
        // Wrong ones, which must not be believed.
        .header("host", "other.example")
        .header("content-length", "1")
        .body("<propfind/>".into())
        .unwrap();
    let response = client().send(propfind).await.unwrap();
    assert_eq!(final_url(&response).unwrap().as_str(), target.url());
    let [first, second] = [&server.received()[0], &target.received()[0]];
    assert!(first.head.contains("\r\nauthorization: s3cret\r\n"));
    assert!(first.head.contains("\r\ncookie: s3cret\r\n"));
    assert!(first.head.contains(&format!("\r\nhost: {}\r\n", server.address)));
    assert_eq!(first.body, "<propfind/>");
    assert!(second.head.starts_with("propfind "), "{}", second.head);
    assert!(second.head.contains("\r\ndepth: 1\r\n"), "{}", second.head);
    assert!(!second.head.contains("authorization") && !second.head.contains("cookie"));
    assert!(second.head.contains(&format!("\r\nhost: {}\r\n", target.address)));
    assert_eq!(second.body, "<propfind/>");
}

#[tokio::test]
async fn within_an_origin_the_credentials_are_kept() {
    let server = Server::start(|n| match n {
        0 => closing("307 X", "Location: /next\r\n", ""),
        _ => closing("200 OK", "", ""),
    })
    .await;
    client().send(request("POST", &server.url())).await.unwrap();
    let next = &server.received()[1].head;
    assert!(next.starts_with("post /next ") && next.contains("\r\nauthorization: s3cret\r\n"));
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_more() {
    for (redirects, followed) in [(5, true), (6, false)] {
        let server = Server::start(move |n| match n {
            _ if n < redirects => closing("302 X", &format!("Location: /{n}\r\n"), ""),
            _ => closing("200 OK", "", ""),
        })
        .await;
        let result = get(&client(), &server.url()).await;
        if followed {
            assert_eq!(result.unwrap().status(), 200);
        } else {
            check_error(result, Permanent, "it redirects too often");
        }
        assert_eq!(server.received().len(), 6);
    }
}

#[tokio::test]
async fn a_redirect_of_what_must_not_be_repeated_is_an_error() {
    let server = redirecting_to("302 X", "/next".to_owned()).await;
    let result = client().send(request("POST", &server.url())).await;
    check_error(result, Permanent, "it redirects a request that must not be repeated");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_redirect_may_not_name_a_user_or_another_scheme() {
    for location in ["http://u:s3cret@127.0.0.1:1/path", "file:///etc/passwd", "data:,x"] {
        let server = redirecting_to("302 X", location.to_owned()).await;
        check_error(get(&client(), &server.url()).await, Permanent, "");
        assert_eq!(server.received().len(), 1);
    }
}
