//! Values: dates, durations, offsets and text (RFC 5545, section 3.3).

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// Years outside are refused: with them no sum of times can overflow.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// A DATE or DATE-TIME as it is written, before its zone is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// A date.
    Date(NaiveDate),
    /// A wall-clock time, floating or in the zone that its TZID names.
    Local(NaiveDateTime),
    /// A time in UTC.
    Utc(NaiveDateTime),
}

impl Written {
    /// Reads `20260105`, `20260105T090000` or `20260105T090000Z`; a `VALUE` parameter is not
    /// needed to tell them apart.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let date = date(text.get(..8)?)?;
        match text.get(8..)? {
            [] => Some(Self::Date(date)),
            [b'T' | b't', rest @ ..] => {
                let time = date.and_time(time(rest.get(..6)?)?);
                match rest.get(6..)? {
                    [] => Some(Self::Local(time)),
                    [b'Z' | b'z'] => Some(Self::Utc(time)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl Written {
    /// What a clock shows, in seconds since 1970-01-01T00:00:00 on that clock; of a date, its
    /// midnight.
    pub(crate) fn seconds(self) -> i64 {
        match self {
            Self::Date(date) => i64::from(date.to_epoch_days()) * 86_400,
            Self::Local(time) | Self::Utc(time) => time.and_utc().timestamp(),
        }
    }

    /// The same of its date alone.
    pub(crate) fn day(self) -> i64 {
        self.seconds().div_euclid(86_400)
    }
}

fn date(text: &[u8]) -> Option<NaiveDate> {
    let year = i32::try_from(number(text.get(..4)?)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&text[4..6])?, number(text.get(6..8)?)?)?;
    YEARS.contains(&year).then_some(date)
}

/// Second 60 is read as 59, as section 3.3.12 wants of who does not know leap seconds.
fn time(text: &[u8]) -> Option<NaiveTime> {
    let second = number(text.get(4..6)?)?;
    let second = if second == 60 { 59 } else { second };
    NaiveTime::from_hms_opt(number(&text[..2])?, number(&text[2..4])?, second)
}

/// A number written in digits alone.
fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || 9 < text.len() {
        return None;
    }
    text.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

/// A DURATION (section 3.3.6): days are nominal, so that they follow the wall clock; the rest is
/// exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Duration {
    pub(crate) days: i64,
    pub(crate) seconds: i64,
}

impl Duration {
    /// Reads `P1W`, `P1DT2H3M4S`, `-PT15M`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, text) = match text.as_bytes() {
            [b'-', rest @ ..] => (-1, rest),
            [b'+', rest @ ..] => (1, rest),
            all => (1, all),
        };
        let [b'P' | b'p', rest @ ..] = text else { return None };
        let (mut sum, mut in_time, mut digits) = (Self::default(), false, 0);
        let mut any = false;
        for (at, unit) in rest.iter().enumerate() {
            if unit.is_ascii_digit() {
                digits += 1;
                continue;
            }
            if matches!(unit, b'T' | b't') && digits == 0 && !in_time {
                in_time = true;
                continue;
            }
            let count = i64::from(number(&rest[at - digits..at])?) * sign;
            match (in_time, unit.to_ascii_uppercase()) {
                (false, b'W') => sum.days += count * 7,
                (false, b'D') => sum.days += count,
                (true, b'H') => sum.seconds += count * 3600,
                (true, b'M') => sum.seconds += count * 60,
                (true, b'S') => sum.seconds += count,
                _ => return None,
            }
            (digits, any) = (0, true);
        }
        let sane = sum.days.abs() <= MAX_DAYS && sum.seconds.abs() <= MAX_DAYS * 86_400;
        (any && digits == 0 && sane).then_some(sum)
    }
}

/// The longest duration that is believed: ten thousand years.
const MAX_DAYS: i64 = 3_660_000;

/// A UTC-OFFSET (section 3.3.14) in seconds, e.g. `+0100`.
pub(crate) fn utc_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes() {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), number);
    let valid = matches!(digits.len(), 4 | 6);
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    let total = i32::try_from(hours * 3600 + minutes * 60 + seconds).ok()?;
    (valid && total < 86_400 && minutes < 60 && seconds < 60).then_some(sign * total)
}

/// TEXT without its escapes (section 3.3.11).
pub(crate) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, c == '\\') {
            (_, true) => match rest.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            (c, false) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Duration, Written, unescaped, utc_offset};

    #[test]
    fn dates_and_times_are_read_as_written() {
        assert!(matches!(Written::parse("20260105"), Some(Written::Date(_))));
        assert!(matches!(Written::parse("20260105T090000"), Some(Written::Local(_))));
        assert!(matches!(Written::parse("20260105T090000Z"), Some(Written::Utc(_))));
        assert_eq!(Written::parse("20161231T235960Z"), Written::parse("20161231T235959Z"));
        for wrong in [
            "",
            "2026",
            "20260230",
            "20260105T",
            "20260105T2500",
            "20260105T250000",
            "20260105T090000+0100",
            "2026-01-05",
            "00000101",
            "2026010é",
            "\u{661}\u{661}\u{661}\u{661}0105",
        ] {
            assert_eq!(Written::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_keep_days_and_exact_time_apart() {
        let duration = |days, seconds| Some(Duration { days, seconds });
        assert_eq!(Duration::parse("P2W"), duration(14, 0));
        assert_eq!(Duration::parse("P1DT2H3M4S"), duration(1, 7384));
        assert_eq!(Duration::parse("PT24H"), duration(0, 86_400));
        assert_eq!(Duration::parse("-PT15M"), duration(0, -900));
        assert_eq!(Duration::parse("+P15DT5H0M20S"), duration(15, 18_020));
        for wrong in
            ["", "P", "PT", "1D", "PD", "P1H", "PT1D", "P1", "P99999999999D", "P999999999W"]
        {
            assert_eq!(Duration::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn offsets_are_seconds_east_of_utc() {
        assert_eq!(utc_offset("+0530"), Some(19_800));
        assert_eq!(utc_offset("-080000"), Some(-28_800));
        assert_eq!(utc_offset("-001515"), Some(-915));
        for wrong in ["0100", "+01", "+2400", "+0160", "+010", "", "+1:00"] {
            assert_eq!(utc_offset(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn text_loses_its_escapes() {
        assert_eq!(unescaped(r"a\, b\; c\\d\ne\N"), "a, b; c\\d\ne\n");
        assert_eq!(unescaped(r"cut\"), "cut");
    }
}
