//! The trait that every calendar implements.

use async_trait::async_trait;

use crate::{
    About, BusyInterval, Changes, ConnectRequest, ConnectedAccount, Connection, Cursor, EventDraft,
    EventHandle, EventReceipt, EventSnapshot, ProviderError, TimeRange,
};

/// A kind of calendar that agents can connect.
///
/// One value serves every connection at once, from many tasks. Each call stands alone: it is
/// given the [`Connection`] and keeps nothing that a restart would lose. Any future may be
/// dropped at any await point, and the call made again must then end as if made once.
///
/// # Errors
/// All of them answer [`ProviderError`]. What holds for each: a connection that the provider
/// does not know is [`NotFound`](ProviderError::NotFound) or
/// [`Unauthorized`](ProviderError::Unauthorized), and a failure is never an empty answer.
#[async_trait]
pub trait CalendarProvider: Send + Sync + 'static {
    /// What it is and what it can do.
    fn about(&self) -> &About;

    /// Tries what the agent gave, and answers what the server is to keep.
    ///
    /// # Errors
    /// [`InvalidCredentials`](ProviderError::InvalidCredentials) naming the field at fault.
    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError>;

    /// Every interval that blocks the agent and overlaps `window`, in any order. Intervals may
    /// overlap, touch, or be merged where their UIDs are not told. Events that block nobody
    /// (transparent, declined, cancelled) are left out.
    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError>;

    /// Makes the calendar hold `event` as drafted: creates it, or changes the one that has its
    /// UID. Doing so twice, one after the other or at once, leaves one event.
    ///
    /// # Errors
    /// [`Unsupported`](ProviderError::Unsupported) where
    /// [`Capabilities::writes`](crate::Capabilities::writes) is false;
    /// [`Conflict`](ProviderError::Conflict) where someone else changed it meanwhile.
    async fn put_event(
        &self,
        _connection: &Connection,
        _event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        Err(ProviderError::unsupported("writing events"))
    }

    /// Makes the calendar not hold `event`. That it is gone already is a success.
    ///
    /// # Errors
    /// [`Unsupported`](ProviderError::Unsupported) where
    /// [`Capabilities::writes`](crate::Capabilities::writes) is false.
    async fn delete_event(
        &self,
        _connection: &Connection,
        _event: &EventHandle,
    ) -> Result<(), ProviderError> {
        Err(ProviderError::unsupported("deleting events"))
    }

    /// A direct look at one of the server's own events: none where the calendar does not hold it.
    ///
    /// # Errors
    /// [`Unsupported`](ProviderError::Unsupported) where
    /// [`Capabilities::writes`](crate::Capabilities::writes) is false.
    async fn get_event(
        &self,
        _connection: &Connection,
        _event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        Err(ProviderError::unsupported("reading single events"))
    }

    /// What changed after `since`; with none, every event that overlaps `window`.
    ///
    /// `window` is the one that the cursor began with; to look further ahead, begin again
    /// without a cursor. Changes outside it may be told too. An event that left it is told as
    /// it now stands or as gone. A cursor may be used again, e.g. after a crash, and then
    /// answers at least what it answered before or what replaced that.
    ///
    /// # Errors
    /// [`CursorExpired`](ProviderError::CursorExpired) where `since` is too old or was never
    /// given out; [`Unsupported`](ProviderError::Unsupported) where
    /// [`Capabilities::changes`](crate::Capabilities::changes) is false.
    async fn changes(
        &self,
        _connection: &Connection,
        _since: Option<&Cursor>,
        _window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        Err(ProviderError::unsupported("following changes"))
    }
}
