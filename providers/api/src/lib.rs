//! What a calendar must do so that Frontdesk can book it.
//!
//! A provider implements [`CalendarProvider`]: it says what it is with [`About`], connects an
//! agent's calendar, answers when the agent is busy, and writes events. The server adapts to
//! what [`Capabilities`] leave out. Run the `conformance` feature's checks against it in its
//! own tests.
//!
//! # A provider
//!
//! An office that is closed every day from 12:00 to 13:00 UTC. It only reads, so that the
//! methods that write stay as they are.
//!
//! ```
//! use async_trait::async_trait;
//! use calendar_provider::{
//!     About, BusyInterval, CalendarProvider, ConnectMethod, ConnectRequest, ConnectedAccount,
//!     Connection, ProviderError, TimeRange,
//! };
//! use chrono::{NaiveTime, TimeDelta};
//!
//! struct LunchBreak(About);
//!
//! impl LunchBreak {
//!     fn new() -> Self {
//!         let mut about = About::new("lunch", "Lunch break", ConnectMethod::None);
//!         about.capabilities.writes = false;
//!         about.capabilities.changes = false;
//!         Self(about)
//!     }
//! }
//!
//! #[async_trait]
//! impl CalendarProvider for LunchBreak {
//!     fn about(&self) -> &About {
//!         &self.0
//!     }
//!
//!     async fn connect(&self, request: ConnectRequest) -> Result<ConnectedAccount, ProviderError> {
//!         Ok(ConnectedAccount::new(request.owner, "lunch"))
//!     }
//!
//!     async fn free_busy(
//!         &self,
//!         connection: &Connection,
//!         window: TimeRange,
//!     ) -> Result<Vec<BusyInterval>, ProviderError> {
//!         if connection.calendar_ref != "lunch" {
//!             return Err(ProviderError::not_found("the calendar"));
//!         }
//!         let days = window.start().date_naive().iter_days();
//!         let lunches = days.map_while(|day| {
//!             let noon = day.and_time(NaiveTime::from_hms_opt(12, 0, 0)?).and_utc();
//!             TimeRange::lasting(noon, TimeDelta::hours(1)).ok().filter(|it| it.start() < window.end())
//!         });
//!         Ok(lunches.filter(|it| it.overlaps(window)).map(BusyInterval::new).collect())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let provider = LunchBreak::new();
//! let connection = provider.connect(ConnectRequest::new("agent-1")).await?.into_connection("agent-1");
//! let day = TimeRange::lasting("2031-01-06T00:00:00Z".parse()?, TimeDelta::days(1))?;
//! let busy = provider.free_busy(&connection, day).await?;
//! assert_eq!(busy.len(), 1);
//! assert_eq!(busy[0].range.length(), TimeDelta::hours(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod about;
mod calendars;
mod changes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod error;
mod event;
mod oauth2;
mod provider;
mod push;
mod time_range;

pub use about::{
    About, Capabilities, ConferenceKind, ConnectMethod, CredentialField, Permission, Residence,
};
pub use calendars::CalendarInfo;
pub use changes::{Change, Changes, Cursor};
pub use connection::{ConnectRequest, ConnectedAccount, Connection};
pub use error::{ErrorClass, ProviderError, Source};
pub use event::{BusyInterval, EventDraft, EventHandle, EventReceipt, EventSnapshot, Participant};
pub use oauth2::OAuth2;
pub use provider::CalendarProvider;
pub use push::{Push, Pushed, Watch, WatchRequest};
pub use time_range::{EmptyRange, TimeRange};
