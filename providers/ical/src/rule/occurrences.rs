//! Walking through a rule's periods.

use std::cell::Cell;

use chrono::{Datelike, NaiveDate};

use super::days::DayFilter;
use super::{Frequency, Rule};
use crate::ReadError;

const DAY: i64 = 86_400;

/// What one reading may cost, whatever it reads: about a second's work.
const STEPS: u64 = 50_000_000;

/// What each text may cost besides. Every object of a calendar brings its zones anew, so even an
/// ordinary one takes some thousand steps: a calendar is not refused for having many of them.
const STEPS_OF_TEXT: u64 = 5_000;

/// What one reading may keep: 32 MiB.
const BYTES: u64 = 32 << 20;

/// How much may still be done and kept for one reading of a calendar. A few lines can ask for more
/// than any machine has, so each step is paid for before it is made.
///
/// A calendar that consists of many texts is read with one budget for all of them, by
/// [`expand_with`](crate::expand_with): otherwise many small texts, each just cheap enough, would
/// take as many times as long. Once it is used up, every text that needs more of it is refused, so
/// the calendar is one that can't be relied on; its events are never left out.
#[derive(Debug)]
pub struct Budget {
    /// A step is a day or a moment that is looked at.
    steps: Cell<u64>,
    /// Bytes that stay until all is read, where they are more than the texts themselves.
    bytes: Cell<u64>,
}

impl Budget {
    /// For a reading of this many texts: about a second's work, a tenth of a millisecond for each
    /// text, and 32 MiB.
    pub const fn for_texts(count: usize) -> Self {
        let of_texts = STEPS_OF_TEXT.saturating_mul(count as u64);
        Self { steps: Cell::new(STEPS.saturating_add(of_texts)), bytes: Cell::new(BYTES) }
    }

    pub(crate) fn spend(&self, steps: usize) -> Result<(), ReadError> {
        take(&self.steps, steps).ok_or(ReadError::TooMuchWork)
    }

    pub(crate) fn keep(&self, bytes: usize) -> Result<(), ReadError> {
        take(&self.bytes, bytes).ok_or(ReadError::TooManyOccurrences)
    }

    /// How many bytes may still be kept.
    pub(crate) fn room(&self) -> u64 {
        self.bytes.get()
    }

    /// Gives back bytes that are kept no longer.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.bytes.set(self.bytes.get() + bytes);
    }
}

fn take(left: &Cell<u64>, much: usize) -> Option<()> {
    left.set(left.get().checked_sub(much as u64)?);
    Some(())
}

/// A span of wall-clock time, `[from, to)`, in seconds since 1970-01-01T00:00:00 on that clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// The rule's occurrences within `span` in ascending order, in wall-clock seconds. UNTIL is left
/// to the caller, who knows the zone.
///
/// `start` is always the first one and counts as such (section 3.8.5.3), even where it does not
/// fit the rule.
///
/// # Errors
/// [`ReadError::TooMuchWork`] where `budget` is exceeded, and
/// [`ReadError::TooManyOccurrences`] where there are more than `most`.
pub(crate) fn occurrences(
    rule: &Rule,
    start: i64,
    span: Span,
    most: usize,
    budget: &Budget,
) -> Result<Vec<i64>, ReadError> {
    let mut sink = Sink { start, span, most, budget, left: rule.count, found: Vec::new() };
    if sink.begin() || span.to <= start {
        return Ok(sink.found);
    }
    let Some(day) = date(start.div_euclid(DAY)) else { return Ok(sink.found) };
    let walk = Walk { rule, start, span, budget, days: DayFilter::new(rule, day) };
    if let Some(step) = rule.even_step() {
        walk.evenly(step, &mut sink)?;
    } else if let Some(unit) = rule.freq.seconds() {
        walk.within_days(unit, &mut sink)?;
    } else {
        walk.whole_days(&mut sink)?;
    }
    Ok(sink.found)
}

/// Where occurrences go: it knows when enough is enough.
struct Sink<'a> {
    start: i64,
    span: Span,
    most: usize,
    budget: &'a Budget,
    left: Option<u32>,
    found: Vec<i64>,
}

impl Sink<'_> {
    /// Takes the start itself; answers whether nothing can follow.
    fn begin(&mut self) -> bool {
        self.take(self.start)
    }

    /// Takes what a rule brings, in ascending order, each for a step; answers whether nothing can
    /// follow.
    fn offer(&mut self, moment: i64) -> Result<bool, ReadError> {
        self.budget.spend(1)?;
        if self.most < self.found.len() {
            return Err(ReadError::TooManyOccurrences);
        }
        Ok(self.start < moment && self.take(moment))
    }

    fn take(&mut self, moment: i64) -> bool {
        if self.span.from <= moment && moment < self.span.to {
            self.found.push(moment);
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        self.left == Some(0) || self.span.to <= moment
    }
}

impl Rule {
    /// The distance of occurrences in seconds, where it is always the same.
    fn even_step(&self) -> Option<i64> {
        let by_days = self.months | self.month_days | self.month_days_from_end != 0
            || !(self.year_days.is_empty() && self.weekdays.is_empty());
        if by_days || self.hours | self.minutes | self.seconds != 0 {
            return None;
        }
        let unit = match self.freq {
            Frequency::Daily => DAY,
            Frequency::Weekly => 7 * DAY,
            shorter => shorter.seconds()?,
        };
        Some(unit * i64::from(self.interval))
    }
}

struct Walk<'a> {
    rule: &'a Rule,
    start: i64,
    span: Span,
    budget: &'a Budget,
    days: DayFilter<'a>,
}

impl Walk<'_> {
    /// The first period to look at, counted from the start's: with COUNT all those before have
    /// to be counted too.
    fn first_period(&self, periods_to_span: i64) -> i64 {
        if self.rule.count.is_some() { 0 } else { periods_to_span.max(0) }
    }

    fn evenly(&self, step: i64, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        let first = (self.span.from - self.start).div_euclid(step).max(1);
        if let Some(left) = &mut sink.left {
            let skipped = u32::try_from(first - 1).unwrap_or(u32::MAX);
            match left.saturating_sub(skipped) {
                0 => return Ok(()),
                still => *left = still,
            }
        }
        let mut moment = self.start + first * step;
        while !sink.offer(moment)? {
            moment += step;
        }
        Ok(())
    }

    /// Periods of a day or more.
    fn whole_days(&self, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        let times = self.times()?;
        let interval = i64::from(self.rule.interval);
        let (first, length) = self.origin();
        let reached = self.period_of(self.span.from.div_euclid(DAY), length) - first;
        let mut period = self.first_period(reached.div_euclid(interval));
        let mut days = Vec::new();
        loop {
            days.clear();
            let index = first + period * interval;
            let Some(from) = self.days_of(index, length, &mut days)? else { return Ok(()) };
            if self.span.to <= from * DAY {
                return Ok(());
            }
            let moment = |at: usize| days[at / times.len()] * DAY + times[at % times.len()];
            if self.offer_set(days.len() * times.len(), moment, sink)? {
                return Ok(());
            }
            period += 1;
        }
    }

    /// The start's period, and how long periods are.
    fn origin(&self) -> (i64, Length) {
        let day = self.start.div_euclid(DAY);
        let length = match self.rule.freq {
            Frequency::Yearly => Length::Year,
            Frequency::Monthly => Length::Month,
            Frequency::Weekly => Length::Week,
            _ => Length::Day,
        };
        (self.period_of(day, length), length)
    }

    /// The number of the period that a day lies in.
    fn period_of(&self, day: i64, length: Length) -> i64 {
        // 1970-01-01 was a Thursday, three days after a Monday.
        let week_start = i64::from(self.rule.week_start.num_days_from_monday());
        let date = date(day).unwrap_or_default();
        match length {
            Length::Day => day,
            Length::Week => (day + 3 - week_start).div_euclid(7),
            Length::Month => i64::from(date.year()) * 12 + i64::from(date.month0()),
            Length::Year => i64::from(date.year()),
        }
    }

    /// Puts the period's days that the rule allows into `days`, and answers its first day; none
    /// past the calendar's end.
    fn days_of(
        &self,
        index: i64,
        length: Length,
        days: &mut Vec<i64>,
    ) -> Result<Option<i64>, ReadError> {
        let week_start = i64::from(self.rule.week_start.num_days_from_monday());
        let mut from = index;
        match length {
            Length::Day => self.add_days(index, 1, days)?,
            Length::Week => {
                from = index * 7 - 3 + week_start;
                self.add_days(from, 7, days)?;
            }
            Length::Month => {
                let Some(first) = first_of_month(index) else { return Ok(None) };
                from = i64::from(first.to_epoch_days());
                self.add_month(first, days)?;
            }
            Length::Year => {
                let Some(first) = first_of_month(index * 12) else { return Ok(None) };
                from = i64::from(first.to_epoch_days());
                for month in 0..12 {
                    let Some(first) = first_of_month(index * 12 + month) else { return Ok(None) };
                    self.add_month(first, days)?;
                }
            }
        }
        Ok(Some(from))
    }

    fn add_month(&self, first: NaiveDate, days: &mut Vec<i64>) -> Result<(), ReadError> {
        self.budget.spend(1)?;
        if self.days.allows_month(first.month()) {
            let length = usize::from(first.num_days_in_month());
            self.add_days(i64::from(first.to_epoch_days()), length, days)?;
        }
        Ok(())
    }

    fn add_days(&self, from: i64, length: usize, days: &mut Vec<i64>) -> Result<(), ReadError> {
        self.budget.spend(length)?;
        let Some(first) = date(from) else { return Ok(()) };
        let allowed = first.iter_days().take(length).zip(from..);
        days.extend(allowed.filter(|(day, _)| self.days.allows(*day)).map(|(_, number)| number));
        Ok(())
    }

    /// The times of day, for periods of a day or more: never none.
    fn times(&self) -> Result<Vec<i64>, ReadError> {
        let (hour, minute, second) = clock(self.start);
        let rule = self.rule;
        let count = |mask: u64| mask.count_ones().max(1) as usize;
        let many = count(rule.hours) * count(rule.minutes) * count(rule.seconds);
        self.budget.spend(many)?;
        let mut times = Vec::with_capacity(many);
        for hour in bits(rule.hours, hour) {
            for minute in bits(rule.minutes, minute) {
                times.extend(bits(rule.seconds, second).map(|s| hour * 3600 + minute * 60 + s));
            }
        }
        Ok(times)
    }

    /// Periods of an hour, a minute or a second: day by day, so that a day that the rule does not
    /// allow costs one step.
    fn within_days(&self, unit: i64, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        let step = unit * i64::from(self.rule.interval);
        let origin = self.start.div_euclid(unit) * unit;
        let mut period = self.first_period((self.span.from - origin).div_euclid(step));
        let mut set = Vec::new();
        while let Some(day) = date((origin + period * step).div_euclid(DAY)) {
            let day_end = (i64::from(day.to_epoch_days()) + 1) * DAY;
            self.budget.spend(1)?;
            if self.span.to <= day_end - DAY {
                return Ok(());
            }
            if !self.days.allows(day) {
                period = (day_end - origin + step - 1).div_euclid(step);
                continue;
            }
            while origin + period * step < day_end {
                set.clear();
                self.moments_of(origin + period * step, unit, &mut set);
                self.budget.spend(1 + set.len())?;
                if self.offer_set(set.len(), |at| set[at], sink)? {
                    return Ok(());
                }
                period += 1;
            }
        }
        Ok(())
    }

    /// The moments of a period shorter than a day: 3,600 at most.
    fn moments_of(&self, from: i64, unit: i64, set: &mut Vec<i64>) {
        let rule = self.rule;
        let (hour, minute, second) = clock(from);
        let (_, start_minute, start_second) = clock(self.start);
        let limits = [
            (rule.hours, hour, true),
            (rule.minutes, minute, unit <= 60),
            (rule.seconds, second, unit == 1),
        ];
        if limits.iter().any(|(mask, now, limits)| *limits && *mask != 0 && mask >> now & 1 == 0) {
            return;
        }
        match unit {
            1 => set.push(from),
            60 => set.extend(bits(rule.seconds, start_second).map(|second| from + second)),
            _ => {
                for minute in bits(rule.minutes, start_minute) {
                    let seconds = bits(rule.seconds, start_second);
                    set.extend(seconds.map(|second| from + minute * 60 + second));
                }
            }
        }
    }

    /// Offers what BYSETPOS chooses of a period's moments, or all; answers whether nothing can
    /// follow. `moment` tells each of the `many` by its place in ascending order: a year may have
    /// one each second, so they are never all made to choose one.
    fn offer_set(
        &self,
        many: usize,
        moment: impl Fn(usize) -> i64,
        sink: &mut Sink<'_>,
    ) -> Result<bool, ReadError> {
        if self.rule.set_positions.is_empty() {
            for at in 0..many {
                if sink.offer(moment(at))? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        self.budget.spend(self.rule.set_positions.len())?;
        let place = |position: &i32| {
            let distance = position.unsigned_abs() as usize;
            match *position {
                0.. => distance.checked_sub(1).filter(|at| *at < many),
                _ => many.checked_sub(distance),
            }
        };
        let mut chosen: Vec<usize> = self.rule.set_positions.iter().filter_map(place).collect();
        chosen.sort_unstable();
        chosen.dedup();
        for at in chosen {
            if sink.offer(moment(at))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[derive(Clone, Copy)]
enum Length {
    Day,
    Week,
    Month,
    Year,
}

fn date(day: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(day).ok()?)
}

/// The first day of a month that is numbered from year 0.
fn first_of_month(index: i64) -> Option<NaiveDate> {
    let year = i32::try_from(index.div_euclid(12)).ok()?;
    NaiveDate::from_ymd_opt(year, u32::try_from(index.rem_euclid(12)).ok()? + 1, 1)
}

/// Hour, minute and second on the wall clock.
fn clock(moment: i64) -> (i64, i64, i64) {
    let second = moment.rem_euclid(DAY);
    (second / 3600, second / 60 % 60, second % 60)
}

/// The numbers of the bits that are set; with none, the one that is derived.
fn bits(mask: u64, derived: i64) -> impl Iterator<Item = i64> {
    let mut rest = if mask == 0 { 1 << derived } else { mask };
    std::iter::from_fn(move || {
        let lowest = rest.trailing_zeros();
        rest &= rest.checked_sub(1)?;
        Some(i64::from(lowest))
    })
}
