//! Writing down what came of a try: the row's state and what the booking shows, in one transaction.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use super::attempt::{Delivered, Outcome, Written, misfit};
use super::{backoff, webhook};
use crate::app::App;
use crate::service::changes::{self, Change};
use crate::service::webhook::{BookingFailure, Event, emit};
use crate::service::{Error, Result, booking::conference_added};
use crate::store::outbox::{self, About, BookingNews, DONE, Kind, Model, New, Payload};
use crate::store::{self, booking, run_raw};

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Delivered,
    PutBack,
    GivenUp,
    /// Another worker has it: this one took longer than its lease.
    Lost,
}

impl Settled {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::PutBack => "retried",
            Self::GivenUp => "given_up",
            Self::Lost => "lost",
        }
    }
}

/// Writes down what came of a try of `row`, which is claimed.
pub(super) async fn settle(app: &App, row: &Model, outcome: Outcome) -> Result<Settled> {
    let lease = row
        .lease_id
        .ok_or_else(|| Error::internal(anyhow::anyhow!("delivery {} is not claimed", row.id)))?;
    let transaction = store::begin(&app.db).await?;
    let settled = match outcome {
        Outcome::Done(delivered) => done(app, &transaction, row, lease, delivered).await?,
        Outcome::Retry { error, after } if app.now() < row.give_up_at => {
            retry(app, &transaction, row, lease, &error, after).await?
        }
        Outcome::Retry { error, .. } | Outcome::GiveUp { error } => {
            give_up(app, &transaction, row, lease, &error).await?
        }
        Outcome::Asked(asked) => webhook::settle(app, &transaction, row, lease, &asked).await?,
    };
    if settled == Settled::Lost {
        transaction.rollback().await?;
        return Ok(settled);
    }
    let change = match (row.booking_id, row.agent_id) {
        (Some(id), Some(agent)) => Some(Change::Booking { id, agent }),
        (None, Some(agent)) if row.live_chat_id.is_none() => Some(Change::Agent(agent)),
        _ => None,
    };
    let news = changes::write(app, &transaction, change).await?;
    transaction.commit().await?;
    news.tell(app);
    Ok(settled)
}

async fn done(
    app: &App,
    transaction: &DatabaseTransaction,
    row: &Model,
    lease: Uuid,
    delivered: Delivered,
) -> Result<Settled> {
    // The agent before its booking and its deliveries, as whoever changes a booking does, so that no two
    // wait for each other in a circle.
    if matches!(
        delivered,
        Delivered::EventWritten(_)
            | Delivered::EventRemoved
            | Delivered::VisitorMail { lacks_link: true }
    ) {
        store::agent::hold(transaction, &[row.agent()?]).await?;
    }
    let now = app.now();
    if let Delivered::EventWritten(written) = &delivered
        && is_pending(app, row, written)
    {
        return pending(app, transaction, row, lease, written).await;
    }
    if !outbox::finish(transaction, row.id, lease, now).await? {
        return Ok(Settled::Lost);
    }
    match delivered {
        Delivered::EventWritten(written) => {
            event_written(app, transaction, row, *written).await?;
        }
        Delivered::EventRemoved => {
            let sql = "UPDATE bookings SET event_status = 'DELIVERED', event_problem = NULL, \
                event_ref = NULL, event_url = NULL, event_calendar = NULL, drift = NULL \
                WHERE id = ? AND sequence = ?";
            run_raw(transaction, sql, version(row)).await?;
            outbox::release_mails(transaction, booking_of(row)?, now).await?;
        }
        Delivered::VisitorMail { lacks_link } => {
            visitor_told(app, transaction, row, lacks_link).await?;
        }
        Delivered::Farewell => forget_credentials(transaction, row).await?,
        Delivered::Notice => {}
    }
    Ok(Settled::Delivered)
}

/// What was sealed has served its time; the row is kept a while for whoever asks what was done.
async fn forget_credentials(transaction: &DatabaseTransaction, row: &Model) -> Result<()> {
    let Payload::Farewell(mut farewell) = row.payload.0.clone() else { return Err(misfit(row)) };
    farewell.credentials.clear();
    let payload = store::JsonOf(Payload::Farewell(farewell));
    let sql = "UPDATE outbox SET payload = ? WHERE id = ?";
    run_raw(transaction, sql, [payload.into(), row.id.into()]).await?;
    Ok(())
}

/// Whether a conference link is still being made, and is still waited for.
fn is_pending(app: &App, row: &Model, written: &Written) -> bool {
    written.receipt.conference_pending
        && written.receipt.conference_url.is_none()
        && app.now() < waited_until(app, row)
}

/// As long as the mails wait for the link.
fn waited_until(app: &App, row: &Model) -> DateTime<Utc> {
    row.created_at + TimeDelta::seconds(app.config.delivery.conference_wait_seconds.into())
}

/// Shows the entry, which stands, and writes it again a little later: its link is found then. The mails
/// wait on.
async fn pending(
    app: &App,
    transaction: &DatabaseTransaction,
    row: &Model,
    lease: Uuid,
    written: &Written,
) -> Result<Settled> {
    let run_at = next_try(app, row, None).min(waited_until(app, row));
    if !outbox::put_back(transaction, row.id, lease, run_at, None).await? {
        return Ok(Settled::Lost);
    }
    show_entry(transaction, row, written).await?;
    Ok(Settled::PutBack)
}

/// What a row of a kind that is about a booking is about.
fn booking_of(row: &Model) -> Result<Uuid> {
    row.booking_id.ok_or_else(|| misfit(row))
}

/// The booking's row, if the version that was delivered is still its newest; no row where the delivery
/// is about no booking.
fn version(row: &Model) -> [sea_orm::Value; 2] {
    [row.booking_id.into(), row.version.into()]
}

/// Shows the entry, and lets the mails go that waited for its link. A later version's own row shows
/// what that one brings.
async fn event_written(
    app: &App,
    transaction: &DatabaseTransaction,
    row: &Model,
    written: Written,
) -> Result<()> {
    let id = booking_of(row)?;
    let before = find(transaction, id).await?;
    if !show_entry(transaction, row, &written).await? {
        return Ok(());
    }
    let link = written.receipt.conference_url.map(String::from);
    if link.is_some() && link != before.conference_url {
        let sql = "UPDATE bookings SET conference_kind = ?, conference_url = ? WHERE id = ?";
        let kind = written.conference_kind.map(str::to_owned);
        run_raw(transaction, sql, [kind.into(), link.into(), id.into()]).await?;
        if visitor_was_told(transaction, row).await? {
            add_conference(app, transaction, id).await?;
        }
    }
    Ok(outbox::release_mails(transaction, id, app.now()).await?)
}

/// Shows that the entry stands, where, and as booked. False where a later version's own row shows what
/// that one brings. An entry that was put back where it had been moved from frees that time; so does
/// one that a look met before it was known to be ours. The agent is held.
async fn show_entry(
    transaction: &DatabaseTransaction,
    row: &Model,
    written: &Written,
) -> Result<bool> {
    let sql = "UPDATE bookings SET event_status = 'DELIVERED', event_problem = NULL, \
        event_ref = ?, event_url = ?, event_calendar = ? WHERE id = ? AND sequence = ?";
    let [booking, sequence] = version(row);
    let url = written.receipt.url.clone().map(String::from);
    let event_ref = written.receipt.event_ref.clone();
    let values = [event_ref.into(), url.into(), written.place.clone().into(), booking, sequence];
    if run_raw(transaction, sql, values).await? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE bookings SET drift = NULL WHERE id = ? AND drift IS NOT NULL";
    let was_adrift = run_raw(transaction, sql, [row.booking_id.into()]).await? == 1;
    let was_foreign = forget_foreign(transaction, row.agent()?, written).await?;
    if was_adrift || was_foreign {
        store::agent::lock(transaction, row.agent()?).await?;
    }
    Ok(true)
}

/// Forgets what is known of the entry as busy time. Whether there was any.
async fn forget_foreign(
    transaction: &DatabaseTransaction,
    agent: Uuid,
    written: &Written,
) -> Result<bool> {
    let Some((.., calendar_ref)) = store::calendar::parts(&written.place) else { return Ok(false) };
    let sql = "DELETE FROM busy_intervals WHERE event_ref = ? AND agent_id = ? AND sync_id IN \
        (SELECT id FROM calendar_syncs WHERE agent_id = ? AND calendar_ref = ?)";
    let event_ref = written.receipt.event_ref.clone();
    let values = [event_ref.into(), agent.into(), agent.into(), calendar_ref.into()];
    Ok(0 < run_raw(transaction, sql, values).await?)
}

/// Whether the mail of this version is out. One that is under way hears of the link when it is
/// settled, for both write the booking's row first and look afterwards.
async fn visitor_was_told(transaction: &DatabaseTransaction, row: &Model) -> Result<bool> {
    let told = outbox::Entity::find()
        .filter(outbox::Column::BookingId.eq(row.booking_id))
        .filter(outbox::Column::Kind.eq(Kind::VisitorMail.as_str()))
        .filter(outbox::Column::Version.eq(row.version))
        .filter(outbox::Column::State.eq(DONE))
        .count(transaction)
        .await?;
    Ok(0 < told)
}

async fn visitor_told(
    app: &App,
    transaction: &DatabaseTransaction,
    row: &Model,
    lacks_link: bool,
) -> Result<()> {
    let sql = "UPDATE bookings SET mail_status = 'DELIVERED', mail_delivered_at = ?, \
        mail_problem = NULL WHERE id = ? AND sequence = ?";
    let [id, sequence] = version(row);
    let shown = run_raw(transaction, sql, [app.now().into(), id, sequence]).await?;
    if shown == 1 && lacks_link {
        let booking = find(transaction, booking_of(row)?).await?;
        if booking.conference_url.is_some() {
            add_conference(app, transaction, booking.id).await?;
        }
    }
    Ok(())
}

/// One more mail, for a conference link that came after the last one. A mail has a version of its
/// own; the calendar's entry is right already, so nothing is written there.
async fn add_conference(app: &App, transaction: &DatabaseTransaction, booking: Uuid) -> Result<()> {
    let sql = "UPDATE bookings SET sequence = sequence + 1, mail_status = 'PENDING', \
        mail_delivered_at = NULL, mail_problem = NULL WHERE id = ?";
    run_raw(transaction, sql, [booking.into()]).await?;
    let booking = find(transaction, booking).await?;
    conference_added(app, transaction, &booking).await
}

async fn find(transaction: &DatabaseTransaction, id: Uuid) -> Result<booking::Model> {
    let found = booking::Entity::find_by_id(id).one(transaction).await?;
    found.ok_or_else(|| Error::internal(anyhow::anyhow!("booking {id} is gone")))
}

async fn retry(
    app: &App,
    transaction: &DatabaseTransaction,
    row: &Model,
    lease: Uuid,
    error: &str,
    after: Option<TimeDelta>,
) -> Result<Settled> {
    let run_at = next_try(app, row, after);
    if !outbox::put_back(transaction, row.id, lease, run_at, Some(error)).await? {
        return Ok(Settled::Lost);
    }
    show_problem(transaction, row, outbox::PENDING, error).await?;
    Ok(Settled::PutBack)
}

/// After the backoff, or later where the receiver asks for it, and a last time when the delivery is
/// to be given up.
fn next_try(app: &App, row: &Model, after: Option<TimeDelta>) -> DateTime<Utc> {
    let random = app.ids.secret();
    let chance = random.iter().rev().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
    let backoff = backoff::wait(&app.config.delivery, row.attempts, chance);
    let wait = after.map_or(backoff, |after| after.max(backoff));
    let run_at = app.now().checked_add_signed(wait).unwrap_or(row.give_up_at);
    run_at.min(row.give_up_at)
}

async fn give_up(
    app: &App,
    transaction: &DatabaseTransaction,
    row: &Model,
    lease: Uuid,
    error: &str,
) -> Result<Settled> {
    let now = app.now();
    if !outbox::give_up(transaction, row.id, lease, now, error).await? {
        return Ok(Settled::Lost);
    }
    show_problem(transaction, row, outbox::FAILED, error).await?;
    let kind = Kind::parse(&row.kind);
    if kind == Some(Kind::CalendarFarewell) {
        forget_credentials(transaction, row).await?;
    }
    if kind == Some(Kind::CalendarEvent) {
        // The link that mails wait for will not come.
        outbox::release_mails(transaction, booking_of(row)?, now).await?;
    }
    if let Some(kind @ (Kind::CalendarEvent | Kind::VisitorMail)) = kind {
        outbox::put(transaction, vec![word_of_failure(app, row, kind, error)?]).await?;
        let booking = find(transaction, booking_of(row)?).await?;
        let failure = BookingFailure { delivery: kind, problem: error };
        emit(app, transaction, Event::BookingFailed { booking: &booking, failure }).await?;
    }
    Ok(Settled::GivenUp)
}

fn word_of_failure(app: &App, row: &Model, failed: Kind, error: &str) -> Result<New> {
    let now = app.now();
    let kept = TimeDelta::minutes(app.config.delivery.give_up_after_minutes.into());
    let (booking, news) = row.news().ok_or_else(|| misfit(row))?;
    let key = outbox::key_of_version(Kind::FailureMail, booking, row.version);
    let news = BookingNews { reason: Some(error.to_owned()), failed: Some(failed), ..news.clone() };
    Ok(New {
        id: app.uuid(),
        kind: Kind::FailureMail,
        about: About {
            booking: Some((booking, row.version)),
            agent: row.agent_id,
            ..About::default()
        },
        payload: Payload::Booking(news),
        dedup_key: format!("{key}/{}", failed.as_str()),
        run_at: now,
        give_up_at: now + kept,
        created_at: now,
    })
}

/// Shows a failure on the booking, where the version is still its newest.
async fn show_problem(
    transaction: &DatabaseTransaction,
    row: &Model,
    status: &str,
    problem: &str,
) -> Result<()> {
    let sql = match Kind::parse(&row.kind) {
        Some(Kind::CalendarEvent) => {
            "UPDATE bookings SET event_status = ?, event_problem = ? WHERE id = ? AND sequence = ?"
        }
        Some(Kind::VisitorMail) => {
            "UPDATE bookings SET mail_status = ?, mail_problem = ? WHERE id = ? AND sequence = ?"
        }
        _ => return Ok(()),
    };
    let [id, sequence] = version(row);
    run_raw(transaction, sql, [status.into(), problem.into(), id, sequence]).await?;
    Ok(())
}
