//! What the fake remembers.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use crate::{fault::Rule, notify::Outgoing};

/// All of it.
#[derive(Default)]
pub(crate) struct World {
    /// By address, in lower case.
    pub(crate) mailboxes: BTreeMap<String, Mailbox>,
    /// Grows with every change to any event.
    pub(crate) tick: u64,
    /// Grows with every ID.
    pub(crate) serial: u64,
    /// What each delta or skip token stands for.
    pub(crate) rounds: BTreeMap<String, Round>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) outgoing: VecDeque<Outgoing>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) requests: Vec<Recorded>,
    pub(crate) page_size: Option<usize>,
    pub(crate) quota: Option<usize>,
    pub(crate) teams_pending: bool,
    pub(crate) transactions_outlive_events: bool,
    pub(crate) schedule_error: Option<String>,
    pub(crate) most_at_once: usize,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its method.
    pub method: String,
    /// Its path and query, as sent.
    pub uri: String,
    /// Its `Prefer` header.
    pub prefer: String,
    /// Its `If-Match` header.
    pub if_match: Option<String>,
    /// Its body; null where it has none.
    pub body: Value,
}

/// One person's.
pub(crate) struct Mailbox {
    pub(crate) address: String,
    pub(crate) name: String,
    pub(crate) personal: bool,
    pub(crate) enabled: bool,
    pub(crate) time_zone: String,
    pub(crate) locale: String,
    pub(crate) calendars: Vec<Calendar>,
    pub(crate) items: BTreeMap<u64, Item>,
    pub(crate) at_once: usize,
    /// When the quota's window began, and how many requests came since.
    pub(crate) spent: (DateTime<Utc>, usize),
    /// Invitations that Exchange would have sent by itself.
    pub(crate) invitations: usize,
}

#[derive(Clone)]
pub(crate) struct Calendar {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) default: bool,
    pub(crate) can_edit: bool,
    pub(crate) owner: String,
    pub(crate) teams: bool,
}

/// A single event or a series.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) number: u64,
    /// The calendar that it is in, by ID.
    pub(crate) calendar: String,
    /// How often it was moved to another folder: its ordinary ID changes with it.
    pub(crate) moves: u32,
    pub(crate) created: DateTime<Utc>,
    pub(crate) changed: u64,
    pub(crate) deleted: bool,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    /// For whole days the first, and the first after it.
    pub(crate) dates: Option<(NaiveDate, NaiveDate)>,
    pub(crate) zone: String,
    pub(crate) show_as: String,
    pub(crate) location: String,
    pub(crate) cancelled: bool,
    pub(crate) response: String,
    pub(crate) transaction_id: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) meeting: Option<Meeting>,
    pub(crate) series: Option<Series>,
}

#[derive(Clone)]
pub(crate) struct Meeting {
    pub(crate) join_url: String,
    pub(crate) pending: bool,
}

/// The occurrences of an event that recurs, each where the agent's calendar program put it; by
/// number, which stays the same while the series is changed.
#[derive(Clone)]
pub(crate) struct Series(pub(crate) BTreeMap<u32, Occurrence>);

/// One occurrence.
#[derive(Clone)]
pub(crate) struct Occurrence {
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    /// For whole days the first, and the first after it.
    pub(crate) dates: Option<(NaiveDate, NaiveDate)>,
    pub(crate) show_as: String,
    /// Whether it differs from the series.
    pub(crate) exception: bool,
    pub(crate) deleted: bool,
    /// When it was changed by itself.
    pub(crate) changed: u64,
}

/// One thing that a calendar view shows.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) index: Option<u32>,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    pub(crate) dates: Option<(NaiveDate, NaiveDate)>,
    pub(crate) show_as: String,
    pub(crate) exception: bool,
    pub(crate) changed: u64,
}

/// Where a delta round is.
#[derive(Clone)]
pub(crate) struct Round {
    pub(crate) address: String,
    /// None for the default calendar by its short path.
    pub(crate) path: String,
    pub(crate) calendar: String,
    pub(crate) window: (DateTime<Utc>, DateTime<Utc>),
    /// What was told up to here.
    pub(crate) since: u64,
    /// What this round tells, in pages; empty where a new round begins.
    pub(crate) rest: Option<Vec<Value>>,
}

pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) address: String,
    /// The calendar, by ID.
    pub(crate) calendar: String,
    pub(crate) resource: String,
    pub(crate) notification_url: String,
    pub(crate) lifecycle_url: Option<String>,
    pub(crate) client_state: String,
    pub(crate) until: DateTime<Utc>,
}

impl World {
    /// A number that was never given out before.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// The mark of a change.
    pub(crate) fn next_tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }
}

impl Mailbox {
    pub(crate) fn default_calendar(&self) -> &Calendar {
        self.calendars.iter().find(|it| it.default).expect("a mailbox has a default calendar")
    }

    /// The item, and which occurrence of it, that an ID of either kind names.
    pub(crate) fn find(&self, id: &str) -> Option<(u64, Option<u32>)> {
        let (kind, rest) = id.trim_end_matches('=').split_at_checked(8)?;
        let (main, index) = match rest.split_once('o') {
            Some((main, index)) => (main, Some(index.parse().ok()?)),
            None => (rest, None),
        };
        let (number, moves) = match (kind, main.split_once('v')) {
            ("AAkAfake", None) => (main.parse().ok()?, None),
            ("AAMkfake", Some((number, moves))) => {
                (number.parse().ok()?, Some(moves.parse::<u32>().ok()?))
            }
            _ => return None,
        };
        let item = self.items.get(&number).filter(|it| !it.deleted)?;
        (moves.is_none_or(|moves| moves == item.moves)).then_some((number, index))
    }
}

impl Item {
    /// Its ID, or that of an occurrence of it.
    pub(crate) fn id(&self, index: Option<u32>, immutable: bool) -> String {
        let occurrence = index.map(|index| format!("o{index}")).unwrap_or_default();
        let Self { number, moves, .. } = self;
        if immutable {
            format!("AAkAfake{number}{occurrence}=")
        } else {
            format!("AAMkfake{number}v{moves}{occurrence}=")
        }
    }

    /// What of it overlaps the window.
    pub(crate) fn instances(&self, window: (DateTime<Utc>, DateTime<Utc>)) -> Vec<Instance> {
        let all = match &self.series {
            None => vec![Instance {
                index: None,
                start: self.start,
                end: self.end,
                dates: self.dates,
                show_as: self.show_as.clone(),
                exception: false,
                changed: self.changed,
            }],
            Some(series) => series.0.iter().filter_map(|it| self.instance(it)).collect(),
        };
        all.into_iter().filter(|it| it.start < window.1 && window.0 < it.end).collect()
    }

    fn instance(&self, (index, it): (&u32, &Occurrence)) -> Option<Instance> {
        (!it.deleted).then(|| Instance {
            index: Some(*index),
            start: it.start,
            end: it.end,
            dates: it.dates,
            show_as: it.show_as.clone(),
            exception: it.exception,
            changed: it.changed.max(self.changed),
        })
    }

    /// The last change to it or any occurrence of it.
    pub(crate) fn last_change(&self) -> u64 {
        let occurrences = self.series.iter().flat_map(|it| it.0.values());
        occurrences.map(|it| it.changed).max().unwrap_or(0).max(self.changed)
    }
}
