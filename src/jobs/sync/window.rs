//! What part of a calendar is read, and when it is read again.

use calendar_provider::TimeRange;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use uuid::Uuid;

use crate::service::{Error, Result};
use crate::store::sync;

/// How far before the present a look begins: what ended before bears on no slot.
const BEHIND: TimeDelta = TimeDelta::days(1);
/// What must be known past the last slot that can be booked: buffers, and a day's length anywhere.
const PAST_HORIZON: TimeDelta = TimeDelta::days(1);
const DAY: TimeDelta = TimeDelta::days(1);

/// The window of a look that begins without a cursor. It reaches past what can be booked by a quarter
/// of the horizon, 7 to 30 days, so that it holds that long: a calendar of many events is read from
/// its beginning every few weeks, and only its changes in between.
pub(super) fn to_follow(now: DateTime<Utc>, horizon: TimeDelta) -> Result<TimeRange> {
    let ahead = (horizon / 4).clamp(TimeDelta::days(7), TimeDelta::days(30));
    whole_days(now - BEHIND, now + horizon + PAST_HORIZON + ahead)
}

/// The window of a look at a calendar that is read as a whole each time.
pub(super) fn to_read(now: DateTime<Utc>, horizon: TimeDelta) -> Result<TimeRange> {
    whole_days(now - BEHIND, now + horizon + PAST_HORIZON + DAY)
}

/// The window that the calendar's cursor began with, while it still holds. The day on which it stops to
/// is not the same instant for all calendars that were connected together.
pub(super) fn followed(
    sync: &sync::Model,
    now: DateTime<Utc>,
    horizon: TimeDelta,
) -> Option<TimeRange> {
    sync.cursor.as_ref()?;
    let window = TimeRange::new(sync.window_start?, sync.window_end?).ok()?;
    let needed = now + horizon + PAST_HORIZON + DAY * share(sync.id, 100) / 100;
    (needed <= window.end()).then_some(window)
}

fn whole_days(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<TimeRange> {
    let start = start.duration_trunc(DAY).map_err(Error::internal)?;
    let last = end.duration_trunc(DAY).map_err(Error::internal)?;
    TimeRange::new(start, last + DAY).map_err(Error::internal)
}

/// When to look next after a look that went well: between three quarters and nine tenths of `seconds`,
/// always the same for one calendar, so that looks spread out and a change is seen within `seconds`.
pub(super) fn after_success(now: DateTime<Utc>, seconds: u32, sync: Uuid) -> DateTime<Utc> {
    let hundredths = i64::from(75 + share(sync, 16));
    now + TimeDelta::milliseconds(i64::from(seconds) * 10 * hundredths)
}

/// The wait after so many looks in a row failed: doubling from 5 s up to 5 minutes, of which the second
/// half is left to `chance`. Its bound is how long after an outage the last calendar is read again.
pub(super) fn after_failure(failures: i32, chance: u64) -> TimeDelta {
    let whole = 5_000_u64.saturating_mul(1 << failures.clamp(0, 16)).min(300_000);
    let half = whole / 2;
    let wait = half + chance % (whole - half + 1);
    TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(300_000))
}

/// A number below `of` that a calendar keeps. The end of its ID is random.
fn share(sync: Uuid, of: u32) -> i32 {
    let random = u32::from(sync.as_bytes()[15]) << 8 | u32::from(sync.as_bytes()[14]);
    i32::try_from(random % of).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_reaches_past_the_horizon() {
        let now = at("2027-01-04T08:30:00Z");
        let follow = to_follow(now, TimeDelta::days(60)).unwrap();
        assert_eq!(follow.start(), at("2027-01-03T00:00:00Z"));
        assert_eq!(follow.end(), at("2027-03-22T00:00:00Z"));
        let read = to_read(now, TimeDelta::days(60)).unwrap();
        assert_eq!((read.start(), read.end()), (follow.start(), at("2027-03-08T00:00:00Z")));
        assert_eq!(to_follow(now, TimeDelta::days(1)).unwrap().end(), at("2027-01-14T00:00:00Z"));
    }

    #[test]
    fn waits_are_spread_and_bounded() {
        let now = at("2027-01-04T08:30:00Z");
        let waits: std::collections::BTreeSet<i64> = (0..1000_u128)
            .map(|id| (after_success(now, 60, Uuid::from_u128(id << 3)) - now).num_seconds())
            .collect();
        assert!(waits.len() > 5, "{waits:?}");
        assert!(waits.iter().all(|wait| (45..=54).contains(wait)), "{waits:?}");
        for (failures, least, most) in [(0, 2500, 5000), (1, 5000, 10_000), (40, 150_000, 300_000)]
        {
            assert_eq!(after_failure(failures, 0).num_milliseconds(), least);
            let span = u64::try_from(most - least).unwrap();
            assert_eq!(after_failure(failures, span).num_milliseconds(), most);
            assert_eq!(after_failure(failures, span + 1).num_milliseconds(), least);
        }
    }
}
