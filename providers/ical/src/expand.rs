//! From a text to what stands in a window of time.

use std::collections::HashMap;

use calendar_provider::{BusyInterval, TimeRange};
use chrono_tz::Tz;

use crate::ReadError;
use crate::event::Event;
use crate::read::read;
use crate::rule::Budget;
use crate::series::Series;

/// The most occurrences that one event may have in the window: one every nine minutes of 62 days.
pub const MAX_OCCURRENCES: usize = 10_000;

/// The most occurrences that all events may have in the window.
pub const MAX_TOTAL: usize = 200_000;

/// What is wanted of a text.
#[derive(Clone, Copy, Debug)]
pub struct Expansion<'a> {
    /// Occurrences that overlap it are told.
    pub window: TimeRange,
    /// The zone of times that name none, and of whole days (RFC 5545, section 3.3.5, form 1):
    /// the agent's. Where it is not known, such an event lasts from when it begins in the first
    /// place on Earth (UTC+14) to when it ends in the last (UTC−12).
    pub floating_zone: Option<Tz>,
    /// The agent's own e-mail addresses, to see which invitations were declined; in any case.
    pub me: &'a [String],
}

impl Expansion<'_> {
    /// With no addresses, so that no invitation is seen as declined.
    pub fn new(window: TimeRange, floating_zone: impl Into<Option<Tz>>) -> Self {
        Self { window, floating_zone: floating_zone.into(), me: &[] }
    }
}

/// An event, or one occurrence of a recurring one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The UID (RFC 5545, section 3.8.4.7); empty where the event has none. One of more than 255
    /// bytes, or with control characters, is told as `sha256-` and its digest.
    pub uid: String,
    /// Which occurrence of its UID it is: the time that the rule gave it, which stays the same
    /// when it is moved (RFC 5545, section 3.8.4.4): `20260105T080000Z`, `20260105T090000` where
    /// it floats, `20260105` for a whole day. None for an event that does not recur.
    pub recurrence_id: Option<String>,
    /// When. It may reach beyond the window.
    pub range: TimeRange,
    /// Whether it blocks the agent; see the table in the crate's documentation.
    pub busy: bool,
    /// The title, in plain text on one line: at most 200 characters.
    pub title: Option<String>,
    /// The revision (RFC 5545, section 3.8.7.4); 0 where it has none.
    pub sequence: u32,
}

/// Every occurrence that overlaps the window, with those that block nobody, in any order.
///
/// Of revisions of one event the one with the highest SEQUENCE stands. Events that last no time
/// overlap nothing, and are left out.
///
/// `text` may be `str` or bytes; bytes need not be UTF-8 before lines are unfolded.
///
/// # Errors
/// Where any part that busy time depends on is not understood; see [`ReadError`].
///
/// ```
/// use calendar_ical::{Expansion, expand};
/// use calendar_provider::TimeRange;
/// use chrono::TimeDelta;
///
/// let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:standup\r\n\
///     DTSTART;TZID=Europe/Paris:19990104T090000\r\nDURATION:PT15M\r\n\
///     RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
/// let week = TimeRange::lasting("2031-01-06T00:00:00Z".parse()?, TimeDelta::weeks(1))?;
/// let standups = expand(text, &Expansion::new(week, chrono_tz::UTC))?;
/// assert_eq!(standups.len(), 2);
/// assert_eq!(standups[1].recurrence_id.as_deref(), Some("20310108T080000Z"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn expand(
    text: impl AsRef<[u8]>,
    expansion: &Expansion<'_>,
) -> Result<Vec<Occurrence>, ReadError> {
    expand_with(text, expansion, &mut Budget::for_texts(1))
}

/// As [`expand`], for one of several texts that make up a calendar: what it costs is taken from
/// the budget that they share.
///
/// # Errors
/// As [`expand`], also where the texts before it left too little of the budget.
pub fn expand_with(
    text: impl AsRef<[u8]>,
    expansion: &Expansion<'_>,
    budget: &mut Budget,
) -> Result<Vec<Occurrence>, ReadError> {
    let room = budget.room();
    let document = read(text.as_ref(), expansion, budget)?;
    let of_zones = room - budget.room();
    let mut found = Vec::new();
    for (masters, overrides) in groups(&document.events) {
        let series = Series::new(masters, overrides, &document.zones, expansion);
        series.expand(budget, &mut found)?;
    }
    // The zones go with the document; the occurrences stay with the caller.
    budget.give_back(of_zones);
    Ok(found)
}

/// The times that block the agent: [`expand`] without what does not.
///
/// # Errors
/// As [`expand`].
pub fn busy(
    text: impl AsRef<[u8]>,
    expansion: &Expansion<'_>,
) -> Result<Vec<BusyInterval>, ReadError> {
    let occurrences = expand(text, expansion)?.into_iter().filter(|occurrence| occurrence.busy);
    let intervals = occurrences.map(|occurrence| {
        let mut interval = BusyInterval::new(occurrence.range);
        interval.uid = Some(occurrence.uid).filter(|uid| !uid.is_empty());
        interval.title = occurrence.title;
        interval
    });
    Ok(intervals.collect())
}

type Group<'e> = (Vec<&'e Event>, Vec<&'e Event>);

/// The events of each UID: those that stand for themselves, and those that stand for one
/// occurrence. Where a UID was used for several events of one revision, all of them count.
fn groups(events: &[Event]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(events.len());
    for event in events {
        let new = groups.len();
        let place =
            if event.uid.is_empty() { new } else { *places.entry(&event.uid).or_insert(new) };
        if place == new {
            groups.push(Group::default());
        }
        let (masters, overrides) = &mut groups[place];
        if event.instance.is_some() { overrides.push(event) } else { masters.push(event) }
    }
    for (masters, _) in &mut groups {
        let newest = masters.iter().map(|event| event.sequence).max();
        masters.retain(|event| Some(event.sequence) == newest);
    }
    groups
}
