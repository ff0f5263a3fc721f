//! What the provider says of itself, and its settings.

use calendar_provider::{CalendarProvider, ConferenceKind, ConnectMethod};
use calendar_provider_google::{Google, Settings};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::world::client;

fn settings(value: Value) -> Result<Settings, serde_json::Error> {
    serde_json::from_value(value)
}

#[test]
fn it_is_configured_with_both_halves_of_a_client_only() {
    for (value, configured) in [
        (json!({}), false),
        (json!({ "client_id": "id" }), false),
        (json!({ "client_secret": "s3cret" }), false),
        (json!({ "client_id": "id", "client_secret": "s3cret" }), true),
    ] {
        let google = Google::new(settings(value.clone()).unwrap(), client());
        assert_eq!(google.about().configured, configured, "{value}");
        assert_eq!(google.oauth2().is_some(), configured, "{value}");
    }
    assert!(settings(json!({ "client": "id" })).is_err(), "a misspelt key is found");
}

#[test]
fn it_uses_googles_own_addresses_and_asks_for_a_refresh_token() {
    let settings = settings(json!({ "client_id": "id", "client_secret": "s3cret" })).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    assert_eq!(settings.api_url.as_str(), "https://www.googleapis.com/calendar/v3/");
    let google = Google::new(settings, client());
    let oauth2 = google.oauth2().unwrap();
    let secret = oauth2.client_secret.as_ref().unwrap().expose_secret();
    assert_eq!((oauth2.client_id.as_str(), secret), ("id", "s3cret"));
    assert_eq!(oauth2.authorization_url.as_str(), "https://accounts.google.com/o/oauth2/v2/auth");
    assert_eq!(oauth2.token_url.as_str(), "https://oauth2.googleapis.com/token");
    let revocation_url = oauth2.revocation_url.as_ref().unwrap();
    assert_eq!(revocation_url.as_str(), "https://oauth2.googleapis.com/revoke");
    assert_eq!(oauth2.issuer.as_deref(), Some("https://accounts.google.com"));
    let param = |name: &str| {
        let mut params = oauth2.authorization_params.iter();
        params.find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(param("access_type"), Some("offline"));
    assert_eq!(param("prompt"), Some("consent"));
    assert_eq!(param("include_granted_scopes"), Some("true"));
}

#[test]
fn it_says_what_it_can_do() {
    let google = Google::new(Settings::default(), client());
    let about = google.about();
    assert_eq!((about.id.as_str(), about.connect_with), ("google", ConnectMethod::OAuth2));
    assert_eq!(about.conference, Some(ConferenceKind::GoogleMeet));
    assert_eq!(about.requests_per_minute, Some(10_000));
    let can = &about.capabilities;
    assert!(can.writes && can.changes && can.calendars && can.push);
    let optional: Vec<_> = about.permissions.iter().filter(|it| !it.required).collect();
    assert_eq!(optional.len(), 1, "only the profile: {optional:?}");
}
