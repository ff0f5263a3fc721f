//! Bookings that their visitor confirms by e-mail: asking for it, with the time held meanwhile, and what the
//! button in the mail does.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, DbErr, EntityTrait, Set, TransactionTrait};
use uuid::Uuid;

use super::assign::{Won, assign};
use super::book::{self, Outcome, Way};
use super::change::fresh;
use super::request::{Checked, model};
use super::{Booked, consequences, limits, range, turned_away};
use crate::app::App;
use crate::scheduling;
use crate::service::access::Caller;
use crate::service::calendar::{self, Answer};
use crate::service::changes::{self, Change};
use crate::service::routing::meeting::Line;
use crate::service::routing::{self, Purpose, Resolved};
use crate::service::{Error, Result, blocked_visitor, schedule};
use crate::store::booking::{CONFIRMED, HELD, Model};
use crate::store::outbox::{self, About, ConfirmBooking, Kind, New, Payload};
use crate::store::{self, JsonOf, agent, booking, booking_confirmation, is_guard_violation};

/// How long a booking can be confirmed, and its time is held.
const CONFIRMABLE: TimeDelta = TimeDelta::minutes(15);
/// Most times that are held with one agent at once.
const HOLDS_OF_AGENT: u64 = 2;
/// Most times that are held for one mailbox at once.
const HOLDS_OF_MAILBOX: u64 = 1;

/// Asks the visitor to confirm by e-mail, in the transaction that was begun, and holds the time where there is
/// room for that. Where there is none, the time is not taken from anybody, and the mail goes out all the same.
///
/// # Errors
/// `RATE_LIMITED` where too many wait for a confirmation, or the mailbox has as many meetings ahead as it may.
pub(super) async fn ask(
    app: &App,
    transaction: DatabaseTransaction,
    caller: &Caller,
    id: Uuid,
    request: &Checked,
    resolved: &Resolved,
    lines: &mut [Line],
) -> Result<Outcome> {
    let mailbox_hash = limits::mailbox_hash(app, &request.person.email);
    let now = app.now();
    let expires_at = now + CONFIRMABLE;
    // Assigned in a step of its own: without a hold the queue's turn and the agent are let go.
    let scope = transaction.begin().await?;
    let Some(won) = assign(app, &scope, request.route, lines).await? else {
        scope.rollback().await?;
        transaction.rollback().await?;
        return Ok(Outcome::Taken);
    };
    let record = routing::meeting::record(resolved, lines, Some(won.agent.id));
    let record = serde_json::to_value(record).map_err(Error::internal)?;
    let held = hold(app, &scope, request, id, &won, record, expires_at).await?;
    match held {
        true => scope.commit().await?,
        false => scope.rollback().await?,
    }
    let network_hash = limits::network_hash(app, caller);
    limits::check_waiting(app, &transaction, network_hash.as_deref()).await?;
    let row = booking_confirmation::Model {
        id,
        mailbox_hash,
        network_hash,
        request: JsonOf(request.kept()),
        held,
        created_at: now,
        expires_at,
    };
    let row = booking_confirmation::ActiveModel::from(row).reset_all();
    booking_confirmation::Entity::insert(row).exec_without_returning(&transaction).await?;
    outbox::put(&transaction, vec![mail(app, id, now, expires_at)]).await?;
    transaction.commit().await?;
    app.wake.notify_one();
    Ok(Outcome::Asked { held, expires_at })
}

/// Holds the time, unless too many are held already.
///
/// # Errors
/// `RATE_LIMITED` where the mailbox has as many meetings ahead as it may.
async fn hold(
    app: &App,
    transaction: &DatabaseTransaction,
    request: &Checked,
    id: Uuid,
    won: &Won,
    record: serde_json::Value,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let (now, agent) = (app.now(), won.agent.id);
    let mailbox_hash = limits::mailbox_hash(app, &request.person.email);
    // The mailbox after the agent, as everywhere, so that no two wait for each other in a circle.
    store::booking_quota::lock_open(transaction, &mailbox_hash).await?;
    limits::check_mailbox(app, transaction, &mailbox_hash).await?;
    booking::drop_expired_holds(transaction, agent, now).await?;
    let (with_agent, for_mailbox) = booking::holds(transaction, agent, &mailbox_hash, now).await?;
    if HOLDS_OF_AGENT <= with_agent || HOLDS_OF_MAILBOX <= for_mailbox {
        return Ok(false);
    }
    let row = Model {
        status: HELD.to_owned(),
        held_until: Some(expires_at),
        mailbox_hash: Some(mailbox_hash),
        ..model(app, request, id, won, record)
    };
    let row = booking::ActiveModel::from(row).reset_all();
    match booking::Entity::insert(row).exec_without_returning(transaction).await {
        Ok(_) => Ok(true),
        Err(error) if is_guard_violation(&error) => {
            tracing::error!(agent.id = %agent, "the database's guard stopped a hold on a taken time");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

fn mail(app: &App, id: Uuid, now: DateTime<Utc>, expires_at: DateTime<Utc>) -> New {
    New {
        id: app.uuid(),
        kind: Kind::ConfirmBookingMail,
        about: About::default(),
        payload: Payload::ConfirmBooking(ConfirmBooking { confirm_booking: id }),
        dedup_key: format!("{}/{id}", Kind::ConfirmBookingMail.as_str()),
        run_at: now,
        give_up_at: expires_at,
        created_at: now,
    }
}

/// What was answered when a confirmation was asked for, where this is one.
pub(super) async fn asked(app: &App, id: Uuid) -> Result<Option<Booked>> {
    let found = booking_confirmation::Entity::find_by_id(id).one(&app.db).await?;
    Ok(found.map(|found| Booked::EmailConfirmationRequired {
        held: found.held,
        expires_at: found.expires_at,
    }))
}

/// The confirmation that a mail about it still makes sense for: it can be confirmed, and was not.
///
/// # Errors
/// None but the database's.
pub async fn to_confirm(app: &App, id: Uuid) -> Result<Option<booking_confirmation::Model>> {
    let found = booking_confirmation::Entity::find_by_id(id).one(&app.db).await?;
    let Some(found) = found.filter(|found| app.now() < found.expires_at) else { return Ok(None) };
    let booked = super::find(app, id).await?;
    Ok(booked.is_none().then_some(found))
}

/// Where the visitor confirms a booking.
pub fn confirm_url(app: &App, id: Uuid) -> url::Url {
    let mut url = app.config.confirm_url.clone();
    url.query_pairs_mut().append_pair("token", &app.secrets.confirm_token(id));
    url
}

/// Books what the holder of the token asked for: the time that is held, or else that time if it is still free.
/// Whoever asks again is answered with the same booking. A visitor who was blocked meanwhile books nothing.
///
/// # Errors
/// `NOT_FOUND` for a token that opens nothing, or no longer; `RATE_LIMITED` where the mailbox has as many
/// meetings ahead as it may.
pub async fn confirm(app: &App, caller: &Caller, token: &str) -> Result<Booked> {
    let unknown = || {
        let message =
            "the link confirms no meeting; links work for 15 minutes, so please book again";
        Error::NotFound(message.to_owned())
    };
    let id = app.secrets.confirmation_of_token(token).ok_or_else(unknown)?;
    if let Some(booking) = super::find(app, id).await? {
        return Ok(made(app, booking));
    }
    let Some(kept) = to_confirm(app, id).await? else {
        // The button may have been pressed twice at once, and the other press booked just now.
        let booking = super::find(app, id).await?.ok_or_else(unknown)?;
        return Ok(made(app, booking));
    };
    let request = Checked::restore(kept.request.0)?;
    if blocked_visitor::is_blocked(app, &request.person.email).await? {
        return turned_away(app, &request.locale).await;
    }
    if kept.held
        && let Some(booking) = book_held(app, caller, id).await?
    {
        return Ok(made(app, booking));
    }
    let (person, company) = (Some(&request.person), request.company.as_ref());
    let resolved = routing::resolve(app, Purpose::Meeting, request.route, person, company).await?;
    let (outcome, refusals) =
        book::make(app, caller, &request, &resolved, Way::Confirmed(id)).await?;
    // The button may have been pressed twice at once: then the other press took the time.
    if matches!(outcome, Outcome::Taken)
        && let Some(booking) = super::find(app, id).await?
    {
        return Ok(made(app, booking));
    }
    book::answer(app, &request, outcome, &refusals).await
}

fn made(app: &App, booking: Model) -> Booked {
    let manage_token = app.secrets.manage_token(booking.id);
    Booked::Made { booking: Box::new(booking), manage_token }
}

/// Makes a booking of the time that is held. `None` where it is not held any more, or the agent can't take the
/// meeting after all: then it is held no longer.
async fn book_held(app: &App, caller: &Caller, id: Uuid) -> Result<Option<Model>> {
    let found = booking::Entity::find_by_id(id).one(&app.db).await?;
    let Some(found) = found.filter(|found| found.status == HELD) else { return Ok(None) };
    let answer = fresh(app, &found, found.starts_at, found.created_at).await?;
    let transaction = store::begin(&app.db).await?;
    agent::lock(&transaction, found.agent_id).await?;
    booking::drop_expired_holds(&transaction, found.agent_id, app.now()).await?;
    let before = booking::Entity::find_by_id(id).one(&transaction).await?;
    let Some(before) = before else {
        // So that the hold, which is over, is gone for good: what is booked anew has its ID.
        transaction.commit().await?;
        return Ok(None);
    };
    if before.status != HELD {
        // The button was pressed twice at once, and the other one was first.
        return Ok(Some(before));
    }
    if answer != Answer::Free || !still_offered(app, &transaction, &before).await? {
        booking::Entity::delete_by_id(id).exec(&transaction).await?;
        transaction.commit().await?;
        return Ok(None);
    }
    let mailbox_hash = before.mailbox_hash.clone().unwrap_or_default();
    // Counted, but past its limits: this visitor has shown that the mailbox is theirs.
    limits::count(app, &transaction, caller, &mailbox_hash, before.agent_id).await?;
    let changes = booking::ActiveModel {
        id: Set(id),
        status: Set(CONFIRMED.to_owned()),
        held_until: Set(None),
        created_at: Set(app.now()),
        ..Default::default()
    };
    let booking = match changes.update(&transaction).await {
        // Housekeeping, which locks no agent, has deleted the hold meanwhile: nothing is kept of this.
        Err(DbErr::RecordNotUpdated) => return Ok(None),
        other => other?,
    };
    consequences::of_booking(app, &transaction, &booking).await?;
    let change = Change::Booking { id, agent: booking.agent_id };
    let news = changes::write(app, &transaction, [change]).await?;
    transaction.commit().await?;
    app.wake.notify_one();
    news.tell(app);
    Ok(Some(booking))
}

/// Whether the engine offers the held time, were it not held: notice and horizon as when it was asked for.
async fn still_offered(app: &App, transaction: &DatabaseTransaction, held: &Model) -> Result<bool> {
    let now = app.now();
    let candidates = agent::candidates(transaction, Some(&[held.agent_id])).await?;
    let is_good = candidates.first().is_some_and(|agent| calendar::Health::of(agent).is_good(app));
    if !is_good || held.starts_at <= now {
        return Ok(false);
    }
    let schedule = schedule::read(transaction, held.agent_id, Some(held.id), now).await?;
    let (rules, busy) = (&schedule.rules, &schedule.busy);
    let offered = scheduling::check(rules, busy, held.starts_at, held.created_at);
    Ok(offered.is_ok_and(|slot| Some(slot) == range(held).ok()))
}
