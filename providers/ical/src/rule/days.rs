//! Which days a rule allows.

use chrono::{Datelike, NaiveDate, Weekday};

use super::{Frequency, Rule};

/// The parts of a rule that choose days, with what DTSTART supplies where the rule says nothing
/// (RFC 5545, section 3.3.10: what is missing is derived from DTSTART).
pub(super) struct DayFilter<'r> {
    rule: &'r Rule,
    pub(super) months: u64,
    month_days: u64,
    month_days_from_end: u64,
    /// Bit 0 to 6 from Monday: the days of the week without an ordinal.
    weekdays: u8,
    has_ordinals: bool,
    /// Whether an ordinal counts within the month; else within the year.
    ordinals_in_month: bool,
}

impl<'r> DayFilter<'r> {
    pub(super) fn new(rule: &'r Rule, start: NaiveDate) -> Self {
        let plain = rule.weekdays.iter().filter(|(ordinal, _)| *ordinal == 0);
        let mut filter = Self {
            rule,
            months: rule.months,
            month_days: rule.month_days,
            month_days_from_end: rule.month_days_from_end,
            weekdays: plain.fold(0, |mask, (_, day)| mask | bit(*day)),
            has_ordinals: rule.weekdays.iter().any(|(ordinal, _)| *ordinal != 0),
            ordinals_in_month: rule.freq == Frequency::Monthly || rule.months != 0,
        };
        filter.derive_from(start);
        filter
    }

    fn derive_from(&mut self, start: NaiveDate) {
        let rule = self.rule;
        let no_month_days = rule.month_days | rule.month_days_from_end == 0;
        if !(no_month_days && rule.year_days.is_empty() && rule.weekdays.is_empty()) {
            return;
        }
        match rule.freq {
            Frequency::Yearly if !rule.week_numbers.is_empty() => {
                self.weekdays = bit(start.weekday());
            }
            Frequency::Yearly => {
                self.month_days = 1 << start.day();
                if self.months == 0 {
                    self.months = 1 << start.month();
                }
            }
            Frequency::Monthly => self.month_days = 1 << start.day(),
            Frequency::Weekly => self.weekdays = bit(start.weekday()),
            _ => {}
        }
    }

    pub(super) fn allows(&self, day: NaiveDate) -> bool {
        self.allows_month(day.month())
            && self.allows_weekday(day)
            && self.allows_month_day(day)
            && self.allows_year_day(day)
            && self.allows_week(day)
    }

    pub(super) fn allows_month(&self, month: u32) -> bool {
        self.months == 0 || self.months >> month & 1 == 1
    }

    fn allows_month_day(&self, day: NaiveDate) -> bool {
        if self.month_days | self.month_days_from_end == 0 {
            return true;
        }
        let from_end = u32::from(day.num_days_in_month()) + 1 - day.day();
        self.month_days >> day.day() & 1 == 1 || self.month_days_from_end >> from_end & 1 == 1
    }

    fn allows_year_day(&self, day: NaiveDate) -> bool {
        let days = &self.rule.year_days;
        let (from_start, length) = (signed(day.ordinal()), days_in_year(day));
        let has = |day: i32| days.binary_search(&day).is_ok();
        days.is_empty() || has(from_start) || has(from_start - 1 - length)
    }

    fn allows_weekday(&self, day: NaiveDate) -> bool {
        if self.weekdays == 0 && !self.has_ordinals {
            return true;
        }
        self.weekdays & bit(day.weekday()) != 0 || (self.has_ordinals && self.allows_ordinal(day))
    }

    fn allows_ordinal(&self, day: NaiveDate) -> bool {
        let (before, after) = if self.ordinals_in_month {
            let length = i32::from(day.num_days_in_month());
            (signed(day.day0()), length - signed(day.day()))
        } else {
            (signed(day.ordinal0()), days_in_year(day) - signed(day.ordinal()))
        };
        let (nth, nth_from_end) = (before / 7 + 1, -(after / 7 + 1));
        let has = |ordinal: i32| self.rule.has_weekday(ordinal, day.weekday());
        has(nth) || has(nth_from_end)
    }

    /// Weeks are numbered as in ISO 8601, but for the day that they begin with: the first one
    /// has at least four days in the year, so that its fourth day lies within.
    fn allows_week(&self, day: NaiveDate) -> bool {
        let weeks = &self.rule.week_numbers;
        if weeks.is_empty() {
            return true;
        }
        let into_week = day.weekday().days_since(self.rule.week_start);
        let shift = chrono::TimeDelta::days(3 - i64::from(into_week));
        let Some(fourth) = day.checked_add_signed(shift) else { return false };
        let number = signed(fourth.ordinal0()) / 7 + 1;
        let later = (days_in_year(fourth) - signed(fourth.ordinal())) / 7;
        let has = |week: i32| weeks.binary_search(&week).is_ok();
        has(number) || has(-(later + 1))
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.num_days_from_monday()
}

fn days_in_year(day: NaiveDate) -> i32 {
    if day.leap_year() { 366 } else { 365 }
}

/// A small number, as one that can be subtracted from.
fn signed(number: u32) -> i32 {
    number.cast_signed()
}
