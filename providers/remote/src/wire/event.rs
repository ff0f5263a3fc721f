//! Busy time, events and changes.

use calendar_provider as api;
use calendar_provider::TimeRange;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Connection;

#[derive(Deserialize, Serialize)]
pub(crate) struct FreeBusyRequest {
    pub(crate) connection: Connection,
    pub(crate) window: TimeRange,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Busy {
    busy: Vec<Interval>,
}

#[derive(Deserialize, Serialize)]
struct Interval {
    #[serde(flatten)]
    range: TimeRange,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

impl From<Vec<api::BusyInterval>> for Busy {
    fn from(busy: Vec<api::BusyInterval>) -> Self {
        let interval =
            |it: api::BusyInterval| Interval { range: it.range, uid: it.uid, title: it.title };
        Self { busy: busy.into_iter().map(interval).collect() }
    }
}

impl From<Busy> for Vec<api::BusyInterval> {
    fn from(wire: Busy) -> Self {
        let interval = |it: Interval| {
            let mut interval = api::BusyInterval::new(it.range);
            interval.uid = it.uid;
            interval.title = it.title;
            interval
        };
        wire.busy.into_iter().map(interval).collect()
    }
}

#[derive(Deserialize, Serialize)]
pub(crate) struct PutRequest {
    pub(crate) connection: Connection,
    pub(crate) event: Draft,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Draft {
    uid: String,
    sequence: u32,
    #[serde(flatten)]
    range: TimeRange,
    zone: Tz,
    title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    organizer: Participant,
    attendees: Vec<Participant>,
    conference_wanted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_ref: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Participant {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    email: String,
}

impl From<&api::Participant> for Participant {
    fn from(participant: &api::Participant) -> Self {
        Self { name: participant.name.clone(), email: participant.email.clone() }
    }
}

impl From<Participant> for api::Participant {
    fn from(wire: Participant) -> Self {
        Self::new(wire.name, wire.email)
    }
}

impl From<&api::EventDraft> for Draft {
    fn from(event: &api::EventDraft) -> Self {
        Self {
            uid: event.uid.clone(),
            sequence: event.sequence,
            range: event.range,
            zone: event.zone,
            title: event.title.clone(),
            description: event.description.clone(),
            location: event.location.clone(),
            organizer: (&event.organizer).into(),
            attendees: event.attendees.iter().map(Into::into).collect(),
            conference_wanted: event.conference_wanted,
            event_ref: event.event_ref.clone(),
        }
    }
}

impl From<Draft> for api::EventDraft {
    fn from(wire: Draft) -> Self {
        let mut event =
            Self::new(wire.uid, wire.range, wire.zone, wire.title, wire.organizer.into());
        event.sequence = wire.sequence;
        event.description = wire.description;
        event.location = wire.location;
        event.attendees = wire.attendees.into_iter().map(Into::into).collect();
        event.conference_wanted = wire.conference_wanted;
        event.event_ref = wire.event_ref;
        event
    }
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Receipt {
    event_ref: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<Url>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conference_url: Option<Url>,
    #[serde(default)]
    conference_pending: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl From<api::EventReceipt> for Receipt {
    fn from(receipt: api::EventReceipt) -> Self {
        let api::EventReceipt {
            event_ref, url, conference_url, conference_pending, version, ..
        } = receipt;
        Self { event_ref, url, conference_url, conference_pending, version }
    }
}

impl From<Receipt> for api::EventReceipt {
    fn from(wire: Receipt) -> Self {
        let mut receipt = Self::new(wire.event_ref);
        receipt.url = wire.url;
        receipt.conference_url = wire.conference_url;
        receipt.conference_pending = wire.conference_pending;
        receipt.version = wire.version;
        receipt
    }
}

/// A request about one event, to delete it or to look at it.
#[derive(Deserialize, Serialize)]
pub(crate) struct EventRequest {
    pub(crate) connection: Connection,
    pub(crate) event: Handle,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Handle {
    uid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_ref: Option<String>,
}

impl From<&api::EventHandle> for Handle {
    fn from(handle: &api::EventHandle) -> Self {
        Self { uid: handle.uid.clone(), event_ref: handle.event_ref.clone() }
    }
}

impl From<Handle> for api::EventHandle {
    fn from(wire: Handle) -> Self {
        Self::new(wire.uid, wire.event_ref)
    }
}

/// The member must be there, null where there is no such event: an answer that lacks it for
/// another reason must not say that a booking's event is gone.
#[derive(Deserialize, Serialize)]
pub(crate) struct FoundEvent {
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) event: Option<Snapshot>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Snapshot {
    event_ref: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    series_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(flatten)]
    range: TimeRange,
    busy: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl From<api::EventSnapshot> for Snapshot {
    fn from(event: api::EventSnapshot) -> Self {
        let api::EventSnapshot { event_ref, series_ref, uid, range, busy, title, version, .. } =
            event;
        Self { event_ref, series_ref, uid, range, busy, title, version }
    }
}

impl From<Snapshot> for api::EventSnapshot {
    fn from(wire: Snapshot) -> Self {
        let mut event = Self::new(wire.event_ref, wire.range);
        event.series_ref = wire.series_ref;
        event.uid = wire.uid;
        event.busy = wire.busy;
        event.title = wire.title;
        event.version = wire.version;
        event
    }
}

#[derive(Deserialize, Serialize)]
pub(crate) struct ChangesRequest {
    pub(crate) connection: Connection,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<api::Cursor>,
    pub(crate) window: TimeRange,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Changes {
    changes: Vec<Change>,
    next: api::Cursor,
}

/// A kind that is not known can't be left out: what it said would be lost for good.
#[derive(Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Change {
    Present { event: Snapshot },
    Gone { event_ref: String },
    Series { series_ref: String, occurrences: Vec<Snapshot> },
}

impl From<api::Changes> for Changes {
    fn from(changes: api::Changes) -> Self {
        let change = |change| match change {
            api::Change::Present(event) => Change::Present { event: event.into() },
            api::Change::Gone { event_ref } => Change::Gone { event_ref },
            api::Change::Series { series_ref, occurrences } => Change::Series {
                series_ref,
                occurrences: occurrences.into_iter().map(Into::into).collect(),
            },
        };
        Self { changes: changes.events.into_iter().map(change).collect(), next: changes.next }
    }
}

impl From<Changes> for api::Changes {
    fn from(wire: Changes) -> Self {
        let change = |change| match change {
            Change::Present { event } => api::Change::Present(event.into()),
            Change::Gone { event_ref } => api::Change::Gone { event_ref },
            Change::Series { series_ref, occurrences } => {
                let occurrence = |event: Snapshot| {
                    let mut event = api::EventSnapshot::from(event);
                    event.series_ref = Some(series_ref.clone());
                    event
                };
                let occurrences = occurrences.into_iter().map(occurrence).collect();
                api::Change::Series { series_ref, occurrences }
            }
        };
        Self::new(wire.changes.into_iter().map(change).collect(), wire.next)
    }
}
