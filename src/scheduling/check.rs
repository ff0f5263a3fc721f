//! One start, asked about when somebody books it.

use calendar_provider::TimeRange;
use chrono::{DateTime, TimeDelta, Utc};

use super::busy::BusyTimes;
use super::micros;
use super::slots::{Lengths, Schedule, slots};

/// Why a start is not offered. It explains; the decision is that of [`slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NotOffered {
    /// It lies in the past.
    #[error("the time is in the past")]
    Past,
    /// It is nearer than the notice that the agent asks for.
    #[error("the time is too soon to be booked")]
    Notice,
    /// It is further ahead than the agent can be booked.
    #[error("the time is too far ahead to be booked")]
    Horizon,
    /// The meeting would not lie within one stretch of availability.
    #[error("the time is outside the hours of availability")]
    OutsideAvailability,
    /// No slot starts then.
    #[error("no slot starts at this time")]
    OffGrid,
    /// The agent is busy then, or within the buffer.
    #[error("the time is no longer free")]
    Busy,
}

/// The slot that starts at `start`, if it is one that [`slots`] offers.
///
/// # Errors
/// Where it is not: the first reason that holds, in the order of [`NotOffered`].
pub fn check(
    schedule: &Schedule,
    busy: &BusyTimes,
    start: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<TimeRange, NotOffered> {
    offered(schedule, busy, start, now).ok_or_else(|| reason(schedule, start, now))
}

/// Asks [`slots`] for a window of one instant.
pub(super) fn offered(
    schedule: &Schedule,
    busy: &BusyTimes,
    start: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<TimeRange> {
    let instant = TimeRange::lasting(start, TimeDelta::nanoseconds(1)).ok()?;
    slots(schedule, busy, instant, now).pop()
}

fn reason(schedule: &Schedule, start: DateTime<Utc>, now: DateTime<Utc>) -> NotOffered {
    let ahead = start - now;
    if ahead < TimeDelta::zero() {
        NotOffered::Past
    } else if ahead < schedule.notice {
        NotOffered::Notice
    } else if schedule.horizon <= ahead {
        NotOffered::Horizon
    } else if offered(schedule, &BusyTimes::default(), start, now).is_some() {
        NotOffered::Busy
    } else if fits_a_stretch(schedule, start) {
        NotOffered::OffGrid
    } else {
        NotOffered::OutsideAvailability
    }
}

/// Whether a meeting at `start` would lie within one stretch of availability.
pub(super) fn fits_a_stretch(schedule: &Schedule, start: DateTime<Utc>) -> bool {
    let Some(lengths) = Lengths::of(schedule) else { return false };
    let start = micros::floor(start);
    let end = start.saturating_add(lengths.duration);
    let spans = schedule.blocks().spans(start..end);
    spans.iter().any(|span| span.start <= start && start < span.end && end <= span.stretch_end)
}
