//! A calendar followed by its changes alone, as the server follows it.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{Bench, day, list};
use super::check::{Stop, ensure};
use crate::{Change, Changes, Cursor, EventSnapshot, TimeRange};

/// A calendar as it is known from changes alone.
pub(super) struct Mirror {
    pub(super) events: BTreeMap<String, EventSnapshot>,
    pub(super) cursor: Option<Cursor>,
    window: TimeRange,
}

impl Default for Mirror {
    fn default() -> Self {
        Self::over(day())
    }
}

impl Mirror {
    /// Of what overlaps `window`; nothing is known yet.
    pub(super) fn over(window: TimeRange) -> Self {
        Self { events: BTreeMap::new(), cursor: None, window }
    }

    /// Takes in what changed since the last time; what was told.
    pub(super) async fn follow(&mut self, bench: &Bench) -> Result<Vec<Change>, Stop> {
        let Changes { events, next } = changes(bench, self.cursor.as_ref(), self.window).await?;
        self.cursor = Some(next);
        for change in &events {
            ensure_sound(change)?;
            match change.clone() {
                Change::Present(event) => {
                    self.events.insert(event.event_ref.clone(), event);
                }
                Change::Gone { event_ref } => {
                    self.forget_series(&event_ref);
                    self.events.remove(&event_ref);
                }
                Change::Series { series_ref, occurrences } => {
                    self.forget_series(&series_ref);
                    let each =
                        occurrences.into_iter().map(|event| (event.event_ref.clone(), event));
                    self.events.extend(each);
                }
            }
        }
        Ok(events)
    }

    fn forget_series(&mut self, series_ref: &str) {
        self.events.retain(|_, event| event.series_ref.as_deref() != Some(series_ref));
    }

    /// Fails unless exactly `expected` stands in the window, in any order.
    pub(super) fn expect(&self, expected: &[TimeRange]) -> Result<(), Stop> {
        let inside =
            self.events.values().filter(|event| event.busy && event.range.overlaps(self.window));
        let mut known: Vec<_> = inside.map(|event| event.range).collect();
        let mut expected = expected.to_vec();
        known.sort_unstable();
        expected.sort_unstable();
        ensure(
            known == expected,
            format_args!(
                "the changes add up to [{}] and should to [{}]",
                list(&known),
                list(&expected)
            ),
        )
    }
}

/// Fails where the occurrences of a series can't be told apart, or don't say whose they are.
fn ensure_sound(change: &Change) -> Result<(), Stop> {
    let Change::Series { series_ref, occurrences } = change else { return Ok(()) };
    let told: BTreeSet<_> = occurrences.iter().map(|event| &event.event_ref).collect();
    ensure(told.len() == occurrences.len(), "two occurrences of a series have one event_ref")?;
    let belongs = |event: &EventSnapshot| event.series_ref.as_ref() == Some(series_ref);
    ensure(
        occurrences.iter().all(belongs),
        "an occurrence does not name, as its series_ref, the series that it was told with",
    )
}

/// What the provider tells of `window`.
pub(super) async fn changes(
    bench: &Bench,
    since: Option<&Cursor>,
    window: TimeRange,
) -> Result<Changes, Stop> {
    Ok(bench.provider.changes(&bench.connection, since, window).await?)
}
