//! Values that have an order: decimal numbers and dates.

use std::cmp::Ordering;

use chrono::NaiveDate;

/// A value that GREATER and LESS can compare with another of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ordinal<'a> {
    /// A decimal number, exactly as it is written, however many digits it has.
    Number(Number<'a>),
    /// A calendar date.
    Date(NaiveDate),
}

/// A decimal number, without zeros that mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number<'a> {
    /// Never so for zero.
    negative: bool,
    /// Digits before the point, without leading zeros.
    whole: &'a str,
    /// Digits after the point, without trailing zeros.
    fraction: &'a str,
}

/// Reads a number (`-12.50`, with a point and no other signs in it) or a date (ISO 8601, `2026-11-28`).
///
/// ```
/// use frontdesk::routing::ordinal;
///
/// let order = |a, b| ordinal(a)?.compare(&ordinal(b)?);
/// assert_eq!(order("9.5", "10"), Some(std::cmp::Ordering::Less));
/// assert_eq!(order("10.0", "010"), Some(std::cmp::Ordering::Equal));
/// assert_eq!(order("2026-11-28", "2026-12-01"), Some(std::cmp::Ordering::Less));
/// assert_eq!(order("2026-11-28", "2026"), None, "a date and a number have no order");
/// assert_eq!(ordinal("about ten"), None);
/// ```
pub fn ordinal(text: &str) -> Option<Ordinal<'_>> {
    let text = text.trim();
    let date = text.parse::<NaiveDate>().ok().filter(|date| date.to_string() == text);
    date.map(Ordinal::Date).or_else(|| number(text).map(Ordinal::Number))
}

fn number(text: &str) -> Option<Number<'_>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (digits, ""),
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let is_zero = whole.is_empty() && fraction.is_empty();
    Some(Number { negative: negative && !is_zero, whole, fraction })
}

impl Ordinal<'_> {
    /// The order of two values of one kind; none for a number and a date.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Without leading zeros the longer one is the greater; fractions compare digit by digit.
        let by_size = || {
            let lengths = self.whole.len().cmp(&other.whole.len());
            lengths.then(self.whole.cmp(other.whole)).then(self.fraction.cmp(other.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => by_size(),
            (true, true) => by_size().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
