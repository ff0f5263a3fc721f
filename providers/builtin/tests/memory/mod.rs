//! An event store in memory that can be made to fail.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use calendar_provider::{EventDraft, TimeRange};
use calendar_provider_builtin::{
    EventStore, Revision, StoreError, StoredChange, StoredChanges, StoredEvent,
};

pub(crate) struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    owners: BTreeMap<String, Owner>,
    down: bool,
}

/// One owner's events by UID, and the revisions at which others were removed.
#[derive(Default)]
struct Owner {
    events: BTreeMap<String, StoredEvent>,
    removed: BTreeMap<String, Revision>,
    newest: Revision,
    /// Where history was forgotten, if it was.
    oldest: Option<Revision>,
}

impl MemoryStore {
    pub(crate) fn new<const N: usize>(owners: [&str; N]) -> Self {
        let owners = owners.map(|owner| (owner.to_owned(), Owner::default())).into();
        Self { state: Mutex::new(State { owners, down: false }) }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().expect("no test panics while it holds the lock").down = down;
    }

    /// Only revisions from now on are remembered.
    pub(crate) fn forget_history(&self) {
        for owner in
            self.state.lock().expect("no test panics while it holds the lock").owners.values_mut()
        {
            owner.removed.clear();
            owner.oldest = Some(owner.newest);
        }
    }

    /// The state, after an await as a database has.
    async fn lock(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        tokio::task::yield_now().await;
        let state = self.state.lock().expect("no test panics while it holds the lock");
        if state.down { Err(StoreError::new("down on purpose")) } else { Ok(state) }
    }
}

impl State {
    fn owner(&mut self, owner: &str) -> Result<&mut Owner, StoreError> {
        self.owners.get_mut(owner).ok_or_else(|| StoreError::new("no such owner"))
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn owner_exists(&self, owner: &str) -> Result<bool, StoreError> {
        Ok(self.lock().await?.owners.contains_key(owner))
    }

    async fn overlapping(
        &self,
        owner: &str,
        window: TimeRange,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut state = self.lock().await?;
        let events = state.owner(owner)?.events.values();
        Ok(events.filter(|event| event.range.overlaps(window)).cloned().collect())
    }

    async fn get(&self, owner: &str, uid: &str) -> Result<Option<StoredEvent>, StoreError> {
        Ok(self.lock().await?.owner(owner)?.events.get(uid).cloned())
    }

    async fn upsert(&self, owner: &str, event: &EventDraft) -> Result<Revision, StoreError> {
        let mut state = self.lock().await?;
        let owner = state.owner(owner)?;
        owner.newest += 1;
        let stored = StoredEvent {
            uid: event.uid.clone(),
            range: event.range,
            title: event.title.clone(),
            revision: owner.newest,
        };
        owner.removed.remove(&event.uid);
        owner.events.insert(event.uid.clone(), stored);
        Ok(owner.newest)
    }

    async fn delete(&self, owner: &str, uid: &str) -> Result<bool, StoreError> {
        let mut state = self.lock().await?;
        let owner = state.owner(owner)?;
        if owner.events.remove(uid).is_none() {
            return Ok(false);
        }
        owner.newest += 1;
        owner.removed.insert(uid.to_owned(), owner.newest);
        Ok(true)
    }

    async fn changes_since(
        &self,
        owner: &str,
        after: Option<Revision>,
        window: TimeRange,
    ) -> Result<Option<StoredChanges>, StoreError> {
        let mut state = self.lock().await?;
        let owner = state.owner(owner)?;
        if after
            .is_some_and(|after| owner.newest < after || owner.oldest.is_some_and(|it| after < it))
        {
            return Ok(None);
        }
        let concerns = |event: &&StoredEvent| match after {
            Some(after) => event.revision > after,
            None => event.range.overlaps(window),
        };
        let present = owner.events.values().filter(concerns).cloned().map(StoredChange::Present);
        let removed = owner.removed.iter().filter(|(_, at)| after.is_some_and(|it| **at > it));
        let removed = removed.map(|(uid, _)| StoredChange::Removed(uid.clone()));
        Ok(Some(StoredChanges { events: present.chain(removed).collect(), newest: owner.newest }))
    }
}
