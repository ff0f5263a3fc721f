//! Bookings: making, moving and calling off, each in one transaction with all that it causes.

mod assign;
mod book;
mod change;
mod consequences;
mod drift;
mod gather;
mod read;

use calendar_provider::TimeRange;

use super::fallback::{self, Kind};
use super::{Error, Result};
use crate::app::App;
use crate::store::booking::Model;

pub use book::{BookMeeting, book};
pub use change::{Cancel, Reschedule, cancel, reschedule};
pub(crate) use consequences::conference_added;
pub use drift::{accept_drift, undo_drift};
pub use read::{
    Filter, Reference, agent_of, by_reference, count, counts, find, list, list_of_agents, managed,
    may_see,
};
pub(crate) use read::{shared, some};

/// What came of a request for a time.
#[derive(Clone, Debug)]
pub enum Booked {
    /// It is booked.
    Made {
        /// The booking.
        booking: Box<Model>,
        /// What opens it.
        manage_token: String,
    },
    /// It is not free.
    Unavailable {
        /// What to tell the visitor.
        message: String,
        /// The nearest free times, in order of start; at most five.
        alternatives: Vec<TimeRange>,
    },
}

/// What a visitor with this locale is told of a time that is not free.
fn taken(locale: &str) -> String {
    let language = crate::mail::Language::of_tag(locale);
    let (english, french) = (
        "This time is not available. Please choose another.",
        "Cet horaire n’est pas disponible. Veuillez en choisir un autre.",
    );
    language.either(english, french).to_owned()
}

/// What a blocked visitor with this locale is told: what everybody is told where there is nothing to book.
async fn turned_away(app: &App, locale: &str) -> Result<Booked> {
    let fallback = fallback::message(app, Kind::Meeting, Some(locale)).await?;
    Ok(Booked::Unavailable { message: fallback.message, alternatives: Vec::new() })
}

pub(crate) fn range(booking: &Model) -> Result<TimeRange> {
    TimeRange::new(booking.starts_at, booking.ends_at).map_err(Error::internal)
}
