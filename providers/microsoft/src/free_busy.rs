//! When the agent is busy, in one round trip.

use std::collections::BTreeSet;

use calendar_http::http::Method;
use calendar_provider::{BusyInterval, Connection, ProviderError, TimeRange};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    batch::{self, Part},
    busy::{blocks, slot_blocks},
    calendar_ref::CalendarRef,
    event::Event,
    graph::{Graph, Page, Session, query_text},
    times::{self, DateTimeTimeZone},
};

/// The longest window of `getSchedule`; longer ones are answered with `ErrorInvalidParameter`. The
/// reference does not say so; Exchange's GetUserAvailability, which it is made on, does.
const LONGEST_SCHEDULE: TimeDelta = TimeDelta::days(62);

/// The length of a slot of the view, in minutes: the shortest there is
/// (<https://learn.microsoft.com/graph/api/calendar-getschedule>). A window must not be shorter.
const SLOT_MINUTES: i64 = 5;

/// The properties that say whether an event blocks.
const SELECT: &str =
    "id,type,subject,start,end,isAllDay,originalStartTimeZone,showAs,isCancelled,responseStatus";

/// What answers for one calendar.
enum Query {
    /// Published free/busy: cheap, and of the default calendar only.
    Schedule(String),
    /// Its events, recurring ones expanded.
    View(CalendarRef),
}

/// Every interval that blocks the agent and overlaps `window`.
pub(crate) async fn free_busy(
    graph: &Graph,
    connection: &Connection,
    window: TimeRange,
) -> Result<Vec<BusyInterval>, ProviderError> {
    let session = graph.session(connection);
    let queries = queries(connection, window);
    let parts = queries.iter().map(|query| part(query, window)).collect();
    let answers = batch::send(&session, parts).await?;
    let mut busy = Vec::new();
    for (query, answer) in queries.iter().zip(answers) {
        match query {
            Query::Schedule(_) => busy.extend(of_schedule(answer, window)?),
            Query::View(_) => busy.extend(of_view(&session, answer).await?),
        }
    }
    busy.retain(|interval| interval.range.overlaps(window));
    Ok(busy)
}

/// What is to be asked, each calendar once.
fn queries(connection: &Connection, window: TimeRange) -> Vec<Query> {
    let refs: BTreeSet<_> =
        std::iter::once(&connection.calendar_ref).chain(&connection.also_busy).collect();
    let fits = rounded(window).is_some_and(|(start, end)| end - start <= LONGEST_SCHEDULE);
    refs.into_iter()
        .map(|text| match CalendarRef::parse(text) {
            CalendarRef::Default { address } if fits => Query::Schedule(address),
            calendar => Query::View(calendar),
        })
        .collect()
}

fn part(query: &Query, window: TimeRange) -> Part {
    match query {
        Query::Schedule(address) => {
            let (start, end) = rounded(window).unwrap_or((window.start(), window.end()));
            let path = ["me", "calendar", "getSchedule"].map(Into::into).to_vec();
            let body = Some(schedule_body(address, start, end));
            Part { method: Method::POST, path, query: String::new(), body, about: "the mailbox" }
        }
        Query::View(calendar) => {
            let path = calendar.path_to(&["calendarView"]);
            let (start, end) = (times::to_query(window.start()), times::to_query(window.end()));
            let query = query_text(&[
                ("startDateTime", &start),
                ("endDateTime", &end),
                ("$select", SELECT),
                ("$top", "1000"),
            ]);
            let path = path.into_iter().map(Into::into).collect();
            Part { method: Method::GET, path, query, body: None, about: "the calendar" }
        }
    }
}

/// What `getSchedule` is asked for the mailbox at `address`.
pub(crate) fn schedule_body(address: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> Value {
    json!({
        "schedules": [address],
        "startTime": times::to_graph(start),
        "endTime": times::to_graph(end),
        "availabilityViewInterval": SLOT_MINUTES,
    })
}

/// The window, made longer to whole slots.
fn rounded(window: TimeRange) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let slot = TimeDelta::minutes(SLOT_MINUTES);
    let start = window.start().duration_trunc(slot).ok()?;
    let end = window.end().duration_trunc(slot).ok()?;
    Some((start, if end < window.end() { end + slot } else { end }))
}

/// <https://learn.microsoft.com/graph/api/resources/scheduleinformation>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    availability_view: Option<String>,
    schedule_items: Option<Vec<Item>>,
    error: Option<FreeBusyError>,
}

/// <https://learn.microsoft.com/graph/api/resources/scheduleitem>
#[derive(Deserialize)]
struct Item {
    status: Option<String>,
    subject: Option<String>,
    start: DateTimeTimeZone,
    end: DateTimeTimeZone,
}

/// <https://learn.microsoft.com/graph/api/resources/freebusyerror>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FreeBusyError {
    response_code: Option<String>,
}

/// The answer of `getSchedule`. An error comes within a success, and is one all the same.
fn of_schedule(answer: Value, window: TimeRange) -> Result<Vec<BusyInterval>, ProviderError> {
    let schedules: Page<Schedule> = decode(answer)?;
    let Some(schedule) = schedules.value.into_iter().next() else {
        return Err(ProviderError::transient("the free/busy of the mailbox is missing"));
    };
    if let Some(error) = schedule.error {
        return Err(match error.response_code.as_deref() {
            Some("ErrorMailRecipientNotFound") => ProviderError::not_found("the mailbox"),
            _ => ProviderError::transient("the free/busy could not be worked out"),
        });
    }
    match (schedule.schedule_items, schedule.availability_view) {
        (Some(items), _) => of_items(&items),
        (None, Some(view)) => Ok(of_slots(&view, window)),
        (None, None) => Err(ProviderError::transient("the free/busy of the mailbox is empty")),
    }
}

fn of_items(items: &[Item]) -> Result<Vec<BusyInterval>, ProviderError> {
    let mut busy = Vec::new();
    for item in items.iter().filter(|item| blocks(item.status.as_deref(), false, false)) {
        if let Some(range) = times::range(&item.start, &item.end)? {
            let mut interval = BusyInterval::new(range);
            interval.title.clone_from(&item.subject);
            busy.push(interval);
        }
    }
    Ok(busy)
}

/// The merged view, where no items are told.
fn of_slots(view: &str, window: TimeRange) -> Vec<BusyInterval> {
    let slot = TimeDelta::minutes(SLOT_MINUTES);
    let start = rounded(window).map_or(window.start(), |(start, _)| start);
    let starts = std::iter::successors(Some(start), |at| at.checked_add_signed(slot));
    let blocking = view.chars().zip(starts).filter(|(character, _)| slot_blocks(*character));
    blocking
        .filter_map(|(_, at)| TimeRange::lasting(at, slot).ok())
        .map(BusyInterval::new)
        .collect()
}

/// The answer of a calendar view, and its further pages.
async fn of_view(session: &Session<'_>, answer: Value) -> Result<Vec<BusyInterval>, ProviderError> {
    let mut page: Page<Event> = decode(answer)?;
    let mut events = std::mem::take(&mut page.value);
    session.read_rest(page.next_link, "the calendar", &mut events).await?;
    let mut busy = Vec::new();
    for event in events.iter().filter(|event| event.is_busy()) {
        if let Some(range) = event.range()? {
            let mut interval = BusyInterval::new(range);
            interval.title.clone_from(&event.subject);
            busy.push(interval);
        }
    }
    Ok(busy)
}

fn decode<T: DeserializeOwned>(answer: Value) -> Result<T, ProviderError> {
    // Its error could quote the value.
    serde_json::from_value(answer)
        .map_err(|_| ProviderError::transient("the answer is not as documented"))
}

#[cfg(test)]
mod tests {
    use calendar_provider::{ErrorClass, TimeRange};
    use serde_json::{Value, json};

    use super::{of_schedule, rounded};

    fn window(start: &str, end: &str) -> TimeRange {
        TimeRange::new(start.parse().unwrap(), end.parse().unwrap()).unwrap()
    }

    fn schedule(schedule: Value) -> Value {
        json!({ "value": [schedule] })
    }

    #[test]
    fn a_window_is_asked_in_whole_slots() {
        let asked = rounded(window("2031-05-05T09:01:30Z", "2031-05-05T09:02:00Z")).unwrap();
        assert_eq!(asked.0.to_rfc3339(), "2031-05-05T09:00:00+00:00");
        assert_eq!(asked.1.to_rfc3339(), "2031-05-05T09:05:00+00:00");
        let whole = window("2031-05-05T09:00:00Z", "2031-05-05T10:00:00Z");
        assert_eq!(rounded(whole), Some((whole.start(), whole.end())));
    }

    #[test]
    fn an_error_within_a_success_is_never_free() {
        let day = window("2031-05-05T00:00:00Z", "2031-05-06T00:00:00Z");
        let failed = |code: &str| {
            schedule(json!({
                "scheduleId": "ada@contoso.example",
                "availabilityView": "",
                "scheduleItems": [],
                "error": { "message": "of ada", "responseCode": code }
            }))
        };
        for (answer, class) in [
            (failed("ErrorMailRecipientNotFound"), ErrorClass::NotFound),
            (failed("ErrorFreeBusyGenerationFailed"), ErrorClass::Transient),
            (json!({ "value": [] }), ErrorClass::Transient),
            (json!({}), ErrorClass::Transient),
            (schedule(json!({})), ErrorClass::Transient),
            (schedule(json!({ "scheduleItems": [{ "status": "busy" }] })), ErrorClass::Transient),
        ] {
            let text = answer.to_string();
            assert_eq!(of_schedule(answer, day).unwrap_err().class(), class, "{text}");
        }
    }

    #[test]
    fn the_merged_view_is_read_where_nothing_else_is_told() {
        let morning = window("2031-05-05T09:00:00Z", "2031-05-05T09:25:00Z");
        let answer = schedule(json!({ "availabilityView": "02014" }));
        let starts: Vec<_> = of_schedule(answer, morning)
            .unwrap()
            .into_iter()
            .map(|it| it.range.start().format("%H:%M").to_string())
            .collect();
        assert_eq!(starts, ["09:05", "09:15"]);
    }
}
