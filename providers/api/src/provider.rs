//! The trait that every calendar implements.

use async_trait::async_trait;

use crate::{
    About, BusyInterval, CalendarInfo, Changes, ConnectRequest, ConnectedAccount, Connection,
    Cursor, EventDraft, EventHandle, EventReceipt, EventSnapshot, OAuth2, ProviderError, Push,
    Pushed, TimeRange, Watch, WatchRequest,
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

    /// For [`ConnectMethod::OAuth2`](crate::ConnectMethod::OAuth2): the client with which the server
    /// sends agents through the consent page. None where it is not configured.
    fn oauth2(&self) -> Option<&OAuth2> {
        None
    }

    /// Tries what the agent gave, and answers what the server is to keep.
    ///
    /// # Errors
    /// [`InvalidCredentials`](ProviderError::InvalidCredentials) naming the field at fault.
    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError>;

    /// The account's calendars, in any order; at least the one that is connected.
    ///
    /// # Errors
    /// [`Unsupported`](ProviderError::Unsupported) where
    /// [`Capabilities::calendars`](crate::Capabilities::calendars) is false.
    async fn calendars(
        &self,
        _connection: &Connection,
    ) -> Result<Vec<CalendarInfo>, ProviderError> {
        Err(ProviderError::unsupported("listing calendars"))
    }

    /// Every interval of the connection's calendars that blocks the agent and overlaps `window`, in
    /// any order. Asked while a visitor waits, so one request to the provider is what it should
    /// take. Intervals may overlap, touch, or be merged where their UIDs are not told. Events that
    /// block nobody (transparent, declined, cancelled) are left out.
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
    /// [`Capabilities::changes`](crate::Capabilities::changes) is false, or for a calendar of which
    /// it can only be told when it is busy: `free_busy` is asked then.
    async fn changes(
        &self,
        _connection: &Connection,
        _since: Option<&Cursor>,
        _window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        Err(ProviderError::unsupported("following changes"))
    }

    /// Asks the provider to call the server when the connection's calendar changes. Where `before`
    /// is given, that channel is to be prolonged; a provider that can't, begins a new one and leaves
    /// the former to the server, which ends it.
    ///
    /// The provider may call [`WatchRequest::callback_url`] before this returns.
    ///
    /// # Errors
    /// [`Unsupported`](ProviderError::Unsupported) where
    /// [`Capabilities::push`](crate::Capabilities::push) is false.
    async fn watch(
        &self,
        _connection: &Connection,
        _request: &WatchRequest,
        _before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        Err(ProviderError::unsupported("telling of changes"))
    }

    /// Ends a channel. That it has ended already is a success.
    ///
    /// # Errors
    /// [`Unsupported`](ProviderError::Unsupported) where
    /// [`Capabilities::push`](crate::Capabilities::push) is false.
    async fn unwatch(&self, _connection: &Connection, _watch: &Watch) -> Result<(), ProviderError> {
        Err(ProviderError::unsupported("telling of changes"))
    }

    /// What a call on a channel means. It looks at nothing but the call.
    ///
    /// # Errors
    /// [`Unauthorized`](ProviderError::Unauthorized) for a call that does not say the channel's
    /// secret; [`Permanent`](ProviderError::Permanent) for one that can't be read;
    /// [`Unsupported`](ProviderError::Unsupported) where
    /// [`Capabilities::push`](crate::Capabilities::push) is false.
    fn read_push(&self, _push: &Push) -> Result<Pushed, ProviderError> {
        Err(ProviderError::unsupported("telling of changes"))
    }
}
