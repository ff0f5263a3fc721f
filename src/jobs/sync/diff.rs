//! How what is known of a calendar differs from how it stands.

use std::collections::HashMap;

use calendar_provider::TimeRange;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::busy;

/// A time that blocks the agent, as it is to be known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    /// Empty where the provider does not tell it.
    pub(super) uid: String,
    pub(super) range: TimeRange,
    pub(super) event_ref: Option<String>,
    pub(super) series_ref: Option<String>,
    pub(super) title: Option<String>,
}

/// What to write.
#[derive(Debug, Default)]
pub(super) struct Diff {
    /// Rows that no longer hold.
    pub(super) gone: Vec<Uuid>,
    /// Entries that have no row.
    pub(super) new: Vec<Entry>,
    /// Whether it bears on when the agent is busy. A title or a reference does not.
    pub(super) moves_busy: bool,
}

/// What to write so that of `known`, all that was known of the entries in question, exactly `entries`
/// is left.
pub(super) fn diff(known: Vec<busy::Model>, entries: Vec<Entry>) -> Diff {
    let mut missing: HashMap<Entry, usize> = HashMap::with_capacity(entries.len());
    for entry in entries {
        *missing.entry(entry).or_default() += 1;
    }
    // How often each range is there more than before.
    let mut balance: HashMap<(DateTime<Utc>, DateTime<Utc>), i64> = HashMap::new();
    let mut diff = Diff::default();
    for row in known {
        let ends = (row.starts_at, row.ends_at);
        let id = row.id;
        match entry(row).and_then(|entry| missing.get_mut(&entry)).filter(|count| 0 < **count) {
            Some(count) => *count -= 1,
            None => {
                *balance.entry(ends).or_default() -= 1;
                diff.gone.push(id);
            }
        }
    }
    for (entry, count) in missing {
        for _ in 0..count {
            *balance.entry((entry.range.start(), entry.range.end())).or_default() += 1;
            diff.new.push(entry.clone());
        }
    }
    diff.moves_busy = balance.values().any(|more| *more != 0);
    diff
}

fn entry(row: busy::Model) -> Option<Entry> {
    let range = TimeRange::new(row.starts_at, row.ends_at).ok()?;
    let busy::Model { uid, event_ref, series_ref, title, .. } = row;
    Some(Entry { uid, range, event_ref, series_ref, title })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(hour: i64, title: &str) -> Entry {
        let start = DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
        Entry {
            uid: String::new(),
            range: TimeRange::lasting(start, TimeDelta::hours(1)).unwrap(),
            event_ref: Some("e".to_owned()),
            series_ref: None,
            title: Some(title.to_owned()),
        }
    }

    fn row(id: u128, entry: Entry) -> busy::Model {
        busy::Model {
            id: Uuid::from_u128(id),
            agent_id: Uuid::nil(),
            uid: entry.uid,
            starts_at: entry.range.start(),
            ends_at: entry.range.end(),
            sync_id: None,
            event_ref: entry.event_ref,
            series_ref: entry.series_ref,
            title: entry.title,
        }
    }

    #[track_caller]
    fn check(known: &[Entry], entries: &[Entry], gone: &[u128], new: &[Entry], moves_busy: bool) {
        let rows = known.iter().zip(1..).map(|(entry, id)| row(id, entry.clone())).collect();
        let found = diff(rows, entries.to_vec());
        let gone: Vec<_> = gone.iter().map(|id| Uuid::from_u128(*id)).collect();
        assert_eq!((found.gone, found.new, found.moves_busy), (gone, new.to_vec(), moves_busy));
    }

    #[test]
    fn only_what_differs_is_written() {
        check(&[at(1, "a"), at(2, "b")], &[at(2, "b"), at(1, "a")], &[], &[], false);
        check(&[at(1, "a"), at(2, "b")], &[at(2, "b"), at(3, "c")], &[1], &[at(3, "c")], true);
        check(&[], &[at(1, "a")], &[], &[at(1, "a")], true);
        check(&[at(1, "a")], &[], &[1], &[], true);
    }

    #[test]
    fn another_title_moves_nothing() {
        check(&[at(1, "a")], &[at(1, "b")], &[1], &[at(1, "b")], false);
    }

    #[test]
    fn equal_entries_are_counted() {
        check(&[at(1, "a"), at(1, "a")], &[at(1, "a")], &[2], &[], true);
        check(&[at(1, "a")], &[at(1, "a"), at(1, "a")], &[], &[at(1, "a")], true);
    }
}
