//! Instants and Graph's `dateTimeTimeZone`.

use calendar_provider::{ProviderError, TimeRange};
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::zones::zone;

/// A wall-clock time and its zone
/// (<https://learn.microsoft.com/graph/api/resources/datetimetimezone>).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DateTimeTimeZone {
    date_time: String,
    #[serde(default)]
    time_zone: Option<String>,
}

/// Which end of a range a wall-clock time is: where its instant is not certain, a range is made
/// longer and never shorter, since unknown is busy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Start,
    Stop,
}

/// An instant in the form that requests have.
pub(crate) fn to_graph(instant: DateTime<Utc>) -> Value {
    json!({ "dateTime": instant.format("%Y-%m-%dT%H:%M:%S%.f").to_string(), "timeZone": "UTC" })
}

/// An instant in the form that queries have.
pub(crate) fn to_query(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}

/// The range between two times; none where it has no length.
///
/// # Errors
/// Transient where either is no time, or the end is before the start.
pub(crate) fn range(
    start: &DateTimeTimeZone,
    end: &DateTimeTimeZone,
) -> Result<Option<TimeRange>, ProviderError> {
    span(instant(start, End::Start)?, instant(end, End::Stop)?)
}

/// The same for an event of whole days, made in the zone `original`.
///
/// Such an event is a date and belongs to the zone that it was made in, whatever zone answers are
/// preferred in: Graph tells midnight to midnight. Where the answer is not at midnight, it tells
/// real instants. A zone that only the mailbox knows could be any: then from the first place on
/// Earth where the date begins (UTC+14) to the last where it ends (UTC−12).
///
/// # Errors
/// As [`range`].
pub(crate) fn whole_days(
    start: &DateTimeTimeZone,
    end: &DateTimeTimeZone,
    original: Option<&str>,
) -> Result<Option<TimeRange>, ProviderError> {
    let (first, last) = (wall_clock(start)?, wall_clock(end)?);
    if first.time() != NaiveTime::MIN || last.time() != NaiveTime::MIN {
        return range(start, end);
    }
    let original = original.and_then(zone);
    span(locate(first, original, End::Start)?, locate(last, original, End::Stop)?)
}

fn span(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Option<TimeRange>, ProviderError> {
    if end < start {
        return Err(ProviderError::transient("an event ends before it starts"));
    }
    Ok(TimeRange::new(start, end).ok())
}

fn instant(time: &DateTimeTimeZone, end: End) -> Result<DateTime<Utc>, ProviderError> {
    // UTC is the documented default.
    let zone = match time.time_zone.as_deref() {
        None | Some("UTC") => Some(Tz::UTC),
        Some(name) => zone(name),
    };
    locate(wall_clock(time)?, zone, end)
}

fn wall_clock(time: &DateTimeTimeZone) -> Result<NaiveDateTime, ProviderError> {
    // Seven digits of a second, and some services end it with a Z.
    NaiveDateTime::parse_from_str(time.date_time.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f")
        .map_err(|cause| ProviderError::transient("a time is not as documented").with_source(cause))
}

fn locate(time: NaiveDateTime, zone: Option<Tz>, end: End) -> Result<DateTime<Utc>, ProviderError> {
    let Some(zone) = zone else {
        let shift = if end == End::Start { TimeDelta::hours(-14) } else { TimeDelta::hours(12) };
        return Ok((time + shift).and_utc());
    };
    match zone.from_local_datetime(&time) {
        MappedLocalTime::Single(instant) => Ok(instant.to_utc()),
        MappedLocalTime::Ambiguous(first, second) => {
            Ok(if end == End::Start { first.to_utc() } else { second.to_utc() })
        }
        // In a gap: read with the offset before it (RFC 5545, section 3.3.5).
        MappedLocalTime::None => (zone.from_local_datetime(&(time - TimeDelta::hours(3))).latest())
            .map(|before| before.to_utc() + TimeDelta::hours(3))
            .ok_or_else(|| ProviderError::transient("a time does not exist in its zone")),
    }
}

#[cfg(test)]
mod tests {
    use super::{DateTimeTimeZone, range, to_graph, whole_days};

    fn time(date_time: &str, zone: Option<&str>) -> DateTimeTimeZone {
        DateTimeTimeZone { date_time: date_time.into(), time_zone: zone.map(Into::into) }
    }

    #[track_caller]
    fn check(told: Option<calendar_provider::TimeRange>, start: &str, end: &str) {
        let told = told.expect("it is a range");
        assert_eq!(
            (told.start().to_rfc3339(), told.end().to_rfc3339()),
            (start.into(), end.into())
        );
    }

    #[test]
    fn times_are_read_in_their_zone() {
        for zone in [Some("UTC"), None] {
            let nine = time("2031-05-05T09:00:00.0000000", zone);
            let ten = time("2031-05-05T10:00:00.5000000", zone);
            check(
                range(&nine, &ten).unwrap(),
                "2031-05-05T09:00:00+00:00",
                "2031-05-05T10:00:00.500+00:00",
            );
            assert_eq!(range(&nine, &nine).unwrap(), None);
            assert!(range(&ten, &nine).is_err());
        }
        let windows = Some("W. Europe Standard Time");
        check(
            range(
                &time("2031-05-05T09:00:00.0000000", windows),
                &time("2031-05-05T10:00:00.0000000", windows),
            )
            .unwrap(),
            "2031-05-05T07:00:00+00:00",
            "2031-05-05T08:00:00+00:00",
        );
        assert!(range(&time("yesterday", None), &time("2031-05-05T09:00:00", None)).is_err());
    }

    #[test]
    fn uncertain_instants_make_a_range_longer() {
        let custom = Some("tzone://Microsoft/Custom");
        check(
            range(
                &time("2031-05-05T09:00:00.0000000", custom),
                &time("2031-05-05T10:00:00.0000000", custom),
            )
            .unwrap(),
            "2031-05-04T19:00:00+00:00",
            "2031-05-05T22:00:00+00:00",
        );
        // 02:30 comes twice on this night in Berlin.
        let berlin = Some("W. Europe Standard Time");
        let twice = time("2031-10-26T02:30:00.0000000", berlin);
        check(
            range(&twice, &time("2031-10-26T02:45:00.0000000", berlin)).unwrap(),
            "2031-10-26T00:30:00+00:00",
            "2031-10-26T01:45:00+00:00",
        );
        // And never on this one.
        check(
            range(
                &time("2031-03-30T02:30:00.0000000", berlin),
                &time("2031-03-30T04:00:00.0000000", berlin),
            )
            .unwrap(),
            "2031-03-30T01:30:00+00:00",
            "2031-03-30T02:00:00+00:00",
        );
    }

    #[test]
    fn whole_days_belong_to_the_zone_they_were_made_in() {
        let (first, last) = (
            time("2031-05-05T00:00:00.0000000", Some("UTC")),
            time("2031-05-06T00:00:00.0000000", Some("UTC")),
        );
        for (zone, start, end) in [
            (Some("UTC"), "2031-05-05T00:00:00+00:00", "2031-05-06T00:00:00+00:00"),
            (
                Some("Pacific Standard Time"),
                "2031-05-05T07:00:00+00:00",
                "2031-05-06T07:00:00+00:00",
            ),
            (
                Some("tzone://Microsoft/Custom"),
                "2031-05-04T10:00:00+00:00",
                "2031-05-06T12:00:00+00:00",
            ),
            (None, "2031-05-04T10:00:00+00:00", "2031-05-06T12:00:00+00:00"),
        ] {
            check(whole_days(&first, &last, zone).unwrap(), start, end);
        }
        let (told, until) = (
            time("2031-05-05T07:00:00.0000000", Some("UTC")),
            time("2031-05-06T07:00:00.0000000", Some("UTC")),
        );
        check(
            whole_days(&told, &until, Some("Pacific Standard Time")).unwrap(),
            "2031-05-05T07:00:00+00:00",
            "2031-05-06T07:00:00+00:00",
        );
    }

    #[test]
    fn times_are_written_in_utc() {
        let instant = "2031-05-05T09:00:00Z".parse().unwrap();
        assert_eq!(to_graph(instant)["dateTime"], "2031-05-05T09:00:00");
        assert_eq!(to_graph(instant)["timeZone"], "UTC");
    }
}
