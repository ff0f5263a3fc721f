//! How a calendar is named to the server.

use std::fmt;

/// A calendar of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CalendarRef {
    /// The mailbox's default calendar, whose free/busy Exchange publishes under the mailbox's
    /// address. Personal accounts publish none, so that theirs is [`CalendarRef::Id`].
    Default {
        /// The mailbox's SMTP address.
        address: String,
    },
    /// A calendar by its ID, which never changes (containers have constant IDs:
    /// <https://learn.microsoft.com/graph/outlook-immutable-id>).
    Id(String),
}

/// What stands before the address of a default calendar. IDs hold no colon.
const DEFAULT: &str = "default:";

impl CalendarRef {
    pub(crate) fn parse(text: &str) -> Self {
        match text.strip_prefix(DEFAULT) {
            Some(address) => Self::Default { address: address.into() },
            None => Self::Id(text.into()),
        }
    }

    /// The calendar's own path segments below Graph's base.
    pub(crate) fn path(&self) -> Vec<&str> {
        match self {
            Self::Default { .. } => vec!["me", "calendar"],
            Self::Id(id) => vec!["me", "calendars", id],
        }
    }

    /// Its path with `more` behind.
    pub(crate) fn path_to<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut path = self.path();
        path.extend(more);
        path
    }
}

impl fmt::Display for CalendarRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { address } => write!(formatter, "{DEFAULT}{address}"),
            Self::Id(id) => formatter.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CalendarRef;

    #[test]
    fn a_reference_reads_back_as_written() {
        for text in ["default:ada@contoso.example", "AAMkAGI2TGuLAAA="] {
            assert_eq!(CalendarRef::parse(text).to_string(), text);
        }
        assert_eq!(
            CalendarRef::parse("AAMk=").path_to(&["events"]),
            ["me", "calendars", "AAMk=", "events"]
        );
    }
}
