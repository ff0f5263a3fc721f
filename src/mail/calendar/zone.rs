//! Times with a zone, and the VTIMEZONE that says what the zone means (RFC 5545, section 3.6.5).

use calendar_provider::TimeRange;
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{OffsetComponents, OffsetName, Tz};

use super::lines::Lines;
use super::utc;

/// How far around the event its zone's changes are told, so that a calendar which takes our word
/// for the zone is right about neighbouring dates too.
const AROUND: TimeDelta = TimeDelta::days(400);

/// Steps by which changes of offset are looked for; no zone changes and changes back within one.
const STEP: TimeDelta = TimeDelta::hours(6);

/// How the times of an event are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// `20270104T090000Z`
    Utc,
    /// `;TZID=Europe/Paris:20270104T100000`
    Zoned(Tz),
}

impl TimeForm {
    /// Local times, unless the zone is UTC or they would be misread: an ambiguous local time means
    /// the first of the two (RFC 5545, section 3.3.5), so the second can only be told in UTC.
    pub(super) fn choose(zone: Tz, range: TimeRange) -> Self {
        let utc = matches!(
            zone.name(),
            "UTC"
                | "UCT"
                | "Universal"
                | "Zulu"
                | "Etc/UTC"
                | "Etc/UCT"
                | "Etc/Universal"
                | "Etc/Zulu"
        );
        let misread = |instant: DateTime<Utc>| {
            let local = instant.with_timezone(&zone).naive_local();
            match zone.from_local_datetime(&local) {
                MappedLocalTime::Single(read) => read != instant,
                MappedLocalTime::Ambiguous(first, _second) => first != instant,
                MappedLocalTime::None => true,
            }
        };
        if utc || misread(range.start()) || misread(range.end()) {
            Self::Utc
        } else {
            Self::Zoned(zone)
        }
    }

    /// The VTIMEZONE that times of this form need, if any.
    pub(super) fn define(self, lines: &mut Lines, range: TimeRange) {
        let Self::Zoned(zone) = self else { return };
        lines.push("BEGIN", "VTIMEZONE");
        lines.push("TZID", zone.name());
        for observance in observances(zone, range) {
            observance.write(lines);
        }
        lines.push("END", "VTIMEZONE");
    }

    /// A property with a time, e.g. DTSTART.
    pub(super) fn write(self, lines: &mut Lines, property: &str, instant: DateTime<Utc>) {
        match self {
            Self::Utc => lines.push(property, &utc(instant)),
            Self::Zoned(zone) => {
                let local = instant.with_timezone(&zone).naive_local();
                lines.push(&format!("{property};TZID={}", zone.name()), &local_time(local));
            }
        }
    }
}

/// A stretch of one offset: STANDARD or DAYLIGHT.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Observance {
    /// Local time of the change, by the offset before it.
    onset: NaiveDateTime,
    /// Seconds east of UTC before.
    from: i32,
    to: Rule,
}

/// What a zone says at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// Seconds east of UTC.
    offset: i32,
    daylight: bool,
    name: Option<String>,
}

impl Rule {
    fn at(zone: Tz, instant: DateTime<Utc>) -> Self {
        let offset = zone.offset_from_utc_datetime(&instant.naive_utc());
        Self {
            offset: offset.fix().local_minus_utc(),
            daylight: TimeDelta::zero() < offset.dst_offset(),
            name: offset.abbreviation().map(str::to_owned),
        }
    }
}

impl Observance {
    fn write(&self, lines: &mut Lines) {
        let kind = if self.to.daylight { "DAYLIGHT" } else { "STANDARD" };
        lines.push("BEGIN", kind);
        lines.push("DTSTART", &local_time(self.onset));
        lines.push("TZOFFSETFROM", &offset(self.from));
        lines.push("TZOFFSETTO", &offset(self.to.offset));
        if let Some(name) = &self.to.name {
            lines.text("TZNAME", name);
        }
        lines.push("END", kind);
    }
}

/// The changes around `range`, and first what holds before them, if none comes before `range`.
fn observances(zone: Tz, range: TimeRange) -> Vec<Observance> {
    let mut found = Vec::new();
    let mut at = range.start() - AROUND;
    let mut rule = Rule::at(zone, at);
    let first = rule.clone();
    let mut first_change = None;
    while at < range.end() + AROUND {
        let next = at + STEP;
        let new_rule = Rule::at(zone, next);
        if new_rule != rule {
            let instant = change_between(zone, at, next);
            first_change.get_or_insert(instant);
            let onset = instant.naive_utc() + TimeDelta::seconds(rule.offset.into());
            found.push(Observance { onset, from: rule.offset, to: new_rule.clone() });
            rule = new_rule;
        }
        at = next;
    }
    if first_change.is_none_or(|change| range.start() < change) {
        let onset = DateTime::UNIX_EPOCH.naive_utc();
        found.insert(0, Observance { onset, from: first.offset, to: first });
    }
    found
}

/// The first second of the new rule; `before` and `after` are on either side of one change.
fn change_between(zone: Tz, mut before: DateTime<Utc>, mut after: DateTime<Utc>) -> DateTime<Utc> {
    let old = Rule::at(zone, before);
    while TimeDelta::seconds(1) < after - before {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if Rule::at(zone, middle) == old {
            before = middle;
        } else {
            after = middle;
        }
    }
    after - TimeDelta::nanoseconds(after.timestamp_subsec_nanos().into())
}

fn local_time(time: NaiveDateTime) -> String {
    time.format("%Y%m%dT%H%M%S").to_string()
}

/// `+HHMM`, with seconds only where there are some (RFC 5545, section 3.3.14).
fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    match seconds.abs() % 60 {
        0 => format!("{sign}{hours:02}{minutes:02}"),
        rest => format!("{sign}{hours:02}{minutes:02}{rest:02}"),
    }
}
