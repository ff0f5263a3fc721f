//! One try of one delivery: what it is about, and what came of it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use calendar_provider::{EventReceipt, TimeRange};
use chrono::TimeDelta;
use futures_util::FutureExt;

use super::{
    agent_mail, calendar_event, confirm_booking_mail, failure_mail, farewell, missed_chat_mail,
    reauthentication_mail, reminder_mail, visitor_mail, web_push, webhook,
};
use crate::app::App;
use crate::service::{self, Error, Result};
use crate::store::outbox::{BookingNews, Kind, Model};
use crate::store::{agent, booking};

/// The words for a fault of ours, whose cause is for the log.
const FAULT: &str = "internal error";

/// What came of a try.
#[derive(Clone, Debug)]
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
    /// A webhook's receiver was asked, with whatever came of it.
    Asked(Box<webhook::Asked>),
}

/// What was delivered.
#[derive(Clone, Debug)]
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
    /// A connection's end was told, or is not to be told any more.
    Farewell,
    /// Something of which no booking shows anything.
    Notice,
}

/// An entry in the agent's calendar.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// What the provider answered.
    pub(super) receipt: EventReceipt,
    /// The kind of its conference link, as kept in the database.
    pub(super) conference_kind: Option<&'static str>,
    /// The calendar that holds it, as `store::calendar::Model::place` names it.
    pub(super) place: String,
}

/// What a delivery about a booking is about, as it is now.
pub(super) struct Subject {
    pub(super) booking: booking::Model,
    pub(super) agent: agent::Model,
    /// What happened to the booking, as of the version that is delivered.
    pub(super) news: BookingNews,
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
            Self::Asked(asked) => asked.problem(),
        }
    }
}

/// Reads what a row about a booking is about.
pub(super) async fn subject(app: &App, row: &Model) -> Result<Subject> {
    let (id, news) = row.news().ok_or_else(|| misfit(row))?;
    let found = service::booking::find(app, id).await?;
    let booking = found.ok_or_else(|| Error::internal(anyhow::anyhow!("booking {id} is gone")))?;
    let agent = service::agent::get(app, booking.agent_id).await?;
    let range = TimeRange::new(news.starts_at, news.ends_at).map_err(Error::internal)?;
    Ok(Subject { booking, agent, news: news.clone(), range })
}

/// The fault that a row is about something else than its kind says.
pub(super) fn misfit(row: &Model) -> Error {
    Error::internal(anyhow::anyhow!("delivery {} is not about what a {} is", row.id, row.kind))
}

/// Tries a delivery once, within the deadline. A fault of ours, a panic even, is a failed try like
/// any other, so that it is counted, shown and in the end given up.
pub(super) async fn attempt(app: &App, row: &Model) -> Outcome {
    let tried = AssertUnwindSafe(deliver(app, row)).catch_unwind();
    match tokio::time::timeout(deadline(app, row), tried).await {
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

/// How long one try may take: three quarters of what is left of its lease, since the claim itself may
/// have waited. The rest is for writing down what came of it, so that a row has one worker at a time.
pub(super) fn deadline(app: &App, row: &Model) -> Duration {
    let left = row.lease_until.map(|until| until - app.now());
    let left = left.and_then(|left| left.to_std().ok());
    left.map_or(Duration::ZERO, |left| left * 3 / 4)
}

async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    match Kind::parse(&row.kind) {
        Some(Kind::CalendarEvent) => calendar_event::deliver(app, row).await,
        Some(Kind::VisitorMail) => visitor_mail::deliver(app, row).await,
        Some(Kind::AgentMail) => agent_mail::deliver(app, row).await,
        Some(Kind::FailureMail) => failure_mail::deliver(app, row).await,
        Some(Kind::ReauthenticationMail) => reauthentication_mail::deliver(app, row).await,
        Some(Kind::CalendarFarewell) => farewell::deliver(app, row).await,
        Some(Kind::Webhook) => webhook::deliver(app, row).await,
        Some(Kind::ReminderMail) => reminder_mail::deliver(app, row).await,
        Some(Kind::WebPush) => web_push::deliver(app, row).await,
        Some(Kind::MissedChatMail) => missed_chat_mail::deliver(app, row).await,
        Some(Kind::ConfirmBookingMail) => confirm_booking_mail::deliver(app, row).await,
        // A newer version of this program wrote it, and one may be running beside this one.
        None => Ok(Outcome::retry("this version of the server does not know this delivery")),
    }
}
