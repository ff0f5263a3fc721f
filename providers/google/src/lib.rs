//! Google Calendar for Frontdesk, by its API v3.
//!
//! # What blocks the agent
//!
//! [`free_busy`](CalendarProvider::free_busy) asks Google, which decides. What
//! [`changes`](CalendarProvider::changes) tells is counted here by the same rules:
//!
//! | event | blocks | source |
//! |---|---|---|
//! | `transparency: opaque`, the default | yes | Event resource, `transparency` |
//! | `transparency: transparent` ("Available") | no | Event resource, `transparency` |
//! | `status: tentative` | yes | it is opaque unless it says otherwise |
//! | `status: cancelled` | no: it is deleted | Event resource, `status` |
//! | declined by the agent | no | help page "Respond to event invitations" |
//! | not answered, or answered "maybe" | yes | as an opaque event: unknown is busy |
//! | `eventType: outOfOffice`, `focusTime` | yes: always opaque | guide "Manage focus time, out of office, and working location events" |
//! | `eventType: workingLocation` | no: always transparent | the same guide |
//! | `eventType: birthday` | no: always transparent | guide "Event types" |
//! | `eventType: fromGmail`, `default` | as its transparency says | guide "Event types" |
//! | whole days | as its transparency says: Google's pages make new ones transparent, its API opaque; midnight to midnight in the calendar's zone | Event resource, `start.date` |
//! | no length | no | there is no time in it |
//!
//! # How it writes
//!
//! An event's ID is derived from its UID, so that a write made again after a lost answer finds
//! the same event. Nobody is sent a mail by Google (`sendUpdates=none`).

mod call;
mod changes;
mod connect;
mod counting;
mod cursor;
mod events;
mod failure;
mod free_busy;
mod provider;
mod push;
mod resources;
mod settings;

#[cfg(doc)]
use calendar_provider::CalendarProvider;
pub use provider::Google;
pub use settings::Settings;
