//! The provider.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use calendar_provider::conformance::{Fault, Hook};
use calendar_provider::{
    About, BusyInterval, CalendarInfo, CalendarProvider, Change, Changes, ConferenceKind,
    ConnectMethod, ConnectRequest, ConnectedAccount, Connection, CredentialField, Cursor,
    EventDraft, EventHandle, EventReceipt, EventSnapshot, OAuth2, ProviderError, Push, Pushed,
    TimeRange, Watch, WatchRequest,
};
use chrono::{DurationRound, TimeDelta};
use secrecy::ExposeSecret;

use super::entry::{Conference, Entry, When};
use super::rules::Doing;
use super::state::{Place, State};
use super::{Flaw, Kind, MAIN, SIDE, TOKEN};

pub(crate) struct Calendar {
    pub(super) about: About,
    oauth2: Option<OAuth2>,
    owner: String,
    pub(super) flaw: Flaw,
    state: Mutex<State>,
}

impl Calendar {
    /// One whose `owner`'s main calendar is disturbed from outside.
    pub(crate) fn new(kind: Kind, flaw: Flaw, owner: &str) -> Self {
        let id = if flaw == Flaw::BadId { "In Memory" } else { "memory" };
        let mut about = About::new(id, "In memory", ConnectMethod::Credentials);
        if flaw != Flaw::NoFields {
            about.credential_fields = vec![CredentialField::secret("token", "Token")];
        }
        about.capabilities.writes = kind != Kind::ReadOnly;
        about.capabilities.changes = kind != Kind::ReadOnly;
        about.capabilities.calendars = kind == Kind::Full;
        about.capabilities.push = kind == Kind::Full;
        about.conference = (kind == Kind::Full).then_some(ConferenceKind::GoogleMeet);
        let oauth2 = (flaw == Flaw::ClientUnused).then(|| {
            let url: url::Url = "https://memory.example/".parse().expect("a URL");
            OAuth2::new(url.clone(), url, "client")
        });
        Self { about, oauth2, owner: owner.into(), flaw, state: Mutex::default() }
    }

    fn main(&self) -> Place {
        (self.owner.clone(), MAIN.into())
    }

    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the lock")
    }

    pub(super) fn add(&self, mut entry: Entry, busy: bool) -> Hook {
        entry.busy = busy || self.has(Flaw::TransparentIsBusy);
        if !self.has(Flaw::OutsideUnseen) {
            self.lock().keep(&self.main(), entry.uid.clone(), Some(entry));
        }
        Hook::Done
    }

    pub(super) fn remove(&self, uid: &str) {
        let mut state = self.lock();
        if let Some(event_ref) = state.by_uid(&self.main(), uid) {
            self.take_out(&mut state, &self.main(), event_ref);
        }
    }

    pub(super) fn pushes(&self) -> Vec<Push> {
        self.lock().pushes.clone()
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }

    fn take_out(&self, state: &mut State, place: &Place, event_ref: String) {
        if self.has(Flaw::DeletionUntold) {
            state.entries.remove(&(place.clone(), event_ref));
        } else if self.has(Flaw::DeleteKeepsTheTime) {
            // It reads as gone, and blocks the agent for good.
            let mut ghost = state.entries[&(place.clone(), event_ref.clone())].1.clone();
            ghost.iter_mut().for_each(|entry| entry.uid = "ghost".into());
            state.keep(place, event_ref, ghost);
        } else {
            state.keep(place, event_ref, None);
        }
    }
}

pub(super) fn place(connection: &Connection) -> Place {
    (connection.owner.clone(), connection.calendar_ref.clone())
}

pub(super) fn known(calendar_ref: &str) -> Result<(), ProviderError> {
    let known = [MAIN, SIDE].contains(&calendar_ref);
    if known { Ok(()) } else { Err(ProviderError::not_found("the calendar")) }
}

#[async_trait]
impl CalendarProvider for Calendar {
    fn about(&self) -> &About {
        &self.about
    }

    fn oauth2(&self) -> Option<&OAuth2> {
        self.oauth2.as_ref()
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
        let token = request.credentials.get("token").cloned().unwrap_or_default();
        if token.expose_secret() != TOKEN && !self.has(Flaw::ConnectsAnyone) {
            return Err(ProviderError::invalid_credentials("token", "is not right"));
        }
        let calendar_ref = if self.has(Flaw::ConnectsNowhere) { "nowhere" } else { MAIN };
        let mut account = ConnectedAccount::new(request.owner, calendar_ref);
        account.credentials = token;
        Ok(account)
    }

    async fn calendars(&self, connection: &Connection) -> Result<Vec<CalendarInfo>, ProviderError> {
        self.supports(self.about.capabilities.calendars)?;
        if !self.has(Flaw::ListsForAnyone) {
            self.enter(connection, Doing::Reading).await?;
        }
        let mut main = CalendarInfo::new(MAIN, "Main");
        main.primary = true;
        let side = CalendarInfo::new(SIDE, "Side");
        Ok(match self.flaw {
            Flaw::ConnectedUnlisted => vec![side],
            Flaw::ListedTwice => vec![main.clone(), main],
            Flaw::ListedButGone => vec![main, CalendarInfo::new("gone", "Gone")],
            _ => vec![main, side],
        })
    }

    async fn free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        let entered = self.enter(connection, Doing::Reading).await;
        let owned = connection.credentials.expose_secret() == TOKEN;
        match entered {
            Err(_) if owned && self.has(Flaw::FailureIsEmpty) => return Ok(Vec::new()),
            Err(_) if !owned && self.has(Flaw::UnknownIsEmpty) => return Ok(Vec::new()),
            entered => entered?,
        }
        assert!(!self.has(Flaw::Panics), "on purpose");
        if self.has(Flaw::EmptyIsBusy) && self.lock().entries.is_empty() {
            return Ok(vec![BusyInterval::new(window)]);
        }
        let mut places = vec![self.place(connection)];
        if self.has(Flaw::OwnersMix) {
            places = vec![self.main()];
        }
        for also in connection.also_busy.iter().filter(|_| !self.has(Flaw::AlsoBusyIgnored)) {
            if !self.has(Flaw::AlsoBusyGoneIsFree) {
                known(also)?;
            }
            places.push((connection.owner.clone(), also.clone()));
        }
        let mut state = self.lock();
        if self.has(Flaw::SecondReadIsEmpty) && !state.writing.insert("read".into()) {
            return Ok(Vec::new());
        }
        let overlaps = |range: TimeRange| match self.flaw {
            Flaw::ClosedIntervals => range.start() <= window.end() && window.start() <= range.end(),
            Flaw::MissesWhatBeganBefore => window.contains_instant(range.start()),
            Flaw::WindowIsOneDay => {
                range.overlaps(window) && range.start() < window.start() + TimeDelta::days(1)
            }
            _ => range.overlaps(window),
        };
        let entries = places.iter().flat_map(|place| state.of(place));
        let busy = entries.filter(|(_, _, entry)| entry.busy).flat_map(|(_, _, entry)| {
            entry.ranges().iter().filter(|range| overlaps(**range)).map(|range| {
                let mut interval = BusyInterval::new(*range);
                interval.uid = Some(entry.uid.clone());
                if self.has(Flaw::UidMangled) {
                    interval.uid = Some(entry.uid.to_uppercase());
                }
                interval
            })
        });
        let limit = if self.has(Flaw::FirstPageOnly) { 50 } else { usize::MAX };
        Ok(busy.take(limit).collect())
    }

    async fn put_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        self.supports(self.about.capabilities.writes)?;
        match self.enter(connection, Doing::Writing).await {
            Err(_) if self.has(Flaw::OutageSwallowsWrites) => {
                return Ok(EventReceipt::new("swallowed"));
            }
            entered => entered?,
        }
        if self.has(Flaw::LongTitleRefused) && 255 < event.title.chars().count() {
            return Err(ProviderError::permanent("the title is too long"));
        }
        let place = self.place(connection);
        let lock = match self.flaw {
            Flaw::LockLeftBehind => Some(event.uid.clone()),
            Flaw::OneWriterAtATime => Some("all".to_owned()),
            _ => None,
        };
        if let Some(lock) = lock {
            if !self.lock().writing.insert(lock.clone()) {
                return Err(ProviderError::conflict());
            }
            tokio::task::yield_now().await;
            self.lock().writing.remove(&lock);
        }
        let seen = self.reference(&self.lock(), &place, event);
        if self.has(Flaw::PutRacesItself) {
            tokio::task::yield_now().await;
        }
        let mut state = self.lock();
        let known = match self.flaw {
            Flaw::PutRacesItself => seen,
            _ => self.reference(&state, &place, event),
        };
        let removed = state.entries.values().any(|(_, entry)| entry.is_none());
        if self.has(Flaw::DeletedIsForGood) && removed {
            return Err(ProviderError::conflict());
        }
        let mut event_ref = known.unwrap_or_else(|| format!("event-{}", state.revision));
        let old = state.of(&place).find(|(_, _, old)| old.uid == event.uid);
        let old = old.map(|(_, _, old)| old.clone());
        let mut entry = Entry::single(&event.uid, self.placed(event), &event.title);
        entry.conference = self.conference(event, old.as_ref(), state.revision);
        match (self.flaw, &old) {
            (Flaw::MoveLost, Some(old)) => entry.when = old.when.clone(),
            (Flaw::TitleLost, Some(old)) => entry.title.clone_from(&old.title),
            (Flaw::TitleEscaped, _) => entry.title = entry.title.replace(',', "\\,"),
            (Flaw::NewReferenceEachTime, Some(_)) => {
                self.take_out(&mut state, &place, event_ref);
                event_ref = format!("event-{}", state.revision);
            }
            _ => {}
        }
        let untold = self.has(Flaw::MoveUntold).then(|| state.revision);
        state.keep(&place, event_ref.clone(), Some(entry.clone()));
        if let (Some(revision), Some(_)) = (untold, old) {
            state.revision = revision;
            state.entries.insert((place, event_ref.clone()), (revision, Some(entry.clone())));
        }
        let mut receipt = EventReceipt::new(event_ref);
        receipt.version = Some(state.revision.to_string());
        if self.has(Flaw::VersionStays) {
            receipt.version = Some("1".into());
        }
        receipt.conference_pending = entry.conference == Conference::Pending;
        if let Conference::Made(url) = entry.conference {
            receipt.conference_url = Some(url);
        }
        Ok(receipt)
    }

    async fn delete_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        self.supports(self.about.capabilities.writes)?;
        self.enter(connection, Doing::Writing).await?;
        let place = self.place(connection);
        if self.has(Flaw::DeleteLockLeftBehind) {
            if !self.lock().writing.insert(event.uid.clone()) {
                return Err(ProviderError::conflict());
            }
            tokio::task::yield_now().await;
            self.lock().writing.remove(&event.uid);
        }
        let mut state = self.lock();
        let Some(event_ref) = self.find(&state, &place, event, Flaw::DeletesByReferenceAlone)
        else {
            let gone = self.has(Flaw::DeleteFailsWhenGone);
            return if gone { Err(ProviderError::not_found("the event")) } else { Ok(()) };
        };
        if self.has(Flaw::DeleteByTime) {
            let ranges = |entry: &Entry| entry.ranges().to_vec();
            let gone = state.of(&place).find(|(found, ..)| *found == event_ref);
            let gone = gone.map(|(_, _, entry)| ranges(entry));
            state.entries.retain(|_, (_, it)| it.as_ref().map(ranges) != gone);
        } else if !self.has(Flaw::DeleteForgets) {
            self.take_out(&mut state, &place, event_ref);
        }
        Ok(())
    }

    async fn get_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        self.supports(self.about.capabilities.writes)?;
        self.enter(connection, Doing::Reading).await?;
        if self.has(Flaw::InventsEvents) {
            let start = "2031-05-05T09:00:00Z".parse().expect("an instant");
            let range = TimeRange::lasting(start, TimeDelta::hours(1)).expect("an hour");
            return Ok(Some(EventSnapshot::new("invented", range)));
        }
        let place = self.place(connection);
        let state = self.lock();
        let Some(known) = self.find(&state, &place, event, Flaw::FindsByReferenceAlone) else {
            return Ok(None);
        };
        let found = state.of(&place).find(|(event_ref, ..)| *event_ref == known);
        Ok(found.map(|(event_ref, revision, entry)| {
            let mut entry = entry.clone();
            if let (Flaw::ReadsBackLate, When::Once(range)) = (self.flaw, &mut entry.when) {
                let start = range.start().duration_trunc(TimeDelta::hours(24)).expect("a day");
                *range = TimeRange::lasting(start, range.length()).expect("as long");
            }
            entry.snapshots(event_ref, revision).remove(0)
        }))
    }

    async fn changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        self.supports(self.about.capabilities.changes)?;
        match self.enter(connection, Doing::Following).await {
            Err(_) if self.has(Flaw::UnknownIsEmpty) => {
                return Ok(Changes::new(Vec::new(), Cursor::new("0")));
            }
            entered => entered?,
        }
        let mut state = self.lock();
        let forgotten = state.fault == Some(Fault::HistoryForgotten) && since.is_some();
        if forgotten && !self.has(Flaw::ForgottenIsEmpty) {
            return Err(ProviderError::cursor_expired());
        }
        let mut after = match since.map(|cursor| cursor.as_str().parse::<usize>()) {
            None => 0,
            Some(Ok(after)) => after,
            Some(Err(_)) if self.has(Flaw::BadCursorBeginsAgain) => 0,
            Some(Err(error)) => return Err(ProviderError::cursor_expired().with_source(error)),
        };
        if self.has(Flaw::TellsEverythingAgain) {
            after = 0;
        }
        if self.has(Flaw::ReplayIsEmpty) && !state.writing.insert(format!("after {after}")) {
            after = state.revision;
        }
        if self.has(Flaw::OnlyOwnToldFirst) && since.is_none() {
            after = state.revision;
        }
        let place = self.place(connection);
        let follows = |of: &Place| {
            *of == place
                || (self.has(Flaw::FollowsAlsoBusy) && connection.also_busy.contains(&of.1))
        };
        let changed = state
            .entries
            .iter()
            .filter(|((of, _), (revision, _))| follows(of) && after < *revision);
        let events = changed.flat_map(|((_, event_ref), (revision, entry))| match entry {
            Some(entry) => self.told(event_ref, entry.snapshots(event_ref, *revision), window),
            None => vec![Change::Gone { event_ref: event_ref.clone() }],
        });
        Ok(Changes::new(events.collect(), Cursor::new(state.revision.to_string())))
    }

    async fn watch(
        &self,
        connection: &Connection,
        request: &WatchRequest,
        before: Option<&Watch>,
    ) -> Result<Watch, ProviderError> {
        self.supports(self.about.capabilities.push)?;
        if !self.has(Flaw::WatchesAnyone) {
            self.enter(connection, Doing::Reading).await?;
        }
        self.begin(connection, request, before)
    }

    async fn unwatch(&self, connection: &Connection, watch: &Watch) -> Result<(), ProviderError> {
        self.supports(self.about.capabilities.push)?;
        self.enter(connection, Doing::Reading).await?;
        self.end(watch)
    }

    fn read_push(&self, push: &Push) -> Result<Pushed, ProviderError> {
        self.supports(self.about.capabilities.push)?;
        self.read(push)
    }
}

impl Calendar {
    /// An event that changed, as it is told.
    fn told(
        &self,
        event_ref: &str,
        mut snapshots: Vec<EventSnapshot>,
        window: TimeRange,
    ) -> Vec<Change> {
        if snapshots[0].series_ref.is_none() {
            return snapshots.into_iter().map(Change::Present).collect();
        }
        snapshots.retain(|event| event.range.overlaps(window));
        match self.flaw {
            Flaw::SeriesUntold => return Vec::new(),
            Flaw::SeriesOnlyAdds => return snapshots.into_iter().map(Change::Present).collect(),
            Flaw::SeriesSharesOneRef => {
                snapshots.iter_mut().for_each(|event| event.event_ref = event_ref.into());
            }
            _ => {}
        }
        vec![Change::Series { series_ref: event_ref.into(), occurrences: snapshots }]
    }
}
