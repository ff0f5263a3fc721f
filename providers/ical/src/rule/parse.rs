//! Reading a rule, strictly: one that is misread would show free time that is none.

use chrono::Weekday;

use super::{Frequency, Rule, weekday_key};
use crate::ReadError;
use crate::value::Written;

const INVALID: ReadError = ReadError::invalid("RRULE");

/// The most parts of a rule: there are 17 known ones, and the rest are somebody's own.
const MOST_PARTS: usize = 64;

impl Rule {
    /// Reads a RECUR value.
    ///
    /// # Errors
    /// Where a part is unknown, repeated, out of its range, or may not stand beside FREQ.
    pub(crate) fn parse(text: &str) -> Result<Self, ReadError> {
        let mut rule = Self::every(Frequency::Yearly);
        let mut seen: Vec<String> = Vec::new();
        for part in text.split(';').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=').ok_or(INVALID)?;
            let name = name.trim().to_ascii_uppercase();
            if !name.starts_with("X-") {
                rule.set(&name, value.trim())?;
            }
            if seen.contains(&name) || MOST_PARTS <= seen.len() {
                return Err(INVALID);
            }
            seen.push(name);
        }
        let has_freq = seen.iter().any(|name| name == "FREQ");
        let bounded_twice = rule.count.is_some() && rule.until.is_some();
        if !has_freq || bounded_twice || !rule.parts_may_stand_together() {
            return Err(INVALID);
        }
        Ok(rule)
    }

    const fn every(freq: Frequency) -> Self {
        Self {
            freq,
            interval: 1,
            count: None,
            until: None,
            week_start: Weekday::Mon,
            months: 0,
            month_days: 0,
            month_days_from_end: 0,
            year_days: Vec::new(),
            week_numbers: Vec::new(),
            weekdays: Vec::new(),
            hours: 0,
            minutes: 0,
            seconds: 0,
            set_positions: Vec::new(),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ReadError> {
        match name {
            "FREQ" => self.freq = frequency(value).ok_or(INVALID)?,
            "INTERVAL" => self.interval = positive(value)?,
            "COUNT" => self.count = Some(positive(value)?),
            "UNTIL" => self.until = Some(Written::parse(value).ok_or(INVALID)?),
            "WKST" => self.week_start = weekday(value).ok_or(INVALID)?,
            "BYMONTH" => self.months = mask(value, 1, 12)?,
            "BYMONTHDAY" => {
                for day in signed_list(value, 31)? {
                    let days =
                        if 0 < day { &mut self.month_days } else { &mut self.month_days_from_end };
                    *days |= 1 << day.unsigned_abs();
                }
            }
            "BYYEARDAY" => self.year_days = signed_list(value, 366)?,
            "BYWEEKNO" => self.week_numbers = signed_list(value, 53)?,
            "BYDAY" => {
                let days = value.split(',').map(|day| ordinal_weekday(day.trim()).ok_or(INVALID));
                self.weekdays = days.collect::<Result<_, _>>()?;
                self.weekdays.sort_unstable_by_key(weekday_key);
                self.weekdays.dedup();
            }
            "BYHOUR" => self.hours = mask(value, 0, 23)?,
            "BYMINUTE" => self.minutes = mask(value, 0, 59)?,
            "BYSECOND" => {
                let seconds = mask(value, 0, 60)?;
                self.seconds = seconds & ((1 << 60) - 1) | (seconds >> 60) << 59;
            }
            "BYSETPOS" => self.set_positions = signed_list(value, 366)?,
            // RFC 7529: the calendar that is meant anyway, and what is done anyway.
            "RSCALE" if value.eq_ignore_ascii_case("GREGORIAN") => {}
            "SKIP" if value.eq_ignore_ascii_case("OMIT") => {}
            "RSCALE" | "SKIP" => return Err(ReadError::Unsupported { what: "RSCALE or SKIP" }),
            _ => return Err(INVALID),
        }
        Ok(())
    }

    /// What section 3.3.10 says MUST NOT be specified together.
    fn parts_may_stand_together(&self) -> bool {
        use Frequency::{Daily, Monthly, Weekly, Yearly};
        let has_month_days = self.month_days | self.month_days_from_end != 0;
        let has_ordinals = self.weekdays.iter().any(|(ordinal, _)| *ordinal != 0);
        let has_week_numbers = !self.week_numbers.is_empty();
        let has_other = self.months | self.hours | self.minutes | self.seconds != 0
            || has_month_days
            || has_week_numbers
            || !(self.year_days.is_empty() && self.weekdays.is_empty());
        let ordinals_may =
            self.freq == Monthly || (self.freq == Yearly && self.week_numbers.is_empty());
        (!has_ordinals || ordinals_may)
            && (!has_month_days || self.freq != Weekly)
            && (self.year_days.is_empty() || !matches!(self.freq, Daily | Weekly | Monthly))
            && (!has_week_numbers || self.freq == Yearly)
            && (self.set_positions.is_empty() || has_other)
    }
}

fn frequency(value: &str) -> Option<Frequency> {
    Some(match value.to_ascii_uppercase().as_str() {
        "SECONDLY" => Frequency::Secondly,
        "MINUTELY" => Frequency::Minutely,
        "HOURLY" => Frequency::Hourly,
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        _ => return None,
    })
}

fn weekday(value: &str) -> Option<Weekday> {
    Some(match value.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}

/// `MO`, `1MO`, `+1MO`, `-1MO`.
fn ordinal_weekday(value: &str) -> Option<(i32, Weekday)> {
    let (ordinal, day) = value.split_at_checked(value.len().checked_sub(2)?)?;
    let day = weekday(day)?;
    if ordinal.is_empty() {
        return Some((0, day));
    }
    let ordinal: i32 = ordinal.parse().ok()?;
    (1..=53).contains(&ordinal.abs()).then_some((ordinal, day))
}

fn positive(value: &str) -> Result<u32, ReadError> {
    value.parse().ok().filter(|number| 0 < *number).ok_or(INVALID)
}

fn mask(value: &str, least: u32, most: u32) -> Result<u64, ReadError> {
    value.split(',').try_fold(0, |mask, number| {
        let number: u32 = number.trim().parse().map_err(|_| INVALID)?;
        if (least..=most).contains(&number) { Ok(mask | 1 << number) } else { Err(INVALID) }
    })
}

/// Numbers from 1 to `most` or from -`most` to -1, sorted, each once.
fn signed_list(value: &str, most: i32) -> Result<Vec<i32>, ReadError> {
    let numbers = value.split(',').map(|number| {
        let number: i32 = number.trim().parse().map_err(|_| INVALID)?;
        if number != 0 && (-most..=most).contains(&number) { Ok(number) } else { Err(INVALID) }
    });
    let mut numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn what_a_rule_must_not_say_is_refused() {
        for wrong in [
            "",
            "FREQ",
            "INTERVAL=2",
            "FREQ=FORTNIGHTLY",
            "FREQ=DAILY;FREQ=WEEKLY",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;COUNT=-1",
            "FREQ=DAILY;COUNT=1;UNTIL=20300101",
            "FREQ=DAILY;UNTIL=tomorrow",
            "FREQ=DAILY;WKST=1MO",
            "FREQ=DAILY;BYHOUR=24",
            "FREQ=DAILY;BYMONTH=0",
            "FREQ=DAILY;BYMONTH=13",
            "FREQ=MONTHLY;BYMONTHDAY=0",
            "FREQ=MONTHLY;BYMONTHDAY=32",
            "FREQ=MONTHLY;BYDAY=XX",
            "FREQ=MONTHLY;BYDAY=0MO",
            "FREQ=MONTHLY;BYDAY=54MO",
            "FREQ=MONTHLY;BYDAY=é",
            "FREQ=MONTHLY;BYDAY=",
            "FREQ=WEEKLY;BYDAY=1MO",
            "FREQ=WEEKLY;BYMONTHDAY=1",
            "FREQ=MONTHLY;BYYEARDAY=1",
            "FREQ=MONTHLY;BYWEEKNO=1",
            "FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO",
            "FREQ=DAILY;BYSETPOS=1",
            "FREQ=DAILY;BYFOO=1",
            "FREQ=DAILY;RSCALE=HEBREW",
        ] {
            assert!(Rule::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn case_spaces_and_private_parts_do_not_matter() {
        let plain = Rule::parse("FREQ=MONTHLY;BYDAY=+1MO,-1FR;INTERVAL=2");
        assert!(plain.is_ok());
        let other = "freq=monthly;interval=2;byday=1mo, -1fr;x-note=a;rscale=gregorian;";
        assert_eq!(Rule::parse(other), plain);
        assert_eq!(
            Rule::parse("FREQ=DAILY;BYSECOND=60"),
            Rule::parse("FREQ=DAILY;BYSECOND=59"),
            "a leap second is read as the one before it"
        );
    }
}
