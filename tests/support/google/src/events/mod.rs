//! `events.*`.

mod body;
mod list;
mod write;

pub(crate) use body::EventBody;
pub(crate) use list::list;
pub(crate) use write::{delete, insert, patch, update};

use serde_json::{Map, Value};

use crate::answer::{Answer, ApiError};
use crate::conference;
use crate::gate::Call;
use crate::server::Shared;
use crate::state::{Calendar, State, Stored};

const WRITE_SCOPES: &[&str] = &["calendar", "calendar.events"];
const READ_SCOPES: &[&str] =
    &["calendar", "calendar.readonly", "calendar.events", "calendar.events.readonly"];

/// The ID of the calendar that the call may read.
pub(crate) fn readable(state: &State, call: &Call, id: &str) -> Result<String, ApiError> {
    let entry = state.entry(&call.account, id).ok_or_else(ApiError::not_found)?;
    // With a scope for owned calendars alone the others are not there.
    if call.owned_only(READ_SCOPES) && entry.role != "owner" {
        return Err(ApiError::scope());
    }
    Ok(entry.calendar.clone())
}

/// The same for writing.
fn writable(state: &State, call: &Call, id: &str) -> Result<String, ApiError> {
    let entry = state.entry(&call.account, id).ok_or_else(ApiError::not_found)?;
    if call.owned_only(WRITE_SCOPES) && entry.role != "owner" {
        return Err(ApiError::scope());
    }
    match entry.role {
        "owner" | "writer" => Ok(entry.calendar.clone()),
        _ => Err(ApiError::access_level()),
    }
}

fn calendar<'a>(state: &'a mut State, id: &str) -> Result<&'a mut Calendar, ApiError> {
    state.calendars.get_mut(id).ok_or_else(ApiError::not_found)
}

/// `events.get`: deleted ones are shown as cancelled.
pub(crate) fn get(shared: &Shared, call: &Call, calendar_id: &str, id: &str) -> Answer {
    let mut state = shared.lock();
    let calendar_id = readable(&state, call, calendar_id)?;
    let calendar = calendar(&mut state, &calendar_id)?;
    ripen(calendar, id);
    let stored = calendar.find(id).ok_or_else(ApiError::not_found)?;
    Ok(Some(Value::Object(shown(&stored, call))))
}

/// Lets a meeting that was pending be there, which changes the event.
fn ripen(calendar: &mut Calendar, id: &str) {
    let Some(stored) = calendar.events.get_mut(id) else { return };
    if conference::ripen(&mut stored.resource) {
        calendar.revision += 1;
        stored.revision = calendar.revision;
    }
}

/// The event as an answer shows it.
fn shown(stored: &Stored, call: &Call) -> Map<String, Value> {
    let mut resource = stored.resource.clone();
    conference::show(&mut resource);
    let id = resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    resource.insert("kind".into(), "calendar#event".into());
    resource.insert("etag".into(), etag(stored).into());
    resource.insert(
        "htmlLink".into(),
        format!("https://calendar.google.example/event?eid={id}").into(),
    );
    let most = call.param("maxAttendees").and_then(|it| it.parse::<usize>().ok());
    if let (Some(most), Some(Value::Array(attendees))) = (most, resource.get_mut("attendees"))
        && most < attendees.len()
    {
        attendees.retain(|it| it["self"] == true);
        resource.insert("attendeesOmitted".into(), true.into());
    }
    resource
}

fn etag(stored: &Stored) -> String {
    format!("\"{}\"", stored.revision)
}
