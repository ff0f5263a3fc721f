//! What the agent makes of an entry that was moved or deleted in the calendar by hand: it holds, or the
//! booking does.

use calendar_provider::TimeRange;
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, Set};
use uuid::Uuid;

use super::change::{cancel_if, commit, lock, must_be_ahead, next_version};
use super::{Cancel, Reference, by_reference, consequences};
use crate::app::App;
use crate::service::access::Caller;
use crate::service::{Error, Result, agent};
use crate::store::booking::{CONFIRMED, Column, Drift, Entity, Model};
use crate::store::outbox::{BookingNews, Change, PENDING};
use crate::store::{self, booking, is_guard_violation};

/// Makes the booking follow its entry: it is moved to where that stands now, or called off where that
/// is gone. The visitor is told.
///
/// The agent may meet whenever it likes: only other meetings are in the way, not its blocks or rules.
/// Buffers around them give way.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN`; `CONFLICT` where the entry stands as booked, the meeting is cancelled or
/// over, the entry lies in the past, or another meeting is in the way.
pub async fn accept_drift(app: &App, caller: &Caller, id: Uuid) -> Result<Model> {
    let found = by_reference(app, caller, &Reference::Id(id)).await?;
    match drift(&found)?.range {
        Some(to) => move_to(app, &found, to).await,
        None => {
            let request = Cancel { booking: Reference::Id(id), reason: None };
            cancel_if(app, caller, request, is_still_gone).await
        }
    }
}

/// Puts the entry back as booked.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN`; `CONFLICT` where the entry stands as booked, or the meeting is cancelled or
/// over.
pub async fn undo_drift(app: &App, caller: &Caller, id: Uuid) -> Result<Model> {
    let found = by_reference(app, caller, &Reference::Id(id)).await?;
    let transaction = store::begin(&app.db).await?;
    let before = lock(app, &transaction, &found).await?;
    must_be_ahead(app, &before)?;
    drift(&before)?;
    // What is shown of it goes once the entry is written: until then it is where it is.
    let changes = booking::ActiveModel {
        id: Set(before.id),
        event_status: Set(PENDING.to_owned()),
        event_problem: Set(None),
        ..Default::default()
    };
    let booking = changes.update(&transaction).await?;
    consequences::write_again(app, &transaction, &booking).await?;
    commit(app, transaction, &booking).await?;
    Ok(booking)
}

fn is_still_gone(booking: &Model) -> Result<()> {
    match drift(booking)?.range {
        None => Ok(()),
        Some(_) => Err(Error::Conflict("the calendar's entry is back".to_owned())),
    }
}

fn drift(booking: &Model) -> Result<Drift> {
    let as_booked = || Error::Conflict("the calendar's entry stands as booked".to_owned());
    booking.drift.as_ref().map(|drift| drift.0.clone()).ok_or_else(as_booked)
}

async fn move_to(app: &App, found: &Model, to: TimeRange) -> Result<Model> {
    let transaction = store::begin(&app.db).await?;
    let before = lock(app, &transaction, found).await?;
    must_be_ahead(app, &before)?;
    if drift(&before)?.range != Some(to) {
        return Err(Error::Conflict("the calendar's entry was moved once more".to_owned()));
    }
    if to.end() <= app.now() {
        return Err(Error::Conflict("the calendar's entry lies in the past".to_owned()));
    }
    let record = agent::get(app, before.agent_id).await?;
    let buffer = chrono::TimeDelta::minutes(record.buffer_minutes.into());
    make_room(&transaction, &before, to).await?;
    let changes = booking::ActiveModel {
        id: Set(before.id),
        starts_at: Set(to.start()),
        ends_at: Set(to.end()),
        guard_ends_at: Set(to.end()),
        ..next_version(&before)
    };
    let booking = match changes.update(&transaction).await {
        Err(error) if is_guard_violation(&error) => {
            return Err(Error::Conflict("another meeting of the agent is in the way".to_owned()));
        }
        other => other?,
    };
    booking::set_guards(&transaction, before.agent_id, buffer, app.now()).await?;
    let news = BookingNews {
        moved_from: Some(before.starts_at),
        ..consequences::news(&booking, Change::Rescheduled)
    };
    consequences::of_change(app, &transaction, &booking, news).await?;
    commit(app, transaction, &booking).await?;
    Ok(booking)
}

/// Takes the buffers back that reach from meetings before into `to`; those are set anew afterwards.
async fn make_room(transaction: &DatabaseTransaction, moved: &Model, to: TimeRange) -> Result<()> {
    use sea_orm::sea_query::Expr;
    Entity::update_many()
        .col_expr(Column::GuardEndsAt, Expr::col(Column::EndsAt))
        .filter(Column::AgentId.eq(moved.agent_id))
        .filter(Column::Status.eq(CONFIRMED))
        .filter(Column::EndsAt.lte(to.start()))
        .filter(Column::GuardEndsAt.gt(to.start()))
        .exec(transaction)
        .await?;
    Ok(())
}
