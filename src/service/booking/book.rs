//! Making a booking: gather, then commit in one transaction. Delivery is the outbox's.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, Set};
use uuid::Uuid;

use super::assign::assign;
use super::gather::{MOST_ASKED, gather};
use super::limits::{self, Reached};
use super::request::{BookMeeting, Checked, Key, check, model};
use super::{Booked, Demand, confirm, consequences, taken, turned_away};
use crate::app::App;
use crate::service::access::Caller;
use crate::service::changes::{self, Change, News};
use crate::service::proof::Verdict;
use crate::service::routing::meeting::Line;
use crate::service::routing::{self, Purpose, Resolved};
use crate::service::schedule::AgentSchedule;
use crate::service::slots::{self, Refusals};
use crate::service::{Error, Result, blocked_visitor, quota};
use crate::store::booking::{HELD, Model};
use crate::store::{self, booking, booking_confirmation, idempotency, is_guard_violation};

/// How long an idempotency key is remembered.
const KEY_KEPT: TimeDelta = TimeDelta::hours(48);
/// How often candidates are gathered for one booking, at most.
const MOST_ROUNDS: usize = 6;

/// How a booking comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As far as the limits of callers without a key allow.
    Within,
    /// Past them: the caller has given a proof.
    Proven,
    /// By a mail whose button books it.
    ByMail,
    /// Past them: the button in the mail about this confirmation was pressed.
    Confirmed(Uuid),
}

/// Books a time, or says which others are free: none for a visitor who is blocked. Past the limits of callers
/// without a key, it demands a proof or a confirmation by e-mail first.
///
/// # Errors
/// `BAD_USER_INPUT`; `NOT_FOUND` for an unknown agent; `CONFLICT` for an idempotency key that came
/// with another input; `RATE_LIMITED` where a caller without a key sends one address too many mails, the
/// mailbox has as many meetings ahead as it may, or too many bookings wait for their confirmation by e-mail.
pub async fn book(app: &App, caller: &Caller, request: BookMeeting) -> Result<Booked> {
    let proof = request.proof.clone();
    let request = check(app, caller, request)?;
    if let Some(key) = &request.key
        && let Some(before) = replay(app, key).await?
    {
        return Ok(before);
    }
    if blocked_visitor::is_blocked(app, &request.person.email).await? {
        return turned_away(app, &request.locale).await;
    }
    let (person, company) = (Some(&request.person), request.company.as_ref());
    let resolved = routing::resolve(app, Purpose::Meeting, request.route, person, company).await?;
    let (mut outcome, mut refusals) = make(app, caller, &request, &resolved, Way::Within).await?;
    if let Outcome::Past(limit) = outcome {
        let way = match past(app, caller, proof.as_deref(), limit).await? {
            Past::On(way) => way,
            Past::Demand(demand) => return Ok(Booked::ProofRequired(demand)),
        };
        (outcome, refusals) = make(app, caller, &request, &resolved, way).await?;
    }
    answer(app, &request, outcome, &refusals).await
}

/// What is asked of a caller past a limit.
enum Past {
    /// Nothing more here: it goes on this way.
    On(Way),
    /// A proof.
    Demand(Demand),
}

/// Looks at the proof of a caller past a limit. One that does not hold is answered with a new demand, as is none.
/// A verifier that does not answer proves nothing: the visitor is asked by e-mail instead.
async fn past(app: &App, caller: &Caller, proof: Option<&str>, limit: Reached) -> Result<Past> {
    let by_mail = match app.config.bookings.confirm_by_email {
        true => Ok(Past::On(Way::ByMail)),
        false => Err(limit.refusal()),
    };
    let Some(verifier) = &app.verifier else { return by_mail };
    let network = match caller {
        Caller::Visitor { network } => *network,
        Caller::Key { .. } | Caller::Agent { .. } => None,
    };
    let verdict = match proof {
        Some(proof) => verifier.verify(app, proof, network).await,
        None => Ok(Verdict::Refused),
    };
    match verdict {
        Ok(Verdict::Accepted) => Ok(Past::On(Way::Proven)),
        Ok(Verdict::Refused) => Ok(Past::Demand(Demand {
            provider: verifier.provider(),
            site_key: verifier.site_key().map(str::to_owned),
            challenge: verifier.challenge(app),
        })),
        Err(error) if app.config.bookings.confirm_by_email => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a proof could not be checked; the visitor is asked by e-mail");
            by_mail
        }
        Err(error) => Err(error),
    }
}

/// Says what came of a request.
pub(super) async fn answer(
    app: &App,
    request: &Checked,
    outcome: Outcome,
    refusals: &Refusals,
) -> Result<Booked> {
    match outcome {
        Outcome::Made(booking, news) => {
            app.wake.notify_one();
            news.tell(app);
            let manage_token = app.secrets.manage_token(booking.id);
            Ok(Booked::Made { booking, manage_token })
        }
        Outcome::Asked { held, expires_at } => {
            Ok(Booked::EmailConfirmationRequired { held, expires_at })
        }
        Outcome::Replayed(key) => replay(app, &key).await?.ok_or_else(|| {
            // The first request with the key was rolled back: nothing came of it.
            Error::Conflict("the request with this idempotency key did not end".to_owned())
        }),
        Outcome::Before(booking) => made(app, booking).await,
        // Whoever has given a proof, or confirmed, is past all limits.
        Outcome::Past(limit) => Err(limit.refusal()),
        Outcome::Taken => {
            // The time may have been taken by this very request, sent a moment before.
            if let Some(key) = &request.key
                && let Some(before) = replay(app, key).await?
            {
                return Ok(before);
            }
            let (route, start) = (request.route, request.starts_at);
            let end = request.ends_at;
            let alternatives = slots::alternatives(app, route, start, end, refusals).await?;
            Ok(Booked::Unavailable { message: taken(&request.locale), alternatives })
        }
    }
}

/// What came of the first request with this key, if there was one.
async fn replay(app: &App, key: &Key) -> Result<Option<Booked>> {
    let kept = idempotency::Entity::find_by_id(key.hash.clone()).one(&app.db).await?;
    let Some(kept) = kept else { return Ok(None) };
    if kept.input_hash != key.input {
        let message = "this idempotency key was used with another input".to_owned();
        return Err(Error::Conflict(message));
    }
    // The first answer, also once it was confirmed: who booked then holds the mail.
    if let Some(asked) = confirm::asked(app, kept.booking_id).await? {
        return Ok(Some(asked));
    }
    made(app, kept.booking_id).await.map(Some)
}

async fn made(app: &App, id: Uuid) -> Result<Booked> {
    let booking = super::find(app, id).await?;
    let booking =
        booking.ok_or_else(|| Error::internal(anyhow::anyhow!("booking {id} is gone")))?;
    let manage_token = app.secrets.manage_token(booking.id);
    Ok(Booked::Made { booking: Box::new(booking), manage_token })
}

pub(super) enum Outcome {
    Made(Box<Model>, News),
    /// A mail goes out whose button books it.
    Asked {
        held: bool,
        expires_at: DateTime<Utc>,
    },
    Replayed(Key),
    /// This is the booking that came of the confirmation before.
    Before(Uuid),
    /// A limit of callers without a key is reached.
    Past(Reached),
    Taken,
}

/// Gathers and commits. Only as many calendars elsewhere are asked as it takes to find one that is free:
/// where that agent was lost to another booking meanwhile, the slot may still be free with one whose
/// calendar was not asked, so they are gathered anew, and more are asked at once: many may be after the same.
pub(super) async fn make(
    app: &App,
    caller: &Caller,
    request: &Checked,
    resolved: &Resolved,
    way: Way,
) -> Result<(Outcome, Refusals)> {
    let mut refusals = Refusals::new();
    let (mut round, mut at_once) = (1, 1);
    loop {
        let (mut lines, refused) = gather(app, request, resolved, at_once, &refusals).await?;
        refusals.extend(refused);
        let outcome = commit(app, caller, request, resolved, &mut lines, way).await?;
        let is_taken = matches!(outcome, Outcome::Taken);
        if !is_taken || round == MOST_ROUNDS || !lines.iter().any(Line::has_unasked) {
            return Ok((outcome, refusals));
        }
        (round, at_once) = (round + 1, (at_once * 4).min(MOST_ASKED));
    }
}

/// The one transaction. Whoever comes second on an agent waits for the first, then sees its work.
async fn commit(
    app: &App,
    caller: &Caller,
    request: &Checked,
    resolved: &Resolved,
    lines: &mut [Line],
    way: Way,
) -> Result<Outcome> {
    if lines.iter().all(|line| line.free() == 0) {
        return Ok(Outcome::Taken);
    }
    let transaction = store::begin(&app.db).await?;
    let id = match way {
        Way::Confirmed(id) => {
            booking_confirmation::lock(&transaction, id).await?;
            let before = booking::Entity::find_by_id(id).one(&transaction).await?;
            if before.is_some_and(|before| before.status != HELD) {
                transaction.rollback().await?;
                return Ok(Outcome::Before(id));
            }
            id
        }
        Way::Within | Way::Proven | Way::ByMail => app.uuid(),
    };
    if let Some(key) = &request.key
        && !take_key(&transaction, key, id, app.now() + KEY_KEPT).await?
    {
        transaction.rollback().await?;
        return Ok(Outcome::Replayed(key.clone()));
    }
    // Whoever confirms has the mailbox: what strangers had sent to it does not keep them from it.
    if !matches!(way, Way::Confirmed(_)) {
        quota::count_mail(app, &transaction, caller, &request.person.email).await?;
    }
    if way == Way::ByMail {
        return confirm::ask(app, transaction, caller, id, request, resolved, lines).await;
    }
    let Some(won) = assign(app, &transaction, request.route, lines).await? else {
        transaction.rollback().await?;
        return Ok(Outcome::Taken);
    };
    let mailbox_hash = limits::mailbox_hash(app, &request.person.email);
    let reached = limits::count(app, &transaction, caller, &mailbox_hash, won.agent.id).await?;
    if let (Some(limit), Way::Within) = (reached, way) {
        transaction.rollback().await?;
        return Ok(Outcome::Past(limit));
    }
    booking::drop_expired_holds(&transaction, won.agent.id, app.now()).await?;
    if matches!(way, Way::Confirmed(_)) {
        // It may be another agent's, and gives way to the booking, which has its ID.
        booking::drop_hold(&transaction, id).await?;
    }
    let record = routing::meeting::record(resolved, lines, Some(won.agent.id));
    let record = serde_json::to_value(record).map_err(Error::internal)?;
    let mailbox_hash = caller.is_visitor().then_some(mailbox_hash);
    let booking = Model { mailbox_hash, ..model(app, request, id, &won, record) };
    let row = booking::ActiveModel::from(booking.clone()).reset_all();
    let inserted = booking::Entity::insert(row).exec_without_returning(&transaction).await;
    if inserted.as_ref().is_err_and(is_guard_violation) {
        // The engine allowed what the guard refused: a fault of ours, and still no double booking.
        tracing::error!(agent.id = %won.agent.id, "the database's guard stopped a double booking");
        transaction.rollback().await?;
        return Ok(Outcome::Taken);
    }
    inserted?;
    consequences::of_booking(app, &transaction, &booking).await?;
    let change = Change::Booking { id: booking.id, agent: booking.agent_id };
    let news = changes::write(app, &transaction, [change]).await?;
    transaction.commit().await?;
    let schedule = AgentSchedule { busy: won.schedule.busy.with(won.slot), ..won.schedule };
    app.schedules.keep(booking.agent_id, schedule.into());
    Ok(Outcome::Made(Box::new(booking), news))
}

/// Writes the key down. False where another request with it was first: this one waited for it.
async fn take_key(
    transaction: &DatabaseTransaction,
    key: &Key,
    booking: Uuid,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let row = idempotency::ActiveModel {
        key_hash: Set(key.hash.clone()),
        input_hash: Set(key.input.clone()),
        booking_id: Set(booking),
        expires_at: Set(expires_at),
    };
    match idempotency::Entity::insert(row).exec_without_returning(transaction).await {
        Ok(_) => Ok(true),
        Err(error) if store::is_unique_violation(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
