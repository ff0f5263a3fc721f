//! Writing an event, for a CalDAV PUT.

use std::fmt::Write;

use calendar_provider::{EventDraft, Participant};
use chrono::{DateTime, Utc};

/// The most octets in a line, its CRLF not counted (RFC 5545, section 3.1).
const FOLD_AT: usize = 75;

/// A calendar with the drafted event alone.
///
/// Times are in UTC: the draft has instants, and a server that knows another version of the zone
/// database can't move those. A program shows them in its user's zone, whatever is written.
/// The organizer and the attendees have `SCHEDULE-AGENT=CLIENT` (RFC 6638, section 7.1), so that
/// the server sends nobody an invitation. There is no METHOD, which RFC 4791, section 4.1,
/// forbids in what is stored.
///
/// The same draft and stamp make the same text. `conference_wanted` has no counterpart here.
pub fn write_event(event: &EventDraft, stamp: DateTime<Utc>) -> String {
    let mut lines = Lines(String::with_capacity(1024));
    lines.push("BEGIN:VCALENDAR");
    lines.push("VERSION:2.0");
    lines.push("PRODID:-//Frontdesk//Frontdesk//EN");
    lines.push("BEGIN:VEVENT");
    lines.text("UID", &event.uid);
    lines.time("DTSTAMP", stamp);
    lines.push(&format!("SEQUENCE:{}", event.sequence));
    lines.time("DTSTART", event.range.start());
    lines.time("DTEND", event.range.end());
    lines.text("SUMMARY", &event.title);
    if let Some(description) = &event.description {
        lines.text("DESCRIPTION", description);
    }
    if let Some(location) = &event.location {
        lines.text("LOCATION", location);
    }
    lines.person("ORGANIZER", &[], &event.organizer);
    for attendee in &event.attendees {
        let parameters = ["CUTYPE=INDIVIDUAL", "ROLE=REQ-PARTICIPANT", "PARTSTAT=ACCEPTED"];
        lines.person("ATTENDEE", &parameters, attendee);
    }
    lines.push("STATUS:CONFIRMED");
    lines.push("TRANSP:OPAQUE");
    lines.push("END:VEVENT");
    lines.push("END:VCALENDAR");
    lines.0
}

struct Lines(String);

impl Lines {
    /// Writes a line in pieces of at most 75 octets, never inside a character. Control characters
    /// are left out, so that nothing can begin a line of its own.
    fn push(&mut self, line: &str) {
        let mut width = 0;
        for c in line.chars().filter(|c| !c.is_control()) {
            if FOLD_AT < width + c.len_utf8() {
                self.0.push_str("\r\n ");
                width = 1;
            }
            self.0.push(c);
            width += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.push(&format!("{name}:{}", escaped(value)));
    }

    fn time(&mut self, name: &str, instant: DateTime<Utc>) {
        self.push(&format!("{name}:{}", instant.format("%Y%m%dT%H%M%SZ")));
    }

    fn person(&mut self, name: &str, parameters: &[&str], person: &Participant) {
        let mut line = format!("{name};SCHEDULE-AGENT=CLIENT");
        for parameter in parameters {
            let _ = write!(line, ";{parameter}");
        }
        if let Some(name) = &person.name {
            let _ = write!(line, ";CN=\"{}\"", quotable(name));
        }
        let _ = write!(line, ":mailto:{}", uri_part(&person.email));
        self.push(&line);
    }
}

/// TEXT (RFC 5545, section 3.3.11).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What may stand between a parameter's quotes (RFC 6868, section 3.1).
fn quotable(text: &str) -> String {
    text.replace('^', "^^").replace('"', "^'").replace(['\r', '\n'], " ")
}

/// An address in a `mailto` URI: what RFC 6068, section 2, does not let stand in one is
/// percent-encoded, so that it is never read as two addresses or as header fields.
fn uri_part(address: &str) -> String {
    let mut encoded = String::with_capacity(address.len());
    let at = address.rfind('@');
    for (place, byte) in address.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~!$'*+".contains(&byte);
        if plain || at == Some(place) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
