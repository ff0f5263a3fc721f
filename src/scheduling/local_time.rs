//! A wall-clock time of day.

use std::fmt;
use std::str::FromStr;

/// A wall-clock time of day in whole minutes, `00:00` to `24:00`.
///
/// `24:00` is the end of the day, as in ISO 8601-1:2019, 4.3.8.2: it can end a block and never
/// start one.
///
/// ```
/// use frontdesk::scheduling::LocalTime;
///
/// let half_past_nine: LocalTime = "09:30".parse()?;
/// assert_eq!(half_past_nine.minutes(), 570);
/// assert_eq!(half_past_nine.to_string(), "09:30");
/// assert!("9:30".parse::<LocalTime>().is_err(), "two digits each");
/// assert!("25:00".parse::<LocalTime>().is_err());
/// # Ok::<(), frontdesk::scheduling::LocalTimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime(u16);

/// A text that is no [`LocalTime`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of day as HH:MM, 00:00 to 24:00: {value:?}")]
pub struct LocalTimeError {
    /// The text that was given, cut after 32 characters.
    pub value: String,
}

impl LocalTime {
    /// The start of the day, `00:00`.
    pub const MIDNIGHT: Self = Self(0);

    /// The end of the day, `24:00`.
    pub const END_OF_DAY: Self = Self(24 * 60);

    /// The time `minutes` after midnight by the wall clock; `None` past 1440.
    pub const fn from_minutes(minutes: u16) -> Option<Self> {
        if minutes <= Self::END_OF_DAY.0 { Some(Self(minutes)) } else { None }
    }

    /// Minutes after midnight by the wall clock, 0 to 1440.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl FromStr for LocalTime {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Self, LocalTimeError> {
        parse(text.as_bytes())
            .ok_or_else(|| LocalTimeError { value: text.chars().take(32).collect() })
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

fn parse(text: &[u8]) -> Option<LocalTime> {
    let &[h1, h2, b':', m1, m2] = text else { return None };
    let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
    if minutes > 59 {
        return None;
    }
    LocalTime::from_minutes(hours * 60 + minutes)
}

fn two_digits(tens: u8, ones: u8) -> Option<u16> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}
