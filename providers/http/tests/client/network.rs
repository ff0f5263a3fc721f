use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr},
    process::Command,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use calendar_http::{HttpClient, Network, Resolve, Settings};
use calendar_provider::ErrorClass::Permanent;

use crate::{
    check_error, get,
    server::{Reply, Server, answer, closing},
    settings,
};

const NOT_PUBLIC: &str = "the address is not public";
/// Stands for a public address: [`client`] allows it.
const ALLOWED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PRIVATE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Answers what is said, once each, whatever it is asked; the last answer stays.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<Vec<IpAddr>>>);

#[async_trait]
impl Resolve for Scripted {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().unwrap();
        if 1 < answers.len() { Ok(answers.pop_front().unwrap()) } else { Ok(answers[0].clone()) }
    }
}

/// A client for public networks and 127.0.0.2, to which names have the addresses said.
fn client(answers: &[&[Ipv4Addr]]) -> HttpClient {
    let answers = answers.iter().map(|it| it.iter().map(|&it| it.into()).collect()).collect();
    let settings = Settings {
        network: Network::Public,
        allowed_networks: vec!["127.0.0.2/32".parse().unwrap()],
        resolver: Some(Arc::new(Scripted(Mutex::new(answers)))),
        ..settings()
    };
    HttpClient::new(settings).unwrap()
}

/// The URL of `server` under a name.
fn named(server: &Server) -> String {
    format!("http://calendar.example:{}/path?key=s3cret", server.address.port())
}

#[tokio::test]
async fn a_private_server_is_not_even_connected_to() {
    let server = Server::start(|_| closing("200 OK", "", "")).await;
    let port = server.address.port();
    let client = HttpClient::new(Settings { network: Network::Public, ..settings() }).unwrap();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"]
    {
        let url = format!("http://{host}:{port}/path");
        check_error(get(&client, &url).await, Permanent, NOT_PUBLIC);
    }
    assert_eq!(server.connections(), 0);
    get(&client.with_network(Network::Any), &server.url()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_address_can_be_looked_at_before_it_is_asked() {
    let client = client(&[&[PRIVATE]]);
    for (url, allowed) in [
        ("https://calendar.example/", true),
        ("http://127.0.0.2/", true),
        ("http://127.0.0.1/", false),
        ("http://user@calendar.example/", false),
        ("ftp://calendar.example/", false),
    ] {
        assert_eq!(client.check(&url.parse().unwrap()).is_ok(), allowed, "{url}");
    }
}

#[tokio::test]
async fn a_name_with_a_private_address_only_is_refused() {
    let server = Server::start(|_| closing("200 OK", "", "")).await;
    let client = client(&[&[PRIVATE]]);
    check_error(get(&client, &named(&server)).await, Permanent, NOT_PUBLIC);
    assert_eq!(server.connections(), 0);
    get(&client.with_network(Network::Any), &named(&server)).await.unwrap();
}

#[tokio::test]
async fn of_several_addresses_only_public_ones_are_tried() {
    let private = Server::start(|_| closing("200 OK", "", "private")).await;
    let client = client(&[&[PRIVATE, ALLOWED]]);
    // Nobody listens on this port of the allowed address.
    assert!(get(&client, &named(&private)).await.is_err());
    assert_eq!(private.connections(), 0);
    let public = Server::start_on(ALLOWED, |_| closing("200 OK", "", "public")).await;
    assert_eq!(get(&client, &named(&public)).await.unwrap().body(), "public");
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_looked_at_again() {
    let server = Server::start_on(ALLOWED, |_| closing("200 OK", "", "")).await;
    let client = client(&[&[ALLOWED], &[PRIVATE]]);
    get(&client, &named(&server)).await.unwrap();
    check_error(get(&client, &named(&server)).await, Permanent, NOT_PUBLIC);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_or_name_is_refused() {
    let private = Server::start(|_| closing("200 OK", "", "")).await;
    for target in [private.url(), named(&private)] {
        let location = format!("Location: {target}\r\n");
        let public = Server::start_on(ALLOWED, move |_| closing("302 X", &location, "")).await;
        let client = client(&[&[PRIVATE]]);
        check_error(get(&client, &public.url()).await, Permanent, NOT_PUBLIC);
        assert_eq!((public.received().len(), private.connections()), (1, 0));
    }
    // It is the guard that stops it: without one the same redirect is followed.
    let location = format!("Location: {}\r\n", private.url());
    let public = Server::start_on(ALLOWED, move |_| closing("302 X", &location, "")).await;
    let client = client(&[&[PRIVATE]]).with_network(Network::Any);
    get(&client, &public.url()).await.unwrap();
    assert_eq!(private.connections(), 1);
}

#[tokio::test]
async fn connections_of_one_network_are_not_used_for_the_other() {
    let server = Server::start(|_| Reply::KeepAlive(answer("200 OK", "", ""))).await;
    let client = client(&[&[PRIVATE]]);
    let any = client.with_network(Network::Any);
    get(&any, &named(&server)).await.unwrap();
    check_error(get(&client, &named(&server)).await, Permanent, NOT_PUBLIC);
    get(&any, &named(&server)).await.unwrap();
    assert_eq!((server.received().len(), server.connections()), (2, 1));
}

#[tokio::test]
async fn refusals_open_no_circuit() {
    let server = Server::start(|_| closing("200 OK", "", "")).await;
    let client = client(&[&[PRIVATE]]);
    for _ in 0..8 {
        check_error(get(&client, &named(&server)).await, Permanent, NOT_PUBLIC);
    }
    get(&client.with_network(Network::Any), &named(&server)).await.unwrap();
}

/// Runs another test with proxies set, since a process must not change its own environment.
#[test]
fn proxies_from_the_environment_are_not_used() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "network::a_private_server_is_not_even_connected_to"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, "http://127.0.0.1:9");
    }
    let output = child.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
