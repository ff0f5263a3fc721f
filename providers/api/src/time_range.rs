//! A span of real time.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A half-open span of real time, `[start, end)`, in UTC; never empty, never backwards.
///
/// ```
/// use calendar_provider::TimeRange;
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// let nine: DateTime<Utc> = "2027-01-04T09:00:00Z".parse()?;
/// let meeting = TimeRange::lasting(nine, TimeDelta::minutes(30)).expect("30 minutes is not empty");
/// let next = TimeRange::lasting(meeting.end(), TimeDelta::minutes(30)).expect("nor is this");
/// assert!(!meeting.overlaps(next), "half-open: ranges that touch do not overlap");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ends", into = "Ends")]
pub struct TimeRange {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

/// A range whose start is not before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a range must start before it ends: {start} to {end}")]
pub struct EmptyRange {
    /// The start that was given.
    pub start: DateTime<Utc>,
    /// The end that was given.
    pub end: DateTime<Utc>,
}

impl TimeRange {
    /// The range from `start` up to, and not with, `end`.
    ///
    /// # Errors
    /// Where `start` is not before `end`.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Self, EmptyRange> {
        if start < end { Ok(Self { start, end }) } else { Err(EmptyRange { start, end }) }
    }

    /// The range that begins at `start` and lasts `length` of real time.
    ///
    /// # Errors
    /// Where `length` is not positive, or the end lies past the calendar's last instant.
    pub fn lasting(start: DateTime<Utc>, length: TimeDelta) -> Result<Self, EmptyRange> {
        let end = start.checked_add_signed(length).unwrap_or(start);
        Self::new(start, end)
    }

    /// The first instant.
    pub const fn start(self) -> DateTime<Utc> {
        self.start
    }

    /// The first instant after the range.
    pub const fn end(self) -> DateTime<Utc> {
        self.end
    }

    /// How long it lasts, in real time.
    pub fn length(self) -> TimeDelta {
        self.end - self.start
    }

    /// Whether the two share an instant.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether all of `other` lies within.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Whether `instant` lies within.
    pub fn contains_instant(self, instant: DateTime<Utc>) -> bool {
        self.start <= instant && instant < self.end
    }

    /// What both share, if anything.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end)).ok()
    }
}

/// The plain form that is read and written.
#[derive(Serialize, Deserialize)]
struct Ends {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl TryFrom<Ends> for TimeRange {
    type Error = EmptyRange;

    fn try_from(ends: Ends) -> Result<Self, EmptyRange> {
        Self::new(ends.start, ends.end)
    }
}

impl From<TimeRange> for Ends {
    fn from(range: TimeRange) -> Self {
        Self { start: range.start, end: range.end }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{EmptyRange, TimeRange};

    fn minute(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange::new(minute(start), minute(end)).expect("not empty")
    }

    #[test]
    fn a_range_is_never_empty_or_backwards() {
        for (start, end) in [(0, 0), (1, 0)] {
            let (start, end) = (minute(start), minute(end));
            assert_eq!(TimeRange::new(start, end), Err(EmptyRange { start, end }));
        }
        assert!(TimeRange::lasting(minute(0), TimeDelta::zero()).is_err());
        assert!(TimeRange::lasting(DateTime::<Utc>::MAX_UTC, TimeDelta::days(1)).is_err());
    }

    #[test]
    fn a_range_that_is_read_is_checked_too() {
        let json = serde_json::to_value(range(0, 5)).expect("it can be written");
        assert_eq!(json["end"], "1970-01-01T00:05:00Z");
        assert_eq!(serde_json::from_value::<TimeRange>(json.clone()).ok(), Some(range(0, 5)));
        let backwards = serde_json::json!({ "start": json["end"], "end": json["start"] });
        assert!(serde_json::from_value::<TimeRange>(backwards).is_err());
    }

    #[test]
    fn ranges_that_touch_share_no_instant() {
        assert!(!range(0, 5).overlaps(range(5, 9)));
        assert!(!range(5, 9).overlaps(range(0, 5)));
        assert_eq!(range(0, 5).intersection(range(5, 9)), None);
        assert_eq!(range(0, 6).intersection(range(5, 9)), Some(range(5, 6)));
        assert!(range(0, 5).contains_instant(minute(0)));
        assert!(!range(0, 5).contains_instant(minute(5)));
        assert!(range(0, 5).contains(range(0, 5)));
        assert!(!range(0, 5).contains(range(4, 6)));
    }
}
