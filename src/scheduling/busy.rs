//! Time that is taken.

use calendar_provider::TimeRange;

/// Busy intervals, in order and merged: none overlaps or touches another.
///
/// Collected from ranges in any order:
///
/// ```
/// use calendar_provider::TimeRange;
/// use chrono::{DateTime, TimeDelta, Utc};
/// use frontdesk::scheduling::BusyTimes;
///
/// let nine: DateTime<Utc> = "2027-01-04T09:00:00Z".parse()?;
/// let hour = |start| TimeRange::lasting(start, TimeDelta::hours(1)).expect("an hour is not empty");
/// let busy: BusyTimes = [hour(nine + TimeDelta::hours(1)), hour(nine)].into_iter().collect();
/// assert_eq!(busy.as_slice(), [TimeRange::lasting(nine, TimeDelta::hours(2)).expect("two hours")]);
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusyTimes(Vec<TimeRange>);

impl BusyTimes {
    /// All of them, by start.
    pub fn as_slice(&self) -> &[TimeRange] {
        &self.0
    }

    /// Whether nothing is busy.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same with one interval more.
    #[must_use]
    pub fn with(mut self, extra: TimeRange) -> Self {
        self.extend([extra]);
        self
    }
}

impl FromIterator<TimeRange> for BusyTimes {
    fn from_iter<I: IntoIterator<Item = TimeRange>>(ranges: I) -> Self {
        Self(merged(ranges.into_iter().collect()))
    }
}

impl Extend<TimeRange> for BusyTimes {
    fn extend<I: IntoIterator<Item = TimeRange>>(&mut self, ranges: I) {
        let mut all = std::mem::take(&mut self.0);
        all.extend(ranges);
        self.0 = merged(all);
    }
}

fn merged(mut ranges: Vec<TimeRange>) -> Vec<TimeRange> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        if last.end() < next.start() {
            return false;
        }
        // Sorted by start, so the two together begin where the earlier one does.
        if let Ok(both) = TimeRange::new(last.start(), last.end().max(next.end())) {
            *last = both;
        }
        true
    });
    ranges
}
