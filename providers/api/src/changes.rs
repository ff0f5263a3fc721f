//! Following a calendar's changes with a cursor.

use serde::{Deserialize, Serialize};

use crate::EventSnapshot;

/// A place in a calendar's history, in a form of the provider's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor from the provider's own text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The provider's own text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What changed after a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// The changes in order; of several to one event the last may be all that is told.
    pub events: Vec<Change>,
    /// Where to go on from.
    pub next: Cursor,
}

impl Changes {
    /// These changes, and where to go on from.
    pub const fn new(events: Vec<Change>, next: Cursor) -> Self {
        Self { events, next }
    }
}

/// One change to a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The event is new or differs, and now stands so.
    Present(EventSnapshot),
    /// The event is no longer there; where it is a recurring one, no occurrence of it.
    Gone {
        /// What [`EventSnapshot::event_ref`] was, or [`EventSnapshot::series_ref`].
        event_ref: String,
    },
    /// A recurring event is new or differs, and its occurrences are now exactly these.
    Series {
        /// What each occurrence's [`EventSnapshot::series_ref`] is.
        series_ref: String,
        /// Those that overlap the window.
        occurrences: Vec<EventSnapshot>,
    },
}

impl Change {
    /// The event that changed: what [`EventSnapshot::event_ref`] or
    /// [`EventSnapshot::series_ref`] is or was.
    pub fn event_ref(&self) -> &str {
        match self {
            Self::Present(event) => &event.event_ref,
            Self::Gone { event_ref } => event_ref,
            Self::Series { series_ref, .. } => series_ref,
        }
    }
}
