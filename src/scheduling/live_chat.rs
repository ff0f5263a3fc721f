//! Whether an agent takes live chats: weekly blocks, and a toggle that ends by itself.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::availability::{Blocks, Span};
use super::blocks::WeeklyBlocks;
use super::micros;
use super::wall_clock::{local_date, midnights};

/// How far ahead to look for a change. A weekly block comes back within a week and a day, or a
/// week later where a change of the clock swallows it.
const LOOK_AHEAD: TimeDelta = TimeDelta::days(16);

/// Whether an agent takes live chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChatStatus {
    /// New chats may be handed over.
    Available,
    /// No new chats.
    Unavailable,
}

/// The availability toggle, set by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatOverride {
    /// What it says.
    pub status: ChatStatus,
    /// When it was set.
    pub set_at: DateTime<Utc>,
    /// From when on it no longer holds; `None` for until changed by hand.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What the weekly blocks alone say at `now`.
pub fn scheduled_status(zone: Tz, weekly: &WeeklyBlocks, now: DateTime<Utc>) -> ChatStatus {
    let now = micros::floor(now);
    let spans = spans(zone, weekly, now, now.saturating_add(1));
    if spans.iter().any(|span| span.start <= now && now < span.end) {
        ChatStatus::Available
    } else {
        ChatStatus::Unavailable
    }
}

/// When a toggle set at `set_at` ends by itself: the first of the next block start strictly after
/// `set_at` and, for [`ChatStatus::Available`], the next midnight in `zone`.
///
/// A block that touches the one before it starts all the same. Midnight is the start of the next
/// local date, by the rule for wall-clock times; where the clock is put back over midnight and the
/// date has started once before `set_at`, it is the second start. `None` for
/// [`ChatStatus::Unavailable`] with no blocks ahead, and at the calendar's end.
pub fn override_expiry(
    status: ChatStatus,
    zone: Tz,
    weekly: &WeeklyBlocks,
    set_at: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let block = next_block_start(zone, weekly, set_at);
    let midnight = match status {
        ChatStatus::Available => next_midnight(zone, set_at),
        ChatStatus::Unavailable => None,
    };
    [block, midnight].into_iter().flatten().min()
}

/// What holds at `now`: the toggle while it is in force, else the weekly blocks.
///
/// A toggle that expires at `now` or before no longer holds.
pub fn status(
    zone: Tz,
    weekly: &WeeklyBlocks,
    toggle: Option<&ChatOverride>,
    now: DateTime<Utc>,
) -> ChatStatus {
    match in_force(toggle, now) {
        Some(toggle) => toggle.status,
        None => scheduled_status(zone, weekly, now),
    }
}

/// The next instant after `now` at which [`status`] may change by itself: the end of the toggle
/// in force, else the next start or end of a stretch of blocks.
///
/// `None` where nothing changes within two weeks, and so at all: no blocks, blocks around the
/// clock, or a toggle that only a change by hand ends.
pub fn next_change(
    zone: Tz,
    weekly: &WeeklyBlocks,
    toggle: Option<&ChatOverride>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if let Some(toggle) = in_force(toggle, now) {
        return toggle.expires_at;
    }
    let spans = spans_ahead(zone, weekly, now);
    let now = micros::floor(now);
    match spans.iter().find(|span| now < span.stretch_end) {
        Some(span) if now < span.start => micros::instant(span.start),
        // The last stretch found may go on past where we looked.
        Some(span) if spans.last().is_some_and(|last| span.stretch_end < last.stretch_end) => {
            micros::instant(span.stretch_end)
        }
        _ => None,
    }
}

fn in_force(toggle: Option<&ChatOverride>, now: DateTime<Utc>) -> Option<&ChatOverride> {
    toggle.filter(|toggle| toggle.expires_at.is_none_or(|expires_at| now < expires_at))
}

fn next_block_start(
    zone: Tz,
    weekly: &WeeklyBlocks,
    after: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let spans = spans_ahead(zone, weekly, after);
    let after = micros::floor(after);
    spans.iter().map(|span| span.start).find(|start| after < *start).and_then(micros::instant)
}

fn next_midnight(zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let tomorrow = local_date(zone, after)?.succ_opt()?;
    midnights(zone, tomorrow).find(|midnight| after < *midnight)
}

fn spans_ahead(zone: Tz, weekly: &WeeklyBlocks, from: DateTime<Utc>) -> Vec<Span> {
    let to = from.checked_add_signed(LOOK_AHEAD).unwrap_or(DateTime::<Utc>::MAX_UTC);
    spans(zone, weekly, micros::floor(from), micros::floor(to))
}

fn spans(zone: Tz, weekly: &WeeklyBlocks, from: i64, to: i64) -> Vec<Span> {
    Blocks { zone, weekly, overrides: &BTreeMap::new() }.spans(from..to)
}
