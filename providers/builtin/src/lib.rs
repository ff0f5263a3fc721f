//! The calendar that Frontdesk keeps itself, so that no outside account is needed.
//!
//! [`Builtin`] is a [`CalendarProvider`] over an [`EventStore`], which the server implements on
//! its own tables. An agent who connects it gives nothing and grants nothing.

mod store;

use std::sync::Arc;

use async_trait::async_trait;
use calendar_provider::{
    About, BusyInterval, CalendarProvider, Change, Changes, ConnectMethod, ConnectRequest,
    ConnectedAccount, Connection, Cursor, EventDraft, EventHandle, EventReceipt, EventSnapshot,
    ProviderError, Residence, TimeRange,
};

pub use store::{EventStore, Revision, StoreError, StoredChange, StoredChanges, StoredEvent};

/// The key that connections to this provider are kept under.
pub const ID: &str = "builtin";

/// The one calendar that an owner has here, as [`Connection::calendar_ref`].
pub const CALENDAR_REF: &str = "default";

const NAME: &str = "Frontdesk calendar";

/// The provider over an [`EventStore`].
pub struct Builtin {
    about: About,
    store: Arc<dyn EventStore>,
}

impl Builtin {
    /// The provider whose events `store` keeps.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        let mut about = About::new(ID, NAME, ConnectMethod::None);
        about.capabilities.residence = Residence::Local;
        Self { about, store }
    }

    /// Fails where the connection's owner or calendar does not exist, so that no answer about
    /// them is ever an empty one.
    async fn require(&self, connection: &Connection) -> Result<(), ProviderError> {
        let known = connection.calendar_ref == CALENDAR_REF
            && self.store.owner_exists(&connection.owner).await.map_err(unavailable)?;
        if known { Ok(()) } else { Err(ProviderError::not_found("the calendar")) }
    }
}

#[async_trait]
impl CalendarProvider for Builtin {
    fn about(&self) -> &About {
        &self.about
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        if !self.store.owner_exists(&request.owner).await.map_err(unavailable)? {
            return Err(ProviderError::not_found("the calendar's owner"));
        }
        let mut account = ConnectedAccount::new(NAME, CALENDAR_REF);
        account.calendar_name = Some(NAME.to_owned());
        Ok(account)
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        self.require(connection).await?;
        let events =
            self.store.overlapping(&connection.owner, window).await.map_err(unavailable)?;
        Ok(events.into_iter().map(busy).collect())
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        self.require(connection).await?;
        let revision = self.store.upsert(&connection.owner, event).await.map_err(unavailable)?;
        let mut receipt = EventReceipt::new(&event.uid);
        receipt.version = Some(revision.to_string());
        Ok(receipt)
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        self.require(connection).await?;
        self.store.delete(&connection.owner, &event.uid).await.map_err(unavailable)?;
        Ok(())
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        self.require(connection).await?;
        let found = self.store.get(&connection.owner, &event.uid).await.map_err(unavailable)?;
        Ok(found.map(snapshot))
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        self.require(connection).await?;
        let after = since.map(revision_of).transpose()?;
        let changes = self
            .store
            .changes_since(&connection.owner, after, window)
            .await
            .map_err(unavailable)?
            .ok_or_else(ProviderError::cursor_expired)?;
        let next = Cursor::new(changes.newest.to_string());
        Ok(Changes::new(changes.events.into_iter().map(change).collect(), next))
    }
}

/// A database that fails now may work later.
fn unavailable(error: StoreError) -> ProviderError {
    ProviderError::transient("its database did not answer").with_source(error)
}

/// The revision that a cursor holds. A text that is none was never given out by us, and neither
/// was a revision before the first: either would otherwise pass for the beginning.
fn revision_of(cursor: &Cursor) -> Result<Revision, ProviderError> {
    match cursor.as_str().parse::<Revision>() {
        Ok(revision) if 0 <= revision => Ok(revision),
        Ok(_) => Err(ProviderError::cursor_expired()),
        Err(error) => Err(ProviderError::cursor_expired().with_source(error)),
    }
}

fn busy(event: StoredEvent) -> BusyInterval {
    let mut interval = BusyInterval::new(event.range);
    interval.uid = Some(event.uid);
    interval.title = Some(event.title);
    interval
}

fn snapshot(event: StoredEvent) -> EventSnapshot {
    let mut snapshot = EventSnapshot::new(&event.uid, event.range);
    snapshot.uid = Some(event.uid);
    snapshot.title = Some(event.title);
    snapshot.version = Some(event.revision.to_string());
    snapshot
}

fn change(change: StoredChange) -> Change {
    match change {
        StoredChange::Present(event) => Change::Present(snapshot(event)),
        StoredChange::Removed(uid) => Change::Gone { event_ref: uid },
    }
}
