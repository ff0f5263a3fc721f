//! The methods that are served: their names, scopes and query parameters.
//!
//! Transcribed from the API's discovery document, revision 20261030. A test of the provider
//! compares what it sends with the document itself.

use chrono::DateTime;

use crate::answer::ApiError;

/// A method of the API.
pub(crate) struct Method {
    /// As the discovery document names it.
    pub(crate) id: &'static str,
    /// Any of these lets it be called; the last parts of their addresses.
    pub(crate) scopes: &'static [&'static str],
    params: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bool,
    Number(u32, u32),
    Instant,
    OneOf(&'static [&'static str]),
}

const FULL: &str = "calendar";
const READ: &str = "calendar.readonly";
const EVENTS: &str = "calendar.events";
const EVENTS_READ: &str = "calendar.events.readonly";
const OWNED: &str = "calendar.events.owned";
const OWNED_READ: &str = "calendar.events.owned.readonly";

const READS: &[&str] = &[FULL, READ, EVENTS, EVENTS_READ, OWNED, OWNED_READ];
const WRITES: &[&str] = &[FULL, EVENTS, OWNED];
const SEND: Kind = Kind::OneOf(&["all", "externalOnly", "none"]);
const WRITE_PARAMS: &[(&str, Kind)] = &[
    ("conferenceDataVersion", Kind::Number(0, 1)),
    ("maxAttendees", Kind::Number(1, u32::MAX)),
    ("sendUpdates", SEND),
    ("supportsAttachments", Kind::Bool),
    ("fields", Kind::Text),
];

pub(crate) const CALENDARS: Method = Method {
    id: "calendar.calendarList.list",
    scopes: &[FULL, READ, "calendar.calendarlist", "calendar.calendarlist.readonly"],
    params: &[
        ("maxResults", Kind::Number(1, u32::MAX)),
        ("minAccessRole", Kind::OneOf(&["freeBusyReader", "owner", "reader", "writer"])),
        ("pageToken", Kind::Text),
        ("showDeleted", Kind::Bool),
        ("showHidden", Kind::Bool),
        ("fields", Kind::Text),
    ],
};
pub(crate) const LIST: Method = Method {
    id: "calendar.events.list",
    scopes: READS,
    params: &[
        ("maxAttendees", Kind::Number(1, u32::MAX)),
        ("maxResults", Kind::Number(1, u32::MAX)),
        ("pageToken", Kind::Text),
        ("showDeleted", Kind::Bool),
        ("singleEvents", Kind::Bool),
        ("syncToken", Kind::Text),
        ("timeMax", Kind::Instant),
        ("timeMin", Kind::Instant),
        ("fields", Kind::Text),
    ],
};
pub(crate) const GET: Method = Method {
    id: "calendar.events.get",
    scopes: READS,
    params: &[
        ("maxAttendees", Kind::Number(1, u32::MAX)),
        ("timeZone", Kind::Text),
        ("fields", Kind::Text),
    ],
};
pub(crate) const INSERT: Method =
    Method { id: "calendar.events.insert", scopes: WRITES, params: WRITE_PARAMS };
pub(crate) const PATCH: Method =
    Method { id: "calendar.events.patch", scopes: WRITES, params: WRITE_PARAMS };
pub(crate) const UPDATE: Method =
    Method { id: "calendar.events.update", scopes: WRITES, params: WRITE_PARAMS };
pub(crate) const DELETE: Method =
    Method { id: "calendar.events.delete", scopes: WRITES, params: &[("sendUpdates", SEND)] };
pub(crate) const WATCH: Method = Method { id: "calendar.events.watch", scopes: READS, params: &[] };
pub(crate) const STOP: Method = Method { id: "calendar.channels.stop", scopes: READS, params: &[] };
pub(crate) const FREE_BUSY: Method = Method {
    id: "calendar.freebusy.query",
    scopes: &[FULL, READ, "calendar.freebusy", "calendar.events.freebusy"],
    params: &[],
};

impl Method {
    /// Refuses parameters that the method does not have, that stand twice, or of another type.
    pub(crate) fn check(&self, query: &[(String, String)]) -> Result<(), ApiError> {
        for (index, (name, value)) in query.iter().enumerate() {
            let Some((_, kind)) = self.params.iter().find(|(known, _)| known == name) else {
                return Err(ApiError::invalid(format!("Unknown parameter {name}")));
            };
            let twice = query[..index].iter().any(|(before, _)| before == name);
            if twice || !kind.takes(value) {
                return Err(ApiError::invalid(format!("Invalid value for {name}")));
            }
        }
        Ok(())
    }
}

impl Kind {
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Text => !value.is_empty(),
            Self::Bool => matches!(value, "true" | "false"),
            Self::Number(least, most) => {
                value.parse().is_ok_and(|it: u32| (least..=most).contains(&it))
            }
            Self::Instant => DateTime::parse_from_rfc3339(value).is_ok(),
            Self::OneOf(values) => values.contains(&value),
        }
    }
}
