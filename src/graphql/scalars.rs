//! The contract's scalars. Each is text as far as GraphQL goes, and is read where it is used, so that
//! what is wrong can be said with the path of the field it stands in.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{NaiveDate, SecondsFormat, Timelike, Utc};
use chrono_tz::Tz;

use crate::scheduling;
use crate::service::{Error, Result, text};

macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub String);

        $(#[$doc])*
        #[Scalar]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                match value {
                    Value::String(text) => Ok(Self(text)),
                    other => Err(InputValueError::expected_type(other)),
                }
            }

            fn is_valid(value: &Value) -> bool {
                matches!(value, Value::String(_))
            }

            fn to_value(&self) -> Value {
                Value::String(self.0.clone())
            }
        }
    };
}

text_scalar! {
    /// An instant in UTC, RFC 3339, e.g. 2026-11-22T09:30:00Z. Input may carry any offset.
    DateTime
}
text_scalar! {
    /// A calendar date, ISO 8601, e.g. 2026-11-22.
    Date
}
text_scalar! {
    /// A wall-clock time of day, HH:MM. 24:00 is allowed as the end of a block: the end of that day.
    LocalTime
}
text_scalar! {
    /// An IANA time zone name, e.g. Europe/Paris.
    TimeZone
}
text_scalar! {
    /// A BCP 47 language tag, e.g. fr-CA.
    Locale
}
text_scalar! {
    /// An e-mail address, RFC 5321 mailbox.
    EmailAddress
}
text_scalar! {
    /// An absolute http or https URL.
    Url
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(instant: chrono::DateTime<Utc>) -> Self {
        Self(InstantText::of(instant).as_str().to_owned())
    }
}

/// Years that RFC 3339 can write, with a margin for arithmetic.
pub(crate) const YEARS: std::ops::RangeInclusive<i32> = 1970..=9998;

/// An instant by RFC 3339 in UTC, with milliseconds only where there are some.
pub(crate) enum InstantText {
    /// The usual form, `2026-11-22T09:30:00Z`.
    Plain([u8; 20]),
    /// Any other.
    Other(String),
}

impl InstantText {
    /// Writes an instant.
    pub(crate) fn of(instant: chrono::DateTime<Utc>) -> Self {
        use chrono::Datelike;
        let (date, time) = (instant.date_naive(), instant.time());
        if time.nanosecond() != 0 || !YEARS.contains(&date.year()) {
            return Self::Other(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
        let mut text = *b"0000-00-00T00:00:00Z";
        let year = date.year().unsigned_abs();
        pair(&mut text, 0, year / 100);
        pair(&mut text, 2, year);
        pair(&mut text, 5, date.month());
        pair(&mut text, 8, date.day());
        pair(&mut text, 11, time.hour());
        pair(&mut text, 14, time.minute());
        pair(&mut text, 17, time.second());
        Self::Plain(text)
    }

    fn as_str(&self) -> &str {
        match self {
            // Digits and signs: always text.
            Self::Plain(text) => std::str::from_utf8(text).unwrap_or_default(),
            Self::Other(text) => text,
        }
    }
}

impl serde::Serialize for InstantText {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

fn pair(text: &mut [u8; 20], at: usize, number: u32) {
    let digit = |number: u32| b'0' + u8::try_from(number % 10).unwrap_or(0);
    text[at] = digit(number / 10);
    text[at + 1] = digit(number);
}

/// Whether an instant is within the years that we read and write.
pub(crate) fn is_writable(instant: chrono::DateTime<Utc>) -> bool {
    use chrono::Datelike;
    YEARS.contains(&instant.year())
}

impl DateTime {
    /// The instant, cut to whole milliseconds.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` at `field`.
    pub fn read(&self, field: &str) -> Result<chrono::DateTime<Utc>> {
        use chrono::SubsecRound;
        Ok(self.read_exact(field)?.trunc_subsecs(3))
    }

    /// The instant, to the last digit.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` at `field`.
    pub fn read_exact(&self, field: &str) -> Result<chrono::DateTime<Utc>> {
        let read = chrono::DateTime::parse_from_rfc3339(&self.0).ok();
        let read = read.map(|instant| instant.with_timezone(&Utc));
        read.filter(|instant| is_writable(*instant)).ok_or_else(|| {
            let message =
                format!("{field} must be an instant by RFC 3339, e.g. 2026-11-22T09:30:00Z");
            Error::bad_input(field, message)
        })
    }
}

impl From<NaiveDate> for Date {
    fn from(date: NaiveDate) -> Self {
        Self(date.to_string())
    }
}

impl Date {
    /// The date.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` at `field`.
    pub fn read(&self, field: &str) -> Result<NaiveDate> {
        use chrono::Datelike;
        let read: Option<NaiveDate> = self.0.parse().ok();
        let is_plain =
            |date: &NaiveDate| date.to_string() == self.0 && YEARS.contains(&date.year());
        read.filter(is_plain).ok_or_else(|| {
            Error::bad_input(field, format!("{field} must be a date, e.g. 2026-11-22"))
        })
    }
}

impl From<scheduling::LocalTime> for LocalTime {
    fn from(time: scheduling::LocalTime) -> Self {
        Self(time.to_string())
    }
}

impl LocalTime {
    /// The time of day.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` at `field`.
    pub fn read(&self, field: &str) -> Result<scheduling::LocalTime> {
        let read: std::result::Result<scheduling::LocalTime, _> = self.0.parse();
        read.map_err(|error| Error::bad_input(field, format!("{field}: {error}")))
    }
}

impl From<Tz> for TimeZone {
    fn from(zone: Tz) -> Self {
        Self(zone.name().to_owned())
    }
}

impl TimeZone {
    /// The zone.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` at `field`.
    pub fn read(&self, field: &str) -> Result<Tz> {
        text::zone(field, &self.0)
    }
}
