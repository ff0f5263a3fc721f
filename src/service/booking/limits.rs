//! How much callers without a key may book: counted in the booking's own transaction, so that what is refused was
//! never counted and no number of requests at once slips through.

use std::net::IpAddr;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::app::App;
use crate::service::access::Caller;
use crate::service::{Error, Result, mailbox};
use crate::store::booking_quota::{self, Subject};
use crate::store::{agent, booking, booking_confirmation};

/// A limit that is reached, past which proof or a confirmation is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    retry_after_seconds: i64,
}

impl Reached {
    /// What is said where nothing else can be demanded.
    pub(super) fn refusal(self) -> Error {
        let message =
            "too many meetings were booked from here, with this agent or in all; try again later";
        let retry_after_seconds = self.retry_after_seconds;
        Error::RateLimited { message: message.to_owned(), retry_after_seconds }
    }
}

/// The keyed hash of the mailbox that an address leads to.
pub(super) fn mailbox_hash(app: &App, email: &str) -> Vec<u8> {
    app.secrets.hash(&format!("mailbox/{}", mailbox::canonical(email)))
}

/// What each of a caller's bookings counts against.
struct Tally {
    subjects: Vec<Subject>,
    limits: Vec<Limit>,
}

/// The most bookings of one subject in a period, and when the period ends.
struct Limit {
    most: Most,
    ends_at: DateTime<Utc>,
}

enum Most {
    Of(u32),
    /// This many, or so many times the number of active agents, whichever is more.
    PerAgent(u32, u32),
}

/// Counts a booking with `agent`, which is locked. A caller with a key is not counted. All who count lock the
/// mailbox first, and then what is counted in the order of [`tally`]; nobody locks an agent after that.
///
/// # Errors
/// `RATE_LIMITED` where the mailbox has as many meetings ahead as it may: nothing gets past that.
pub(super) async fn count<C: ConnectionTrait>(
    app: &App,
    db: &C,
    caller: &Caller,
    mailbox_hash: &[u8],
    agent: Uuid,
) -> Result<Option<Reached>> {
    let Caller::Visitor { network } = caller else { return Ok(None) };
    let now = app.now();
    booking_quota::lock_open(db, mailbox_hash).await?;
    check_mailbox(app, db, mailbox_hash).await?;
    let Tally { subjects, limits } = tally(app, *network, agent, now);
    let counts = booking_quota::count_one(db, &subjects).await?;
    let mut reached = None;
    for (count, limit) in counts.into_iter().zip(limits) {
        if is_past(db, count, &limit.most).await? {
            // The last one to end is the one to wait for.
            let retry_after_seconds = (limit.ends_at - now).num_seconds().max(1);
            reached = reached.max(Some(retry_after_seconds));
        }
    }
    Ok(reached.map(|retry_after_seconds| Reached { retry_after_seconds }))
}

/// Refuses a mailbox that has as many meetings ahead as it may.
pub(super) async fn check_mailbox<C: ConnectionTrait>(
    app: &App,
    db: &C,
    mailbox_hash: &[u8],
) -> Result<()> {
    let (most, now) = (app.config.bookings.open_per_mailbox, app.now());
    let open = booking::open_of_mailbox(db, mailbox_hash, now, most.into()).await?;
    let is_full = u64::from(most) <= u64::try_from(open.len()).unwrap_or(u64::MAX);
    let Some(first_end) = open.first().filter(|_| is_full) else { return Ok(()) };
    let message =
        format!("one mailbox may have {most} meetings ahead; cancel one, or book when one is over");
    let retry_after_seconds = (*first_end - now).num_seconds().max(1);
    Err(Error::RateLimited { message, retry_after_seconds })
}

/// The keyed hash of the network that a caller asks for confirmations from, where it is known.
pub(super) fn network_hash(app: &App, caller: &Caller) -> Option<Vec<u8>> {
    let Caller::Visitor { network: Some(network) } = caller else { return None };
    Some(app.secrets.hash(&format!("unconfirmed/network/{network}")))
}

/// Refuses one more confirmation by e-mail where as many of this network wait as may: with a new address each time,
/// a stranger would have mails sent to third persons for ever. There is no such limit for all networks together, or
/// a few strangers could keep everybody else from booking. Whoever asks locks the network after the agent and the
/// mailbox, and locks none of those after that.
///
/// # Errors
/// `RATE_LIMITED`.
pub(super) async fn check_waiting<C: ConnectionTrait>(
    app: &App,
    db: &C,
    network_hash: Option<&[u8]>,
) -> Result<()> {
    let Some(hash) = network_hash else { return Ok(()) };
    booking_quota::lock_open(db, hash).await?;
    let (most, now) = (app.config.bookings.unconfirmed_per_address, app.now());
    let waiting = booking_confirmation::waiting(hash, now);
    if waiting.clone().count(db).await? < u64::from(most) {
        return Ok(());
    }
    let first = waiting.order_by_asc(booking_confirmation::Column::ExpiresAt).one(db).await?;
    let retry_after_seconds =
        first.map_or(1, |first| (first.expires_at - now).num_seconds().max(1));
    let message = "too many bookings from here wait for a confirmation by e-mail; confirm one, or try \
        again later";
    Err(Error::RateLimited { message: message.to_owned(), retry_after_seconds })
}

fn tally(app: &App, network: Option<IpAddr>, agent: Uuid, now: DateTime<Utc>) -> Tally {
    let limits = &app.config.bookings;
    let mut tally = Tally { subjects: Vec::with_capacity(4), limits: Vec::with_capacity(4) };
    let mut add = |what: String, length: TimeDelta, most: Most| {
        let period = now.duration_trunc(length).unwrap_or(now);
        let hash = app.secrets.hash(&format!("bookings/{}/{what}", length.num_hours()));
        tally.subjects.push(Subject { hash, period });
        tally.limits.push(Limit { most, ends_at: period + length });
    };
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    if let Some(network) = network {
        add(format!("network/{network}"), hour, Most::Of(limits.per_hour_and_address));
        add(format!("network/{network}"), day, Most::Of(limits.per_day_and_address));
    }
    add(format!("agent/{agent}"), day, Most::Of(limits.per_day_and_agent));
    // Last, and so held for the shortest time: it is everybody's.
    let most = Most::PerAgent(limits.per_hour, limits.per_hour_for_each_agent);
    add("all".to_owned(), hour, most);
    tally
}

async fn is_past<C: ConnectionTrait>(db: &C, count: i64, most: &Most) -> Result<bool> {
    match *most {
        Most::Of(most) => Ok(i64::from(most) < count),
        Most::PerAgent(least, _) if count <= i64::from(least) => Ok(false),
        Most::PerAgent(_, each) => {
            let active = agent::Entity::find().filter(agent::Column::Active.eq(true));
            let most = active.count(db).await?.saturating_mul(each.into());
            Ok(most < u64::try_from(count).unwrap_or(0))
        }
    }
}
