//! Entries of bookings that their agents moved or deleted in the calendar by hand.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::access::{app, authorise, caller, read_id};
use super::booking::Booking;
use super::error::Result;
use super::scalars::DateTime;
use crate::ids;
use crate::service::booking as service;
use crate::store::booking::Drift;

/// What was done to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CalendarEventDriftKind {
    /// It stands at another time.
    Moved,
    /// It is gone.
    Deleted,
}

/// How the entry in the calendar differs from the booking, since somebody changed it there. The booking
/// stands until the agent accepts the change or undoes it.
#[derive(Clone, Debug, SimpleObject)]
pub struct CalendarEventDrift {
    /// What was done.
    kind: CalendarEventDriftKind,
    /// Where it starts now; null where it is gone.
    starts_at: Option<DateTime>,
    /// Where it ends now; null where it is gone.
    ends_at: Option<DateTime>,
    /// When it was noticed.
    noticed_at: DateTime,
}

impl From<&Drift> for CalendarEventDrift {
    fn from(drift: &Drift) -> Self {
        let kind = match drift.range {
            Some(_) => CalendarEventDriftKind::Moved,
            None => CalendarEventDriftKind::Deleted,
        };
        Self {
            kind,
            starts_at: drift.range.map(|range| range.start().into()),
            ends_at: drift.range.map(|range| range.end().into()),
            noticed_at: drift.noticed_at.into(),
        }
    }
}

/// Mutations about entries that were changed by hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct DriftMutation;

#[Object]
impl DriftMutation {
    /// Makes the booking follow its calendar entry: moves it to where that stands now, whatever the
    /// agent's blocks and rules say, or calls it off where that is gone. The visitor is told. A CONFLICT
    /// where the entry stands as booked or another meeting is in the way. For the agent and
    /// MANAGE_ALL_MEETINGS.
    async fn accept_calendar_event_drift(
        &self,
        ctx: &Context<'_>,
        booking_id: ID,
    ) -> Result<Booking> {
        authorise(ctx)?;
        let id = read_id(ids::BOOKING, &booking_id, "bookingId")?;
        Ok(Booking(service::accept_drift(app(ctx), caller(ctx), id).await?))
    }

    /// Puts the calendar entry back as booked. A CONFLICT where it stands so. For the agent and
    /// MANAGE_ALL_MEETINGS.
    async fn undo_calendar_event_drift(
        &self,
        ctx: &Context<'_>,
        booking_id: ID,
    ) -> Result<Booking> {
        authorise(ctx)?;
        let id = read_id(ids::BOOKING, &booking_id, "bookingId")?;
        Ok(Booking(service::undo_drift(app(ctx), caller(ctx), id).await?))
    }
}
