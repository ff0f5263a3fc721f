//! Google Calendar for tests.
//!
//! The parts of Google's Calendar API v3 that a provider of calendars uses, with its OAuth 2.0
//! endpoints and OpenID Connect's userinfo, on a free port of 127.0.0.1. It keeps what it is
//! told, and is strict: a parameter or a field that it does not know is refused, and so is a call
//! whose token lacks the scope. What the agent does in Google's own pages are methods of
//! [`FakeGoogle`]; what goes wrong is a [`Fault`]. Its time is a [`Clock`] that stands.
//!
//! It follows the published reference and guides (developers.google.com/workspace/calendar/api).
//! Where they leave a case open, the answer is the one that is harder on the client. Recurring
//! events exist as series of equal steps only, and lists only with `singleEvents=true`.

mod agent;
mod answer;
mod channels;
mod conference;
mod events;
mod faults;
mod fields;
mod freebusy;
mod gate;
mod lists;
mod methods;
mod routes;
mod server;
mod state;
mod time;

pub use agent::Series;
pub use channels::PushMessage;
pub use conference::Meetings;
pub use fake_oauth::{Clock, OAuth};
pub use faults::Fault;
pub use gate::Recorded;
pub use server::{CLIENT_ID, CLIENT_SECRET, FakeGoogle, SCOPES};
