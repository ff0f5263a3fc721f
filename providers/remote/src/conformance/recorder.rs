//! A provider that remembers what was written, so that it can be deleted.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use calendar_provider::{
    About, BusyInterval, CalendarInfo, CalendarProvider, Changes, ConnectRequest, ConnectedAccount,
    Connection, Cursor, EventDraft, EventHandle, EventReceipt, EventSnapshot, OAuth2,
    ProviderError, Push, Pushed, TimeRange, Watch, WatchRequest,
};

use crate::Remote;

/// Passes every call on.
pub(super) struct Recorder {
    remote: Remote,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// The connection that each was written with, since the kit has several.
    written: Vec<(Connection, String)>,
    outside: BTreeSet<String>,
    fault: bool,
}

impl Recorder {
    pub(super) fn new(remote: Remote) -> Self {
        Self { remote, noted: Mutex::default() }
    }

    /// Deletes what was written since the last time. What can't be deleted shows in the checks
    /// that follow.
    pub(super) async fn clean_up(&self) {
        let written = std::mem::take(&mut self.noted().written);
        for (connection, uid) in written {
            let _ = self.remote.delete_event(&connection, &EventHandle::new(uid, None)).await;
        }
    }

    pub(super) fn note_outside(&self, uid: &str) {
        self.noted().outside.insert(uid.to_owned());
    }

    pub(super) fn take_outside(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.noted().outside)
    }

    pub(super) fn note_fault(&self) {
        self.noted().fault = true;
    }

    pub(super) fn take_fault(&self) -> bool {
        std::mem::take(&mut self.noted().fault)
    }

    /// A call outside the trait.
    pub(super) async fn tell(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(), ProviderError> {
        self.remote.tell(path, body).await
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CalendarProvider for Recorder {
    fn about(&self) -> &About {
        self.remote.about()
    }

    fn oauth2(&self) -> Option<&OAuth2> {
        self.remote.oauth2()
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        self.remote.connect(request).await
    }

    async fn calendars(&self, connection: &Connection) -> Result<Vec<CalendarInfo>, ProviderError> {
        self.remote.calendars(connection).await
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        self.remote.free_busy(connection, window).await
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        // Before it is sent: a call that is dropped may have been carried out.
        let known = |(with, uid): &(Connection, String)| {
            *uid == event.uid && with.calendar_ref == connection.calendar_ref
        };
        if !self.noted().written.iter().any(known) {
            self.noted().written.push((connection.clone(), event.uid.clone()));
        }
        self.remote.put_event(connection, event).await
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        self.remote.delete_event(connection, event).await
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        self.remote.get_event(connection, event).await
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        self.remote.changes(connection, since, window).await
    }

    async fn watch(
        &self,
        connection: &Connection,
        request: &WatchRequest,
        before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        self.remote.watch(connection, request, before).await
    }

    async fn unwatch(&self, connection: &Connection, watch: &Watch) -> Result<(), ProviderError> {
        self.remote.unwatch(connection, watch).await
    }

    fn read_push(&self, push: &Push) -> Result<Pushed, ProviderError> {
        self.remote.read_push(push)
    }
}
