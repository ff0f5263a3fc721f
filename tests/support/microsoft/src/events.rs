//! Events one by one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    account::number,
    ask::{Answer, Ask, Outcome},
    notify, render,
    world::{Item, Mailbox, World},
    write::EventWrite,
};

/// <https://learn.microsoft.com/graph/api/calendar-list-events>, filtered by an extended property.
pub(crate) fn list(world: &World, address: &str, calendar: &str, ask: &Ask) -> Outcome {
    ask.allow(&["$filter", "$expand", "$select", "$top"])?;
    let mailbox = &world.mailboxes[address];
    let (id, value) = property_filter(ask.query.get("$filter").map_or("", String::as_str))?;
    let expanded = expanded(ask)?;
    let top = number(ask, "$top", 10, 1000)?;
    let matching = mailbox.items.values().filter(|item| {
        let told = item.properties.get(&id);
        // "Filtering the value property of an extended property is case-insensitive."
        let same = told.is_some_and(|it| it.to_lowercase() == value.to_lowercase());
        !item.deleted && item.calendar == calendar && same
    });
    let shown = matching.map(|item| whole(mailbox, item, ask, &expanded)).take(top);
    Ok(Answer::ok(json!({ "value": shown.collect::<Vec<_>>() })))
}

/// <https://learn.microsoft.com/graph/api/calendar-post-events>
pub(crate) fn create(
    world: &mut World,
    address: &str,
    calendar: &str,
    ask: &Ask,
    now: DateTime<Utc>,
) -> Outcome {
    ask.allow(&[])?;
    let write: EventWrite = ask.json()?;
    write.require_times()?;
    let mailbox = &world.mailboxes[address];
    let calendar = mailbox.calendars.iter().find(|it| it.id == calendar).cloned();
    let calendar = calendar.ok_or_else(Answer::not_found)?;
    if !calendar.can_edit {
        return Err(Answer::error(403, "ErrorAccessDenied", "Access is denied."));
    }
    let same =
        |item: &&Item| item.transaction_id.is_some() && item.transaction_id == write.transaction_id;
    match mailbox.items.values().find(same) {
        // A repeated creation makes nothing, and is answered as the first was.
        Some(item) if !item.deleted => {
            return Ok(Answer::created(whole(mailbox, item, ask, &[])));
        }
        Some(_) if world.transactions_outlive_events => {
            return Err(Answer::error(409, "ErrorDuplicateTransactionId", "It was used before."));
        }
        _ => {}
    }
    let (pending, invited) = (world.teams_pending, write.invited());
    let mut item = blank(world.fresh(), &calendar.id, now, world.next_tick());
    item.transaction_id.clone_from(&write.transaction_id);
    write.apply(&mut item, &calendar, pending)?;
    let number = item.number;
    let mailbox = world.mailboxes.get_mut(address).ok_or_else(Answer::not_found)?;
    mailbox.invitations += invited;
    mailbox.items.insert(number, item);
    notify::changed(world, address, number, "created");
    let mailbox = &world.mailboxes[address];
    Ok(Answer::created(whole(mailbox, &mailbox.items[&number], ask, &[])))
}

/// <https://learn.microsoft.com/graph/api/event-get>
pub(crate) fn get(world: &World, address: &str, id: &str, ask: &Ask) -> Outcome {
    ask.allow(&["$select", "$expand"])?;
    let mailbox = &world.mailboxes[address];
    let (number, index) = mailbox.find(id).ok_or_else(Answer::not_found)?;
    let item = &mailbox.items[&number];
    if let Some(index) = index {
        let instances = item.instances((DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC));
        let found = instances.iter().find(|it| it.index == Some(index));
        let found = found.ok_or_else(Answer::not_found)?;
        let event = render::event(mailbox, item, Some(found), ask.prefer);
        return Ok(Answer::ok(render::select(event, ask.select())));
    }
    Ok(Answer::ok(whole(mailbox, item, ask, &expanded(ask)?)))
}

/// <https://learn.microsoft.com/graph/api/event-update>
pub(crate) fn change(world: &mut World, address: &str, id: &str, ask: &Ask) -> Outcome {
    ask.allow(&[])?;
    let write: EventWrite = ask.json()?;
    if write.transaction_id.is_some() {
        return Err(Answer::bad("transactionId can't be changed."));
    }
    let mailbox = &world.mailboxes[address];
    let (number, index) = mailbox.find(id).ok_or_else(Answer::not_found)?;
    if index.is_some() {
        return Err(Answer::bad("This fake changes whole events only."));
    }
    let mut item = mailbox.items[&number].clone();
    if ask.if_match.as_deref().is_some_and(|it| it != "*" && it != render::etag(item.changed)) {
        return Err(Answer::error(
            412,
            "ErrorIrresolvableConflict",
            "The change key passed in the request does not match the current change key.",
        ));
    }
    let calendar = mailbox.calendars.iter().find(|it| it.id == item.calendar).cloned();
    let calendar = calendar.ok_or_else(Answer::not_found)?;
    if !calendar.can_edit {
        return Err(Answer::error(403, "ErrorAccessDenied", "Access is denied."));
    }
    let (pending, invited) = (world.teams_pending, write.invited());
    write.apply(&mut item, &calendar, pending)?;
    item.changed = world.next_tick();
    let mailbox = world.mailboxes.get_mut(address).ok_or_else(Answer::not_found)?;
    mailbox.invitations += invited;
    mailbox.items.insert(number, item);
    notify::changed(world, address, number, "updated");
    let mailbox = &world.mailboxes[address];
    Ok(Answer::ok(whole(mailbox, &mailbox.items[&number], ask, &[])))
}

/// <https://learn.microsoft.com/graph/api/event-delete>
pub(crate) fn delete(world: &mut World, address: &str, id: &str, ask: &Ask) -> Outcome {
    ask.allow(&[])?;
    let (number, index) = world.mailboxes[address].find(id).ok_or_else(Answer::not_found)?;
    remove(world, address, number, index).ok_or_else(Answer::not_found)?;
    Ok(Answer::no_content())
}

/// Removes an event, or one occurrence of it.
pub(crate) fn remove(
    world: &mut World,
    address: &str,
    number: u64,
    index: Option<u32>,
) -> Option<()> {
    let tick = world.next_tick();
    let item = world.mailboxes.get_mut(address)?.items.get_mut(&number)?;
    match (index, &mut item.series) {
        (Some(index), Some(series)) => {
            let occurrence = series.0.get_mut(&index)?;
            occurrence.deleted = true;
            occurrence.changed = tick;
        }
        (Some(_), None) => return None,
        (None, _) => {
            item.deleted = true;
            item.changed = tick;
        }
    }
    notify::changed(world, address, number, "deleted");
    Some(())
}

/// An event with nothing in it.
pub(crate) fn blank(number: u64, calendar: &str, now: DateTime<Utc>, tick: u64) -> Item {
    Item {
        number,
        calendar: calendar.into(),
        moves: 0,
        created: now,
        changed: tick,
        deleted: false,
        subject: String::new(),
        text: String::new(),
        html: String::new(),
        start: now,
        end: now,
        dates: None,
        zone: "UTC".into(),
        show_as: "busy".into(),
        location: String::new(),
        cancelled: false,
        response: "organizer".into(),
        transaction_id: None,
        properties: BTreeMap::new(),
        meeting: None,
        series: None,
    }
}

/// The event, with the extended properties that are expanded.
fn whole(mailbox: &Mailbox, item: &Item, ask: &Ask, expanded: &[String]) -> Value {
    let mut event = render::select(render::event(mailbox, item, None, ask.prefer), ask.select());
    let properties = item.properties.iter().filter(|(id, _)| expanded.contains(id));
    let properties: Vec<_> =
        properties.map(|(id, value)| json!({ "id": id, "value": value })).collect();
    if !properties.is_empty() {
        event["singleValueExtendedProperties"] = properties.into();
    }
    event
}

/// The one filter that the fake knows
/// (<https://learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get>).
fn property_filter(filter: &str) -> Result<(String, String), Answer> {
    let parts = filter
        .strip_prefix("singleValueExtendedProperties/Any(ep: ep/id eq '")
        .and_then(|it| it.strip_suffix("')"))
        .and_then(|it| it.split_once("' and ep/value eq '"));
    let (id, value) = parts.ok_or_else(|| Answer::bad("The filter is not known."))?;
    if value.replace("''", "").contains('\'') {
        return Err(Answer::bad("A quote within a text is doubled."));
    }
    Ok((id.into(), value.replace("''", "'")))
}

/// The properties named in `singleValueExtendedProperties($filter=id eq '…' or id eq '…')`.
fn expanded(ask: &Ask) -> Result<Vec<String>, Answer> {
    let Some(expand) = ask.query.get("$expand") else { return Ok(Vec::new()) };
    let inner = expand
        .strip_prefix("singleValueExtendedProperties($filter=")
        .and_then(|it| it.strip_suffix(')'))
        .ok_or_else(|| Answer::bad("This can't be expanded."))?;
    let ids = inner.split(" or ").map(|one| {
        let id = one.strip_prefix("id eq '").and_then(|it| it.strip_suffix('\''));
        id.map(Into::into).ok_or_else(|| Answer::bad("The filter within is not known."))
    });
    ids.collect()
}
