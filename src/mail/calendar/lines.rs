//! Content lines: escaping, parameters and folding (RFC 5545, sections 3.1 and 3.3.11).

use std::fmt::Write;

/// The most octets in a line, its CRLF not counted (RFC 5545, section 3.1).
const FOLD_AT: usize = 75;

/// Content lines, in the order they were written.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// A line whose value is already in its type's form. Control characters are left out, so that
    /// nothing can begin a line of its own.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.fold(&format!("{name}:{}", visible(value)));
    }

    /// A line whose value is TEXT.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.push(name, &escaped(value));
    }

    /// A line with parameters, each value quoted where it must be.
    pub(super) fn with_parameters(&mut self, name: &str, parameters: &[(&str, &str)], value: &str) {
        let mut line = name.to_owned();
        for (parameter, value) in parameters {
            let _ = write!(line, ";{parameter}={}", parameter_value(value));
        }
        self.fold(&format!("{line}:{}", visible(value)));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Writes a line in pieces of at most 75 octets, never inside a character.
    fn fold(&mut self, line: &str) {
        let mut width = 0;
        for c in line.chars() {
            if FOLD_AT < width + c.len_utf8() {
                self.0.push_str("\r\n ");
                width = 1;
            }
            self.0.push(c);
            width += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// The address as a `mailto` URI. Everything that RFC 6068, section 2, does not let stand in one is
/// percent-encoded, so that an address is never read as two, or as header fields.
pub(super) fn mailto(address: &str) -> String {
    let mut uri = String::from("mailto:");
    let at = address.rfind('@');
    for (place, byte) in address.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~!$'*+".contains(&byte);
        if plain || at == Some(place) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// TEXT: backslash, semicolon, comma and line break are escaped (RFC 5545, section 3.3.11).
fn escaped(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A parameter value: quoted where it holds more than letters, digits and `-`, with `^`, `"` and
/// line breaks written as RFC 6868, section 3.1, says.
fn parameter_value(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !text.is_empty() {
        return text.to_owned();
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let encoded = text.replace('^', "^^").replace('\n', "^n").replace('"', "^'");
    format!("\"{}\"", visible(&encoded))
}

fn visible(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
