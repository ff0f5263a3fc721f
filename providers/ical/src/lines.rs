//! Content lines: unfolding, names, parameters (RFC 5545, section 3.1).

use std::borrow::Cow;

use crate::ReadError;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The unfolded lines of a text, blank ones left out.
///
/// A line ends at CRLF, LF or CR: all three are met. Unfolding works on octets, since a fold may
/// stand inside a character.
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { rest: text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) }
    }

    /// The next physical line that is not blank.
    fn physical(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|b| matches!(b, b'\r' | b'\n'));
            let end = end.unwrap_or(self.rest.len());
            let line = &self.rest[..end];
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    }

    /// The next physical line without its leading white space, where it goes on the one before.
    fn continuation(&mut self) -> Option<&'a [u8]> {
        let blank = self.rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        match self.rest.get(blank) {
            Some(b' ' | b'\t') => {
                self.rest = &self.rest[blank + 1..];
                let end = self.rest.iter().position(|b| matches!(b, b'\r' | b'\n'));
                let (line, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                Some(line)
            }
            _ => None,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.physical()?;
        let Some(second) = self.continuation() else {
            let text = std::str::from_utf8(first).map_err(|_| ReadError::NotUtf8);
            return Some(text.map(|text| Line { text: Cow::Borrowed(text) }));
        };
        let mut joined = [first, second].concat();
        while let Some(next) = self.continuation() {
            joined.extend_from_slice(next);
        }
        let text = String::from_utf8(joined).map_err(|_| ReadError::NotUtf8);
        Some(text.map(|text| Line { text: Cow::Owned(text) }))
    }
}

/// One unfolded line.
pub(crate) struct Line<'a> {
    text: Cow<'a, str>,
}

impl Line<'_> {
    /// The property's name, in whatever case it is written; empty where the line has none.
    pub(crate) fn name(&self) -> &str {
        let end = self.text.find([';', ':']);
        end.map_or("", |end| &self.text[..end])
    }

    /// The parameters and the value, of a property whose value may hold a colon: the first one
    /// outside of quotes parts them.
    pub(crate) fn property(&self) -> Option<Property<'_>> {
        let mut quoted = false;
        let colon = self.text.bytes().position(|b| {
            quoted ^= b == b'"';
            b == b':' && !quoted
        })?;
        self.split(colon)
    }

    /// The same of a property whose value never holds a colon: the last one parts them, so that
    /// an unquoted `TZID=GMT+01:00` is read as it was meant.
    pub(crate) fn colonless_property(&self) -> Option<Property<'_>> {
        self.split(self.text.rfind(':')?)
    }

    fn split(&self, colon: usize) -> Option<Property<'_>> {
        let head = &self.text[..colon];
        let parameters = head.find(';').map_or("", |at| &head[at + 1..]);
        Some(Property { parameters, value: self.text[colon + 1..].trim() })
    }
}

/// A property's parameters and value.
#[derive(Clone, Copy)]
pub(crate) struct Property<'a> {
    pub(crate) parameters: &'a str,
    pub(crate) value: &'a str,
}

impl<'a> Property<'a> {
    /// One of several values, under the same parameters.
    pub(crate) fn with_value(self, value: &'a str) -> Self {
        Self { value: value.trim(), ..self }
    }

    /// The value of a parameter, without its quotes.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut quoted = false;
        let parts = self.parameters.split(move |c: char| {
            quoted ^= c == '"';
            c == ';' && !quoted
        });
        for part in parts {
            if let Some((key, value)) = part.split_once('=')
                && key.trim().eq_ignore_ascii_case(name)
            {
                return Some(value.trim().trim_matches('"'));
            }
        }
        None
    }

    /// Whether a parameter has this value, in whatever case.
    pub(crate) fn parameter_is(&self, name: &str, value: &str) -> bool {
        self.parameter(name).is_some_and(|given| given.eq_ignore_ascii_case(value))
    }
}
