//! The provider.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use calendar_http::{HttpClient, Network};
use calendar_provider::{
    About, BusyInterval, CalendarInfo, CalendarProvider, Changes, ConnectMethod, ConnectRequest,
    ConnectedAccount, Connection, Cursor, EventDraft, EventHandle, EventReceipt, EventSnapshot,
    OAuth2, ProviderError, Push, Pushed, TimeRange, Watch, WatchRequest,
};

use crate::call::Line;
use crate::settings::{Settings, SettingsError};
use crate::signature::{ID, SIGNATURE, Secret, TIMESTAMP};
use crate::{Clock, wire};

/// How long a provider that did not answer at start is left before it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// A provider at a URL.
///
/// What it is ([`About`]) is asked once, at start. A provider that is down then does not hold up
/// the server: until it answers, [`About::configured`] is false, nobody can connect, and each call
/// asks it once more.
pub struct Remote {
    line: Line,
    settings: Settings,
    unknown: About,
    answered: OnceLock<Answered>,
}

/// What a provider said of itself.
struct Answered {
    about: About,
    oauth2: Option<OAuth2>,
}

impl Remote {
    /// A provider that has not been asked what it is; see [`refresh`](Self::refresh).
    ///
    /// `http` is used for any network, since the operator gives the address. Its deadline, retries
    /// and size limit are those of every call; no call is answered twice by retrying it, since
    /// each is idempotent.
    ///
    /// # Errors
    /// Where `settings` can't be used.
    pub fn new(settings: Settings, http: HttpClient, clock: Clock) -> Result<Self, SettingsError> {
        let (base, secret) = (settings.base()?, settings.key()?);
        let name = settings.name.as_deref().unwrap_or("Remote calendar");
        let mut unknown = About::new(settings.checked_id()?, name, ConnectMethod::None);
        unknown.configured = false;
        let line = Line { base, secret, http: http.with_network(Network::Any), clock };
        Ok(Self { line, settings, unknown, answered: OnceLock::new() })
    }

    /// [`new`](Self::new), asked what it is. One that does not answer is asked again every 15
    /// seconds in a task of its own, for as long as somebody holds it. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where `settings` can't be used; a provider that does not answer is no error.
    pub async fn discover(
        settings: Settings,
        http: HttpClient,
        clock: Clock,
    ) -> Result<Arc<Self>, SettingsError> {
        let remote = Arc::new(Self::new(settings, http, clock)?);
        if remote.refresh().await.is_err() {
            tokio::spawn(ask_until_answered(Arc::downgrade(&remote)));
        }
        Ok(remote)
    }

    /// Asks the provider what it is, unless it has said so before.
    ///
    /// # Errors
    /// Where it can't be reached, does not answer as documented, or speaks another version of the
    /// contract.
    pub async fn refresh(&self) -> Result<(), ProviderError> {
        if self.answered.get().is_some() {
            return Ok(());
        }
        let said: wire::About = self.line.get("about").await?;
        if said.contract != wire::CONTRACT {
            return Err(ProviderError::permanent("it speaks another version of the contract"));
        }
        // Whoever was first has been told the same.
        let _ = self.answered.set(self.understood(said));
        Ok(())
    }

    fn understood(&self, mut said: wire::About) -> Answered {
        let Settings { id, name, client_id, client_secret, .. } = &self.settings;
        let oauth2 = said.oauth2.take();
        let mut about = said.into_api(id, name.as_deref());
        let client_id = |oauth2: &wire::OAuth2| client_id.clone().or(oauth2.client_id.clone());
        let oauth2 = oauth2.filter(|_| about.connect_with == ConnectMethod::OAuth2);
        let oauth2 = oauth2.and_then(|it| {
            let id = client_id(&it)?;
            let mut client = OAuth2::new(it.authorization_url, it.token_url, id);
            client.revocation_url = it.revocation_url;
            client.client_secret.clone_from(client_secret);
            client.issuer = it.issuer;
            client.authorization_params = it.authorization_params.into_iter().collect();
            Some(client)
        });
        about.configured = oauth2.is_some() || about.connect_with != ConnectMethod::OAuth2;
        Answered { about, oauth2 }
    }

    /// What it said of itself, asked for now where it has not yet.
    async fn answered(&self) -> Result<&About, ProviderError> {
        self.refresh().await?;
        Ok(self.about())
    }

    async fn able(
        &self,
        can: impl Fn(&About) -> bool,
        operation: &'static str,
    ) -> Result<(), ProviderError> {
        let able = can(self.answered().await?);
        if able { Ok(()) } else { Err(ProviderError::unsupported(operation)) }
    }

    /// A call outside the trait, for the kit.
    #[cfg(feature = "conformance")]
    pub(crate) async fn tell(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(), ProviderError> {
        self.line.tell(path, body).await
    }

    async fn writes(&self) -> Result<(), ProviderError> {
        self.able(|about| about.capabilities.writes, "writing events").await
    }

    async fn pushes(&self) -> Result<(), ProviderError> {
        self.able(|about| about.capabilities.push, "telling of changes").await
    }
}

/// The server may drop the provider while it is down.
async fn ask_until_answered(remote: Weak<Remote>) {
    loop {
        tokio::time::sleep(ASK_AGAIN).await;
        let Some(remote) = remote.upgrade() else { return };
        if remote.refresh().await.is_ok() {
            return;
        }
    }
}

#[async_trait]
impl CalendarProvider for Remote {
    fn about(&self) -> &About {
        self.answered.get().map_or(&self.unknown, |answered| &answered.about)
    }

    fn oauth2(&self) -> Option<&OAuth2> {
        self.answered.get()?.oauth2.as_ref()
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        let about = self.answered().await?;
        let fields: Vec<_> = about.credential_fields.iter().map(|it| it.name.as_str()).collect();
        let body = wire::ConnectRequest::from(request);
        let account: wire::Account = self.line.post("connect", &body, &fields).await?;
        Ok(account.into())
    }

    async fn calendars(&self, connection: &Connection) -> Result<Vec<CalendarInfo>, ProviderError> {
        self.able(|about| about.capabilities.calendars, "listing calendars").await?;
        let body = wire::Connected { connection: connection.into() };
        let listed: wire::Calendars = self.line.post("calendars", &body, &[]).await?;
        Ok(listed.calendars.into_iter().map(Into::into).collect())
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        self.refresh().await?;
        let body = wire::FreeBusyRequest { connection: connection.into(), window };
        let busy: wire::Busy = self.line.post("free-busy", &body, &[]).await?;
        Ok(busy.into())
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        self.writes().await?;
        let body = wire::PutRequest { connection: connection.into(), event: event.into() };
        let receipt: wire::Receipt = self.line.post("events/put", &body, &[]).await?;
        Ok(receipt.into())
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        self.writes().await?;
        let body = wire::EventRequest { connection: connection.into(), event: event.into() };
        self.line.tell("events/delete", &body).await
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        self.writes().await?;
        let body = wire::EventRequest { connection: connection.into(), event: event.into() };
        let found: wire::FoundEvent = self.line.post("events/get", &body, &[]).await?;
        Ok(found.event.map(Into::into))
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        self.able(|about| about.capabilities.changes, "following changes").await?;
        let connection = connection.into();
        let body = wire::ChangesRequest { connection, since: since.cloned(), window };
        let changes: wire::Changes = self.line.post("changes", &body, &[]).await?;
        Ok(changes.into())
    }

    async fn watch(
        &self,
        connection: &Connection,
        request: &WatchRequest,
        before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        self.pushes().await?;
        let body = wire::WatchRequest {
            connection: connection.into(),
            channel: request.into(),
            before: before.map(Into::into),
        };
        let watch: wire::Watch = self.line.post("watch", &body, &[]).await?;
        Ok(watch.into())
    }

    async fn unwatch(&self, connection: &Connection, watch: &Watch) -> Result<(), ProviderError> {
        self.pushes().await?;
        let body = wire::Unwatch { connection: connection.into(), watch: watch.into() };
        self.line.tell("unwatch", &body).await
    }

    fn read_push(&self, push: &Push) -> Result<Pushed, ProviderError> {
        // Whoever began the channel pushes, whether or not it has said so since our start.
        let refused = self.answered.get().is_some_and(|it| !it.about.capabilities.push);
        if refused {
            return Err(ProviderError::unsupported("telling of changes"));
        }
        let header = |name: &str| push.headers.get(name).map_or("", String::as_str);
        Secret::of_channel(&push.secret)
            .verify(
                header(ID),
                header(TIMESTAMP),
                header(SIGNATURE),
                &push.body,
                (self.line.clock)(),
            )
            .map_err(|cause| ProviderError::unauthorized().with_source(cause))?;
        let said: wire::Push = serde_json::from_slice(&push.body)
            .map_err(|_| ProviderError::permanent("the push is not as documented"))?;
        Ok(match said.kind {
            wire::PushKind::Changed | wire::PushKind::Unknown => Pushed::Changed,
            wire::PushKind::Renew => Pushed::Renew,
            wire::PushKind::Ended => Pushed::Ended,
        })
    }
}
