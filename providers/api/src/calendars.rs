//! The calendars of an account.

/// One calendar of a connected account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalendarInfo {
    /// The provider's own reference to it.
    pub calendar_ref: String,
    /// What the agent calls it.
    pub name: String,
    /// Whether it is the account's main one.
    pub primary: bool,
    /// Whether events can be written to it.
    pub writable: bool,
}

impl CalendarInfo {
    /// A calendar that is not the main one and can be written to.
    pub fn new(calendar_ref: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            calendar_ref: calendar_ref.into(),
            name: name.into(),
            primary: false,
            writable: true,
        }
    }
}
