//! The entry in the agent's calendar.
//!
//! Whatever version a row is of, the calendar is made to show the booking as it is now: so rows can
//! be repeated and come late, and the last one always leaves the calendar right.

use std::sync::Arc;

use calendar_provider::{
    CalendarProvider, ConferenceKind, ConnectRequest, Connection, EventDraft, EventHandle,
    Participant, ProviderError, TimeRange,
};
use uuid::Uuid;

use super::attempt::{Delivered, Outcome, Subject, Written, subject};
use crate::app::App;
use crate::mail::{self, AgentNotice};
use crate::service::{Error, Result, calendar, invite, schedule};
use crate::store;
use crate::store::booking::{self, CANCELLED};
use crate::store::outbox::Model;

/// Writes the entry, or takes it out where the booking is called off.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let subject = subject(app, row).await?;
    let Some(record) = calendar::of_agent(app, subject.agent.id).await? else {
        return Ok(Outcome::retry("the agent has no calendar connected"));
    };
    let Some(provider) = app.providers.get(&record.provider) else {
        return Ok(Outcome::retry("this server does not have the agent's calendar provider"));
    };
    let writes = provider.about().capabilities.writes;
    let target = match (writes, own_calendar(app)) {
        (false, Some(own)) => Target::kept_here(app, own, record.agent_id).await,
        _ => Ok(Target::Elsewhere(Box::new(record))),
    };
    let done = match target {
        Ok(target) => carry_out(app, &target, &subject).await?,
        Err(error) => Err(error),
    };
    Ok(match done {
        Ok(delivered) => Outcome::Done(delivered),
        Err(error) => failed(error),
    })
}

/// The calendar that is kept here, for agents whose own can only be read.
fn own_calendar(app: &App) -> Option<&Arc<dyn CalendarProvider>> {
    let is_kept_here = |provider: &&Arc<dyn CalendarProvider>| {
        calendar::is_local(provider.as_ref()) && provider.about().capabilities.writes
    };
    app.providers.values().find(is_kept_here)
}

/// Where entries are written.
enum Target<'a> {
    /// To the calendar that the agent connected.
    Elsewhere(Box<store::calendar::Model>),
    /// To the one that is kept here.
    Here { provider: &'a Arc<dyn CalendarProvider>, connection: Connection, place: String },
}

impl<'a> Target<'a> {
    async fn kept_here(
        app: &App,
        provider: &'a Arc<dyn CalendarProvider>,
        agent: Uuid,
    ) -> Result<Self, ProviderError> {
        let request = ConnectRequest::new(agent.to_string());
        let account = calendar::within_deadline(app, provider.connect(request)).await?;
        let id = &provider.about().id;
        let place = store::calendar::place(id, &account.account, &account.calendar_ref);
        let connection = account.into_connection(agent.to_string());
        Ok(Self::Here { provider, connection, place })
    }

    /// Names the calendar, as bookings keep it.
    fn place(&self) -> String {
        match self {
            Self::Elsewhere(record) => record.place(),
            Self::Here { place, .. } => place.clone(),
        }
    }

    fn provider<'b>(&'b self, app: &'b App) -> Option<&'b Arc<dyn CalendarProvider>> {
        match self {
            Self::Elsewhere(record) => app.providers.get(&record.provider),
            Self::Here { provider, .. } => Some(provider),
        }
    }

    async fn ask<T, F, Answer>(&self, app: &App, call: F) -> Result<T, ProviderError>
    where
        F: Fn(Arc<dyn CalendarProvider>, Connection) -> Answer + Send + Sync,
        Answer: Future<Output = Result<T, ProviderError>> + Send,
        T: Send,
    {
        match self {
            Self::Elsewhere(record) => calendar::ask(app, record, call).await,
            Self::Here { provider, connection, .. } => {
                let call = call(Arc::clone(provider), connection.clone());
                calendar::within_deadline(app, call).await
            }
        }
    }
}

async fn carry_out(
    app: &App,
    target: &Target<'_>,
    subject: &Subject,
) -> Result<Result<Delivered, ProviderError>> {
    let booking = &subject.booking;
    // A reference of another calendar means nothing in this one.
    let stands_here = booking.event_calendar.as_ref() == Some(&target.place());
    let event_ref = booking.event_ref.clone().filter(|_| stands_here);
    let cleared = clear_former(app, target, booking).await;
    if booking.status == CANCELLED {
        if let Err(error) = cleared {
            return Ok(Err(error));
        }
        let handle = EventHandle::new(&booking.uid, event_ref);
        let deleted = target.ask(app, |provider, connection| {
            let handle = handle.clone();
            async move { provider.delete_event(&connection, &handle).await }
        });
        return Ok(deleted.await.map(|()| Delivered::EventRemoved));
    }
    match cleared {
        // The new entry matters more than one that can't be taken out any more.
        Err(error) if !may_pass(&error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(booking.id = %booking.id, error, "an entry stays in a former calendar");
        }
        Err(error) => return Ok(Err(error)),
        Ok(()) => {}
    }
    let mut draft = draft(app, subject)?;
    draft.event_ref = event_ref;
    Ok(write(app, target, &draft).await)
}

/// Takes the entry out of the calendar of the same account that it was written to before the agent chose
/// another. One of another account is out of reach.
async fn clear_former(
    app: &App,
    target: &Target<'_>,
    booking: &booking::Model,
) -> Result<(), ProviderError> {
    let Target::Elsewhere(record) = target else { return Ok(()) };
    let former = booking.event_calendar.as_deref().and_then(|place| record.former(place));
    let Some(former) = former else { return Ok(()) };
    let handle = EventHandle::new(&booking.uid, booking.event_ref.clone());
    let deleted = calendar::ask(app, record, |provider, mut connection| {
        connection.calendar_ref.clone_from(&former);
        connection.also_busy.clear();
        let handle = handle.clone();
        async move { provider.delete_event(&connection, &handle).await }
    });
    match deleted.await {
        // The calendar itself is gone, and the entry with it.
        Err(ProviderError::NotFound { .. }) => Ok(()),
        other => other,
    }
}

async fn write(
    app: &App,
    target: &Target<'_>,
    draft: &EventDraft,
) -> Result<Delivered, ProviderError> {
    let put = target.ask(app, |provider, connection| {
        let draft = draft.clone();
        async move { provider.put_event(&connection, &draft).await }
    });
    let receipt = put.await?;
    let kind = target.provider(app).and_then(|provider| provider.about().conference);
    let conference_kind =
        kind.filter(|_| receipt.conference_url.is_some()).map(|kind| match kind {
            ConferenceKind::GoogleMeet => calendar::GOOGLE_MEET,
            ConferenceKind::MicrosoftTeams => calendar::MICROSOFT_TEAMS,
        });
    let written = Written { receipt, conference_kind, place: target.place() };
    Ok(Delivered::EventWritten(Box::new(written)))
}

/// The entry as it should stand, in the agent's language and zone.
fn draft(app: &App, subject: &Subject) -> Result<EventDraft> {
    let Subject { booking, agent, .. } = subject;
    let range = TimeRange::new(booking.starts_at, booking.ends_at).map_err(Error::internal)?;
    let zone = schedule::zone(&agent.meeting_time_zone)?;
    let mut context = invite::context(app, agent, booking, range)?;
    context.locale = agent.locale.clone();
    context.meeting.zone = zone;
    let organizer = Participant::new(context.agent.mailbox().name, &agent.email);
    let title = mail::agent_summary(&context);
    let mut draft = EventDraft::new(&booking.uid, range, zone, title, organizer);
    draft.sequence = u32::try_from(booking.sequence).map_err(Error::internal)?;
    draft.description = Some(mail::agent_notice(AgentNotice::Booked, &context).text);
    let visitor = Participant::new(context.person.mailbox().name, &booking.person.0.email);
    draft.attendees = vec![visitor];
    draft.conference_wanted = booking.wants_conference;
    Ok(draft)
}

/// What a provider's failure means for the delivery. One that ended the authorization has taken the
/// agent out of the queue; the entry waits until that is mended.
fn failed(error: ProviderError) -> Outcome {
    let words = error.to_string();
    match error {
        ProviderError::RateLimited { retry_after, .. } => {
            Outcome::Retry { error: words, after: retry_after }
        }
        error if may_pass(&error) => Outcome::retry(words),
        _ => Outcome::GiveUp { error: words },
    }
}

/// Whether the same may work later.
const fn may_pass(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::RateLimited { .. }
            | ProviderError::Transient { .. }
            | ProviderError::Conflict { .. }
            | ProviderError::Unauthorized { .. }
    )
}
