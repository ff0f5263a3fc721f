//! One try of one delivery: what it is about, and what came of it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use calendar_provider::{EventReceipt, TimeRange};
use chrono::TimeDelta;
use futures_util::FutureExt;

use super::{agent_mail, calendar_event, failure_mail, visitor_mail};
use crate::app::App;
use crate::service::{self, Error, Result};
use crate::store::outbox::{Kind, Model};
use crate::store::{agent, booking};

/// The words for a fault of ours, whose cause is for the log.
const FAULT: &str = "internal error";

/// What came of a try.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is delivered.
    Done(Delivered),
    /// It may work later.
    Retry {
        /// Why it did not work, in words that hold no secret.
        error: String,
        /// The least time to wait, where the receiver said so.
        after: Option<TimeDelta>,
    },
    /// It will never work.
    GiveUp {
        /// Why, in words that hold no secret.
        error: String,
    },
}

/// What was delivered.
#[derive(Debug)]
pub(super) enum Delivered {
    /// The entry stands in the calendar.
    EventWritten(Box<Written>),
    /// The entry is out of the calendar.
    EventRemoved,
    /// The visitor's mail was accepted.
    VisitorMail {
        /// It should have told of a conference link, and there was none yet.
        lacks_link: bool,
    },
    /// A mail of which the booking shows nothing.
    Notice,
}

/// An entry in the agent's calendar.
#[derive(Debug)]
pub(super) struct Written {
    /// What the provider answered.
    pub(super) receipt: EventReceipt,
    /// The kind of its conference link, as kept in the database.
    pub(super) conference_kind: Option<&'static str>,
}

/// What a delivery is about, as it is now.
pub(super) struct Subject {
    pub(super) booking: booking::Model,
    pub(super) agent: agent::Model,
    /// The meeting's time as of the version that is delivered.
    pub(super) range: TimeRange,
}

impl Outcome {
    pub(super) fn retry(error: impl Into<String>) -> Self {
        Self::Retry { error: error.into(), after: None }
    }

    /// Why it is not delivered.
    pub(super) fn problem(&self) -> Option<&str> {
        match self {
            Self::Done(_) => None,
            Self::Retry { error, .. } | Self::GiveUp { error } => Some(error),
        }
    }
}

/// Reads what a row is about.
pub(super) async fn subject(app: &App, row: &Model) -> Result<Subject> {
    let found = service::booking::find(app, row.booking_id).await?;
    let gone = || Error::internal(anyhow::anyhow!("booking {} is gone", row.booking_id));
    let booking = found.ok_or_else(gone)?;
    let agent = service::agent::get(app, booking.agent_id).await?;
    let payload = &row.payload.0;
    let range = TimeRange::new(payload.starts_at, payload.ends_at).map_err(Error::internal)?;
    Ok(Subject { booking, agent, range })
}

/// Tries a delivery once, within the deadline. A fault of ours, a panic even, is a failed try like
/// any other, so that it is counted, shown and in the end given up.
pub(super) async fn attempt(app: &App, row: &Model) -> Outcome {
    let tried = AssertUnwindSafe(deliver(app, row)).catch_unwind();
    match tokio::time::timeout(deadline(app.config.delivery.lease_seconds), tried).await {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(Ok(Err(error))) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(delivery.id = %row.id, delivery.kind = row.kind, error, "a delivery met a fault");
            Outcome::retry(FAULT)
        }
        Ok(Err(_panic)) => {
            tracing::error!(delivery.id = %row.id, delivery.kind = row.kind, "a delivery panicked");
            Outcome::retry(FAULT)
        }
        Err(_elapsed) => Outcome::retry("there was no answer in time"),
    }
}

/// How long one try may take: three quarters of its lease. The rest is for writing down what came of
/// it, so that a row has one worker at a time.
fn deadline(lease_seconds: u32) -> Duration {
    Duration::from_secs(lease_seconds.into()) * 3 / 4
}

async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    match Kind::parse(&row.kind) {
        Some(Kind::CalendarEvent) => calendar_event::deliver(app, row).await,
        Some(Kind::VisitorMail) => visitor_mail::deliver(app, row).await,
        Some(Kind::AgentMail) => agent_mail::deliver(app, row).await,
        Some(Kind::FailureMail) => failure_mail::deliver(app, row).await,
        // A newer version of this program wrote it, and one may be running beside this one.
        None => Ok(Outcome::retry("this version of the server does not know this delivery")),
    }
}
