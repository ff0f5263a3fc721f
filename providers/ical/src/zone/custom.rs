//! Zones that a text defines itself: VTIMEZONE (RFC 5545, section 3.6.5).

use super::{DAY, Since, Zone};
use crate::ReadError;
use crate::rule::{Budget, Rule, Span, occurrences};
use crate::value::Written;

/// For how long before the window a rule with no end is followed, in seconds: 60 years. Only the
/// start of an event that is older is read with an offset of its own time or near it.
const MEMORY: i64 = 60 * 366 * DAY;

/// The most changes of one zone: a real one has two a year.
const MOST_CHANGES: usize = 2_000;

/// For how long after the window.
const FORESIGHT: i64 = 2 * 366 * DAY;

/// A STANDARD or DAYLIGHT part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observance {
    /// DTSTART, in wall-clock seconds under the offset before.
    pub(crate) start: i64,
    /// TZOFFSETFROM, in seconds east of UTC.
    pub(crate) offset_before: i64,
    /// TZOFFSETTO, in seconds east of UTC.
    pub(crate) offset: i64,
    /// RRULE.
    pub(crate) rules: Vec<Rule>,
    /// RDATE, like `start`.
    pub(crate) dates: Vec<i64>,
}

/// The zone that consists of these parts.
///
/// # Errors
/// Where there is none, or a rule is too much work.
pub(crate) fn custom(
    parts: &[Observance],
    window: std::ops::Range<i64>,
    budget: &Budget,
) -> Result<Zone, ReadError> {
    let mut changes = Vec::new();
    for part in parts {
        for onset in part.onsets(&window, budget)? {
            budget.keep(size_of::<Since>() + size_of::<(i64, i64, i64)>())?;
            changes.push((onset - part.offset_before, part.offset_before, part.offset));
        }
    }
    changes.sort_unstable();
    let (_, first, _) = changes.first().ok_or(ReadError::invalid("VTIMEZONE"))?;
    let mut offsets = vec![Since::new(i64::MIN, *first)];
    for (instant, _, offset) in changes {
        offsets.push(Since::new(instant, offset));
    }
    offsets.dedup_by_key(|since| since.offset);
    Ok(Zone::of(offsets, None))
}

impl Observance {
    /// When it begins, each time, in wall-clock seconds under the offset before.
    fn onsets(
        &self,
        window: &std::ops::Range<i64>,
        budget: &Budget,
    ) -> Result<Vec<i64>, ReadError> {
        let mut onsets = vec![self.start];
        onsets.extend(&self.dates);
        for rule in &self.rules {
            let until = self.until(rule);
            let endless = rule.count.is_none() && until.is_none();
            let from = if endless { window.start - MEMORY } else { i64::MIN / 2 };
            let to = until.map_or(i64::MAX / 2, |until| until + 1);
            let span = Span { from: from.max(self.start), to: to.min(window.end + FORESIGHT) };
            onsets.extend(occurrences(rule, self.start, span, MOST_CHANGES, budget)?);
        }
        Ok(onsets)
    }

    /// UNTIL on the same clock: a date is meant with all of its day.
    fn until(&self, rule: &Rule) -> Option<i64> {
        Some(match rule.until? {
            Written::Date(date) => i64::from(date.to_epoch_days()) * DAY + DAY - 1,
            Written::Local(time) => time.and_utc().timestamp(),
            Written::Utc(time) => time.and_utc().timestamp() + self.offset_before,
        })
    }
}
