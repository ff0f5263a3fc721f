//! Values: dates, durations, offsets and text (RFC 5545, section 3.3).

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use sha2::{Digest, Sha256};

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

/// The longest title that is told, in characters. It is copied into every occurrence.
const LONGEST_TITLE: usize = 200;

/// The longest UID that is told as it is, in bytes: the longest that RFC 7986, section 5.3,
/// recommends.
const LONGEST_UID: usize = 255;

/// A SUMMARY as plain text on one line, cut where it is longer than any title. Control characters
/// are left out: a database may refuse them.
pub(crate) fn title(text: &str) -> String {
    // An escape is two characters that make one.
    let cut = text.char_indices().nth(8 * LONGEST_TITLE).map_or(text, |(at, _)| &text[..at]);
    let plain = unescaped(cut).replace(['\n', '\t'], " ");
    plain.chars().filter(|it| !it.is_control()).take(LONGEST_TITLE).collect()
}

/// A UID as it is told: one that is longer than any program makes, or that holds what a database
/// may refuse, is told as its digest, so that two that differ stay apart.
pub(crate) fn uid(text: &str) -> String {
    if text.len() <= LONGEST_UID && !text.contains(char::is_control) {
        return text.to_owned();
    }
    let digest = Sha256::digest(text);
    digest.iter().fold("sha256-".to_owned(), |uid, byte| uid + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::{Duration, LONGEST_TITLE, Written, title, uid, unescaped, utc_offset};

    #[test]
    fn titles_are_short_and_on_one_line() {
        assert_eq!(title(r"a\, b\nc"), "a, b c");
        assert_eq!(title("a\0b\u{1b}c\u{85}"), "abc");
        for long in ["x".repeat(9999), r"\,".repeat(9999), "\u{1f600}".repeat(9999)] {
            assert_eq!(title(&long).chars().count(), LONGEST_TITLE);
        }
    }

    #[test]
    fn uids_are_kept_or_told_by_their_digest() {
        assert_eq!(uid(&"x".repeat(255)), "x".repeat(255));
        let (long, longer) = (uid(&"x".repeat(256)), uid(&"x".repeat(257)));
        assert!(long.starts_with("sha256-") && long.len() == 71 && long != longer);
        assert_eq!(uid("abc\0"), uid("abc\0"));
        assert!(uid("abc\0").starts_with("sha256-") && uid("abc\0") != uid("abc\u{1}"));
        assert_eq!(uid(""), "");
    }

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
