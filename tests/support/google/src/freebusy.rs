//! `freebusy.query`.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, ApiError};
use crate::gate::Call;
use crate::server::Shared;
use crate::state::{Calendar, State};
use crate::time::{Span, overlap, rfc3339, span_of};

/// The reference's limits; the longest range is not in it, but "timeRangeTooLong" is answered
/// past three months.
const CALENDARS: usize = 50;
const LONGEST: TimeDelta = TimeDelta::days(90);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Query {
    time_min: DateTime<Utc>,
    time_max: DateTime<Utc>,
    #[expect(dead_code, reason = "the answer is in UTC whatever the zone")]
    time_zone: Option<chrono_tz::Tz>,
    calendar_expansion_max: Option<usize>,
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
}

pub(crate) fn query(shared: &Shared, call: &Call) -> Answer {
    let (_, query) = call.body::<Query>()?;
    let window = (query.time_min, query.time_max);
    if window.1 <= window.0 {
        return Err(ApiError::empty_range());
    }
    if LONGEST < window.1 - window.0 {
        return Err(ApiError::long_range());
    }
    let most = query.calendar_expansion_max.unwrap_or(CALENDARS).min(CALENDARS);
    let too_many = most < query.items.len();
    let state = shared.lock();
    let mut calendars = Map::new();
    for Item { id } in query.items {
        let answer = match (too_many, of_calendar(&state, &call.account, &id, window)) {
            (true, _) => refused("tooManyCalendarsRequested"),
            (_, Some(answer)) => answer,
            (_, None) => refused("notFound"),
        };
        calendars.insert(id, answer);
    }
    Ok(Some(json!({
        "kind": "calendar#freeBusy",
        "timeMin": rfc3339(window.0),
        "timeMax": rfc3339(window.1),
        "calendars": calendars,
    })))
}

fn refused(reason: &str) -> Value {
    json!({ "errors": [{ "domain": "global", "reason": reason }], "busy": [] })
}

fn of_calendar(state: &State, account: &str, id: &str, window: Span) -> Option<Value> {
    let entry = state.entry(account, id)?;
    let calendar = state.calendars.get(&entry.calendar)?;
    if calendar.broken {
        return Some(refused("internalError"));
    }
    let busy: Vec<_> = merged(busy_spans(calendar, window))
        .into_iter()
        .map(|(start, end)| {
            json!({ "start": rfc3339(start.max(window.0)), "end": rfc3339(end.min(window.1)) })
        })
        .collect();
    Some(json!({ "busy": busy }))
}

fn busy_spans(calendar: &Calendar, window: Span) -> Vec<Span> {
    let events = calendar.all(Some(window));
    let counting = events.filter(|stored| counts(&stored.resource));
    let spans = counting.filter_map(|stored| span_of(&stored.resource, calendar.zone));
    spans.filter(|span| span.0 < span.1 && overlap(*span, window)).collect()
}

/// Whether the event blocks time, as the reference of `transparency` and the guide "Manage focus
/// time, out of office, and working location events" have it.
fn counts(event: &Map<String, Value>) -> bool {
    let says = |name: &str, value: &str| event.get(name).is_some_and(|it| it == value);
    let declined = event.get("attendees").and_then(Value::as_array).is_some_and(|attendees| {
        attendees.iter().any(|it| it["self"] == true && it["responseStatus"] == "declined")
    });
    !(declined
        || says("status", "cancelled")
        || says("transparency", "transparent")
        || says("eventType", "workingLocation")
        || says("eventType", "birthday"))
}

fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.0 <= last.1 => last.1 = last.1.max(span.1),
            _ => merged.push(span),
        }
    }
    merged
}
