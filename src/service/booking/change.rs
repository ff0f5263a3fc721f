//! Moving a booking and calling it off.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, Set};

use super::{Booked, Reference, by_reference, consequences, range, taken, turned_away};
use crate::app::App;
use crate::scheduling;
use crate::service::access::Caller;
use crate::service::calendar::{self, Answer};
use crate::service::changes;
use crate::service::schedule;
use crate::service::slots::{self, Refusals, Route};
use crate::service::{Error, Result, blocked_visitor, quota, text};
use crate::store::booking::{CANCELLED, CONFIRMED, Model};
use crate::store::outbox::{BookingNews, Change, PENDING};
use crate::store::{self, agent, booking, is_guard_violation};

/// Which booking to move, and to when.
#[derive(Clone, Debug)]
pub struct Reschedule {
    /// Which.
    pub booking: Reference,
    /// The new start.
    pub starts_at: DateTime<Utc>,
    /// For the mail.
    pub reason: Option<String>,
}

/// Which booking to call off.
#[derive(Clone, Debug)]
pub struct Cancel {
    /// Which.
    pub booking: Reference,
    /// For the mail.
    pub reason: Option<String>,
}

/// Moves a booking: the same booking and calendar entry, at another time that is free. Where it is
/// not, or the visitor is blocked, the old time stays. The meeting's length is then the agent's present one.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN`; `CONFLICT` where it is cancelled or over; `BAD_USER_INPUT`;
/// `RATE_LIMITED` where a caller without a key moves it too often in an hour.
pub async fn reschedule(app: &App, caller: &Caller, request: Reschedule) -> Result<Booked> {
    let reason = reason(request.reason.as_deref())?;
    let found = by_reference(app, caller, &request.booking).await?;
    let manage_token = app.secrets.manage_token(found.id);
    must_be_ahead(app, &found)?;
    if found.starts_at == request.starts_at {
        return Ok(Booked::Made { booking: Box::new(found), manage_token });
    }
    if blocked_visitor::is_blocked(app, &found.person.0.email).await? {
        return turned_away(app, &found.locale).await;
    }
    let mut refusals = Refusals::new();
    match move_to(app, caller, &found, request.starts_at, reason, &mut refusals).await? {
        Some(booking) => Ok(Booked::Made { booking: Box::new(booking), manage_token }),
        None => {
            let route = Route::Agent(found.agent_id);
            let start = request.starts_at;
            let alternatives = slots::alternatives(app, route, start, None, &refusals).await?;
            Ok(Booked::Unavailable { message: taken(&found.locale), alternatives })
        }
    }
}

/// Moves it in one transaction. `None` where the time is not free.
async fn move_to(
    app: &App,
    caller: &Caller,
    found: &Model,
    starts_at: DateTime<Utc>,
    reason: Option<String>,
    refusals: &mut Refusals,
) -> Result<Option<Model>> {
    let answer = fresh(app, found, starts_at, app.now()).await?;
    if answer != Answer::Free {
        refusals.insert(found.agent_id, answer);
        return Ok(None);
    }
    let transaction = store::begin(&app.db).await?;
    quota::count_move(app, &transaction, caller, found.id).await?;
    let before = lock(app, &transaction, found).await?;
    must_be_ahead(app, &before)?;
    let candidates = agent::candidates(&transaction, Some(&[before.agent_id])).await?;
    if !candidates.first().is_some_and(|agent| calendar::Health::of(agent).is_good(app)) {
        return Ok(None);
    }
    let now = app.now();
    let schedule = schedule::read(&transaction, before.agent_id, Some(before.id), now).await?;
    let Ok(slot) = scheduling::check(&schedule.rules, &schedule.busy, starts_at, now) else {
        return Ok(None);
    };
    let changes = booking::ActiveModel {
        id: Set(before.id),
        starts_at: Set(slot.start()),
        ends_at: Set(slot.end()),
        guard_ends_at: Set(slot.end() + schedule.rules.buffer),
        ..next_version(&before)
    };
    let booking = match changes.update(&transaction).await {
        Err(error) if is_guard_violation(&error) => return Ok(None),
        other => other?,
    };
    let news = BookingNews {
        reason,
        moved_from: Some(before.starts_at),
        ..consequences::news(&booking, Change::Rescheduled)
    };
    consequences::of_change(app, &transaction, &booking, news).await?;
    commit(app, transaction, &booking).await?;
    Ok(Some(booking))
}

/// Asks a calendar that we do not keep ourselves whether the time is free; notice and horizon as at `asked_at`.
pub(super) async fn fresh(
    app: &App,
    found: &Model,
    starts_at: DateTime<Utc>,
    asked_at: DateTime<Utc>,
) -> Result<Answer> {
    let Some(calendar) = calendar::of_agent(app, found.agent_id).await? else {
        return Ok(Answer::Unread);
    };
    if calendar::is_local(calendar::provider(app, &calendar.provider)?.as_ref()) {
        return Ok(Answer::Free);
    }
    let schedule = schedule::read(&app.db, found.agent_id, Some(found.id), app.now()).await?;
    let Ok(slot) = scheduling::check(&schedule.rules, &schedule.busy, starts_at, asked_at) else {
        // What is known here says so too.
        return Ok(Answer::Busy(Vec::new()));
    };
    let buffer = schedule.rules.buffer;
    let asked = calendar::Asked { agent: found.agent_id, slot, buffer, moved: Some(found.id) };
    calendar::look(app, asked).await
}

/// Calls a booking off; its time is free at once. One that is called off already is left as it is.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN`; `CONFLICT` where it is over; `BAD_USER_INPUT`.
pub async fn cancel(app: &App, caller: &Caller, request: Cancel) -> Result<Model> {
    cancel_if(app, caller, request, |_| Ok(())).await
}

/// The same for a booking that `check`, under its lock, has nothing against.
pub(super) async fn cancel_if(
    app: &App,
    caller: &Caller,
    request: Cancel,
    check: impl FnOnce(&Model) -> Result<()> + Send,
) -> Result<Model> {
    let reason = reason(request.reason.as_deref())?;
    let found = by_reference(app, caller, &request.booking).await?;
    if found.status == CANCELLED {
        return Ok(found);
    }
    must_be_ahead(app, &found)?;
    let transaction = store::begin(&app.db).await?;
    // Not counted against the address's mails: it happens once a booking, and each was counted. A
    // visitor whose address others have used up can always call off.
    let before = lock(app, &transaction, &found).await?;
    if before.status == CANCELLED {
        return Ok(before);
    }
    must_be_ahead(app, &before)?;
    check(&before)?;
    let changes = booking::ActiveModel {
        id: Set(before.id),
        status: Set(CANCELLED.to_owned()),
        cancelled_at: Set(Some(app.now())),
        cancellation_reason: Set(reason.clone()),
        ..next_version(&before)
    };
    let booking = changes.update(&transaction).await?;
    let news = BookingNews { reason, ..consequences::news(&booking, Change::Cancelled) };
    consequences::of_change(app, &transaction, &booking, news).await?;
    commit(app, transaction, &booking).await?;
    Ok(booking)
}

/// Locks the booking's agent, and with it the booking, and reads it as it is now.
pub(super) async fn lock(
    app: &App,
    transaction: &DatabaseTransaction,
    found: &Model,
) -> Result<Model> {
    agent::lock(transaction, found.agent_id).await?;
    booking::drop_expired_holds(transaction, found.agent_id, app.now()).await?;
    let booking = booking::Entity::find_by_id(found.id).one(transaction).await?;
    booking.ok_or_else(|| Error::internal(anyhow::anyhow!("booking {} is gone", found.id)))
}

/// The next version, with its calendar entry and mail still to be delivered.
pub(super) fn next_version(before: &Model) -> booking::ActiveModel {
    booking::ActiveModel {
        sequence: Set(before.sequence + 1),
        event_status: Set(PENDING.to_owned()),
        event_problem: Set(None),
        drift: Set(None),
        mail_status: Set(PENDING.to_owned()),
        mail_delivered_at: Set(None),
        mail_problem: Set(None),
        ..Default::default()
    }
}

pub(super) fn must_be_ahead(app: &App, booking: &Model) -> Result<()> {
    if booking.status != CONFIRMED {
        return Err(Error::Conflict("the booking is cancelled".to_owned()));
    }
    if range(booking)?.end() <= app.now() {
        return Err(Error::Conflict("the meeting is over".to_owned()));
    }
    Ok(())
}

fn reason(given: Option<&str>) -> Result<Option<String>> {
    text::optional_lines("input.reason", given, 1000)
}

/// Commits a change to a booking, and tells of it.
pub(super) async fn commit(
    app: &App,
    transaction: DatabaseTransaction,
    booking: &Model,
) -> Result<()> {
    let change = changes::Change::Booking { id: booking.id, agent: booking.agent_id };
    let news = changes::write(app, &transaction, [change]).await?;
    transaction.commit().await?;
    app.wake.notify_one();
    news.tell(app);
    Ok(())
}
