//! What changes come to: which events they are about, and what of those stands now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use calendar_provider::{Change, EventSnapshot};

/// What a list of changes comes to.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The references of all events, single or recurring, that were told of. What was known of them
    /// no longer holds.
    pub(super) touched: BTreeSet<String>,
    /// What stands of them now.
    pub(super) events: Vec<EventSnapshot>,
}

/// Takes the changes in their order; the last one about an event holds.
pub(super) fn fold(changes: Vec<Change>) -> Standing {
    let mut touched = BTreeSet::new();
    let mut events = BTreeMap::new();
    let mut series: HashMap<String, Vec<String>> = HashMap::new();
    for change in changes {
        touched.insert(change.event_ref().to_owned());
        match change {
            Change::Present(event) => put(&mut events, &mut series, event),
            Change::Gone { event_ref } => forget(&mut events, &mut series, &event_ref),
            Change::Series { series_ref, occurrences } => {
                forget(&mut events, &mut series, &series_ref);
                for event in occurrences {
                    touched.insert(event.event_ref.clone());
                    put(&mut events, &mut series, event);
                }
            }
        }
    }
    Standing { touched, events: events.into_values().collect() }
}

fn put(
    events: &mut BTreeMap<String, EventSnapshot>,
    series: &mut HashMap<String, Vec<String>>,
    event: EventSnapshot,
) {
    if let Some(of) = &event.series_ref {
        series.entry(of.clone()).or_default().push(event.event_ref.clone());
    }
    events.insert(event.event_ref.clone(), event);
}

/// Takes out an event and, where it is a recurring one, all of its occurrences.
fn forget(
    events: &mut BTreeMap<String, EventSnapshot>,
    series: &mut HashMap<String, Vec<String>>,
    event_ref: &str,
) {
    events.remove(event_ref);
    for occurrence in series.remove(event_ref).into_iter().flatten() {
        // It may have become an event of its own meanwhile.
        if events.get(&occurrence).is_some_and(|e| e.series_ref.as_deref() == Some(event_ref)) {
            events.remove(&occurrence);
        }
    }
}

#[cfg(test)]
mod tests {
    use calendar_provider::TimeRange;
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn event(event_ref: &str, hour: i64, series_ref: Option<&str>) -> EventSnapshot {
        let start = DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
        let range = TimeRange::lasting(start, TimeDelta::hours(1)).unwrap();
        let mut event = EventSnapshot::new(event_ref, range);
        event.series_ref = series_ref.map(str::to_owned);
        event
    }

    fn gone(event_ref: &str) -> Change {
        Change::Gone { event_ref: event_ref.to_owned() }
    }

    #[track_caller]
    fn check(changes: Vec<Change>, touched: &[&str], standing: &[(&str, i64)]) {
        let found = fold(changes);
        assert_eq!(found.touched.iter().map(String::as_str).collect::<Vec<_>>(), touched);
        let hour = |event: &EventSnapshot| event.range.start().timestamp() / 3600;
        let events: Vec<_> =
            found.events.iter().map(|event| (event.event_ref.as_str(), hour(event))).collect();
        assert_eq!(events, standing);
    }

    #[test]
    fn the_last_change_holds() {
        let moved = vec![
            Change::Present(event("a", 1, None)),
            Change::Present(event("a", 2, None)),
            Change::Present(event("b", 3, None)),
            gone("b"),
            gone("c"),
            Change::Present(event("c", 4, None)),
        ];
        check(moved, &["a", "b", "c"], &[("a", 2), ("c", 4)]);
    }

    #[test]
    fn a_series_is_exactly_its_last_occurrences() {
        let series = |hours: &[i64]| Change::Series {
            series_ref: "s".to_owned(),
            occurrences: hours.iter().map(|h| event(&format!("s{h}"), *h, Some("s"))).collect(),
        };
        check(
            vec![series(&[1, 2]), series(&[2, 3])],
            &["s", "s1", "s2", "s3"],
            &[("s2", 2), ("s3", 3)],
        );
        check(vec![series(&[1, 2]), gone("s")], &["s", "s1", "s2"], &[]);
        let alone = vec![series(&[1, 2]), Change::Present(event("s1", 9, None)), gone("s")];
        check(alone, &["s", "s1", "s2"], &[("s1", 9)]);
        check(vec![Change::Present(event("s", 1, None)), series(&[2])], &["s", "s2"], &[("s2", 2)]);
    }
}
