//! What the fake remembers.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};

use crate::channels::{Channel, PushMessage};
use crate::conference::Meetings;
use crate::faults::Fault;
use crate::gate::Recorded;
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

#[derive(Clone, Debug)]
pub(crate) struct StoredSeries {
    pub(crate) resource: Map<String, Value>,
    pub(crate) first: Span,
    pub(crate) every: chrono::TimeDelta,
    pub(crate) count: Option<i32>,
    pub(crate) revision: u64,
    pub(crate) cancelled: bool,
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

    /// Every event that is or was, with instances of series in `window`, in the order of IDs.
    pub(crate) fn all(&self, window: Option<Span>) -> BTreeMap<String, Stored> {
        let mut all = BTreeMap::new();
        for (id, series) in &self.series {
            all.extend(series.instances(id, window));
        }
        all.extend(self.events.iter().map(|(id, stored)| (id.clone(), stored.clone())));
        all
    }
}

impl StoredSeries {
    /// The instances that overlap `window`; of an endless series without one, ten years' worth.
    fn instances(
        &self,
        id: &str,
        window: Option<Span>,
    ) -> impl Iterator<Item = (String, Stored)> + use<> {
        let (series, id) = (self.clone(), id.to_owned());
        let step = series.every.num_seconds().max(1);
        let (from, to) =
            window.unwrap_or((series.first.0, series.first.0 + chrono::TimeDelta::days(3650)));
        let skipped = ((from - series.first.1).num_seconds() / step).max(0);
        let skipped = i32::try_from(skipped).unwrap_or(i32::MAX);
        (skipped..series.count.unwrap_or(i32::MAX)).map_while(move |number| {
            let start = series.first.0 + series.every * number;
            (start < to).then(|| series.instance(&id, number))
        })
    }

    fn instance(&self, id: &str, number: i32) -> (String, Stored) {
        let (start, end) = (self.first.0 + self.every * number, self.first.1 + self.every * number);
        let instance = format!("{id}_{}", start.format("%Y%m%dT%H%M%SZ"));
        let place = |at| serde_json::json!({ "dateTime": crate::time::rfc3339(at) });
        let mut resource = self.resource.clone();
        resource.insert("id".into(), instance.clone().into());
        resource.insert("recurringEventId".into(), id.into());
        resource.insert("originalStartTime".into(), place(start));
        resource.insert("start".into(), place(start));
        resource.insert("end".into(), place(end));
        let status = if self.cancelled { "cancelled" } else { "confirmed" };
        resource.insert("status".into(), status.into());
        (instance, Stored { resource, revision: self.revision })
    }
}
