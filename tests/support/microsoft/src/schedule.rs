//! Published free/busy (<https://learn.microsoft.com/graph/api/calendar-getschedule>).

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    ask::{Answer, Ask, Outcome},
    delta::overlap,
    world::{Instance, Item, Mailbox, World},
    write::DateTimeTimeZone,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetSchedule {
    schedules: Vec<String>,
    start_time: DateTimeTimeZone,
    end_time: DateTimeTimeZone,
    #[serde(default = "half_an_hour")]
    availability_view_interval: i64,
}

const fn half_an_hour() -> i64 {
    30
}

pub(crate) fn get(world: &World, address: &str, ask: &Ask) -> Outcome {
    ask.allow(&[])?;
    let asked: GetSchedule = ask.json()?;
    if world.mailboxes[address].personal {
        return Err(Answer::error(400, "ErrorInvalidRequest", "Not for personal accounts."));
    }
    let window = (asked.start_time.instant()?, asked.end_time.instant()?);
    let slot = asked.availability_view_interval;
    let length = window.1 - window.0;
    let fits = TimeDelta::minutes(slot) <= length && length <= TimeDelta::days(62);
    if !fits || !(5..=1440).contains(&slot) || 20 < asked.schedules.len() {
        return Err(Answer::error(400, "ErrorInvalidParameter", "The window is not allowed."));
    }
    let one = |address: &String| match world.mailboxes.get(&address.to_ascii_lowercase()) {
        _ if world.schedule_error.is_some() => failed(address, world.schedule_error.as_deref()),
        Some(mailbox) if !mailbox.personal => schedule(mailbox, window, slot),
        _ => failed(address, Some("ErrorMailRecipientNotFound")),
    };
    let value: Vec<_> = asked.schedules.iter().map(one).collect();
    Ok(Answer::ok(json!({ "value": value })))
}

/// <https://learn.microsoft.com/graph/api/resources/freebusyerror>
fn failed(address: &str, code: Option<&str>) -> Value {
    json!({
        "scheduleId": address,
        "availabilityView": "",
        "scheduleItems": [],
        "error": { "message": "It could not be resolved.", "responseCode": code },
    })
}

fn schedule(mailbox: &Mailbox, window: (DateTime<Utc>, DateTime<Utc>), slot: i64) -> Value {
    let calendar = &mailbox.default_calendar().id;
    let mut items: Vec<_> = mailbox
        .items
        .values()
        .filter(|it| !it.deleted && it.calendar == *calendar && !it.cancelled)
        .filter(|it| it.response != "declined")
        .flat_map(|item| item.instances(window).into_iter().map(move |it| (item, it)))
        .collect();
    items.sort_by_key(|(item, instance)| (instance.start, item.number));
    let slots = std::iter::successors(Some(window.0), |at| Some(*at + TimeDelta::minutes(slot)));
    let view: String = slots
        .take_while(|at| *at < window.1)
        .map(|at| merged(&items, (at, at + TimeDelta::minutes(slot))))
        .collect();
    let items: Vec<_> = items.iter().map(|(item, instance)| shown(item, instance)).collect();
    json!({
        "scheduleId": mailbox.address,
        "availabilityView": view,
        "scheduleItems": items,
        "workingHours": { "daysOfWeek": ["monday"], "timeZone": { "name": "Customized Time Zone" } },
    })
}

/// The most that is on in a slot, as one digit.
fn merged(items: &[(&Item, Instance)], slot: (DateTime<Utc>, DateTime<Utc>)) -> char {
    let on = items.iter().filter(|(_, it)| overlap((it.start, it.end), slot));
    let digit = |show_as: &str| match show_as {
        "tentative" => '1',
        "busy" => '2',
        "oof" => '3',
        _ => '0',
    };
    on.map(|(_, it)| digit(&it.show_as)).max().unwrap_or('0')
}

fn shown(item: &Item, instance: &Instance) -> Value {
    let time = |at: DateTime<Utc>| json!({ "dateTime": format!("{}0", at.format("%Y-%m-%dT%H:%M:%S%.6f")), "timeZone": "UTC" });
    json!({
        "isPrivate": false,
        "status": instance.show_as,
        "subject": item.subject,
        "location": item.location,
        "start": time(instance.start),
        "end": time(instance.end),
    })
}
