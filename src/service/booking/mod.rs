//! Bookings: making, moving and calling off, each in one transaction with all that it causes.

mod assign;
mod book;
mod change;
mod confirm;
mod consequences;
mod drift;
mod gather;
mod limits;
mod read;
mod request;

use calendar_provider::TimeRange;
use chrono::{DateTime, Utc};

use super::fallback::{self, Kind};
use super::{Error, Result};
use crate::app::App;
use crate::store::booking::Model;

pub use book::book;
pub use change::{Cancel, Reschedule, cancel, reschedule};
pub use confirm::{confirm, confirm_url, to_confirm};
pub(crate) use consequences::conference_added;
pub use drift::{accept_drift, undo_drift};
pub use read::{
    Filter, Reference, agent_of, by_reference, count, counts, find, list, list_of_agents, managed,
    may_see,
};
pub(crate) use read::{shared, some};
pub use request::BookMeeting;

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
    /// The caller is to send a proof with the request.
    ProofRequired(Demand),
    /// A mail was sent whose button books it.
    EmailConfirmationRequired {
        /// Whether the time is held until then.
        held: bool,
        /// Until when the button works.
        expires_at: DateTime<Utc>,
    },
}

/// What a page needs to have its visitor give a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The verifier's name, e.g. `turnstile`.
    pub provider: &'static str,
    /// What its widget needs, where it needs something.
    pub site_key: Option<String>,
    /// A challenge from this server, where the widget does not fetch its own.
    pub challenge: Option<String>,
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
