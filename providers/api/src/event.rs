//! Entries in a calendar: what the server writes and what it reads back.

use chrono_tz::Tz;
use url::Url;

use crate::TimeRange;

/// A time that stands in an agent's calendar and blocks it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusyInterval {
    /// When. It may reach beyond the window that was asked for.
    pub range: TimeRange,
    /// The event's UID (RFC 5545, section 3.8.4.7) where the provider tells it, so that the
    /// server knows its own bookings' events.
    pub uid: Option<String>,
    /// The event's title where the provider tells it.
    pub title: Option<String>,
}

impl BusyInterval {
    /// A busy time of which only the range is known.
    pub const fn new(range: TimeRange) -> Self {
        Self { range, uid: None, title: None }
    }
}

/// An event as the server wants it to stand in the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventDraft {
    /// The UID (RFC 5545, section 3.8.4.7), the same for the life of the booking.
    pub uid: String,
    /// The revision (RFC 5545, section 3.8.7.4), growing with every change.
    pub sequence: u32,
    /// When.
    pub range: TimeRange,
    /// The zone that a calendar program shows it in. It never moves `range`.
    pub zone: Tz,
    /// The title, in plain text.
    pub title: String,
    /// The description, in plain text.
    pub description: Option<String>,
    /// Where it takes place, in plain text.
    pub location: Option<String>,
    /// The agent.
    pub organizer: Participant,
    /// The visitors. The server invites them itself: a provider makes sure that the calendar
    /// sends no invitation of its own.
    pub attendees: Vec<Participant>,
    /// Whether a conference link of the provider's kind is wanted. A provider that has none
    /// leaves it out.
    pub conference_wanted: bool,
    /// What [`EventReceipt::event_ref`] was when it was written before, where that is known: a
    /// provider need not search then. It may have been deleted or replaced since.
    pub event_ref: Option<String>,
}

impl EventDraft {
    /// A first revision with no description, location, attendees, conference or reference.
    pub fn new(
        uid: impl Into<String>,
        range: TimeRange,
        zone: Tz,
        title: impl Into<String>,
        organizer: Participant,
    ) -> Self {
        Self {
            uid: uid.into(),
            sequence: 0,
            range,
            zone,
            title: title.into(),
            description: None,
            location: None,
            organizer,
            attendees: Vec::new(),
            conference_wanted: false,
            event_ref: None,
        }
    }
}

/// Someone who takes part in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// Their name, where it is known.
    pub name: Option<String>,
    /// Their e-mail address.
    pub email: String,
}

impl Participant {
    /// Someone by name and address.
    pub fn new(name: Option<String>, email: impl Into<String>) -> Self {
        Self { name, email: email.into() }
    }
}

/// What writing an event brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventReceipt {
    /// The provider's own reference to the event; it stays the same while the event lives.
    pub event_ref: String,
    /// Where the agent can look at it.
    pub url: Option<Url>,
    /// The conference link, where one was wanted and could be made.
    pub conference_url: Option<Url>,
    /// Whether a link is still being made: the server writes the event again a little later, and
    /// finds it then.
    pub conference_pending: bool,
    /// An opaque mark that differs after every change, e.g. an ETag (RFC 9110, section 8.8.3).
    pub version: Option<String>,
}

impl EventReceipt {
    /// A receipt of which only the reference is known.
    pub fn new(event_ref: impl Into<String>) -> Self {
        Self {
            event_ref: event_ref.into(),
            url: None,
            conference_url: None,
            conference_pending: false,
            version: None,
        }
    }
}

/// What names one of the server's own events to its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventHandle {
    /// The UID it was written with.
    pub uid: String,
    /// What [`EventReceipt::event_ref`] was. Unknown where the answer to the write was lost;
    /// a provider then finds the event by its UID.
    pub event_ref: Option<String>,
}

impl EventHandle {
    /// A handle from what is known of the event.
    pub fn new(uid: impl Into<String>, event_ref: Option<String>) -> Self {
        Self { uid: uid.into(), event_ref }
    }
}

/// An event as it stands in the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventSnapshot {
    /// The provider's own reference. Occurrences of one recurring event share a UID; this tells
    /// them apart.
    pub event_ref: String,
    /// For an occurrence of a recurring event, what names that event to
    /// [`Change`](crate::Change).
    pub series_ref: Option<String>,
    /// The UID, where the provider tells it.
    pub uid: Option<String>,
    /// When.
    pub range: TimeRange,
    /// Whether it blocks the agent; an event that is transparent (RFC 5545, section 3.8.2.7) or
    /// that the agent declined does not.
    pub busy: bool,
    /// The title, where the provider tells it.
    pub title: Option<String>,
    /// What [`EventReceipt::version`] would be now.
    pub version: Option<String>,
}

impl EventSnapshot {
    /// A busy single event of which no UID, title or version is known.
    pub fn new(event_ref: impl Into<String>, range: TimeRange) -> Self {
        Self {
            event_ref: event_ref.into(),
            series_ref: None,
            uid: None,
            range,
            busy: true,
            title: None,
            version: None,
        }
    }
}
