//! Where the events are kept.

use std::error::Error;

use async_trait::async_trait;
use calendar_provider::{EventDraft, TimeRange};

/// The events of every owner, in the server's own database.
///
/// Each method is one statement or one transaction. An owner that does not exist has no events:
/// [`Builtin`](crate::Builtin) asks [`owner_exists`](Self::owner_exists) where that matters.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Whether there is such an owner.
    async fn owner_exists(&self, owner: &str) -> Result<bool, StoreError>;

    /// The owner's events that overlap `window` (half-open), in any order.
    async fn overlapping(
        &self,
        owner: &str,
        window: TimeRange,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// The owner's event with this UID.
    async fn get(&self, owner: &str, uid: &str) -> Result<Option<StoredEvent>, StoreError>;

    /// Creates or replaces the owner's event with the draft's UID, under a new revision, and
    /// answers that revision. Two at once leave one event.
    async fn upsert(&self, owner: &str, event: &EventDraft) -> Result<Revision, StoreError>;

    /// Removes the owner's event with this UID, under a new revision; whether there was one.
    async fn delete(&self, owner: &str, uid: &str) -> Result<bool, StoreError>;

    /// What changed after the revision `after`; with none, the owner's events that overlap
    /// `window`. None where `after` is older than what is remembered, or newer than the newest.
    async fn changes_since(
        &self,
        owner: &str,
        after: Option<Revision>,
        window: TimeRange,
    ) -> Result<Option<StoredChanges>, StoreError>;
}

/// A place in one owner's history: 0 before the first change, and growing with each.
///
/// Given out in the order of commits, e.g. under the lock of the owner's row: a reader that has
/// seen revision 7 must never meet a 6 later.
pub type Revision = i64;

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its UID, which an owner has once.
    pub uid: String,
    /// When.
    pub range: TimeRange,
    /// Its title.
    pub title: String,
    /// The revision of its last change.
    pub revision: Revision,
}

/// What changed after a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChanges {
    /// The changed events, each once and as it now stands.
    pub events: Vec<StoredChange>,
    /// The owner's newest revision, read together with `events`.
    pub newest: Revision,
}

/// One changed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredChange {
    /// It stands so.
    Present(StoredEvent),
    /// The event with this UID was removed.
    Removed(String),
}

/// The database failed; what it said is for logs.
#[derive(Debug, thiserror::Error)]
#[error("the event store failed")]
pub struct StoreError(#[source] Box<dyn Error + Send + Sync>);

impl StoreError {
    /// A failure by its cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
