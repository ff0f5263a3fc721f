//! What an agent can paste, and what is said of it.

use calendar_provider::{CalendarProvider, ErrorClass, ProviderError};
use calendar_provider_ics::{Ics, Settings};

use crate::server::{Feed, Server, calendar, connection, day, event, http, provider, request};

async fn refusal(provider: &Ics, url: &str) -> String {
    let error = provider.connect(request(url)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::InvalidCredentials, "{url}: {error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_feed_is_known_by_its_host_name_and_zone() {
    let server = Server::with(Feed::new(calendar(&event("a", "20310505T090000Z")))).await;
    let connected = provider().connect(request(&server.url("/secret.ics"))).await.unwrap();
    assert_eq!(connected.account, "127.0.0.1");
    assert_eq!(connected.calendar_name.as_deref(), Some("Ada's, work"));
    assert_eq!(connected.time_zone, Some(chrono_tz::Europe::Paris));
    assert!(!format!("{connected:?}").contains("secret.ics"), "the address is a secret");
}

/// Public addresses only, so that nothing is asked: what is refused is refused before.
#[tokio::test]
async fn addresses_that_are_no_feeds_are_refused_by_name() {
    let provider = Ics::new(Settings::default(), http());
    for (url, message) in [
        ("", "url: is missing"),
        ("http://example.com/secret.ics", "url: must begin with https:// or webcal://"),
        ("file:///secret", "url: is not a web address"),
        ("https://", "url: is not an address"),
        (
            "https://ada:secret@example.com/",
            "url: must hold no user name or password: feeds with a login can't be read",
        ),
    ] {
        assert_eq!(refusal(&provider, url).await, message, "{url}");
    }
}

#[tokio::test]
async fn addresses_within_the_operators_network_are_refused() {
    let provider = Ics::new(Settings::default(), http());
    for url in [
        "https://127.0.0.1/secret.ics",
        "webcal://localhost/secret.ics",
        "https://[::1]/secret.ics",
        "https://10.0.0.1/secret.ics",
        "https://169.254.169.254/secret/meta-data",
        "2130706433/secret.ics",
    ] {
        assert_eq!(refusal(&provider, url).await, "url: the address is not public", "{url}");
    }
    // One that was kept from a time when they were allowed is not asked either.
    let kept = connection("http://127.0.0.1/secret.ics");
    let error = provider.free_busy(&kept, day()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
}

#[tokio::test]
async fn a_redirect_into_the_operators_network_is_not_followed() {
    let inner = Server::with(Feed::new(calendar(""))).await;
    // As if the outer server alone were public.
    let allowed_networks = vec!["127.0.0.1/32".parse().unwrap()];
    let settings = calendar_http::Settings { allowed_networks, ..Default::default() };
    let http = calendar_http::HttpClient::new(settings).unwrap();
    let location = inner.url("/secret.ics").replace("127.0.0.1", "127.0.0.2");
    let outer = Server::with(Feed::refusal("302 Found", &format!("location: {location}"))).await;
    let provider = Ics::new(Settings::default(), http);
    let error = provider.free_busy(&outer.connection(), day()).await.unwrap_err();
    assert_eq!(error.to_string(), "the calendar refused: the address is not public");
    assert!(inner.requests().is_empty(), "it was asked");
}

#[tokio::test]
async fn webcal_stands_for_https() {
    // Nothing listens there: it is the refusal of the port that shows where it went.
    let provider = provider();
    let error = provider.connect(request("webcal://127.0.0.1:1/secret.ics")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{error}");
    let server = Server::with(Feed::new(calendar(""))).await;
    let plain = server.url("/secret.ics").replace("http://", "webcal://");
    let error = provider.connect(request(&plain)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "TLS, where the server speaks none: {error}");
    assert!(server.requests().is_empty(), "the secret path went over the wire in the clear");
}

#[tokio::test]
async fn a_feed_that_needs_a_login_says_so() {
    let server = Server::start().await;
    server.publish("/401.ics", Feed::refusal("401 Unauthorized", "www-authenticate: Basic"));
    server.publish("/403.ics", Feed::refusal("403 Forbidden", "x-a: b"));
    server.publish("/moved.ics", Feed::refusal("302 Found", "location: /login"));
    server.publish("/login", Feed::typed("text/html", "<!DOCTYPE html><title>secret</title>"));
    let provider = provider();
    for path in ["/401.ics", "/403.ics", "/moved.ics"] {
        let told = refusal(&provider, &server.url(path)).await;
        let message = "url: needs a login, and a feed must be open to who knows its address";
        assert_eq!(told, message, "{path}");
        let result = provider.free_busy(&connection(&server.url(path)), day()).await;
        assert!(matches!(result, Err(ProviderError::Unauthorized { .. })), "{path}: {result:?}");
    }
}

#[tokio::test]
async fn a_feed_that_was_taken_back_says_so() {
    let server = Server::start().await;
    server.publish("/410.ics", Feed::refusal("410 Gone", "x-a: b"));
    for path in ["/404.ics", "/410.ics"] {
        let told = refusal(&provider(), &server.url(path)).await;
        assert_eq!(told, "url: leads to nothing: the feed may have been taken back", "{path}");
        let result = provider().free_busy(&connection(&server.url(path)), day()).await;
        assert!(matches!(result, Err(ProviderError::NotFound { .. })), "{path}: {result:?}");
    }
}
