//! Recurring events and their instances.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rrule::RRuleSet;
use serde_json::{Map, Value, json};

use crate::state::Stored;
use crate::time::{Span, local, rfc3339};

/// More instances than these of one series are not looked at.
const MOST: u16 = 5_000;

/// A recurring event, its times local to its zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The resource's fields that all instances share, e.g. `summary`.
    pub resource: Value,
    /// When the first one starts.
    pub start: NaiveDateTime,
    /// How long each lasts.
    pub length: TimeDelta,
    /// The zone of `start`.
    pub zone: Tz,
    /// The value of an RRULE (RFC 5545, section 3.3.10).
    pub rule: String,
    /// Starts that are left out.
    pub left_out: Vec<NaiveDateTime>,
    /// Whether each takes whole days: `start` is midnight then, and `length` so many days.
    pub whole_days: bool,
}

impl Series {
    /// A series in which nothing is left out and no day is taken whole.
    pub fn new(title: &str, start: NaiveDateTime, length: TimeDelta, zone: Tz, rule: &str) -> Self {
        Self {
            resource: json!({ "summary": title }),
            start,
            length,
            zone,
            rule: rule.to_owned(),
            left_out: Vec::new(),
            whole_days: false,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct StoredSeries {
    series: Series,
    /// The rule, in the series' zone; for whole days on a clock that never changes.
    rules: RRuleSet,
    pub(crate) revision: u64,
    pub(crate) cancelled: bool,
}

impl StoredSeries {
    /// The series as new at `revision`; none where its rule can't be read.
    pub(crate) fn new(series: Series, revision: u64) -> Option<Self> {
        let zone = if series.whole_days { Tz::UTC } else { series.zone };
        let time = |time: &NaiveDateTime| match zone {
            Tz::UTC => format!(":{}Z", time.format("%Y%m%dT%H%M%S")),
            zone => format!(";TZID={zone}:{}", time.format("%Y%m%dT%H%M%S")),
        };
        let mut text = format!("DTSTART{}\nRRULE:{}", time(&series.start), series.rule);
        for left_out in &series.left_out {
            text.push_str(&format!("\nEXDATE{}", time(left_out)));
        }
        let rules = text.parse().ok()?;
        Some(Self { series, rules, revision, cancelled: false })
    }

    pub(crate) fn has_uid(&self, uid: &str) -> bool {
        self.series.resource["iCalUID"] == uid
    }

    /// The instances that overlap `window`, with their IDs; without one the first of them.
    pub(crate) fn instances(
        &self,
        id: &str,
        window: Option<Span>,
    ) -> impl Iterator<Item = (String, Stored)> + use<> {
        let mut rules = self.rules.clone();
        if let Some((from, to)) = window {
            // A day more on both sides, since whole days are reckoned on another clock.
            let margin = TimeDelta::days(1);
            let from = from.checked_sub_signed(self.series.length + margin);
            if let Some(from) = from {
                rules = rules.after(from.with_timezone(&rrule::Tz::UTC));
            }
            if let Some(to) = to.checked_add_signed(margin) {
                rules = rules.before(to.with_timezone(&rrule::Tz::UTC));
            }
        }
        let (stored, id) = (self.clone(), id.to_owned());
        let starts = rules.all(MOST).dates.into_iter();
        let instances = starts.map(move |start| stored.instance(&id, start.with_timezone(&Utc)));
        instances
            .filter(move |(_, _, span)| {
                window.is_none_or(|window| crate::time::overlap(*span, window))
            })
            .map(|(id, stored, _)| (id, stored))
    }

    fn instance(&self, id: &str, start: DateTime<Utc>) -> (String, Stored, Span) {
        let end = start + self.series.length;
        let (suffix, span, places) = if self.series.whole_days {
            let days = [start, end].map(|it| json!({ "date": it.date_naive().to_string() }));
            let there = |it: DateTime<Utc>| local(it.naive_utc(), self.series.zone).unwrap_or(it);
            (start.format("%Y%m%d"), (there(start), there(end)), days)
        } else {
            let zone = self.series.zone.name();
            let place = |it| json!({ "dateTime": rfc3339(it), "timeZone": zone });
            (start.format("%Y%m%dT%H%M%SZ"), (start, end), [start, end].map(place))
        };
        let id_of_instance = format!("{id}_{suffix}");
        let mut resource = match &self.series.resource {
            Value::Object(fields) => fields.clone(),
            _ => Map::new(),
        };
        let [start, end] = places;
        let status = if self.cancelled { "cancelled" } else { "confirmed" };
        let own = [
            ("id", Value::from(id_of_instance.clone())),
            ("recurringEventId", id.into()),
            ("originalStartTime", start.clone()),
            ("start", start),
            ("end", end),
            ("status", status.into()),
        ];
        resource.extend(own.map(|(name, value)| (name.to_owned(), value)));
        resource.entry("eventType").or_insert_with(|| "default".into());
        resource.entry("iCalUID").or_insert_with(|| format!("{id}@google.com").into());
        (id_of_instance, Stored { resource, revision: self.revision }, span)
    }
}
