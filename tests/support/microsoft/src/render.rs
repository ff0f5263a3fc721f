//! Resources as Graph shows them.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use crate::{
    ask::Prefer,
    world::{Calendar, Instance, Item, Mailbox},
};

/// <https://learn.microsoft.com/graph/api/resources/event>, whole. `instance` is none for a series
/// itself.
pub(crate) fn event(
    mailbox: &Mailbox,
    item: &Item,
    instance: Option<&Instance>,
    prefer: Prefer,
) -> Value {
    let index = instance.and_then(|it| it.index);
    let (start, end) = instance.map_or((item.start, item.end), |it| (it.start, it.end));
    let dates = instance.map_or(item.dates, |it| it.dates);
    let id = item.id(index, prefer.immutable);
    let kind = match (item.series.is_some(), instance) {
        (false, _) => "singleInstance",
        (true, None) => "seriesMaster",
        (true, Some(it)) if it.exception => "exception",
        (true, Some(_)) => "occurrence",
    };
    let master = index.map(|_| item.id(None, prefer.immutable));
    let tick = instance.map_or(item.changed, |it| it.changed);
    let meeting = item.meeting.as_ref().filter(|it| !it.pending);
    let (content_type, content) =
        if prefer.text { ("text", &item.text) } else { ("html", &item.html) };
    json!({
        "@odata.etag": etag(tick),
        "id": id,
        "createdDateTime": stamp(item.created),
        "lastModifiedDateTime": stamp(item.created),
        "changeKey": change_key(tick),
        "categories": [],
        "transactionId": item.transaction_id,
        "originalStartTimeZone": item.zone,
        "originalEndTimeZone": item.zone,
        "iCalUId": format!("040000008200E00074C5B7101A82E008{:032X}", item.number),
        "reminderMinutesBeforeStart": 15,
        "isReminderOn": true,
        "hasAttachments": false,
        "subject": item.subject,
        "bodyPreview": item.text.chars().take(255).collect::<String>(),
        "importance": "normal",
        "sensitivity": "normal",
        "isAllDay": dates.is_some(),
        "isCancelled": item.cancelled,
        "isOrganizer": item.response == "organizer",
        "responseRequested": true,
        "seriesMasterId": master,
        "showAs": instance.map_or(&item.show_as, |it| &it.show_as),
        "type": kind,
        "webLink": format!("https://outlook.office365.com/owa/?itemid={id}&path=/calendar/item"),
        "onlineMeetingUrl": null,
        "isOnlineMeeting": item.meeting.is_some(),
        "onlineMeetingProvider": if item.meeting.is_some() { "teamsForBusiness" } else { "unknown" },
        "allowNewTimeProposals": true,
        "recurrence": null,
        "responseStatus": { "response": item.response, "time": "0001-01-01T00:00:00Z" },
        "body": { "contentType": content_type, "content": content },
        "start": date_time(start, dates.map(|it| it.0)),
        "end": date_time(end, dates.map(|it| it.1)),
        "location": { "displayName": item.location, "locationType": "default" },
        "attendees": [],
        "organizer": { "emailAddress": { "name": mailbox.name, "address": mailbox.address } },
        "onlineMeeting": meeting.map(|it| json!({ "joinUrl": it.join_url })),
    })
}

/// What a delta tells of an occurrence that is as its series says.
pub(crate) fn occurrence(item: &Item, instance: &Instance, prefer: Prefer) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.event",
        "@odata.etag": etag(instance.changed),
        "id": item.id(instance.index, prefer.immutable),
        "seriesMasterId": item.id(None, prefer.immutable),
        "type": "occurrence",
        "start": date_time(instance.start, instance.dates.map(|it| it.0)),
        "end": date_time(instance.end, instance.dates.map(|it| it.1)),
    })
}

/// <https://learn.microsoft.com/graph/api/resources/calendar>
pub(crate) fn calendar(calendar: &Calendar) -> Value {
    let providers = if calendar.teams { vec!["teamsForBusiness"] } else { vec![] };
    json!({
        "id": calendar.id,
        "name": calendar.name,
        "color": "auto",
        "isDefaultCalendar": calendar.default,
        "changeKey": change_key(1),
        "canShare": calendar.can_edit,
        "canViewPrivateItems": true,
        "canEdit": calendar.can_edit,
        "allowedOnlineMeetingProviders": providers,
        "defaultOnlineMeetingProvider":
            if calendar.teams { "teamsForBusiness" } else { "unknown" },
        "isTallyingResponses": true,
        "isRemovable": !calendar.default,
        "owner": { "name": calendar.owner, "address": calendar.owner },
    })
}

/// Only what `$select` names, and what OData tells besides.
pub(crate) fn select(value: Value, select: Option<&str>) -> Value {
    let (Some(select), Value::Object(all)) = (select, &value) else { return value };
    let names: Vec<_> = select.split(',').collect();
    let kept = all.iter().filter(|(name, _)| {
        name.starts_with('@') || *name == "id" || names.contains(&name.as_str())
    });
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

pub(crate) fn etag(tick: u64) -> String {
    format!("W/\"{}\"", change_key(tick))
}

fn change_key(tick: u64) -> String {
    format!("fakeKey{tick:010}==")
}

fn stamp(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Whole days are told as dates, whatever zone they were made in.
fn date_time(instant: DateTime<Utc>, date: Option<NaiveDate>) -> Value {
    let text = match date {
        Some(date) => format!("{date}T00:00:00.0000000"),
        None => format!("{}0", instant.format("%Y-%m-%dT%H:%M:%S%.6f")),
    };
    json!({ "dateTime": text, "timeZone": "UTC" })
}
