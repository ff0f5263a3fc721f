//! Deliveries that were given up, and trying them again.

use chrono::TimeDelta;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use super::changes::{self, Change};
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
    if row.state == FAILED && Kind::parse(&row.kind) == Some(Kind::Webhook) {
        // It has a schedule of its own.
        return super::webhook::resend(app, id).await;
    }
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
    show_pending(&transaction, &row).await?;
    let after = Entity::find_by_id(id).one(&transaction).await?.ok_or_else(unknown)?;
    let change = row.booking_id.zip(row.agent_id);
    let change = change.map(|(id, agent)| Change::Booking { id, agent });
    let news = changes::write(app, &transaction, change).await?;
    transaction.commit().await?;
    app.wake.notify_one();
    news.tell(app);
    Ok(after)
}

/// Whether a mail tells of a version that a later mail has told more of: to send it now would set the
/// reader back.
async fn is_old_news<C: sea_orm::ConnectionTrait>(db: &C, row: &Model) -> Result<bool> {
    let Some(booking) = row.booking_id else { return Ok(false) };
    match Kind::parse(&row.kind) {
        Some(Kind::VisitorMail) => {
            // Each version has its mail to the visitor.
            let record = booking::Entity::find_by_id(booking).one(db).await?;
            Ok(record.is_some_and(|record| row.version < record.sequence))
        }
        Some(Kind::AgentMail | Kind::FailureMail) => {
            let later = Entity::find()
                .filter(Column::BookingId.eq(booking))
                .filter(Column::Kind.eq(row.kind.as_str()))
                .filter(Column::Version.gt(row.version))
                .count(db)
                .await?;
            Ok(0 < later)
        }
        // The entry is written as the booking stands, whichever version's row does it.
        _ => Ok(false),
    }
}

/// Shows on the booking that the delivery is under way again, where its version is still the newest.
async fn show_pending<C: sea_orm::ConnectionTrait>(db: &C, row: &Model) -> Result<()> {
    let column = match Kind::parse(&row.kind) {
        Some(Kind::CalendarEvent) => "event_status",
        Some(Kind::VisitorMail) => "mail_status",
        _ => return Ok(()),
    };
    let sql = format!("UPDATE bookings SET {column} = ? WHERE id = ? AND sequence = ?");
    let values = [PENDING.into(), row.booking_id.into(), row.version.into()];
    store::run_raw(db, &sql, values).await?;
    Ok(())
}
