//! Answers that are not as documented, and what they turn into.

use std::time::Duration;

use calendar_http::{HttpClient, Network};
use calendar_provider::{CalendarProvider, ErrorClass, ProviderError};
use calendar_provider_microsoft::{Microsoft, Settings};
use chrono::TimeDelta;
use fake_microsoft::{Fault, OutlookEvent};

use crate::outlook::{ADA, Kind, Outlook, day, draft, hour};

#[tokio::test]
async fn answers_that_are_not_as_documented_are_errors() {
    let outlook = Outlook::work().await;
    outlook.fake.add_event(
        ADA,
        &outlook.calendar,
        &OutlookEvent::new("Outside", hour(9).start(), hour(9).end()),
    );
    for text in [
        "{}",
        "[]",
        "null",
        r#"{ "value": null }"#,
        r#"{ "value": [{}] }"#,
        r#"{ "value": [{ "scheduleItems": [{ "status": "busy", "start": {}, "end": {} }] }] }"#,
        r#"{ "value": [{ "scheduleItems": null, "availabilityView": null }] }"#,
        r#"{ "value": [{ "id": "1", "start": { "dateTime": "x" }, "end": { "dateTime": "y" } }] }"#,
        r#"{ "value": [{ "id": "1" }], "@odata.deltaLink": "https://graph.example/" }"#,
    ] {
        outlook.fake.inflict(Fault::Json(text));
        let told = outlook.provider.free_busy(&outlook.connection, day()).await;
        assert!(told.is_err(), "free/busy of {text}");
        let told = outlook.provider.changes(&outlook.connection, None, day()).await;
        assert!(told.is_err(), "changes of {text}");
        outlook.fake.mend();
    }
}

/// A link to another host would be given the agent's token.
#[tokio::test]
async fn links_to_elsewhere_are_not_followed() {
    let outlook = Outlook::start(Kind::Second).await;
    for text in [
        r#"{ "value": [], "@odata.nextLink": "http://127.0.0.1:9/v1.0/me" }"#,
        r#"{ "value": [], "@odata.nextLink": "https://evil.example/v1.0/me" }"#,
        r#"{ "value": [], "@odata.deltaLink": "https://evil.example/v1.0/me" }"#,
    ] {
        outlook.fake.inflict(Fault::Json(text));
        let told = outlook.provider.changes(&outlook.connection, None, day()).await.unwrap_err();
        assert_eq!(told.class(), ErrorClass::Permanent, "{text}");
        if text.contains("nextLink") {
            let told = outlook.provider.free_busy(&outlook.connection, day()).await.unwrap_err();
            assert_eq!(told.class(), ErrorClass::Permanent, "{text}");
        }
        outlook.fake.mend();
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_with_the_deadline() {
    let outlook = Outlook::work().await;
    let http = calendar_http::Settings {
        network: Network::Any,
        deadline: Duration::from_millis(50),
        ..calendar_http::Settings::default()
    };
    let settings = Settings { graph_url: outlook.fake.graph_url(), ..Settings::default() };
    let hasty = Microsoft::new(settings, HttpClient::new(http).unwrap());
    outlook.fake.inflict(Fault::Hang);
    let error = hasty.free_busy(&outlook.connection, day()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
}

#[tokio::test]
async fn a_revoked_app_is_unauthorized_everywhere() {
    let outlook = Outlook::work().await;
    outlook.fake.oauth().remove_access(ADA);
    let (provider, connection) = (&outlook.provider, &outlook.connection);
    let event = draft("1", hour(9));
    for error in [
        provider.free_busy(connection, day()).await.unwrap_err(),
        provider.changes(connection, None, day()).await.unwrap_err(),
        provider.calendars(connection).await.unwrap_err(),
        provider.put_event(connection, &event).await.unwrap_err(),
    ] {
        assert_eq!(error.class(), ErrorClass::Unauthorized);
    }
}

#[tokio::test]
async fn a_short_wait_is_waited_and_a_long_one_is_told() {
    let outlook = Outlook::work().await;
    outlook.fake.inflict_next("POST", "getSchedule", Fault::Throttled(0));
    assert!(outlook.provider.free_busy(&outlook.connection, day()).await.is_ok());
    outlook.fake.inflict_next("POST", "getSchedule", Fault::Throttled(900));
    let error = outlook.provider.free_busy(&outlook.connection, day()).await.unwrap_err();
    let ProviderError::RateLimited { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(TimeDelta::minutes(15)));
}

#[tokio::test]
async fn a_deleted_calendar_is_not_found_by_any_call() {
    let outlook = Outlook::start(Kind::Second).await;
    let (provider, connection) = (&outlook.provider, &outlook.connection);
    let cursor = provider.changes(connection, None, day()).await.unwrap().next;
    outlook.fake.delete_calendar(ADA, &outlook.calendar);
    let handle = calendar_provider::EventHandle::new("1", None);
    for error in [
        provider.free_busy(connection, day()).await.unwrap_err(),
        provider.changes(connection, None, day()).await.unwrap_err(),
        provider.changes(connection, Some(&cursor), day()).await.unwrap_err(),
        provider.put_event(connection, &draft("1", hour(9))).await.unwrap_err(),
        provider.get_event(connection, &handle).await.unwrap_err(),
        provider.delete_event(connection, &handle).await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "the calendar was not found");
    }
}

#[tokio::test]
async fn a_calendar_of_many_events_is_followed() {
    let outlook = Outlook::start(Kind::Second).await;
    let start = day().start();
    for number in 0..2_000 {
        let begin = start + TimeDelta::seconds(number * 30);
        let event = OutlookEvent::new("Outside", begin, begin + TimeDelta::seconds(20));
        outlook.fake.add_event(ADA, &outlook.calendar, &event);
    }
    let changes = outlook.provider.changes(&outlook.connection, None, day()).await.unwrap();
    assert_eq!(changes.events.len(), 2_000);
    let busy = outlook.provider.free_busy(&outlook.connection, day()).await.unwrap();
    assert_eq!(busy.len(), 2_000);
}
