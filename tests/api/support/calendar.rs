//! Calendars in another system, small and in memory, that fail when they are told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calendar_provider::{
    About, BusyInterval, CalendarInfo, CalendarProvider, Change, Changes, ConferenceKind,
    ConnectMethod, ConnectRequest, ConnectedAccount, Connection, Cursor, EventDraft, EventHandle,
    EventReceipt, EventSnapshot, ProviderError, Push, Pushed, TimeRange, Watch, WatchRequest,
};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use tokio::sync::Notify;

/// The key under which agents connect it.
pub(crate) const REMOTE: &str = "remote";
/// The calendar that a new connection has.
const PRIMARY: &str = "primary";

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
    /// The calendar was deleted.
    Deleted,
    /// The provider's code panics.
    Panicking,
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
    /// Of one owner alone.
    reads_of: BTreeMap<String, Fault>,
    writes: Option<Fault>,
    watching: Option<Fault>,
    direct: Option<Fault>,
    without_links: bool,
    slow_links: bool,
    without_uids: bool,
    held: Option<Arc<Held>>,
    held_read: Option<Arc<Held>>,
    held_free_busy: Option<Arc<Held>>,
    held_answer: Option<Arc<Held>>,
    held_watch: Option<Arc<Held>>,
    busy: Vec<BusyInterval>,
    /// By where they stand and by UID.
    events: BTreeMap<(String, String), Written>,
    outside: BTreeMap<(String, String), EventSnapshot>,
    log: Vec<(String, Change)>,
    /// Cursors before this one are not known any more.
    oldest_cursor: usize,
    watches: BTreeMap<String, Channel>,
    ended: BTreeSet<String>,
    written: usize,
    calls: BTreeMap<&'static str, usize>,
}

/// An event that the server wrote, as it stands.
#[derive(Clone, Debug)]
struct Written {
    /// Whose calendar it stands in, and in which.
    owner: String,
    draft: EventDraft,
    stands: TimeRange,
}

/// A channel on which changes are told.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    /// Names it.
    pub(crate) channel: String,
    /// Where calls go.
    pub(crate) path: String,
    /// What calls must say.
    pub(crate) secret: String,
}

/// One call that is under way.
#[derive(Debug, Default)]
pub(crate) struct Held {
    begun: Notify,
    go_on: Notify,
}

impl Held {
    /// Waits until the call has begun.
    pub(crate) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// Lets it end.
    pub(crate) fn go_on(&self) {
        self.go_on.notify_one();
    }
}

/// Whose calendar is asked, and which: the main one goes by its owner alone.
fn asked(owner: &str, calendar_ref: &str) -> String {
    match calendar_ref {
        PRIMARY => owner.to_owned(),
        other => format!("{owner}/{other}"),
    }
}

/// The owner of an agent's calendar, from the agent's global ID.
fn owner(agent: &str) -> String {
    let id = frontdesk::ids::AGENT.parse(agent);
    id.unwrap_or_else(|| panic!("{agent} names no agent")).to_string()
}

fn range(start: &str, minutes: i64) -> TimeRange {
    TimeRange::lasting(start.parse().unwrap(), TimeDelta::minutes(minutes)).unwrap()
}

impl RemoteCalendar {
    /// One that works, tells of changes, and makes conference links.
    pub(crate) fn new() -> Arc<Self> {
        Self::with(|_| {})
    }

    /// One that says something else of itself.
    pub(crate) fn with(edit: impl FnOnce(&mut About)) -> Arc<Self> {
        let mut about = About::new(REMOTE, "Remote calendar", ConnectMethod::None);
        about.conference = Some(ConferenceKind::GoogleMeet);
        edit(&mut about);
        Arc::new(Self { about, state: Mutex::default() })
    }

    /// Makes every later read fail so; none mends it.
    pub(crate) fn fail_reads(&self, fault: impl Into<Option<Fault>>) {
        self.state.lock().unwrap().reads = fault.into();
    }

    /// Makes every later read of one agent's calendar fail so; none mends it.
    pub(crate) fn fail_reads_of(&self, agent: &str, fault: impl Into<Option<Fault>>) {
        let reads_of = &mut self.state.lock().unwrap().reads_of;
        match fault.into() {
            Some(fault) => reads_of.insert(owner(agent), fault),
            None => reads_of.remove(&owner(agent)),
        };
    }

    /// Makes every later write fail so; none mends it.
    pub(crate) fn fail_writes(&self, fault: impl Into<Option<Fault>>) {
        self.state.lock().unwrap().writes = fault.into();
    }

    /// Makes every later wish for a channel fail so; none mends it.
    pub(crate) fn fail_watching(&self, fault: impl Into<Option<Fault>>) {
        self.state.lock().unwrap().watching = fault.into();
    }

    /// Makes every later direct look at an entry fail so; none mends it.
    pub(crate) fn fail_direct_looks(&self, fault: impl Into<Option<Fault>>) {
        self.state.lock().unwrap().direct = fault.into();
    }

    /// Whether it makes conference links.
    pub(crate) fn make_links(&self, does: bool) {
        self.state.lock().unwrap().without_links = !does;
    }

    /// Whether links are still being made when a write is answered.
    pub(crate) fn make_links_slowly(&self, does: bool) {
        self.state.lock().unwrap().slow_links = does;
    }

    /// Merges what is busy when asked for it, and tells no UIDs.
    pub(crate) fn tell_no_uids(&self) {
        self.state.lock().unwrap().without_uids = true;
    }

    /// Holds the next write until it is told to go on.
    pub(crate) fn hold_next_write(&self) -> Arc<Held> {
        let held = Arc::<Held>::default();
        self.state.lock().unwrap().held = Some(Arc::clone(&held));
        held
    }

    /// Holds the next read for sync, once it knows its answer, until it is told to go on.
    pub(crate) fn hold_next_look(&self) -> Arc<Held> {
        let held = Arc::<Held>::default();
        self.state.lock().unwrap().held_read = Some(Arc::clone(&held));
        held
    }

    /// Holds the next look for a booking, once it knows its answer, until it is told to go on.
    pub(crate) fn hold_next_free_busy(&self) -> Arc<Held> {
        let held = Arc::<Held>::default();
        self.state.lock().unwrap().held_free_busy = Some(Arc::clone(&held));
        held
    }

    /// Holds the answer to the next write, once it is carried out, until it is told to go on.
    pub(crate) fn hold_next_answer(&self) -> Arc<Held> {
        let held = Arc::<Held>::default();
        self.state.lock().unwrap().held_answer = Some(Arc::clone(&held));
        held
    }

    /// Holds the answer to the next wish for a channel, once it is made, until it is told to go on.
    pub(crate) fn hold_next_watch(&self) -> Arc<Held> {
        let held = Arc::<Held>::default();
        self.state.lock().unwrap().held_watch = Some(Arc::clone(&held));
        held
    }

    /// Makes everyone busy, as an entry made elsewhere would, without its being told as a change.
    pub(crate) fn add_busy(&self, start: &str, minutes: i64) {
        self.state.lock().unwrap().busy.push(BusyInterval::new(range(start, minutes)));
    }

    /// Puts an entry into an agent's calendar, or moves it, as the agent would.
    pub(crate) fn put(&self, agent: &str, event_ref: &str, start: &str, minutes: i64) {
        self.put_event_of(agent, EventSnapshot::new(event_ref, range(start, minutes)));
    }

    /// The same with more said about it.
    pub(crate) fn put_event_of(&self, agent: &str, event: EventSnapshot) {
        let (mut state, owner) = (self.state.lock().unwrap(), owner(agent));
        state.outside.insert((owner.clone(), event.event_ref.clone()), event.clone());
        state.log.push((owner, Change::Present(event)));
    }

    /// Makes an event repeat at these starts, and no others.
    pub(crate) fn put_series(
        &self,
        agent: &str,
        series_ref: &str,
        starts: &[String],
        minutes: i64,
    ) {
        let (mut state, owner) = (self.state.lock().unwrap(), owner(agent));
        state.outside.retain(|(of, _), event| {
            *of != owner || event.series_ref.as_deref() != Some(series_ref)
        });
        let occurrences: Vec<EventSnapshot> = starts
            .iter()
            .map(|start| {
                let event_ref = format!("{series_ref}/{start}");
                let mut event = EventSnapshot::new(event_ref, range(start, minutes));
                event.series_ref = Some(series_ref.to_owned());
                event
            })
            .collect();
        for event in &occurrences {
            state.outside.insert((owner.clone(), event.event_ref.clone()), event.clone());
        }
        let change = Change::Series { series_ref: series_ref.to_owned(), occurrences };
        state.log.push((owner, change));
    }

    /// Takes an entry, or a repeating one, out of an agent's calendar.
    pub(crate) fn remove(&self, agent: &str, event_ref: &str) {
        let (mut state, owner) = (self.state.lock().unwrap(), owner(agent));
        state.outside.retain(|(of, name), event| {
            *of != owner || (name != event_ref && event.series_ref.as_deref() != Some(event_ref))
        });
        state.log.push((owner, Change::Gone { event_ref: event_ref.to_owned() }));
    }

    /// Moves the entry of the one meeting that was written, as the agent would.
    pub(crate) fn move_meeting(&self, start: &str) {
        let mut state = self.state.lock().unwrap();
        let written = state.events.values_mut().next().expect("a meeting was written");
        let start = start.parse::<DateTime<Utc>>().unwrap();
        written.stands = TimeRange::lasting(start, written.stands.length()).unwrap();
        let told = (written.owner.clone(), Change::Present(snapshot(written)));
        state.log.push(told);
    }

    /// Deletes the entry of the one meeting that was written, as the agent would.
    pub(crate) fn delete_meeting(&self) {
        let mut state = self.state.lock().unwrap();
        let ((owner, uid), _) = state.events.pop_first().expect("a meeting was written");
        state.log.push((owner, Change::Gone { event_ref: uid }));
    }

    /// Tells of the meeting's entry as gone, or elsewhere, although it stands where it did.
    pub(crate) fn mistell_meeting(&self, at: Option<&str>) {
        let mut state = self.state.lock().unwrap();
        let mut written = state.events.values().next().expect("a meeting was written").clone();
        let change = match at {
            Some(start) => {
                let start = start.parse::<DateTime<Utc>>().unwrap();
                written.stands = TimeRange::lasting(start, written.stands.length()).unwrap();
                Change::Present(snapshot(&written))
            }
            None => Change::Gone { event_ref: written.draft.uid.clone() },
        };
        state.log.push((written.owner, change));
    }

    /// Forgets all cursors that were given out.
    pub(crate) fn expire_cursors(&self) {
        let mut state = self.state.lock().unwrap();
        state.oldest_cursor = state.log.len() + 1;
        // Later cursors must differ from those.
        state.log.push((String::new(), Change::Gone { event_ref: String::new() }));
    }

    /// What the server wrote, as it last did.
    pub(crate) fn events(&self) -> Vec<EventDraft> {
        self.state.lock().unwrap().events.values().map(|written| written.draft.clone()).collect()
    }

    /// Where the entries stand that the server wrote.
    pub(crate) fn stands(&self) -> Vec<TimeRange> {
        self.state.lock().unwrap().events.values().map(|written| written.stands).collect()
    }

    /// How many writes and deletions were carried out.
    pub(crate) fn written(&self) -> usize {
        self.state.lock().unwrap().written
    }

    /// How often a method was called.
    pub(crate) fn calls(&self, method: &str) -> usize {
        self.state.lock().unwrap().calls.get(method).copied().unwrap_or(0)
    }

    /// How often any method was called.
    pub(crate) fn all_calls(&self) -> usize {
        self.state.lock().unwrap().calls.values().sum()
    }

    /// The channels that were asked for and not ended, in order of their names.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        let state = self.state.lock().unwrap();
        let live = state.watches.iter().filter(|(name, _)| !state.ended.contains(*name));
        live.map(|(_, channel)| channel.clone()).collect()
    }

    /// Begins a call: counts it, and fails as it was told to.
    async fn call(
        &self,
        method: &'static str,
        connection: &Connection,
        fault: impl FnOnce(&State) -> Option<Fault>,
    ) -> Result<(), ProviderError> {
        let fault = {
            let mut state = self.state.lock().unwrap();
            *state.calls.entry(method).or_default() += 1;
            fault(&state).or_else(|| state.reads_of.get(&connection.owner).copied())
        };
        match fault {
            None => Ok(()),
            Some(Fault::Down) => Err(ProviderError::transient("no connection")),
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Revoked) => Err(ProviderError::unauthorized()),
            Some(Fault::Busy(wait)) => Err(ProviderError::rate_limited(Some(wait))),
            Some(Fault::Refusing) => Err(ProviderError::permanent("it is read-only")),
            Some(Fault::Deleted) => Err(ProviderError::not_found("the calendar")),
            Some(Fault::Panicking) => panic!("a fault in the provider"),
        }
    }

    async fn hold_look(&self) {
        let held = self.state.lock().unwrap().held_read.take();
        hold(held).await;
    }
}

async fn hold(held: Option<Arc<Held>>) {
    if let Some(held) = held {
        held.begun.notify_one();
        held.go_on.notified().await;
    }
}

fn snapshot(written: &Written) -> EventSnapshot {
    let mut event = EventSnapshot::new(&written.draft.uid, written.stands);
    event.uid = Some(written.draft.uid.clone());
    event
}

impl State {
    /// All that stands in an owner's calendar.
    fn standing(&self, owner: &str) -> Vec<EventSnapshot> {
        let own = self.events.values().filter(|written| written.owner == owner).map(snapshot);
        let outside = self.outside.iter().filter(|((of, _), _)| of == owner);
        own.chain(outside.map(|(_, event)| event.clone())).collect()
    }
}

/// The changes as they are told: of a provider that tells no UIDs, without those.
fn without_uids(state: &State, changes: Vec<Change>) -> Vec<Change> {
    let told = |change| match change {
        Change::Present(mut event) if state.without_uids => {
            event.uid = None;
            Change::Present(event)
        }
        other => other,
    };
    changes.into_iter().map(told).collect()
}

#[async_trait]
impl CalendarProvider for RemoteCalendar {
    fn about(&self) -> &About {
        &self.about
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        Ok(ConnectedAccount::new(request.owner, PRIMARY))
    }

    async fn calendars(&self, _: &Connection) -> Result<Vec<CalendarInfo>, ProviderError> {
        Ok([PRIMARY, "team"].map(|name| CalendarInfo::new(name, name)).into())
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        self.call("free_busy", connection, |state| state.reads).await?;
        let mut busy: Vec<BusyInterval> = {
            let state = self.state.lock().unwrap();
            let all = std::iter::once(&connection.calendar_ref).chain(&connection.also_busy);
            let all = all.map(|calendar_ref| asked(&connection.owner, calendar_ref));
            let standing = all.flat_map(|owner| state.standing(&owner)).filter(|e| e.busy);
            let standing = standing.map(|event| {
                let mut interval = BusyInterval::new(event.range);
                interval.uid = event.uid;
                interval
            });
            let all = standing.chain(state.busy.iter().cloned());
            all.filter(|interval| interval.range.overlaps(window)).collect()
        };
        if self.state.lock().unwrap().without_uids {
            let merged: frontdesk::scheduling::BusyTimes =
                busy.iter().map(|interval| interval.range).collect();
            busy = merged.as_slice().iter().copied().map(BusyInterval::new).collect();
        }
        if !self.about.capabilities.changes {
            self.hold_look().await;
        }
        let held = self.state.lock().unwrap().held_free_busy.take();
        hold(held).await;
        Ok(busy)
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        self.call("put_event", connection, |state| state.writes).await?;
        let (held, number) = {
            let mut state = self.state.lock().unwrap();
            state.written += 1;
            (state.held.take(), state.written)
        };
        if let Some(held) = held {
            held.begun.notify_one();
            held.go_on.notified().await;
        }
        let (held, receipt) = {
            let mut state = self.state.lock().unwrap();
            let owner = asked(&connection.owner, &connection.calendar_ref);
            let written =
                Written { owner: owner.clone(), draft: event.clone(), stands: event.range };
            state.log.push((owner.clone(), Change::Present(snapshot(&written))));
            state.events.insert((owner, event.uid.clone()), written);
            let mut receipt = EventReceipt::new(&event.uid);
            let url = format!("https://calendar.example/{}/{number}", event.uid);
            receipt.url = Some(url.parse().unwrap());
            let makes_link = event.conference_wanted && !state.without_links;
            receipt.conference_pending = makes_link && state.slow_links;
            receipt.conference_url = (makes_link && !state.slow_links)
                .then(|| "https://meet.google.example/abc".parse().unwrap());
            (state.held_answer.take(), receipt)
        };
        hold(held).await;
        Ok(receipt)
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        self.call("delete_event", connection, |state| state.writes).await?;
        let mut state = self.state.lock().unwrap();
        let owner = asked(&connection.owner, &connection.calendar_ref);
        if state.events.remove(&(owner.clone(), event.uid.clone())).is_some() {
            let change = Change::Gone { event_ref: event.uid.clone() };
            state.log.push((owner, change));
        }
        state.written += 1;
        Ok(())
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        self.call("get_event", connection, |state| state.direct.or(state.reads)).await?;
        let at = (asked(&connection.owner, &connection.calendar_ref), event.uid.clone());
        Ok(self.state.lock().unwrap().events.get(&at).map(snapshot))
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        self.call("changes", connection, |state| state.reads).await?;
        let changes = {
            let state = self.state.lock().unwrap();
            let next = Cursor::new(state.log.len().to_string());
            let asked = asked(&connection.owner, &connection.calendar_ref);
            let events = match since.map(|cursor| cursor.as_str().parse::<usize>().unwrap()) {
                None => {
                    let all = state.standing(&asked).into_iter();
                    all.filter(|e| e.range.overlaps(window)).map(Change::Present).collect()
                }
                Some(since) if since < state.oldest_cursor => {
                    return Err(ProviderError::cursor_expired());
                }
                Some(since) => {
                    let later = state.log[since..].iter();
                    let own = later.filter(|(owner, _)| *owner == asked);
                    own.map(|(_, change)| change.clone()).collect()
                }
            };
            Changes::new(without_uids(&state, events), next)
        };
        self.hold_look().await;
        Ok(changes)
    }

    async fn watch(
        &self,
        connection: &Connection,
        request: &WatchRequest,
        _before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        self.call("watch", connection, |state| state.watching).await?;
        let channel = Channel {
            channel: request.channel.clone(),
            path: request.callback_url.path().to_owned(),
            secret: request.secret.expose_secret().to_owned(),
        };
        let held = {
            let mut state = self.state.lock().unwrap();
            state.watches.insert(request.channel.clone(), channel);
            state.held_watch.take()
        };
        hold(held).await;
        Ok(Watch::new(&request.channel, request.until - TimeDelta::days(20)))
    }

    async fn unwatch(&self, connection: &Connection, watch: &Watch) -> Result<(), ProviderError> {
        self.call("unwatch", connection, |state| state.watching).await?;
        self.state.lock().unwrap().ended.insert(watch.watch_ref.clone());
        Ok(())
    }

    /// The secret stands in a header, what is told in the body; a handshake in the query.
    fn read_push(&self, push: &Push) -> Result<Pushed, ProviderError> {
        if let Some(token) = push.query.get("handshake") {
            return Ok(Pushed::Handshake { content_type: "text/plain", body: token.clone() });
        }
        let said = push.headers.get("x-secret").map(String::as_str);
        if said != Some(push.secret.expose_secret()) {
            return Err(ProviderError::unauthorized());
        }
        match push.body.as_slice() {
            b"changed" => Ok(Pushed::Changed),
            b"renew" => Ok(Pushed::Renew),
            b"ended" => Ok(Pushed::Ended),
            b"nothing" => Ok(Pushed::Nothing),
            _ => Err(ProviderError::permanent("the call can't be read")),
        }
    }
}
