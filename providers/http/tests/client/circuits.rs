use std::time::Duration;

use calendar_http::{HttpClient, Network, Settings};
use calendar_provider::ErrorClass::Transient;
use tokio::time;

use crate::{
    check_error, get,
    server::{Reply, Server, closing},
    settings,
};

const OPEN: &str = "it is down and is not asked for now";
const PAUSE: Duration = Duration::from_secs(30);

/// One attempt for each call.
fn client() -> HttpClient {
    HttpClient::new(Settings { attempts: 1, ..settings() }).unwrap()
}

/// A call that fails, by an answer of the server's own making.
async fn fail(client: &HttpClient, server: &Server) {
    check_error(get(client, &server.url()).await, Transient, "it has a failure of its own");
}

/// Moves the clock of the timers; they stand still only meanwhile, since sockets need theirs.
async fn pass(duration: Duration) {
    time::pause();
    time::advance(duration).await;
    time::resume();
}

#[tokio::test]
async fn an_origin_that_fails_is_left_alone_and_found_again() {
    let server = Server::start(|n| match n {
        0..6 => closing("500 X", "", ""),
        _ => closing("200 OK", "", ""),
    })
    .await;
    let client = client();
    for _ in 0..5 {
        fail(&client, &server).await;
    }
    let shared = client.clone().with_body_limit(1);
    check_error(get(&shared, &server.url()).await, Transient, OPEN);
    pass(PAUSE).await;
    fail(&client, &server).await;
    pass(PAUSE).await;
    check_error(get(&client, &server.url()).await, Transient, OPEN);
    assert_eq!(server.received().len(), 6);
    pass(PAUSE).await;
    for _ in 0..2 {
        get(&client, &server.url()).await.unwrap();
    }
    assert_eq!(server.received().len(), 8);
}

/// What fails for users' addresses is still asked for the operator's, and the other way round.
#[tokio::test]
async fn each_network_has_circuits_of_its_own() {
    let server = Server::start(|_| closing("500 X", "", "")).await;
    let allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let any = HttpClient::new(Settings { attempts: 1, allowed_networks, ..settings() }).unwrap();
    let public = any.with_network(Network::Public);
    for _ in 0..5 {
        fail(&public, &server).await;
    }
    check_error(get(&public, &server.url()).await, Transient, OPEN);
    fail(&any, &server).await;
}

/// A feed that is slow to redirect must not close the circuit of where it leads.
#[tokio::test]
async fn who_is_asked_at_the_end_of_the_deadline_is_not_blamed() {
    let target = Server::start(|_| Reply::Hang("")).await;
    let location = target.url();
    let slow = Server::start(move |n| match n {
        0 => closing("503 X", "Retry-After: 1\r\n", ""),
        _ => closing("302 X", &format!("Location: {location}\r\n"), ""),
    })
    .await;
    let client = HttpClient::new(Settings { circuit_failures: 1, ..settings() }).unwrap();
    let client = client.with_deadline(Duration::from_millis(1400));
    check_error(get(&client, &slow.url()).await, Transient, "no answer in time");
    assert_eq!(target.received().len(), 1);
    check_error(get(&client, &target.url()).await, Transient, "no answer in time");
    check_error(get(&client, &target.url()).await, Transient, OPEN);
}

#[tokio::test]
async fn a_trial_is_one_request() {
    let server = Server::start(|_| closing("500 X", "", "")).await;
    let client = HttpClient::new(Settings { circuit_failures: 1, ..settings() }).unwrap();
    fail(&client, &server).await;
    assert_eq!(server.received().len(), 3);
    pass(PAUSE).await;
    fail(&client, &server).await;
    assert_eq!(server.received().len(), 4);
}

#[tokio::test]
async fn lost_connections_and_missed_deadlines_count() {
    let lost = Server::start(|_| Reply::Close(String::new())).await;
    let hanging = Server::start(|_| Reply::Hang("")).await;
    for server in [lost, hanging] {
        let client = client().with_deadline(Duration::from_millis(100));
        for _ in 0..5 {
            assert!(get(&client, &server.url()).await.is_err());
        }
        check_error(get(&client, &server.url()).await, Transient, OPEN);
    }
}

#[tokio::test]
async fn answers_that_refuse_do_not_count() {
    for status in ["404 X", "429 X", "401 X", "501 X", "507 X"] {
        let server = Server::start(move |_| closing(status, "", "")).await;
        let client = client();
        for _ in 0..8 {
            let _ = get(&client, &server.url()).await;
        }
        assert_eq!(server.received().len(), 8, "{status}");
    }
}

#[tokio::test]
async fn a_trial_given_up_by_its_caller_leaves_the_next_one_free() {
    let server = Server::start(|n| match n {
        0..5 => closing("500 X", "", ""),
        5 => Reply::Hang(""),
        _ => closing("200 OK", "", ""),
    })
    .await;
    let client = client();
    for _ in 0..5 {
        fail(&client, &server).await;
        server.arrival().await;
    }
    pass(PAUSE).await;
    let url = server.url();
    tokio::select! {
        result = get(&client, &url) => panic!("{result:?}"),
        () = async {
            server.arrival().await;
            check_error(get(&client, &url).await, Transient, OPEN);
        } => {}
    }
    get(&client, &url).await.unwrap();
}
