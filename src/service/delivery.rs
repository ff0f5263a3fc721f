//! Deliveries that were given up, and trying them again.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};
use uuid::Uuid;

use super::changes::Change;
use super::{Error, Result};
use crate::app::App;
use crate::ids;
use crate::store::outbox::{Column, Entity, FAILED, Kind, Model, PENDING};
use crate::store::page::{self, Page, PageRequest};
use crate::store::{self, booking, outbox};

/// A page of deliveries that were given up, in the order in which they were caused.
///
/// # Errors
/// None but the database's.
pub async fn failed(app: &App, request: &PageRequest<Uuid>) -> Result<Page<Model>> {
    let select = Entity::find().filter(Column::State.eq(FAILED));
    Ok(page::read(&app.db, select, &[Column::Id], request).await?)
}

/// How many deliveries are given up.
///
/// # Errors
/// None but the database's.
pub async fn count_failed(app: &App) -> Result<u64> {
    Ok(Entity::find().filter(Column::State.eq(FAILED)).count(&app.db).await?)
}

/// Queues a delivery that was given up once more, and returns it.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` where it was not given up, or is a mail with older news than one sent since.
pub async fn retry(app: &App, id: Uuid) -> Result<Model> {
    let unknown = || Error::NotFound(format!("there is no delivery {}", ids::DELIVERY.format(id)));
    let row = Entity::find_by_id(id).one(&app.db).await?.ok_or_else(unknown)?;
    let now = app.now();
    let give_up_at = now + TimeDelta::minutes(app.config.delivery.give_up_after_minutes.into());
    let transaction = store::begin(&app.db).await?;
    if is_old_news(&transaction, &row).await? {
        let message = "the booking has changed since, and later news of it went out";
        return Err(Error::Conflict(message.to_owned()));
    }
    if !outbox::retry(&transaction, id, now, give_up_at).await? {
        return Err(Error::Conflict("this delivery was not given up".to_owned()));
    }
    show(&transaction, &row, PENDING).await?;
    let after = Entity::find_by_id(id).one(&transaction).await?.ok_or_else(unknown)?;
    transaction.commit().await?;
    app.wake.notify_one();
    app.changes.tell(Change::Booking { id: row.booking_id, agent: row.agent_id });
    Ok(after)
}

/// Whether a mail tells of a version that a later mail has told more of: to send it now would set the
/// reader back.
async fn is_old_news<C: sea_orm::ConnectionTrait>(db: &C, row: &Model) -> Result<bool> {
    let later = Entity::find()
        .filter(Column::BookingId.eq(row.booking_id))
        .filter(Column::Kind.eq(row.kind.as_str()))
        .filter(Column::Version.gt(row.version))
        .count(db)
        .await?;
    Ok(0 < later && Kind::parse(&row.kind) != Some(Kind::CalendarEvent))
}

/// Shows on the booking how the delivery of its present version stands.
async fn show<C: sea_orm::ConnectionTrait>(db: &C, row: &Model, status: &str) -> Result<()> {
    let Some(record) = booking::Entity::find_by_id(row.booking_id).one(db).await? else {
        return Ok(());
    };
    if record.sequence != row.version {
        return Ok(());
    }
    let mut changes = booking::ActiveModel { id: Set(record.id), ..Default::default() };
    match Kind::parse(&row.kind) {
        Some(Kind::CalendarEvent) => changes.event_status = Set(status.to_owned()),
        Some(Kind::VisitorMail) => changes.mail_status = Set(status.to_owned()),
        _ => return Ok(()),
    }
    changes.update(db).await?;
    Ok(())
}
