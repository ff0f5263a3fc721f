//! Entries of our own bookings among what was seen: where they stand as booked they are never busy time.
//! They may have been moved or deleted by hand.

use std::collections::{HashMap, HashSet};

use calendar_provider::{EventSnapshot, TimeRange};
use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::diff::Entry;
use super::look::{Look, Seen};
use crate::service::Result;
use crate::store::booking::{CONFIRMED, Column, Entity, Model};
use crate::store::outbox::{DELIVERED, PENDING};

/// Most references that one statement looks for.
const CHUNK: usize = 500;
/// Longest title that is kept, in characters.
const TITLE_CHARS: usize = 200;

/// What was seen, told apart.
pub(super) struct Sorted {
    /// What blocks the agent.
    pub(super) entries: Vec<Entry>,
    /// Bookings whose entry is not known to stand where it should.
    pub(super) suspects: Vec<Suspect>,
    /// References to entries that were known to be of our own bookings.
    pub(super) known_refs: HashSet<String>,
}

/// A booking whose entry is not known to stand where it should.
pub(super) struct Suspect {
    pub(super) booking: Model,
    /// Where it was seen instead: busy time, where it can't be looked at directly.
    pub(super) seen: Vec<Entry>,
}

/// Tells our own bookings' entries from what else blocks the agent.
pub(super) async fn sort(look: &Look<'_>, seen: &Seen) -> Result<Sorted> {
    let bookings = bookings(look, seen).await?;
    // Where they are to stand: none, in a calendar that bookings are not written to.
    let is_ours = look.sync.calendar_ref == look.record.calendar_ref;
    let place = is_ours.then(|| look.record.place());
    let known = Known::new(&bookings, place.as_deref());
    let known_refs = known.by_ref.keys().map(|event_ref| (*event_ref).to_owned()).collect();
    let mut sorted = Sorted { entries: Vec::new(), suspects: Vec::new(), known_refs };
    let mut met = HashSet::new();
    let mut suspected: HashMap<Uuid, Vec<Entry>> = HashMap::new();
    for event in &seen.standing.events {
        let Some(booking) = known.of(event) else {
            sorted.entries.extend(busy(event, seen.window));
            continue;
        };
        met.insert(booking.id);
        let stands = whole_millis(event.range);
        let in_place = stands == TimeRange::new(booking.starts_at, booking.ends_at).ok();
        if !in_place && event.series_ref.is_some() {
            // The agent made it repeat: the other occurrences are none of the meeting's.
            sorted.entries.extend(busy(event, seen.window));
            continue;
        }
        let shown = booking.drift.as_ref().map(|drift| drift.0.range);
        let is_shown = shown == (!in_place).then_some(stands);
        if !is_shown && known.is_expected(booking, look.app.now()) {
            let elsewhere = busy(event, seen.window).filter(|_| !in_place);
            suspected.entry(booking.id).or_default().extend(elsewhere);
        } else if !in_place && known.is_stray(booking) {
            sorted.entries.extend(busy(event, seen.window));
        }
    }
    if seen.tells_events {
        let missing = bookings.iter().filter(|booking| {
            let told =
                booking.event_ref.as_ref().is_some_and(|r| seen.standing.touched.contains(r));
            let in_window = booking.starts_at < seen.window.end();
            let is_shown = booking.drift.as_ref().is_some_and(|drift| drift.0.range.is_none());
            !is_shown
                && !met.contains(&booking.id)
                && (told || (seen.is_whole && in_window))
                && known.is_expected(booking, look.app.now())
        });
        for booking in missing {
            suspected.entry(booking.id).or_default();
        }
    }
    let suspect = |booking: &Model| {
        let seen = suspected.remove(&booking.id)?;
        Some(Suspect { booking: booking.clone(), seen })
    };
    sorted.suspects = bookings.iter().filter_map(suspect).collect();
    Ok(sorted)
}

/// The agent's bookings that what was seen may be the entries of, and, where all was seen, those whose
/// entries should have been.
async fn bookings(look: &Look<'_>, seen: &Seen) -> Result<Vec<Model>> {
    let events = &seen.standing.events;
    let ids: Vec<Uuid> = events.iter().filter_map(|e| booking_of_uid(e.uid.as_deref()?)).collect();
    let mut refs: Vec<&str> = seen.standing.touched.iter().map(String::as_str).collect();
    refs.extend(events.iter().filter_map(|event| event.series_ref.as_deref()));
    refs.sort_unstable();
    refs.dedup();
    let mut conditions: Vec<Condition> =
        ids.chunks(CHUNK).map(|ids| Condition::all().add(Column::Id.is_in(ids.to_vec()))).collect();
    if seen.is_whole {
        // Fewer than the events of a calendar that was seen as a whole.
        let ahead = Column::EndsAt.gt(seen.window.start());
        conditions.push(Condition::all().add(Column::EventRef.is_not_null()).add(ahead));
    } else {
        let of = |refs: &[&str]| Condition::all().add(Column::EventRef.is_in(refs.to_vec()));
        conditions.extend(refs.chunks(CHUNK).map(of));
    }
    let mut found: Vec<Model> = Vec::new();
    for condition in conditions {
        let select =
            Entity::find().filter(Column::AgentId.eq(look.sync.agent_id)).filter(condition);
        found.extend(select.all(&look.app.db).await?);
    }
    found.sort_unstable_by_key(|booking| booking.id);
    found.dedup_by_key(|booking| booking.id);
    Ok(found)
}

/// The booking that a UID of ours names: its ID stands before the host.
fn booking_of_uid(uid: &str) -> Option<Uuid> {
    let (id, _) = uid.split_once('@')?;
    (id.len() == 32).then(|| Uuid::try_parse(id).ok()).flatten()
}

/// The agent's bookings by what names their entries.
struct Known<'a> {
    by_uid: HashMap<&'a str, &'a Model>,
    by_ref: HashMap<&'a str, &'a Model>,
    place: Option<&'a str>,
}

impl<'a> Known<'a> {
    fn new(bookings: &'a [Model], place: Option<&'a str>) -> Self {
        let stands_here = |booking: &&Model| booking.event_calendar.as_deref() == place;
        let by_ref = bookings.iter().filter(|b| place.is_some() && stands_here(b));
        Self {
            by_uid: bookings.iter().map(|booking| (booking.uid.as_str(), booking)).collect(),
            by_ref: by_ref.filter_map(|b| Some((b.event_ref.as_deref()?, b))).collect(),
            place,
        }
    }

    fn of(&self, event: &EventSnapshot) -> Option<&'a Model> {
        let by_uid = event.uid.as_deref().and_then(|uid| self.by_uid.get(uid));
        let by_ref = || self.by_ref.get(event.event_ref.as_str());
        let by_series = || self.by_ref.get(event.series_ref.as_deref()?);
        by_uid.or_else(by_ref).or_else(by_series).copied()
    }

    /// Whether the booking's entry should stand in this calendar now, as booked.
    fn is_expected(&self, booking: &Model, now: DateTime<Utc>) -> bool {
        booking.status == CONFIRMED
            && booking.event_status == DELIVERED
            && booking.event_ref.is_some()
            && self.place.is_some()
            && booking.event_calendar.as_deref() == self.place
            && now < booking.ends_at
    }

    /// Whether an entry of the booking's that stands elsewhere than booked is nobody's but the agent's:
    /// this calendar is not, or no longer, the one that the booking is written to. What is about to be
    /// written is not there yet, so it says nothing.
    fn is_stray(&self, booking: &Model) -> bool {
        let is_elsewhere = self.place.is_none() || booking.event_calendar.as_deref() != self.place;
        booking.status == CONFIRMED && booking.event_status != PENDING && is_elsewhere
    }
}

/// References to all of the agent's entries that are to stand in this calendar, as of now.
pub(super) async fn refs_now<C: ConnectionTrait>(db: &C, look: &Look<'_>) -> Result<Vec<String>> {
    if look.sync.calendar_ref != look.record.calendar_ref {
        return Ok(Vec::new());
    }
    let refs: Vec<Option<String>> = Entity::find()
        .select_only()
        .column(Column::EventRef)
        .filter(Column::AgentId.eq(look.sync.agent_id))
        .filter(Column::EventCalendar.eq(look.record.place()))
        .filter(Column::EventRef.is_not_null())
        .filter(Column::EndsAt.gt(look.app.now() - chrono::TimeDelta::days(1)))
        .into_tuple()
        .all(db)
        .await?;
    Ok(refs.into_iter().flatten().collect())
}

/// What is to be known of an event, if it blocks the agent in the window.
fn busy(event: &EventSnapshot, window: TimeRange) -> Option<Entry> {
    let range = whole_millis(event.range)?;
    if !event.busy || !range.overlaps(window) {
        return None;
    }
    let is_named = !event.event_ref.is_empty();
    Some(Entry {
        uid: event.uid.clone().unwrap_or_default(),
        range,
        event_ref: is_named.then(|| event.event_ref.clone()),
        series_ref: event.series_ref.clone(),
        title: event.title.as_ref().map(|title| title.chars().take(TITLE_CHARS).collect()),
    })
}

/// The range in whole milliseconds, as both databases keep it; no shorter than it was.
fn whole_millis(range: TimeRange) -> Option<TimeRange> {
    let start = DateTime::from_timestamp_millis(range.start().timestamp_millis())?;
    let cut = DateTime::from_timestamp_millis(range.end().timestamp_millis())?;
    let end = if cut < range.end() { cut + chrono::TimeDelta::milliseconds(1) } else { cut };
    TimeRange::new(start, end).ok()
}
