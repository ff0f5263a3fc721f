//! What the fake remembers.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};

use crate::channels::{Channel, PushMessage};
use crate::conference::Meetings;
use crate::faults::Fault;
use crate::gate::Recorded;
use crate::series::StoredSeries;
use crate::time::Span;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) calendars: BTreeMap<String, Calendar>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) pushes: Vec<PushMessage>,
    pub(crate) requests: Vec<Recorded>,
    pub(crate) fault: Option<(Fault, Option<usize>)>,
    /// The most requests of one account in a minute, and when they came.
    pub(crate) quota: Option<usize>,
    pub(crate) asked: BTreeMap<String, VecDeque<DateTime<Utc>>>,
    pub(crate) meetings: Meetings,
    /// Addresses to which an invitation went.
    pub(crate) invitations: Vec<String>,
    /// A page holds no more than this, whatever is asked for.
    pub(crate) page_limit: Option<usize>,
    pub(crate) http_callbacks: bool,
    counter: u64,
}

/// A Google account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) locale: String,
    pub(crate) list: Vec<Entry>,
}

/// A calendar on an account's list.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) calendar: String,
    pub(crate) role: &'static str,
    pub(crate) primary: bool,
    pub(crate) hidden: bool,
}

#[derive(Debug)]
pub(crate) struct Calendar {
    pub(crate) summary: String,
    pub(crate) zone: Tz,
    /// Single events, and instances that differ from their series.
    pub(crate) events: BTreeMap<String, Stored>,
    pub(crate) series: BTreeMap<String, StoredSeries>,
    /// Grows with every change.
    pub(crate) revision: u64,
    /// Sync tokens of another generation are too old.
    pub(crate) generation: u64,
    /// Set where free/busy can't be computed.
    pub(crate) broken: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) resource: Map<String, Value>,
    pub(crate) revision: u64,
}

impl State {
    /// A number that was never given out before.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// The account's entry for a calendar, by its ID or `primary`.
    pub(crate) fn entry(&self, account: &str, calendar: &str) -> Option<&Entry> {
        let list = &self.accounts.get(account)?.list;
        let entry = list
            .iter()
            .find(|entry| entry.calendar == calendar || (entry.primary && calendar == "primary"))?;
        self.calendars.contains_key(&entry.calendar).then_some(entry)
    }
}

impl Calendar {
    pub(crate) fn new(summary: &str, zone: Tz) -> Self {
        Self {
            summary: summary.to_owned(),
            zone,
            events: BTreeMap::new(),
            series: BTreeMap::new(),
            revision: 1,
            generation: 0,
            broken: false,
        }
    }

    /// Keeps the event as changed now.
    pub(crate) fn keep(&mut self, id: &str, mut resource: Map<String, Value>) -> &Stored {
        self.revision += 1;
        resource.insert("id".into(), id.into());
        resource.entry("status").or_insert_with(|| "confirmed".into());
        resource.entry("eventType").or_insert_with(|| "default".into());
        resource.entry("iCalUID").or_insert_with(|| format!("{id}@google.com").into());
        let stored = Stored { resource, revision: self.revision };
        self.events.entry(id.to_owned()).insert_entry(stored).into_mut()
    }

    /// The instances of series in `window`, but those that were changed one by one.
    pub(crate) fn instances(&self, window: Option<Span>) -> impl Iterator<Item = (String, Stored)> {
        let instances =
            self.series.iter().flat_map(move |(id, series)| series.instances(id, window));
        instances.filter(|(id, _)| !self.events.contains_key(id))
    }

    /// Every event that is or was, with instances of series in `window`.
    pub(crate) fn all(&self, window: Option<Span>) -> impl Iterator<Item = Cow<'_, Stored>> {
        let instances = self.instances(window).map(|(_, stored)| Cow::Owned(stored));
        self.events.values().map(Cow::Borrowed).chain(instances)
    }

    /// The event or instance of this ID, be it deleted.
    pub(crate) fn find(&self, id: &str) -> Option<Stored> {
        let single = self.events.get(id).cloned();
        single.or_else(|| {
            let (series, _) = id.rsplit_once('_')?;
            let mut instances = self.series.get(series)?.instances(series, None);
            instances.find(|(it, _)| it == id).map(|(_, stored)| stored)
        })
    }
}
