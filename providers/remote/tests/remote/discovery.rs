//! What a provider is, and when that is known.

use std::sync::Arc;

use calendar_http::Bytes;
use calendar_provider::conformance::Subject;
use calendar_provider::{
    CalendarProvider, ConferenceKind, ConnectMethod, ErrorClass, Residence, TimeRange,
};
use calendar_provider_remote::Remote;
use chrono::TimeDelta;

use crate::memory::{Calendar, Flaw, Kind, Memory};
use crate::server::{Between, Server, clock, http};

fn day() -> TimeRange {
    let start = "2031-05-05T00:00:00Z".parse().unwrap();
    TimeRange::lasting(start, TimeDelta::days(1)).unwrap()
}

#[tokio::test]
async fn a_provider_says_what_it_is_under_the_operators_identifier() {
    let server = Server::start(Arc::new(Calendar::new(Kind::Full, Flaw::None, "owner"))).await;
    let remote = Remote::discover(server.settings(), http(), clock()).await.unwrap();
    let about = remote.about();
    assert_eq!((about.id.as_str(), about.name.as_str()), ("remote", "In memory"));
    assert_eq!(about.connect_with, ConnectMethod::Credentials);
    assert_eq!(about.conference, Some(ConferenceKind::GoogleMeet));
    assert_eq!(about.capabilities.residence, Residence::Remote);
    assert!(about.configured && about.capabilities.push);

    let mut settings = server.settings();
    settings.id = "acme".into();
    settings.name = Some("Acme".into());
    let remote = Remote::discover(settings, http(), clock()).await.unwrap();
    let about = remote.about();
    assert_eq!((about.id.as_str(), about.name.as_str()), ("acme", "Acme"));
}

#[tokio::test]
async fn a_provider_that_is_down_at_start_holds_nothing_up() {
    let memory = Memory(Arc::new(Calendar::new(Kind::Full, Flaw::None, "owner")));
    let server = Server::start(memory.provider()).await;
    let down = Between::Always { status: 503, content_type: "text/plain", body: Bytes::new() };
    server.put_between(down);
    let mut settings = server.settings();
    settings.name = Some("Acme".into());
    let remote = Remote::discover(settings, http(), clock()).await.unwrap();
    assert!(!remote.about().configured, "nobody can connect yet");
    assert_eq!(remote.about().name, "Acme");
    let error = remote.free_busy(&memory.connection(), day()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "and those who have are kept");

    server.put_between(Between::Nothing);
    assert!(remote.free_busy(&memory.connection(), day()).await.unwrap().is_empty());
    assert!(remote.about().configured);
}

#[tokio::test]
async fn another_version_of_the_contract_is_refused() {
    let server = Server::start(Arc::new(Calendar::new(Kind::Full, Flaw::None, "owner"))).await;
    let body = r#"{"contract":2,"name":"Acme","connect_with":"none"}"#.into();
    let content_type = "application/json";
    server.put_between(Between::Always { status: 200, content_type, body });
    let remote = Remote::new(server.settings(), http(), clock()).unwrap();
    let error = remote.refresh().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the calendar refused: it speaks another version of the contract"
    );
}

#[tokio::test]
async fn an_oauth_client_is_the_providers_or_the_operators() {
    let server = Server::start(Arc::new(Calendar::new(Kind::Full, Flaw::None, "owner"))).await;
    let body = r#"{"contract":1,"name":"Acme","connect_with":"oauth2",
        "permissions":[{"scope":"calendar","description":"See and change events"}],
        "conference":"carrier_pigeon","capabilities":{"writes":true,"telepathy":true},
        "oauth2":{"authorization_url":"https://a.example/auth","token_url":"https://a.example/t"}}"#;
    let content_type = "application/json";
    let body = Bytes::from_static(body.as_bytes());
    server.put_between(Between::Always { status: 200, content_type, body });
    let remote = Remote::discover(server.settings(), http(), clock()).await.unwrap();
    assert!(!remote.about().configured && remote.oauth2().is_none(), "there is no client yet");

    let mut settings = server.settings();
    settings.client_id = Some("frontdesk".into());
    settings.client_secret = Some("s3cret".into());
    let remote = Remote::discover(settings, http(), clock()).await.unwrap();
    let client = remote.oauth2().unwrap();
    assert_eq!(client.client_id, "frontdesk");
    assert!(client.client_secret.is_some());
    let about = remote.about();
    assert!(about.configured && about.permissions[0].required);
    assert_eq!(about.conference, None, "a kind that this version does not know");
}
