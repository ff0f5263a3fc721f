//! Writing events.

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::body::{is_id, merge};
use super::{EventBody, calendar, etag, shown, writable};
use crate::answer::{Answer, ApiError};
use crate::conference::{self, Meetings};
use crate::gate::Call;
use crate::server::Shared;
use crate::state::{State, Stored};
use crate::time::span_of;

pub(crate) fn insert(shared: &Shared, call: &Call, calendar_id: &str) -> Answer {
    let (value, body) = call.body::<EventBody>()?;
    body.check()?;
    let mut state = shared.lock();
    let calendar_id = writable(&state, call, calendar_id)?;
    let id = match &body.id {
        // Reference of `iCalUID`: only one of the two should be supplied.
        Some(_) if body.i_cal_uid.is_some() => {
            return Err(ApiError::invalid("Both id and iCalUID were given."));
        }
        Some(id) if !is_id(id) => return Err(ApiError::invalid("Invalid resource id value.")),
        Some(id) => id.clone(),
        None => format!("{:026}", state.next()),
    };
    // An ID stays taken when its event was deleted.
    if calendar(&mut state, &calendar_id)?.events.contains_key(&id) {
        return Err(ApiError::duplicate());
    }
    let mut resource = Map::new();
    merge(&mut resource, &fields(&value));
    finish(shared, state, call, &calendar_id, &id, resource, &body)
}

pub(crate) fn patch(shared: &Shared, call: &Call, calendar_id: &str, id: &str) -> Answer {
    rewrite(shared, call, calendar_id, id, true)
}

pub(crate) fn update(shared: &Shared, call: &Call, calendar_id: &str, id: &str) -> Answer {
    rewrite(shared, call, calendar_id, id, false)
}

fn rewrite(shared: &Shared, call: &Call, calendar_id: &str, id: &str, merging: bool) -> Answer {
    let (value, body) = call.body::<EventBody>()?;
    body.check()?;
    let mut state = shared.lock();
    let calendar_id = writable(&state, call, calendar_id)?;
    super::ripen(calendar(&mut state, &calendar_id)?, id);
    let stored = calendar(&mut state, &calendar_id)?.events.get(id).cloned();
    let stored = stored.ok_or_else(ApiError::not_found)?;
    expect_match(call, &stored)?;
    if body.id.as_ref().is_some_and(|it| it != id) {
        return Err(ApiError::invalid("The id can't be changed."));
    }
    let mut resource = stored.resource.clone();
    if !merging {
        // What the server itself keeps stays; the rest is what the body says.
        resource
            .retain(|name, _| ["iCalUID", "eventType", "conferenceData"].contains(&name.as_str()));
    }
    merge(&mut resource, &fields(&value));
    finish(shared, state, call, &calendar_id, id, resource, &body)
}

pub(crate) fn delete(shared: &Shared, call: &Call, calendar_id: &str, id: &str) -> Answer {
    let mut state = shared.lock();
    let calendar_id = writable(&state, call, calendar_id)?;
    let calendar = calendar(&mut state, &calendar_id)?;
    let stored = calendar.events.get(id).cloned().ok_or_else(ApiError::not_found)?;
    if is_cancelled(&stored) {
        return Err(ApiError::deleted());
    }
    expect_match(call, &stored)?;
    let mut resource = stored.resource;
    resource.insert("status".into(), "cancelled".into());
    calendar.keep(id, resource);
    invite(&mut state, call, &Value::Null);
    shared.notify(&mut state, &calendar_id);
    Ok(None)
}

/// Keeps what the event has become, with its meeting, and tells who watches.
fn finish(
    shared: &Shared,
    mut state: std::sync::MutexGuard<'_, State>,
    call: &Call,
    calendar_id: &str,
    id: &str,
    mut resource: Map<String, Value>,
    body: &EventBody,
) -> Answer {
    let zone = calendar(&mut state, calendar_id)?.zone;
    check_span(&resource, zone)?;
    if body.is_live() && resource.get("status").is_some_and(|it| it == "cancelled") {
        return Err(ApiError::invalid("The event is deleted."));
    }
    mark_self(&mut resource, &call.account);
    let wanted = call.body::<Value>()?.1.get("conferenceData").cloned();
    // Version 0, the default, ignores conference data.
    if let (Some("1"), Some(asked)) = (call.param("conferenceDataVersion"), wanted) {
        if state.meetings == Meetings::NotAllowed {
            return Err(ApiError::invalid("Invalid conference type value."));
        }
        let number = state.next();
        let before = resource.get("conferenceData");
        let data = conference::ask(state.meetings, before, &asked, number);
        resource.insert("conferenceData".into(), data);
    }
    invite(&mut state, call, resource.get("attendees").unwrap_or(&Value::Null));
    let stored = calendar(&mut state, calendar_id)?.keep(id, resource).clone();
    shared.notify(&mut state, calendar_id);
    Ok(Some(Value::Object(shown(&stored, call))))
}

/// The body's fields; the conference is not written like the others.
fn fields(value: &Value) -> Map<String, Value> {
    let mut fields = value.as_object().cloned().unwrap_or_default();
    fields.remove("conferenceData");
    fields
}

fn check_span(resource: &Map<String, Value>, zone: Tz) -> Result<(), ApiError> {
    for name in ["start", "end"] {
        if !resource.contains_key(name) {
            return Err(ApiError::required(format!("Missing {name} time.")));
        }
    }
    let days = ["start", "end"].map(|name| resource[name].get("date").is_some());
    match span_of(resource, zone) {
        Some((start, end)) if start <= end && days[0] == days[1] => Ok(()),
        _ => Err(ApiError::empty_range()),
    }
}

fn expect_match(call: &Call, stored: &Stored) -> Result<(), ApiError> {
    match &call.if_match {
        Some(expected) if expected != "*" && *expected != etag(stored) => {
            Err(ApiError::condition())
        }
        _ => Ok(()),
    }
}

pub(super) fn is_cancelled(stored: &Stored) -> bool {
    stored.resource.get("status").is_some_and(|it| it == "cancelled")
}

/// Marks the attendee whose calendar it is.
fn mark_self(resource: &mut Map<String, Value>, account: &str) {
    let attendees = resource.get_mut("attendees").and_then(Value::as_array_mut);
    for attendee in attendees.into_iter().flatten() {
        if attendee["email"] == account {
            attendee["self"] = true.into();
        }
        if attendee.get("responseStatus").is_none() {
            attendee["responseStatus"] = "needsAction".into();
        }
    }
}

/// Notes the mails that Google would send.
fn invite(state: &mut State, call: &Call, attendees: &Value) {
    if matches!(call.param("sendUpdates"), Some("all" | "externalOnly")) {
        let addresses = attendees.as_array().into_iter().flatten();
        let addresses = addresses.filter_map(|it| it["email"].as_str().map(str::to_owned));
        state.invitations.extend(addresses);
    }
}
