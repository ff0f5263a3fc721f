//! Change notifications
//! (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>).

use calendar_http::http::Method;
use calendar_provider::{Connection, ProviderError, Push, Pushed, Watch, WatchRequest};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::{
    calendar_ref::CalendarRef,
    graph::{Call, Graph, Session},
};

/// How long a subscription to events may last: 10,080 minutes
/// (<https://learn.microsoft.com/graph/change-notifications-overview>), less a few for the way.
const LONGEST: TimeDelta = TimeDelta::minutes(10_080 - 10);

/// The longest validation token that is echoed; real ones have some 300 characters.
const LONGEST_TOKEN: usize = 4096;

/// <https://learn.microsoft.com/graph/api/resources/subscription>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    id: String,
    expiration_date_time: DateTime<Utc>,
}

/// Subscribes to the calendar, or prolongs `before`.
pub(crate) async fn watch(
    graph: &Graph,
    connection: &Connection,
    request: &WatchRequest,
    before: Option<&Watch>,
) -> Result<Watch, ProviderError> {
    let session = graph.session(connection);
    let calendar = CalendarRef::parse(&connection.calendar_ref);
    let until = latest_end(&session, &calendar, request).await?;
    if let Some(before) = before
        && let Some(prolonged) = prolong(&session, &before.watch_ref, &until).await?
    {
        return Ok(prolonged);
    }
    let resource = match &calendar {
        CalendarRef::Default { .. } => "me/events".into(),
        CalendarRef::Id(id) => format!("me/calendars/{id}/events"),
    };
    let body = json!({
        "changeType": "created,updated,deleted",
        "notificationUrl": request.callback_url,
        "lifecycleNotificationUrl": request.callback_url,
        "resource": resource,
        "clientState": request.secret.expose_secret(),
        "expirationDateTime": until,
    });
    let url = session.url(&["subscriptions"], &[])?;
    let call = Call::new(Method::POST, url, "the calendar").with_body(body);
    session.read::<Subscription>(call).await.map(Into::into)
}

/// Ends a subscription.
pub(crate) async fn unwatch(
    graph: &Graph,
    connection: &Connection,
    watch: &Watch,
) -> Result<(), ProviderError> {
    let session = graph.session(connection);
    let url = session.url(&["subscriptions", &watch.watch_ref], &[])?;
    match session.send(Call::new(Method::DELETE, url, "the subscription")).await {
        Ok(_) | Err(ProviderError::NotFound { what: "the subscription", .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// None where the subscription has ended.
async fn prolong(
    session: &Session<'_>,
    id: &str,
    until: &str,
) -> Result<Option<Watch>, ProviderError> {
    let url = session.url(&["subscriptions", id], &[])?;
    let call = Call::new(Method::PATCH, url, "the subscription")
        .with_body(json!({ "expirationDateTime": until }));
    match session.read::<Subscription>(call).await {
        Ok(subscription) => Ok(Some(subscription.into())),
        Err(ProviderError::NotFound { what: "the subscription", .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// When the subscription is to end: as wanted, or as late as is allowed.
///
/// An end that is too late is refused, so that the present is needed. It is taken from Microsoft's
/// own clock, with a look at the calendar, which also shows that it is still there: a subscription
/// to a calendar that is gone would tell nothing.
async fn latest_end(
    session: &Session<'_>,
    calendar: &CalendarRef,
    request: &WatchRequest,
) -> Result<String, ProviderError> {
    let url = session.url(&calendar.path(), &[("$select", "id")])?;
    let response = session.send(Call::get(url, "the calendar")).await?;
    let date = response.headers().get("date").and_then(|it| it.to_str().ok());
    let now = date.and_then(|it| DateTime::parse_from_rfc2822(it).ok());
    let latest = now.map(|now| now.to_utc() + LONGEST);
    let until = latest.map_or(request.until, |latest| latest.min(request.until));
    Ok(until.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl From<Subscription> for Watch {
    fn from(subscription: Subscription) -> Self {
        Self::new(subscription.id, subscription.expiration_date_time)
    }
}

/// <https://learn.microsoft.com/graph/api/resources/changenotificationcollection>
#[derive(Deserialize)]
struct Notifications {
    value: Vec<Notification>,
}

/// What happened is not read: the calendar is looked at instead.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    client_state: Option<String>,
    lifecycle_event: Option<String>,
}

/// What a call on a channel means.
///
/// A channel's address has no other subscription, so that one notification without its secret
/// makes the call a forgery.
pub(crate) fn read(push: &Push) -> Result<Pushed, ProviderError> {
    if let Some(token) = push.query.get("validationToken") {
        // It comes before there is anything to be told, and so without the secret.
        return handshake(token);
    }
    let unreadable = || ProviderError::permanent("the notification can't be read");
    // Its error could quote the value.
    let told: Notifications = serde_json::from_slice(&push.body).map_err(|_| unreadable())?;
    if told.value.is_empty() {
        return Err(unreadable());
    }
    let secret = push.secret.expose_secret().as_bytes();
    let genuine = |it: &Notification| {
        let told = it.client_state.as_deref().unwrap_or_default();
        bool::from(told.as_bytes().ct_eq(secret))
    };
    if secret.is_empty() || !told.value.iter().all(genuine) {
        return Err(ProviderError::unauthorized());
    }
    let lifecycle =
        |event: &str| told.value.iter().any(|it| it.lifecycle_event.as_deref() == Some(event));
    // `missed`, and what may be invented later, ask for a look as any change does.
    Ok(if lifecycle("subscriptionRemoved") {
        Pushed::Ended
    } else if lifecycle("reauthorizationRequired") {
        Pushed::Renew
    } else {
        Pushed::Changed
    })
}

fn handshake(token: &str) -> Result<Pushed, ProviderError> {
    if token.is_empty() || LONGEST_TOKEN < token.len() {
        return Err(ProviderError::permanent("the validation token is not one of Microsoft's"));
    }
    Ok(Pushed::Handshake { content_type: "text/plain", body: token.into() })
}
