//! The invitation and the feed, as iCalendar (RFC 5545, RFC 5546).

mod lines;
mod zone;

use calendar_provider::TimeRange;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use url::Url;

use super::message::Mailbox;
use lines::Lines;
use zone::TimeForm;

/// Names this program in PRODID (RFC 5545, section 3.7.3).
const PRODUCT: &str = "-//Frontdesk//Frontdesk//EN";

/// What the receiver's calendar is asked to do (RFC 5546, section 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarMethod {
    /// Enter the event, or change the one with this UID.
    Request,
    /// Strike the event with this UID.
    Cancel,
}

impl CalendarMethod {
    /// As written in METHOD and in the content type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Cancel => "CANCEL",
        }
    }
}

/// One event, for one attendee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarPart {
    /// The same for the life of the booking.
    pub uid: String,
    /// Grows with every change that the attendee is told of (RFC 5545, section 3.8.7.4).
    pub sequence: u32,
    /// Request or cancel.
    pub method: CalendarMethod,
    /// When it is.
    pub range: TimeRange,
    /// The zone its times are written in: the attendee's.
    pub zone: Tz,
    /// When this text was made (RFC 5545, section 3.8.7.2).
    pub stamp: DateTime<Utc>,
    /// The title.
    pub summary: String,
    /// More words.
    pub description: Option<String>,
    /// Where: a room, or the conference URL as text.
    pub location: Option<String>,
    /// The conference, to join by a click (RFC 7986, section 5.11).
    pub conference_url: Option<Url>,
    /// The agent.
    pub organizer: Mailbox,
    /// The visitor.
    pub attendee: Mailbox,
}

/// One event of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    /// The event's UID.
    pub uid: String,
    /// Its version.
    pub sequence: u32,
    /// When it was last changed.
    pub stamp: DateTime<Utc>,
    /// When it is.
    pub range: TimeRange,
    /// The title.
    pub summary: String,
    /// More words.
    pub description: Option<String>,
    /// Where: a room, or the conference URL as text.
    pub location: Option<String>,
}

/// The invitation or its cancellation: one VEVENT, and the VTIMEZONE it names. Lines end in CRLF
/// and are folded at 75 octets.
pub fn calendar(part: &CalendarPart) -> String {
    let mut lines = Lines::default();
    open(&mut lines, part.method.name());
    let form = TimeForm::choose(part.zone, part.range);
    form.define(&mut lines, part.range);
    lines.push("BEGIN", "VEVENT");
    lines.text("UID", &part.uid);
    lines.push("SEQUENCE", &part.sequence.to_string());
    lines.push("DTSTAMP", &utc(part.stamp));
    form.write(&mut lines, "DTSTART", part.range.start());
    form.write(&mut lines, "DTEND", part.range.end());
    words(&mut lines, &part.summary, part.description.as_deref(), part.location.as_deref());
    if let Some(url) = &part.conference_url {
        lines.with_parameters(
            "CONFERENCE",
            &[("VALUE", "URI"), ("FEATURE", "VIDEO")],
            url.as_str(),
        );
    }
    person(&mut lines, "ORGANIZER", &part.organizer, &[]);
    let asked = [
        ("CUTYPE", "INDIVIDUAL"),
        ("ROLE", "REQ-PARTICIPANT"),
        ("PARTSTAT", "NEEDS-ACTION"),
        ("RSVP", "TRUE"),
    ];
    person(&mut lines, "ATTENDEE", &part.attendee, &asked);
    let status = match part.method {
        CalendarMethod::Request => "CONFIRMED",
        CalendarMethod::Cancel => "CANCELLED",
    };
    lines.push("STATUS", status);
    lines.push("TRANSP", "OPAQUE");
    lines.push("END", "VEVENT");
    lines.push("END", "VCALENDAR");
    lines.finish()
}

/// A calendar to subscribe to: METHOD:PUBLISH, times in UTC, in the order given. `name` is the
/// calendar's title (RFC 7986, section 5.1, and the older X-WR-CALNAME), `owner` the agent, whom
/// each event names as its ORGANIZER (RFC 5546, section 3.2.1).
pub fn feed(name: &str, owner: &Mailbox, events: &[FeedEvent]) -> String {
    let mut lines = Lines::default();
    open(&mut lines, "PUBLISH");
    lines.text("NAME", name);
    lines.text("X-WR-CALNAME", name);
    for event in events {
        lines.push("BEGIN", "VEVENT");
        lines.text("UID", &event.uid);
        lines.push("SEQUENCE", &event.sequence.to_string());
        lines.push("DTSTAMP", &utc(event.stamp));
        lines.push("DTSTART", &utc(event.range.start()));
        lines.push("DTEND", &utc(event.range.end()));
        words(&mut lines, &event.summary, event.description.as_deref(), event.location.as_deref());
        person(&mut lines, "ORGANIZER", owner, &[]);
        lines.push("END", "VEVENT");
    }
    lines.push("END", "VCALENDAR");
    lines.finish()
}

fn open(lines: &mut Lines, method: &str) {
    lines.push("BEGIN", "VCALENDAR");
    lines.push("VERSION", "2.0");
    lines.push("PRODID", PRODUCT);
    lines.push("CALSCALE", "GREGORIAN");
    lines.push("METHOD", method);
}

fn words(lines: &mut Lines, summary: &str, description: Option<&str>, location: Option<&str>) {
    lines.text("SUMMARY", summary);
    if let Some(description) = description {
        lines.text("DESCRIPTION", description);
    }
    if let Some(location) = location {
        lines.text("LOCATION", location);
    }
}

/// An ORGANIZER or ATTENDEE: the name in CN, the address as a mailto URI (RFC 6068).
fn person(lines: &mut Lines, property: &str, mailbox: &Mailbox, asked: &[(&str, &str)]) {
    let mut parameters = Vec::with_capacity(asked.len() + 1);
    let name = mailbox.name.as_deref().unwrap_or(&mailbox.email);
    parameters.push(("CN", name));
    parameters.extend_from_slice(asked);
    lines.with_parameters(property, &parameters, &lines::mailto(&mailbox.email));
}

fn utc(instant: DateTime<Utc>) -> String {
    instant.format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests;
