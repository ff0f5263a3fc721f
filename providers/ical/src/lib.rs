//! iCalendar (RFC 5545) for calendars that speak it: CalDAV servers and published feeds.
//!
//! [`expand`] reads a text and tells every occurrence in a window of time, [`busy`] those that
//! block the agent, [`parse_free_busy`] the answer to a free-busy query; [`write_event`] writes
//! an event. Nothing here asks a clock or a network.
//!
//! # What is not understood
//!
//! Unknown is busy. A text with a part that busy time depends on and that can't be read (a date,
//! a rule, a zone nobody defines, an end that is cut off) is refused as a whole with a
//! [`ReadError`], which the caller shows as a calendar that can't be relied on. What only seems
//! wrong is read so that it blocks more rather than less: an event that ends before it starts
//! lasts all of its day, an EXDATE that can't be read takes nothing away, the deprecated EXRULE
//! is not looked at, a DTSTART that does not fit its rule is an occurrence all the same, and of
//! several events with one UID and one SEQUENCE all count.
//!
//! An event that lasts no time blocks nothing. VTODO, VJOURNAL, VALARM and METHOD are not looked
//! at.
//!
//! # Time zones
//!
//! `TZID` is taken as the IANA zone that it names, also at the end of a path and by Windows's
//! name for it (CLDR's table). Only what names none, or is a word like `EST` that the text
//! defines itself, is read from the text's VTIMEZONE. `X-WR-TIMEZONE` is not looked at: times
//! without a zone float.
//!
//! Rules are worked out on the wall clock, also those of hours and minutes, as RFC 5545, section
//! 3.3.10, has it: an hourly event has no occurrence in the second of two equal hours.
//!
//! # What is busy
//!
#![doc = include_str!("busy.md")]

mod error;
mod event;
mod expand;
mod free_busy;
mod length;
mod lines;
mod read;
mod rule;
mod series;
mod status;
mod value;
mod write;
mod zone;

pub use error::ReadError;
pub use expand::{Expansion, MAX_OCCURRENCES, MAX_TOTAL, Occurrence, busy, expand, expand_with};
pub use free_busy::parse_free_busy;
pub use rule::Budget;
pub use write::write_event;
