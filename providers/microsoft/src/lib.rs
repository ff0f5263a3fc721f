//! Outlook calendars of Microsoft 365 and of personal Microsoft accounts, through Microsoft Graph
//! v1.0 (<https://learn.microsoft.com/graph/api/overview?view=graph-rest-1.0>).
//!
//! Agents connect with OAuth 2.0 and delegated permissions: the server runs the flow, and each call
//! is given an access token. `docs/providers/microsoft.md` is the operator's guide.
//!
//! What Graph does of its own, and what is done about it:
//!
//! - Attendees are sent invitations: the visitors stand in the text of an event instead.
//! - A second event for a UID is kept away by a `transactionId` and an extended property.
//! - A body that is written over loses the Teams meeting: the part that Teams wrote is kept.
//! - Published free/busy covers the default calendar of work and school accounts only: for other
//!   calendars their events are read. All are asked in one round trip.
//! - At most 4 requests may be under way to one mailbox: more of them wait here.

mod about;
mod account;
mod batch;
mod body;
mod busy;
mod calendar_ref;
mod cursor;
mod delta;
mod event;
mod failure;
mod free_busy;
mod graph;
mod lanes;
mod own;
mod push;
mod settings;
mod times;
mod write;
mod zones;

use async_trait::async_trait;
use calendar_http::HttpClient;
use calendar_provider::{
    About, BusyInterval, CalendarInfo, CalendarProvider, Changes, ConnectRequest, ConnectedAccount,
    Connection, Cursor, EventDraft, EventHandle, EventReceipt, EventSnapshot, OAuth2,
    ProviderError, Push, Pushed, TimeRange, Watch, WatchRequest,
};

pub use settings::Settings;

/// Outlook calendars.
pub struct Microsoft {
    about: About,
    oauth2: Option<OAuth2>,
    graph: graph::Graph,
}

impl Microsoft {
    /// The provider for one app registration. Requests go to `settings.graph_url` only.
    pub fn new(settings: Settings, http: HttpClient) -> Self {
        Self {
            about: about::about(&settings),
            oauth2: about::oauth2(&settings),
            graph: graph::Graph::new(http, settings.graph_url),
        }
    }
}

#[async_trait]
impl CalendarProvider for Microsoft {
    fn about(&self) -> &About {
        &self.about
    }

    fn oauth2(&self) -> Option<&OAuth2> {
        self.oauth2.as_ref()
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        account::connect(&self.graph, &request).await
    }

    async fn calendars(&self, connection: &Connection) -> Result<Vec<CalendarInfo>, ProviderError> {
        account::calendars(&self.graph, connection).await
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        free_busy::free_busy(&self.graph, connection, window).await
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        write::put(&self.graph, connection, event).await
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        write::delete(&self.graph, connection, event).await
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        write::get(&self.graph, connection, event).await
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        delta::changes(&self.graph, connection, since, window).await
    }

    async fn watch(
        &self,
        connection: &Connection,
        request: &WatchRequest,
        before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        push::watch(&self.graph, connection, request, before).await
    }

    async fn unwatch(&self, connection: &Connection, watch: &Watch) -> Result<(), ProviderError> {
        push::unwatch(&self.graph, connection, watch).await
    }

    fn read_push(&self, push: &Push) -> Result<Pushed, ProviderError> {
        push::read(push)
    }
}
