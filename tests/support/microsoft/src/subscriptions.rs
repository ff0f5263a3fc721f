//! Subscriptions (<https://learn.microsoft.com/graph/api/resources/subscription>).

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    ask::{Answer, Ask, Outcome},
    world::{Subscription, World},
};

/// How long a subscription to events may last.
const LONGEST: TimeDelta = TimeDelta::minutes(10_080);

/// What a client may ask for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Subscribe {
    change_type: String,
    pub(crate) notification_url: String,
    pub(crate) lifecycle_notification_url: Option<String>,
    resource: String,
    expiration_date_time: DateTime<Utc>,
    client_state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Prolong {
    expiration_date_time: DateTime<Utc>,
}

/// What is asked, checked; the addresses are still to be tried.
pub(crate) fn check(
    world: &World,
    address: &str,
    ask: &Ask,
    now: DateTime<Utc>,
) -> Result<(Subscribe, String), Answer> {
    ask.allow(&[])?;
    let asked: Subscribe = ask.json()?;
    let invalid = |message| Err(Answer::error(400, "InvalidRequest", message));
    if !asked.change_type.split(',').all(|it| ["created", "updated", "deleted"].contains(&it)) {
        return invalid("changeType is not known.");
    }
    if 128 < asked.client_state.len() {
        return invalid("clientState is longer than 128 characters.");
    }
    check_end(asked.expiration_date_time, now)?;
    // Graph takes https only; this fake also calls a test's own server on this machine.
    let callable = |url: &str| url.starts_with("https://") || url.starts_with("http://127.0.0.1:");
    if !callable(&asked.notification_url)
        || !asked.lifecycle_notification_url.as_deref().is_none_or(callable)
    {
        return invalid("The notification address must be https.");
    }
    let mailbox = &world.mailboxes[address];
    let segments: Vec<_> = asked.resource.split('/').filter(|it| !it.is_empty()).collect();
    let calendar = match segments.as_slice() {
        ["me", "events"] => mailbox.default_calendar().id.clone(),
        ["me", "calendars", id, "events"] => {
            let known = mailbox.calendars.iter().any(|it| it.id == *id);
            if known { (*id).to_owned() } else { return Err(Answer::not_found()) }
        }
        _ => return invalid("The resource is not supported."),
    };
    Ok((asked, calendar))
}

/// What is kept once the addresses answered as they must.
pub(crate) fn keep(world: &mut World, address: &str, asked: Subscribe, calendar: String) -> Answer {
    let id = format!("00000000-0000-4000-9000-{:012}", world.fresh());
    let subscription = Subscription {
        id: id.clone(),
        address: address.into(),
        calendar,
        resource: asked.resource,
        notification_url: asked.notification_url,
        lifecycle_url: asked.lifecycle_notification_url,
        client_state: asked.client_state,
        until: asked.expiration_date_time,
    };
    let answer = Answer::created(shown(&subscription));
    world.subscriptions.insert(id, subscription);
    answer
}

/// Prolonging and ending.
pub(crate) fn one(
    world: &mut World,
    address: &str,
    id: &str,
    ask: &Ask,
    now: DateTime<Utc>,
) -> Outcome {
    ask.allow(&[])?;
    let not_found = || Answer::error(404, "ResourceNotFound", "The object was not found.");
    let known = world.subscriptions.get_mut(id);
    let subscription =
        known.filter(|it| it.address == address && now < it.until).ok_or_else(not_found)?;
    match ask.method.as_str() {
        "PATCH" => {
            let asked: Prolong = ask.json()?;
            check_end(asked.expiration_date_time, now)?;
            subscription.until = asked.expiration_date_time;
            Ok(Answer::ok(shown(subscription)))
        }
        "DELETE" => {
            world.subscriptions.remove(id);
            Ok(Answer::no_content())
        }
        _ => Err(Answer::error(405, "Request_BadRequest", "The method is not allowed here.")),
    }
}

fn check_end(until: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Answer> {
    if now < until && until <= now + LONGEST {
        return Ok(());
    }
    let message = "Subscription expiration can only be 10080 minutes in the future.";
    Err(Answer::error(400, "ValidationError", message))
}

fn shown(subscription: &Subscription) -> Value {
    json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity",
        "id": subscription.id,
        "resource": subscription.resource,
        "applicationId": "fake-application",
        "changeType": "created,updated,deleted",
        "clientState": null,
        "notificationUrl": subscription.notification_url,
        "lifecycleNotificationUrl": subscription.lifecycle_url,
        "expirationDateTime": subscription.until.to_rfc3339_opts(SecondsFormat::Secs, true),
        "creatorId": "fake-user",
    })
}
