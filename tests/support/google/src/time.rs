//! When events are.

use chrono::{
    DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeZone, Utc,
};
use chrono_tz::Tz;
use serde_json::{Map, Value};

/// A half-open span.
pub(crate) type Span = (DateTime<Utc>, DateTime<Utc>);

pub(crate) fn overlap(one: Span, other: Span) -> bool {
    one.0 < other.1 && other.0 < one.1
}

pub(crate) fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// When the event is, reading days in the calendar's zone; none where start or end make no sense.
pub(crate) fn span_of(resource: &Map<String, Value>, zone: Tz) -> Option<Span> {
    Some((instant(resource.get("start")?, zone)?, instant(resource.get("end")?, zone)?))
}

fn instant(place: &Value, zone: Tz) -> Option<DateTime<Utc>> {
    if let Some(day) = place.get("date").and_then(Value::as_str) {
        return local(day.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN), zone);
    }
    let text = place.get("dateTime")?.as_str()?;
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.to_utc());
    }
    let zone = place.get("timeZone")?.as_str()?.parse().ok()?;
    local(text.parse().ok()?, zone)
}

/// The instant of a wall-clock time; the end of the gap for one that does not exist.
fn local(time: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let there = |time| zone.from_local_datetime(&time).earliest();
    there(time).or_else(|| there(time + Duration::hours(1))).map(|it| it.to_utc())
}
