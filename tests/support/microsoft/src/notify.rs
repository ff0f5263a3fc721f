//! Notifications, really sent
//! (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>).

use calendar_http::{
    Bytes, HttpClient,
    http::{Request, StatusCode},
};
use chrono::SecondsFormat;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{
    ask::Answer,
    world::{Subscription, World},
};

/// A notification on its way.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) url: String,
    pub(crate) body: Value,
}

/// Queues what the subscriptions to the event's calendar are to be told.
pub(crate) fn changed(world: &mut World, address: &str, number: u64, change_type: &str) {
    let item = &world.mailboxes[address].items[&number];
    let (id, etag) = (item.id(None, true), crate::render::etag(item.changed));
    let concerned = world
        .subscriptions
        .values()
        .filter(|it| it.address == address && it.calendar == item.calendar);
    let told: Vec<_> = concerned
        .map(|it| {
            let resource = format!("Users/fake-user/Events/{id}");
            let mut one = common(it);
            one["changeType"] = change_type.into();
            one["resource"] = resource.clone().into();
            one["resourceData"] = json!({
                "@odata.type": "#Microsoft.Graph.Event",
                "@odata.id": resource,
                "@odata.etag": etag,
                "id": id,
            });
            Outgoing { url: it.notification_url.clone(), body: json!({ "value": [one] }) }
        })
        .collect();
    world.outgoing.extend(told);
}

/// What a lifecycle notification says; none where the subscription wants none.
pub(crate) fn lifecycle(subscription: &Subscription, event: &str) -> Option<Outgoing> {
    let mut one = common(subscription);
    one["lifecycleEvent"] = event.into();
    let url = subscription.lifecycle_url.clone()?;
    Some(Outgoing { url, body: json!({ "value": [one] }) })
}

fn common(subscription: &Subscription) -> Value {
    json!({
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime":
            subscription.until.to_rfc3339_opts(SecondsFormat::Secs, true),
        "clientState": subscription.client_state,
        "tenantId": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
    })
}

/// Sends one; whether it was taken.
pub(crate) async fn send(http: &HttpClient, outgoing: &Outgoing) -> bool {
    let request = Request::post(&outgoing.url)
        .header("content-type", "application/json")
        .body(Bytes::from(outgoing.body.to_string()));
    let Ok(request) = request else { return false };
    http.send(request).await.is_ok_and(|response| response.status().is_success())
}

/// Tries whether whoever is at `url` wants notifications: it must echo a token as plain text.
pub(crate) async fn validate(http: &HttpClient, url: &str, token: &str) -> Result<(), Answer> {
    let failed = |message| Err(Answer::error(400, "ValidationError", message));
    let separator = if url.contains('?') { '&' } else { '?' };
    let token_text = utf8_percent_encode(token, NON_ALPHANUMERIC);
    let request = Request::post(format!("{url}{separator}validationToken={token_text}"))
        .header("content-type", "text/plain; charset=utf-8")
        .body(Bytes::new());
    let Ok(request) = request else { return failed("The address is not valid.") };
    let Ok(response) = http.send(request).await else {
        return failed("Subscription validation request timed out.");
    };
    let plain = response
        .headers()
        .get("content-type")
        .is_some_and(|it| it.as_bytes().starts_with(b"text/plain"));
    if response.status() != StatusCode::OK || !plain || response.body() != token.as_bytes() {
        return failed("Subscription validation request failed.");
    }
    Ok(())
}
