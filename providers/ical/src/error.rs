//! Why a text can't be read.

/// Why a text is not taken as a calendar.
///
/// A text is read whole or not at all: leaving out the part that is not understood would show an
/// agent as free who may not be. The messages are fixed, so that nothing of the text gets into
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It does not begin with `BEGIN:VCALENDAR`; e.g. it is empty, or a sign-in page.
    #[error("the text is not an iCalendar object")]
    NotCalendar,
    /// It ends inside a component: the rest got lost.
    #[error("the calendar is cut off")]
    CutOff,
    /// Some line is not UTF-8 (RFC 5545, section 3.1.4).
    #[error("the calendar is not UTF-8")]
    NotUtf8,
    /// Its components are not nested as RFC 5545, section 3.4, says.
    #[error("the calendar's components are not nested correctly")]
    Nesting,
    /// A value that busy time depends on is not of its type.
    #[error("the calendar has an invalid {property}")]
    Invalid {
        /// The property's name, e.g. `DTSTART`.
        property: &'static str,
    },
    /// Something that busy time depends on, and that is known here but not supported.
    #[error("the calendar uses {what}, which is not supported")]
    Unsupported {
        /// What it is, e.g. `RSCALE`.
        what: &'static str,
    },
    /// A `TZID` that is neither an IANA zone, nor Windows's name of one, nor defined in the text.
    #[error("the calendar uses a time zone that it does not define")]
    UnknownZone,
    /// One event has more than [`MAX_OCCURRENCES`](crate::MAX_OCCURRENCES) occurrences in the
    /// window, or all have more than [`MAX_TOTAL`](crate::MAX_TOTAL).
    #[error("the calendar has too many occurrences in the window")]
    TooManyOccurrences,
    /// The rules would take too long to work out, by themselves or with those of the other texts
    /// that share their [`Budget`](crate::Budget).
    #[error("the calendar's recurrence rules take too long to work out")]
    TooMuchWork,
}

impl ReadError {
    pub(crate) const fn invalid(property: &'static str) -> Self {
        Self::Invalid { property }
    }
}
