//! What the checks share: drafts, windows, and looking at what is busy.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use secrecy::ExposeSecret;

use super::check::{Stop, ensure};
use super::{Fault, Hook, OutsideDays, OutsideEvent, OutsideSeries, Subject};
use crate::{
    BusyInterval, CalendarProvider, Connection, ErrorClass, EventDraft, EventHandle, EventReceipt,
    EventSnapshot, Participant, ProviderError, TimeRange,
};

/// A subject with its provider and connection at hand.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) subject: Arc<dyn Subject>,
    pub(super) provider: Arc<dyn CalendarProvider>,
    pub(super) connection: Connection,
}

impl Bench {
    pub(super) fn new(subject: Box<dyn Subject>) -> Self {
        let (provider, connection) = (subject.provider(), subject.connection());
        Self { subject: subject.into(), provider, connection }
    }

    /// The same with another calendar of the account that blocks the agent as well.
    pub(super) fn also_busy(&self, calendar_ref: String) -> Self {
        let mut bench = self.clone();
        bench.connection.also_busy = vec![calendar_ref];
        bench
    }

    /// Makes `range` busy: with an event of the server's where the provider writes, else with
    /// one from outside.
    pub(super) async fn seed(&self, number: u32, range: TimeRange) -> Result<(), Stop> {
        if self.provider.about().capabilities.writes {
            return self.put(&draft(number, range)).await.map(drop);
        }
        match self.subject.add_outside_event(outside(number, range)).await {
            Hook::Done => Ok(()),
            Hook::Unavailable => Err(Stop::Failed(
                "a provider that does not write can only be checked with add_outside_event".into(),
            )),
        }
    }

    /// Puts an event in the calendar from outside, or skips the check.
    pub(super) async fn add_outside(&self, event: OutsideEvent) -> Result<(), Stop> {
        available(self.subject.add_outside_event(event).await, "no add_outside_event")
    }

    /// Puts a recurring event in the calendar from outside, or skips the check.
    pub(super) async fn add_series(&self, series: OutsideSeries) -> Result<(), Stop> {
        available(self.subject.add_outside_series(series).await, "no add_outside_series")
    }

    /// Puts an event of whole days in the calendar from outside, or skips the check.
    pub(super) async fn add_days(&self, days: OutsideDays) -> Result<(), Stop> {
        available(self.subject.add_outside_days(days).await, "no add_outside_days")
    }

    /// Removes the event of this number from outside, or skips the check.
    pub(super) async fn remove_outside(&self, number: u32) -> Result<(), Stop> {
        available(self.subject.remove_outside(&uid(number)).await, "no remove_outside")
    }

    /// Breaks the calendar, or skips the check.
    pub(super) async fn inflict(&self, fault: Fault) -> Result<(), Stop> {
        available(self.subject.inflict(fault).await, "inflict does not know this fault")
    }

    pub(super) async fn put(&self, draft: &EventDraft) -> Result<EventReceipt, Stop> {
        Ok(self.provider.put_event(&self.connection, draft).await?)
    }

    pub(super) async fn delete(&self, handle: &EventHandle) -> Result<(), Stop> {
        Ok(self.provider.delete_event(&self.connection, handle).await?)
    }

    /// Reads an event that must be there.
    pub(super) async fn get(&self, handle: &EventHandle) -> Result<EventSnapshot, Stop> {
        let found = self.provider.get_event(&self.connection, handle).await?;
        found.ok_or_else(|| Stop::Failed(format!("the event {} is not there", handle.uid)))
    }

    pub(super) async fn free_busy(&self, window: TimeRange) -> Result<Vec<BusyInterval>, Stop> {
        Ok(self.provider.free_busy(&self.connection, window).await?)
    }

    /// Fails unless, within `window`, exactly `expected` is busy. Providers may merge intervals
    /// or cut them at the window, so instants are compared and not intervals.
    pub(super) async fn expect_busy(
        &self,
        window: TimeRange,
        expected: &[TimeRange],
    ) -> Result<(), Stop> {
        let told: Vec<_> =
            self.free_busy(window).await?.into_iter().map(|interval| interval.range).collect();
        if let Some(stray) = told.iter().find(|range| !range.overlaps(window)) {
            return Err(Stop::Failed(format!(
                "{} was told for the window {}, which it does not overlap",
                text(*stray),
                text(window)
            )));
        }
        let (told, expected) = (covered(&told, window), covered(expected, window));
        ensure(
            told == expected,
            format_args!(
                "in {} busy is [{}] and should be [{}]",
                text(window),
                list(&told),
                list(&expected)
            ),
        )
    }

    /// Fails unless `result` is an error of one of `classes` that gives no credential away.
    pub(super) fn expect_refused<T>(
        &self,
        connection: &Connection,
        result: Result<T, ProviderError>,
        classes: &[ErrorClass],
    ) -> Result<(), Stop> {
        let Err(error) = result else {
            return Err(Stop::Failed(format!("it succeeded and should be one of {classes:?}")));
        };
        ensure(
            classes.contains(&error.class()),
            format_args!("{:?} should be one of {classes:?}", error.class()),
        )?;
        let secret = connection.credentials.expose_secret();
        let printed = format!("{error} {error:?}");
        ensure(
            secret.is_empty() || !printed.contains(secret),
            "the error gives the connection's credentials away",
        )
    }
}

fn available(hook: Hook, missing: &'static str) -> Result<(), Stop> {
    match hook {
        Hook::Done => Ok(()),
        Hook::Unavailable => Err(Stop::Skipped(missing)),
    }
}

/// An instant by its RFC 3339 text.
pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("the kit's own instants are well formed")
}

/// The range between two instants by their RFC 3339 texts.
pub(super) fn between(start: &str, end: &str) -> TimeRange {
    TimeRange::new(at(start), at(end)).expect("the kit's own ranges are not empty")
}

/// The range between two minutes, counted from 09:00 UTC on Monday 2031-05-05.
pub(super) fn minutes(start: i64, end: i64) -> TimeRange {
    let nine = at("2031-05-05T09:00:00Z");
    TimeRange::new(nine + TimeDelta::minutes(start), nine + TimeDelta::minutes(end))
        .expect("the kit's own ranges are not empty")
}

/// The day around [`minutes`]: 2031-05-05, in UTC.
pub(super) fn day() -> TimeRange {
    minutes(-9 * 60, 15 * 60)
}

/// The kit's event of this number, in UTC, so that only the checks of zones depend on zones.
pub(super) fn draft(number: u32, range: TimeRange) -> EventDraft {
    let agent = Participant::new(Some("Ada Agent".into()), "agent@frontdesk.example");
    let title = format!("Meeting {number}");
    EventDraft::new(uid(number), range, Tz::UTC, title, agent)
}

/// The same event as [`draft`] would be, made by another program.
pub(super) fn outside(number: u32, range: TimeRange) -> OutsideEvent {
    OutsideEvent::new(uid(number), range, format!("Outside {number}"))
}

/// The event of this number, known by its UID alone.
pub(super) fn handle(number: u32) -> EventHandle {
    EventHandle::new(uid(number), None)
}

/// The UID of the kit's event of this number.
pub(super) fn uid(number: u32) -> String {
    format!("conformance-{number}@frontdesk.example")
}

/// The instants of `ranges` within `window`, as the fewest ranges in order.
fn covered(ranges: &[TimeRange], window: TimeRange) -> Vec<TimeRange> {
    let mut parts: Vec<_> = ranges.iter().filter_map(|range| range.intersection(window)).collect();
    parts.sort_unstable();
    let mut merged: Vec<TimeRange> = Vec::new();
    for part in parts {
        match merged.last_mut() {
            Some(last) if part.start() <= last.end() => {
                let end = part.end().max(last.end());
                *last = TimeRange::new(last.start(), end).unwrap_or(*last);
            }
            _ => merged.push(part),
        }
    }
    merged
}

/// The ranges in words, and no more of them than anyone would read.
pub(super) fn list(ranges: &[TimeRange]) -> String {
    const SHOWN: usize = 4;
    let mut words: Vec<_> = ranges.iter().take(SHOWN).map(|range| text(*range)).collect();
    if ranges.len() > SHOWN {
        words.push(format!("and {} more", ranges.len() - SHOWN));
    }
    words.join(", ")
}

/// An ISO 8601 interval.
pub(super) fn text(range: TimeRange) -> String {
    format!("{:?}/{:?}", range.start(), range.end())
}
