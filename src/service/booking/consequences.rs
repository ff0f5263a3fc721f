//! What a change to a booking causes: rows of the outbox, written in the change's own transaction.

use chrono::TimeDelta;
use sea_orm::ConnectionTrait;

use crate::app::App;
use crate::service::Result;
use crate::service::webhook::{Event, emit};
use crate::store::booking::Model;
use crate::store::outbox::{self, About, BookingNews, Change, Kind, New, Payload, Reminder};

/// What a new booking causes.
pub(super) async fn of_booking<C: ConnectionTrait>(
    app: &App,
    db: &C,
    booking: &Model,
) -> Result<()> {
    put(app, db, booking, news(booking, Change::Booked)).await?;
    emit(app, db, Event::BookingCreated(booking)).await
}

/// What a move or a cancellation causes.
pub(super) async fn of_change<C: ConnectionTrait>(
    app: &App,
    db: &C,
    booking: &Model,
    news: BookingNews,
) -> Result<()> {
    outbox::drop_reminders(db, booking.id, app.now()).await?;
    put(app, db, booking, news.clone()).await?;
    let event = match (news.change, news.moved_from) {
        (Change::Rescheduled, Some(from)) => {
            Event::BookingRescheduled { booking, from, reason: news.reason.as_deref() }
        }
        (Change::Cancelled, _) => Event::BookingCancelled(booking),
        _ => return Ok(()),
    };
    emit(app, db, event).await
}

/// What it causes that a conference link came after the confirmation was sent: one more mail.
///
/// # Errors
/// None but the database's.
pub(crate) async fn conference_added<C: ConnectionTrait>(
    app: &App,
    db: &C,
    booking: &Model,
) -> Result<()> {
    let news = news(booking, Change::ConferenceAdded);
    let row = row(app, booking, Kind::VisitorMail, &news);
    Ok(outbox::put(db, vec![row]).await?)
}

/// What it causes that the agent wants the calendar's entry put back as booked: it is written once more.
/// The row of this version is queued again, if it is still kept.
pub(super) async fn write_again<C: ConnectionTrait>(
    app: &App,
    db: &C,
    booking: &Model,
) -> Result<()> {
    let row = row(app, booking, Kind::CalendarEvent, &news(booking, Change::Booked));
    if !outbox::deliver_again(db, &row).await? {
        outbox::put(db, vec![row]).await?;
    }
    Ok(())
}

pub(super) const fn news(booking: &Model, change: Change) -> BookingNews {
    BookingNews {
        change,
        starts_at: booking.starts_at,
        ends_at: booking.ends_at,
        reason: None,
        moved_from: None,
        failed: None,
    }
}

async fn put<C: ConnectionTrait>(
    app: &App,
    db: &C,
    booking: &Model,
    news: BookingNews,
) -> Result<()> {
    let kinds = [Kind::CalendarEvent, Kind::VisitorMail, Kind::AgentMail];
    let mut rows: Vec<New> = kinds.into_iter().map(|kind| row(app, booking, kind, &news)).collect();
    if news.change != Change::Cancelled {
        rows.extend(reminders(app, booking));
    }
    Ok(outbox::put(db, rows).await?)
}

/// The reminders that are still ahead: one whose time has gone by is never sent.
fn reminders(app: &App, booking: &Model) -> impl Iterator<Item = New> {
    let now = app.now();
    let all = app.config.reminders.minutes_before.iter();
    let all = all
        .map(|&minutes_before| Reminder { minutes_before, meeting_starts_at: booking.starts_at });
    all.filter(move |reminder| now < reminder.due_at()).map(move |reminder| {
        let key = outbox::key_of_version(Kind::ReminderMail, booking.id, booking.sequence);
        New {
            id: app.uuid(),
            kind: Kind::ReminderMail,
            about: about(booking),
            dedup_key: format!("{key}/{}", reminder.minutes_before),
            run_at: reminder.due_at(),
            give_up_at: booking.starts_at,
            created_at: now,
            payload: Payload::Reminder(reminder),
        }
    })
}

fn about(booking: &Model) -> About {
    About {
        booking: Some((booking.id, booking.sequence)),
        agent: Some(booking.agent_id),
        ..About::default()
    }
}

fn row(app: &App, booking: &Model, kind: Kind, news: &BookingNews) -> New {
    let now = app.now();
    let delivery = &app.config.delivery;
    // The link belongs in the mail, so the mail waits for the calendar entry, but not for ever.
    let waits = booking.wants_conference
        && booking.conference_url.is_none()
        && news.change != Change::Cancelled
        && kind != Kind::CalendarEvent;
    let wait = if waits { delivery.conference_wait_seconds } else { 0 };
    New {
        id: app.uuid(),
        kind,
        about: about(booking),
        payload: Payload::Booking(news.clone()),
        dedup_key: outbox::key_of_version(kind, booking.id, booking.sequence),
        run_at: now + TimeDelta::seconds(wait.into()),
        give_up_at: now + TimeDelta::minutes(delivery.give_up_after_minutes.into()),
        created_at: now,
    }
}
