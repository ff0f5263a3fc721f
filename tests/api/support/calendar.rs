//! A calendar in another system, small and in memory, that fails when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calendar_provider::{
    About, BusyInterval, CalendarProvider, ConferenceKind, ConnectMethod, ConnectRequest,
    ConnectedAccount, Connection, EventDraft, EventHandle, EventReceipt, ProviderError, TimeRange,
};
use chrono::TimeDelta;
use tokio::sync::Notify;

/// The key under which agents connect it.
pub(crate) const REMOTE: &str = "remote";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It can't be reached.
    Down,
    /// It does not answer.
    Silent,
    /// The agent took its consent back.
    Revoked,
    /// It wants fewer requests, and says for how long.
    Busy(TimeDelta),
    /// It will never do that.
    Refusing,
}

/// Calendars of any number of agents.
#[derive(Debug)]
pub(crate) struct RemoteCalendar {
    about: About,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reads: Option<Fault>,
    writes: Option<Fault>,
    without_links: bool,
    held: Option<Arc<Held>>,
    busy: Vec<BusyInterval>,
    events: BTreeMap<String, EventDraft>,
    written: usize,
}

/// One write that is under way.
#[derive(Debug, Default)]
pub(crate) struct Held {
    begun: Notify,
    go_on: Notify,
}

impl Held {
    /// Waits until the write has begun.
    pub(crate) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// Lets it end.
    pub(crate) fn go_on(&self) {
        self.go_on.notify_one();
    }
}

impl RemoteCalendar {
    /// One that works, and makes conference links.
    pub(crate) fn new() -> Arc<Self> {
        let mut about = About::new(REMOTE, "Remote calendar", ConnectMethod::None);
        about.conference = Some(ConferenceKind::GoogleMeet);
        Arc::new(Self { about, state: Mutex::default() })
    }

    /// Makes every later read fail so; none mends it.
    pub(crate) fn fail_reads(&self, fault: impl Into<Option<Fault>>) {
        self.state.lock().unwrap().reads = fault.into();
    }

    /// Makes every later write fail so; none mends it.
    pub(crate) fn fail_writes(&self, fault: impl Into<Option<Fault>>) {
        self.state.lock().unwrap().writes = fault.into();
    }

    /// Whether it makes conference links.
    pub(crate) fn make_links(&self, does: bool) {
        self.state.lock().unwrap().without_links = !does;
    }

    /// Holds the next write until it is told to go on.
    pub(crate) fn hold_next_write(&self) -> Arc<Held> {
        let held = Arc::<Held>::default();
        self.state.lock().unwrap().held = Some(Arc::clone(&held));
        held
    }

    /// Makes everyone busy, as an entry made elsewhere would.
    pub(crate) fn add_busy(&self, start: &str, minutes: i64) {
        let start = start.parse().unwrap();
        let range = TimeRange::lasting(start, TimeDelta::minutes(minutes)).unwrap();
        self.state.lock().unwrap().busy.push(BusyInterval::new(range));
    }

    /// What is in it.
    pub(crate) fn events(&self) -> Vec<EventDraft> {
        self.state.lock().unwrap().events.values().cloned().collect()
    }

    /// How many writes and deletions were carried out.
    pub(crate) fn written(&self) -> usize {
        self.state.lock().unwrap().written
    }

    async fn fail(fault: Option<Fault>) -> Result<(), ProviderError> {
        match fault {
            None => Ok(()),
            Some(Fault::Down) => Err(ProviderError::transient("no connection")),
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Revoked) => Err(ProviderError::unauthorized()),
            Some(Fault::Busy(wait)) => Err(ProviderError::rate_limited(Some(wait))),
            Some(Fault::Refusing) => Err(ProviderError::permanent("it is read-only")),
        }
    }
}

#[async_trait]
impl CalendarProvider for RemoteCalendar {
    fn about(&self) -> &About {
        &self.about
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        Ok(ConnectedAccount::new(request.owner, "primary"))
    }

    async fn free_busy(
        &self,
        _connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        let reads = self.state.lock().unwrap().reads;
        Self::fail(reads).await?;
        let state = self.state.lock().unwrap();
        let own = state.events.values().map(|event| {
            let mut interval = BusyInterval::new(event.range);
            interval.uid = Some(event.uid.clone());
            interval
        });
        let all = own.chain(state.busy.iter().cloned());
        Ok(all.filter(|interval| interval.range.overlaps(window)).collect())
    }

    async fn put_event(
        &self,
        _connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        let (writes, held, number) = {
            let mut state = self.state.lock().unwrap();
            state.written += usize::from(state.writes.is_none());
            (state.writes, state.held.take(), state.written)
        };
        Self::fail(writes).await?;
        if let Some(held) = held {
            held.begun.notify_one();
            held.go_on.notified().await;
        }
        let mut state = self.state.lock().unwrap();
        state.events.insert(event.uid.clone(), event.clone());
        let mut receipt = EventReceipt::new(&event.uid);
        let url = format!("https://calendar.example/{}/{number}", event.uid);
        receipt.url = Some(url.parse().unwrap());
        let makes_link = event.conference_wanted && !state.without_links;
        receipt.conference_url =
            makes_link.then(|| "https://meet.google.example/abc".parse().unwrap());
        Ok(receipt)
    }

    async fn delete_event(
        &self,
        _connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        let writes = self.state.lock().unwrap().writes;
        Self::fail(writes).await?;
        let mut state = self.state.lock().unwrap();
        state.events.remove(&event.uid);
        state.written += 1;
        Ok(())
    }
}
