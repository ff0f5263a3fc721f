//! Calendars that are published as a feed: one iCalendar text behind a secret address, as Outlook,
//! iCloud, Google Calendar, Proton and most others publish them.
//!
//! A feed can only be read. [`Ics`] fetches it whole each time that it is asked, so that no server
//! has to keep anything but the [`Cursor`](calendar_provider::Cursor), and says that nothing
//! changed where the feed's validators (RFC 9110, section 8.8) or what stands in the window are the
//! same as before.
//!
//! The address is what lets anybody in: it is kept as a credential, and no more of it than the host
//! is ever shown.
//!
//! ```no_run
//! use calendar_http::HttpClient;
//! use calendar_provider::{CalendarProvider, ConnectRequest};
//! use calendar_provider_ics::{Ics, Settings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let http = HttpClient::new(calendar_http::Settings::default())?;
//! let provider = Ics::new(Settings::default(), http);
//! let mut request = ConnectRequest::new("agent-1");
//! request.credentials.insert("url".into(), "webcal://calendar.example.com/ada.ics".into());
//! let connection = provider.connect(request).await?.into_connection("agent-1");
//! # Ok(())
//! # }
//! ```

mod cursor;
mod feed;
mod provider;

pub use feed::BODY_LIMIT;
pub use provider::{CALENDAR_REF, ID, Ics, Settings};
