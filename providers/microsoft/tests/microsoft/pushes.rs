//! Notifications: subscribing, what comes in, and what is believed.

use calendar_provider::{CalendarProvider, ErrorClass, Push, Pushed, Watch, WatchRequest};
use chrono::TimeDelta;
use fake_microsoft::Fault;
use serde_json::{Value, json};

use crate::{
    outlook::{ADA, Kind, Outlook, at, draft, hour},
    receiver::Receiver,
};

const SECRET: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";
const CHANNEL: &str = "00000000-0000-4000-8000-000000000001";

fn request(receiver: &Receiver, until: &str) -> WatchRequest {
    WatchRequest::new(CHANNEL, receiver.url(), SECRET.into(), at(until))
}

async fn watch(outlook: &Outlook, receiver: &Receiver) -> Watch {
    let request = request(receiver, "2031-05-06T00:00:00Z");
    outlook.provider.watch(&outlook.connection, &request, None).await.unwrap()
}

/// A call with this body.
fn push(body: &Value) -> Push {
    let mut push = Push::new(CHANNEL, SECRET.into());
    push.headers.insert("content-type".into(), "application/json".into());
    push.body = body.to_string().into_bytes();
    push
}

#[tokio::test]
async fn a_subscription_ends_as_late_as_microsoft_allows() {
    let outlook = Outlook::work().await;
    let receiver = Receiver::start().await;
    let far = request(&receiver, "2031-12-31T00:00:00Z");
    let watch = outlook.provider.watch(&outlook.connection, &far, None).await.unwrap();
    let lasts = watch.expires_at - outlook.fake.clock().now();
    assert!(TimeDelta::days(6) < lasts && lasts <= TimeDelta::minutes(10_080), "{lasts}");
}

#[tokio::test]
async fn each_calendar_is_subscribed_to_by_itself() {
    for (kind, resource) in
        [(Kind::Default, "me/events"), (Kind::Second, "me/calendars/{calendar}/events")]
    {
        let outlook = Outlook::start(kind).await;
        let receiver = Receiver::start().await;
        watch(&outlook, &receiver).await;
        let sent = outlook.sent("POST", "/subscriptions");
        assert_eq!(sent["resource"], resource.replace("{calendar}", &outlook.calendar));
        assert_eq!(sent["lifecycleNotificationUrl"], sent["notificationUrl"]);
        assert_eq!(sent["clientState"], SECRET);
        outlook.put(&draft("1", hour(9))).await;
        outlook.fake.notifications_delivered().await;
        assert_eq!(receiver.pushes().len(), 1);
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_no_subscription() {
    let outlook = Outlook::work().await;
    let nobody = "http://127.0.0.1:9/push".parse().unwrap();
    let until = at("2031-05-06T00:00:00Z");
    let request = WatchRequest::new(CHANNEL, nobody, SECRET.into(), until);
    let refused = outlook.provider.watch(&outlook.connection, &request, None).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Permanent);
    assert!(outlook.fake.subscriptions().is_empty());
}

#[tokio::test]
async fn a_subscription_is_prolonged_and_begun_again_once_it_ended() {
    let outlook = Outlook::work().await;
    let receiver = Receiver::start().await;
    let first = watch(&outlook, &receiver).await;
    let later = request(&receiver, "2031-05-07T00:00:00Z");
    let (provider, connection) = (&outlook.provider, &outlook.connection);
    let prolonged = provider.watch(connection, &later, Some(&first)).await.unwrap();
    assert_eq!(prolonged.watch_ref, first.watch_ref);
    assert_eq!(prolonged.expires_at, later.until);
    outlook.fake.clock().set(at("2031-05-07T01:00:00Z"));
    let mut connection = connection.clone();
    connection.credentials = outlook.fake.token_of(ADA).into();
    let latest = request(&receiver, "2031-05-09T00:00:00Z");
    let anew = provider.watch(&connection, &latest, Some(&prolonged)).await.unwrap();
    assert_ne!(anew.watch_ref, first.watch_ref);
    provider.unwatch(&connection, &prolonged).await.unwrap();
    assert_eq!(outlook.fake.subscriptions(), [anew.watch_ref]);
}

#[tokio::test]
async fn a_failure_to_prolong_begins_nothing_new() {
    let outlook = Outlook::work().await;
    let receiver = Receiver::start().await;
    let first = watch(&outlook, &receiver).await;
    outlook.fake.inflict_on("PATCH", "/subscriptions", Fault::Status(503, ""));
    let later = request(&receiver, "2031-05-07T00:00:00Z");
    let error =
        outlook.provider.watch(&outlook.connection, &later, Some(&first)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert_eq!(outlook.fake.subscriptions().len(), 1);
}

#[tokio::test]
async fn a_calendar_that_is_gone_is_not_watched() {
    let outlook = Outlook::start(Kind::Second).await;
    let receiver = Receiver::start().await;
    outlook.fake.delete_calendar(ADA, &outlook.calendar);
    let request = request(&receiver, "2031-05-06T00:00:00Z");
    let error = outlook.provider.watch(&outlook.connection, &request, None).await.unwrap_err();
    assert_eq!(error.to_string(), "the calendar was not found");
}

#[tokio::test]
async fn lifecycle_notifications_say_what_is_to_be_done() {
    let outlook = Outlook::work().await;
    let receiver = Receiver::start().await;
    let watch = watch(&outlook, &receiver).await;
    for (event, expected) in [
        ("reauthorizationRequired", Pushed::Renew),
        ("missed", Pushed::Changed),
        ("inventedLater", Pushed::Changed),
        ("subscriptionRemoved", Pushed::Ended),
    ] {
        outlook.fake.send_lifecycle(&watch.watch_ref, event);
        outlook.fake.notifications_delivered().await;
        let push = receiver.pushes().pop().unwrap();
        assert_eq!(outlook.provider.read_push(&push).unwrap(), expected, "{event}");
    }
    outlook.provider.unwatch(&outlook.connection, &watch).await.unwrap();
}

#[tokio::test]
async fn of_several_notifications_the_gravest_counts() {
    let outlook = Outlook::work().await;
    let one = |event: &str| json!({ "clientState": SECRET, "lifecycleEvent": event });
    let changed = json!({ "clientState": SECRET, "changeType": "updated" });
    for (value, expected) in [
        (json!([changed, one("reauthorizationRequired")]), Pushed::Renew),
        (
            json!([one("reauthorizationRequired"), one("subscriptionRemoved"), changed]),
            Pushed::Ended,
        ),
    ] {
        let read = outlook.provider.read_push(&push(&json!({ "value": value }))).unwrap();
        assert_eq!(read, expected);
    }
}

#[tokio::test]
async fn a_forged_notification_among_genuine_ones_spoils_the_call() {
    let outlook = Outlook::work().await;
    let genuine = json!({ "clientState": SECRET, "changeType": "updated" });
    for forged in [
        json!({ "clientState": "another", "changeType": "updated" }),
        json!({ "clientState": null }),
        json!({ "clientState": SECRET[..42] }),
        json!({}),
    ] {
        let call = push(&json!({ "value": [genuine, forged] }));
        let error = outlook.provider.read_push(&call).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unauthorized, "{forged}");
    }
}

#[tokio::test]
async fn a_validation_token_is_echoed_as_plain_text() {
    let outlook = Outlook::work().await;
    let mut call = Push::new(CHANNEL, SECRET.into());
    let token = "Validation: Testing <b>a+b</b> & c";
    call.query.insert("validationToken".into(), token.into());
    let echoed = outlook.provider.read_push(&call).unwrap();
    assert_eq!(echoed, Pushed::Handshake { content_type: "text/plain", body: token.into() });
    for wrong in ["", &"x".repeat(5000)] {
        call.query.insert("validationToken".into(), wrong.into());
        assert!(outlook.provider.read_push(&call).is_err(), "{} characters", wrong.len());
    }
}
