//! Calendars on CalDAV servers (RFC 4791): iCloud, Nextcloud, Fastmail, Radicale and others.
//!
//! An agent types in an address, a user name and a password; [`CalDav`] finds the account's
//! calendars from them, reads when the agent is busy, follows changes and writes the bookings'
//! events. It sends its requests with the [`HttpClient`] that it is given, to public addresses only
//! unless [`Settings`] say otherwise.
//!
//! | file | what it holds |
//! |---|---|
//! | `provider.rs` | the provider: each call of the trait |
//! | `discovery.rs`, `calendars.rs` | from an address to the account's calendars |
//! | `account.rs` | how the agent signs in, and what the server keeps |
//! | `busy.rs`, `query.rs` | when the agent is busy; reading events by time, address and UID |
//! | `changes.rs`, `cursor.rs` | following changes |
//! | `events.rs` | writing, reading and removing single events |
//! | `dav.rs`, `multistatus.rs`, `props.rs`, `href.rs` | WebDAV: requests, answers, properties, references |
//! | `event_text.rs` | what is read of an iCalendar text |
//!
//! Every write has a condition (RFC 9110, section 13.1), so that what somebody else changed
//! meanwhile is never overwritten unseen. Attendees carry `SCHEDULE-AGENT=CLIENT` (RFC 6638,
//! section 7.1), so that the calendar server sends no invitation of its own.
//!
//! ```no_run
//! use calendar_http::HttpClient;
//! use calendar_provider::{CalendarProvider, ConnectRequest};
//! use calendar_provider_caldav::{CalDav, Settings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let http = HttpClient::new(calendar_http::Settings::default())?;
//! let provider = CalDav::new(Settings::default(), http);
//! let mut request = ConnectRequest::new("agent-1");
//! for (field, value) in [
//!     ("url", "https://caldav.icloud.com"),
//!     ("username", "ada@example.com"),
//!     ("password", "an app-specific password"),
//! ] {
//!     request.credentials.insert(field.into(), value.into());
//! }
//! let connection = provider.connect(request).await?.into_connection("agent-1");
//! let calendars = provider.calendars(&connection).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`HttpClient`]: calendar_http::HttpClient

mod account;
mod busy;
mod calendars;
mod changes;
mod cursor;
mod dav;
mod discovery;
mod event_text;
mod events;
mod href;
mod multistatus;
mod props;
mod provider;
mod query;

pub use provider::{CalDav, ID, Settings};
