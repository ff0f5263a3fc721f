//! Text that callers send: what is allowed, and what is said where it is not.

use chrono_tz::Tz;
use unic_langid::LanguageIdentifier;

use super::{Error, Result};

/// Longest name of a person, in characters.
pub const NAME_CHARS: usize = 100;
/// Longest single line otherwise, in characters.
pub const LINE_CHARS: usize = 200;
/// Longest text of several lines, in characters.
pub const TEXT_CHARS: usize = 5000;

/// One line that must be there: trimmed, at most `most` characters.
///
/// # Errors
/// `BAD_USER_INPUT` where it is empty, too long, or has control or direction characters.
pub fn required(field: &str, text: &str, most: usize) -> Result<String> {
    optional(field, Some(text), most)?
        .ok_or_else(|| Error::bad_input(field, format!("{field} must not be empty")))
}

/// One line that may be left out; an empty one counts as left out.
///
/// # Errors
/// As [`required`], but for the empty one.
pub fn optional(field: &str, text: Option<&str>, most: usize) -> Result<Option<String>> {
    checked(field, text, most, |c| !is_hidden(c))
}

/// Several lines that may be left out: line breaks and tabs are allowed.
///
/// # Errors
/// As [`optional`].
pub fn optional_lines(field: &str, text: Option<&str>, most: usize) -> Result<Option<String>> {
    checked(field, text, most, |c| matches!(c, '\n' | '\r' | '\t') || !is_hidden(c))
}

fn checked(
    field: &str,
    text: Option<&str>,
    most: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        let code = u32::from(c);
        let message = format!("{field} must not have the invisible character U+{code:04X}");
        return Err(Error::bad_input(field, message));
    }
    let text = text.trim();
    let length = text.chars().count();
    if most < length {
        let message = format!("{field} must have at most {most} characters, not {length}");
        return Err(Error::bad_input(field, message));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Control characters, and those that turn the direction of what is read around them (Unicode
/// Bidi_Control) or can't be seen at all.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}' | '\u{2029}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// An e-mail address: RFC 5321's Mailbox without quoted local parts and address literals, which
/// nobody's mail provider hands out.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub fn email(field: &str, text: &str) -> Result<String> {
    let refused = || {
        let message = format!("{field} must be an e-mail address, e.g. ada@example.com");
        Error::bad_input(field, message)
    };
    let text = required(field, text, 254)?;
    let address: lettre::Address = text.parse().map_err(|_| refused())?;
    let plain = !address.user().contains('"') && !address.domain().starts_with('[');
    if !plain || 64 < address.user().len() || text.contains(char::is_whitespace) {
        return Err(refused());
    }
    Ok(text)
}

/// An IANA time zone.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub fn zone(field: &str, text: &str) -> Result<Tz> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
        let message = format!("{field} must be an IANA time zone, e.g. Europe/Paris, not {shown}");
        Error::bad_input(field, message)
    })
}

/// A BCP 47 language tag, in its canonical form.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub fn locale(field: &str, text: &str) -> Result<String> {
    let parsed: Result<LanguageIdentifier, _> = text.parse();
    parsed.map(|tag| tag.to_string()).map_err(|_| {
        Error::bad_input(field, format!("{field} must be a BCP 47 language tag, e.g. fr-CA"))
    })
}

/// A number within bounds.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub fn number(field: &str, value: i64, allowed: std::ops::RangeInclusive<i32>) -> Result<i32> {
    let fits = i32::try_from(value).ok().filter(|value| allowed.contains(value));
    fits.ok_or_else(|| {
        let (least, most) = (allowed.start(), allowed.end());
        Error::bad_input(field, format!("{field} must be {least} to {most}, not {value}"))
    })
}

/// Refuses text in which a mail program would find a link.
///
/// # Errors
/// `BAD_USER_INPUT`.
pub fn no_link(field: &str, text: Option<&str>) -> Result<()> {
    match text {
        Some(text) if crate::mail::contains_link(text) => {
            Err(Error::bad_input(field, format!("{field} must not have a link in it")))
        }
        _ => Ok(()),
    }
}
