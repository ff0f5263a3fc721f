//! The entry in the agent's calendar.
//!
//! Whatever version a row is of, the calendar is made to show the booking as it is now: so rows can
//! be repeated and come late, and the last one always leaves the calendar right.

use std::sync::Arc;

use calendar_provider::{
    CalendarProvider, ConferenceKind, Connection, EventDraft, EventHandle, Participant,
    ProviderError, TimeRange,
};

use super::attempt::{Delivered, Outcome, Subject, Written, subject};
use crate::app::App;
use crate::mail::{self, AgentNotice};
use crate::service::calendar::{self, REAUTHENTICATION_REQUIRED};
use crate::service::{Error, Result, invite, schedule};
use crate::store;
use crate::store::booking::CANCELLED;
use crate::store::outbox::Model;

/// Writes the entry, or takes it out where the booking is called off.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let subject = subject(app, row).await?;
    let Some(record) = calendar::of_agent(app, subject.agent.id).await? else {
        return Ok(Outcome::retry("the agent has no calendar connected"));
    };
    let Some(provider) = app.providers.get(&record.provider).cloned() else {
        return Ok(Outcome::retry("this server does not have the agent's calendar provider"));
    };
    let Ok(connection) = calendar::open(app, &record) else {
        // The agent can't mend it, but an operator who puts the key back can.
        let error = "the calendar's credentials do not open with this server's secret key";
        return Ok(Outcome::retry(error));
    };
    let done = if subject.booking.status == CANCELLED {
        remove(app, &provider, &connection, &subject).await
    } else {
        let draft = draft(app, &subject)?;
        write(app, &provider, &connection, &draft).await
    };
    match done {
        Ok(delivered) => Ok(Outcome::Done(delivered)),
        Err(error) => failed(app, &record, error).await,
    }
}

async fn write(
    app: &App,
    provider: &Arc<dyn CalendarProvider>,
    connection: &Connection,
    draft: &EventDraft,
) -> Result<Delivered, ProviderError> {
    let put = provider.put_event(connection, draft);
    let receipt = calendar::within_deadline(app, put).await?;
    let kind = provider.about().conference.filter(|_| receipt.conference_url.is_some());
    let conference_kind = kind.map(|kind| match kind {
        ConferenceKind::GoogleMeet => calendar::GOOGLE_MEET,
        ConferenceKind::MicrosoftTeams => calendar::MICROSOFT_TEAMS,
    });
    Ok(Delivered::EventWritten(Box::new(Written { receipt, conference_kind })))
}

async fn remove(
    app: &App,
    provider: &Arc<dyn CalendarProvider>,
    connection: &Connection,
    subject: &Subject,
) -> Result<Delivered, ProviderError> {
    let handle = EventHandle::new(&subject.booking.uid, subject.booking.event_ref.clone());
    let delete = provider.delete_event(connection, &handle);
    calendar::within_deadline(app, delete).await?;
    Ok(Delivered::EventRemoved)
}

/// The entry as it should stand, in the agent's language and zone.
fn draft(app: &App, subject: &Subject) -> Result<EventDraft> {
    let Subject { booking, agent, .. } = subject;
    let range = TimeRange::new(booking.starts_at, booking.ends_at).map_err(Error::internal)?;
    let zone = schedule::zone(&agent.meeting_time_zone)?;
    let mut context = invite::context(app, agent, booking, range)?;
    context.locale = agent.locale.clone();
    context.meeting.zone = zone;
    let organizer = Participant::new(Some(agent.name.clone()), &agent.email);
    let title = mail::agent_summary(&context);
    let mut draft = EventDraft::new(&booking.uid, range, zone, title, organizer);
    draft.sequence = u32::try_from(booking.sequence).map_err(Error::internal)?;
    draft.description = Some(mail::agent_notice(AgentNotice::Booked, &context).text);
    let visitor = Participant::new(context.person.full_name(), &booking.person.0.email);
    draft.attendees = vec![visitor];
    draft.conference_wanted = booking.wants_conference;
    Ok(draft)
}

/// What a provider's failure means for the delivery.
async fn failed(
    app: &App,
    record: &store::calendar::Model,
    error: ProviderError,
) -> Result<Outcome> {
    let words = error.to_string();
    match error {
        ProviderError::RateLimited { retry_after, .. } => {
            Ok(Outcome::Retry { error: words, after: retry_after })
        }
        ProviderError::Transient { .. } | ProviderError::Conflict { .. } => {
            Ok(Outcome::retry(words))
        }
        ProviderError::Unauthorized { .. } => {
            if record.status != REAUTHENTICATION_REQUIRED {
                calendar::mark(app, record, REAUTHENTICATION_REQUIRED, &words).await?;
            }
            Ok(Outcome::retry(words))
        }
        _ => Ok(Outcome::GiveUp { error: words }),
    }
}
