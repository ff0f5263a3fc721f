//! A calendar in memory that keeps every rule, or breaks one on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use calendar_provider::conformance::{Factory, Fault, Hook, OutsideEvent, Subject};
use calendar_provider::{
    About, BusyInterval, CalendarProvider, Change, Changes, ConnectMethod, ConnectRequest,
    ConnectedAccount, Connection, CredentialField, Cursor, EventDraft, EventHandle, EventReceipt,
    EventSnapshot, ProviderError, TimeRange,
};
use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use secrecy::ExposeSecret;

pub(crate) const TOKEN: &str = "token-of-the-memory-calendar";

/// The rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    FailureIsEmpty,
    UnknownIsEmpty,
    ClosedIntervals,
    MissesWhatBeganBefore,
    PutAlwaysCreates,
    PutRacesItself,
    MoveLost,
    DeleteFailsWhenGone,
    DeleteByTime,
    FoldTakesFirstPass,
    WinterOffsetAllYear,
    TransparentIsBusy,
    OwnersMix,
    FirstPageOnly,
    LockLeftBehind,
    DeletionUntold,
    BadCursorBeginsAgain,
    TokenInError,
    RevokedIsTransient,
    ConnectsAnyone,
    Panics,
}

/// A factory of calendars with one flaw, and of a kind that reads only where asked.
pub(crate) struct Calendars {
    pub(crate) flaw: Flaw,
    pub(crate) read_only: bool,
}

#[async_trait]
impl Factory for Calendars {
    async fn fresh(&self) -> Box<dyn Subject> {
        Box::new(Memory(Arc::new(Calendar::new(self.flaw, self.read_only))))
    }
}

struct Memory(Arc<Calendar>);

#[async_trait]
impl Subject for Memory {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.0.clone()
    }

    fn connection(&self) -> Connection {
        Connection::new("owner", "main", TOKEN.into())
    }

    fn unknown_connection(&self) -> Connection {
        Connection::new("owner", "main", "token-of-someone-else".into())
    }

    fn other_connection(&self) -> Option<Connection> {
        Some(Connection::new("other", "main", TOKEN.into()))
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        Some(request(TOKEN))
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        Some(request("guessed"))
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        let mut entry = Entry::new(&event.uid, event.range, &event.title);
        entry.busy = event.busy || self.0.has(Flaw::TransparentIsBusy);
        self.0.lock().keep("owner", event.uid, Some(entry));
        Hook::Done
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        self.0.lock().fault = Some(fault);
        Hook::Done
    }

    async fn mend(&self) {
        self.0.lock().fault = None;
    }
}

fn request(token: &str) -> ConnectRequest {
    let mut request = ConnectRequest::new("owner");
    request.credentials.insert("token".into(), token.into());
    request
}

struct Calendar {
    about: About,
    flaw: Flaw,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By owner and reference; none where the event was removed.
    entries: BTreeMap<(String, String), (usize, Option<Entry>)>,
    revision: usize,
    writing: BTreeSet<String>,
    fault: Option<Fault>,
}

#[derive(Clone)]
struct Entry {
    uid: String,
    range: TimeRange,
    title: String,
    busy: bool,
}

impl Entry {
    fn new(uid: &str, range: TimeRange, title: &str) -> Self {
        Self { uid: uid.into(), range, title: title.into(), busy: true }
    }

    fn snapshot(&self, event_ref: &str, revision: usize) -> EventSnapshot {
        let mut snapshot = EventSnapshot::new(event_ref, self.range);
        snapshot.uid = Some(self.uid.clone());
        snapshot.busy = self.busy;
        snapshot.title = Some(self.title.clone());
        snapshot.version = Some(revision.to_string());
        snapshot
    }
}

impl State {
    fn keep(&mut self, owner: &str, event_ref: String, entry: Option<Entry>) {
        self.revision += 1;
        self.entries.insert((owner.into(), event_ref), (self.revision, entry));
    }

    fn of<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = (&'a str, usize, &'a Entry)> {
        self.entries.iter().filter_map(move |((of, event_ref), (revision, entry))| {
            (of == owner).then_some(())?;
            Some((event_ref.as_str(), *revision, entry.as_ref()?))
        })
    }
}

impl Calendar {
    fn new(flaw: Flaw, read_only: bool) -> Self {
        let mut about = About::new("memory", "In memory", ConnectMethod::Credentials);
        about.credential_fields = vec![CredentialField::secret("token", "Token")];
        about.capabilities.writes = !read_only;
        about.capabilities.changes = !read_only;
        Self { about, flaw, state: Mutex::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the lock")
    }

    /// What every call checks first.
    async fn enter(&self, connection: &Connection) -> Result<(), ProviderError> {
        tokio::task::yield_now().await;
        if connection.credentials.expose_secret() != TOKEN {
            let cause = if self.has(Flaw::TokenInError) {
                format!("refused {}", connection.credentials.expose_secret())
            } else {
                "refused".into()
            };
            return Err(ProviderError::unauthorized().with_source(cause));
        }
        match self.lock().fault {
            None => Ok(()),
            Some(Fault::Revoked) if !self.has(Flaw::RevokedIsTransient) => {
                Err(ProviderError::unauthorized())
            }
            Some(Fault::RateLimited) => {
                Err(ProviderError::rate_limited(Some(TimeDelta::seconds(9))))
            }
            Some(_) => Err(ProviderError::transient("it is down")),
        }
    }

    fn supports(&self, supported: bool) -> Result<(), ProviderError> {
        if supported { Ok(()) } else { Err(ProviderError::unsupported("that")) }
    }

    /// When the event will stand, after what a broken provider does to its ends.
    fn placed(&self, event: &EventDraft) -> TimeRange {
        let place = |instant: DateTime<Utc>| {
            let local = instant.with_timezone(&event.zone).naive_local();
            match self.flaw {
                Flaw::FoldTakesFirstPass => event
                    .zone
                    .from_local_datetime(&local)
                    .earliest()
                    .map_or(instant, |it| it.to_utc()),
                Flaw::WinterOffsetAllYear => {
                    let winter = event
                        .zone
                        .offset_from_utc_datetime(&"2031-01-01T00:00:00".parse().expect("a date"));
                    (local - winter.fix()).and_utc()
                }
                _ => instant,
            }
        };
        let (start, end) = (place(event.range.start()), place(event.range.end()));
        // A fold that is read as its first pass can turn the ends around.
        TimeRange::new(start, end.max(start + TimeDelta::minutes(1))).expect("it lasts a minute")
    }

    /// The reference of the event with this UID, if there is one.
    fn reference(&self, state: &State, owner: &str, uid: &str) -> Option<String> {
        let known = state.of(owner).find(|(_, _, entry)| entry.uid == uid);
        known.filter(|_| !self.has(Flaw::PutAlwaysCreates)).map(|(event_ref, ..)| event_ref.into())
    }
}

#[async_trait]
impl CalendarProvider for Calendar {
    fn about(&self) -> &About {
        &self.about
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        let token = request.credentials.get("token").cloned().unwrap_or_default();
        if token.expose_secret() != TOKEN && !self.has(Flaw::ConnectsAnyone) {
            return Err(ProviderError::invalid_credentials("token", "is not right"));
        }
        let mut account = ConnectedAccount::new(request.owner, "main");
        account.credentials = token;
        Ok(account)
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        let entered = self.enter(connection).await;
        let known = connection.credentials.expose_secret() == TOKEN;
        match entered {
            Err(_) if known && self.has(Flaw::FailureIsEmpty) => return Ok(Vec::new()),
            Err(_) if !known && self.has(Flaw::UnknownIsEmpty) => return Ok(Vec::new()),
            entered => entered?,
        }
        assert!(!self.has(Flaw::Panics), "on purpose");
        let state = self.lock();
        let overlaps = |range: TimeRange| match self.flaw {
            Flaw::ClosedIntervals => range.start() <= window.end() && window.start() <= range.end(),
            Flaw::MissesWhatBeganBefore => window.contains_instant(range.start()),
            _ => range.overlaps(window),
        };
        let owner = if self.has(Flaw::OwnersMix) { "owner" } else { &connection.owner };
        let busy = state
            .of(owner)
            .filter(|(_, _, entry)| entry.busy)
            .filter(|(_, _, entry)| overlaps(entry.range));
        let limit = if self.has(Flaw::FirstPageOnly) { 50 } else { usize::MAX };
        Ok(busy.take(limit).map(|(_, _, entry)| BusyInterval::new(entry.range)).collect())
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        self.supports(self.about.capabilities.writes)?;
        self.enter(connection).await?;
        let owner = &connection.owner;
        if self.has(Flaw::LockLeftBehind) {
            if !self.lock().writing.insert(event.uid.clone()) {
                return Err(ProviderError::conflict());
            }
            tokio::task::yield_now().await;
            self.lock().writing.remove(&event.uid);
        }
        let seen = self.reference(&self.lock(), owner, &event.uid);
        if self.has(Flaw::PutRacesItself) {
            tokio::task::yield_now().await;
        }
        let mut state = self.lock();
        let known = match self.flaw {
            Flaw::PutRacesItself => seen,
            _ => self.reference(&state, owner, &event.uid),
        };
        let event_ref = known.unwrap_or_else(|| format!("event-{}", state.revision));
        let mut entry = Entry::new(&event.uid, self.placed(event), &event.title);
        let old = state.of(owner).find(|(_, _, old)| old.uid == event.uid);
        if let Some((_, _, old)) = old.filter(|_| self.has(Flaw::MoveLost)) {
            entry.range = old.range;
        }
        state.keep(owner, event_ref.clone(), Some(entry));
        let mut receipt = EventReceipt::new(event_ref);
        receipt.version = Some(state.revision.to_string());
        Ok(receipt)
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        self.supports(self.about.capabilities.writes)?;
        self.enter(connection).await?;
        let mut state = self.lock();
        let found = state.of(&connection.owner).find(|(_, _, entry)| entry.uid == event.uid);
        let Some((event_ref, _, entry)) = found else {
            let gone = self.has(Flaw::DeleteFailsWhenGone);
            return if gone { Err(ProviderError::not_found("the event")) } else { Ok(()) };
        };
        let (event_ref, range) = (event_ref.to_owned(), entry.range);
        if self.has(Flaw::DeleteByTime) {
            state.entries.retain(|_, (_, it)| it.as_ref().is_none_or(|it| it.range != range));
        } else if self.has(Flaw::DeletionUntold) {
            state.entries.remove(&(connection.owner.clone(), event_ref));
        } else {
            state.keep(&connection.owner, event_ref, None);
        }
        Ok(())
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        self.supports(self.about.capabilities.writes)?;
        self.enter(connection).await?;
        let state = self.lock();
        let found = state.of(&connection.owner).find(|(_, _, entry)| entry.uid == event.uid);
        Ok(found.map(|(event_ref, revision, entry)| entry.snapshot(event_ref, revision)))
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        _window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        self.supports(self.about.capabilities.changes)?;
        self.enter(connection).await?;
        let state = self.lock();
        let after = match since.map(|cursor| cursor.as_str().parse::<usize>()) {
            None => 0,
            Some(Ok(after)) => after,
            Some(Err(_)) if self.has(Flaw::BadCursorBeginsAgain) => 0,
            Some(Err(error)) => return Err(ProviderError::cursor_expired().with_source(error)),
        };
        let changed = state
            .entries
            .iter()
            .filter(|((owner, _), (revision, _))| *owner == connection.owner && *revision > after);
        let events = changed.map(|((_, event_ref), (revision, entry))| match entry {
            Some(entry) => Change::Present(entry.snapshot(event_ref, *revision)),
            None => Change::Gone { event_ref: event_ref.clone() },
        });
        Ok(Changes::new(events.collect(), Cursor::new(state.revision.to_string())))
    }
}
