//! What callers without a key may have done for one e-mail address, or to one booking, in an hour of the clock:
//! nobody shall use this server to bother a third person, or the agents, over and over.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::access::Caller;
use super::{Error, Result, mailbox};
use crate::app::App;
use crate::store::quota;

/// Counts a mail to this address, in the caller's transaction, and refuses one too many.
///
/// # Errors
/// `RATE_LIMITED`.
pub(crate) async fn count_mail<C: ConnectionTrait>(
    app: &App,
    db: &C,
    caller: &Caller,
    email: &str,
) -> Result<()> {
    let most = app.config.limits.mails_per_hour;
    if !caller.is_visitor() || count_email(app, db, "mail-quota", email).await? <= most {
        return Ok(());
    }
    let message = format!("at most {most} mails an hour are sent to one address; try again later");
    Err(Error::RateLimited { message, retry_after_seconds: rest_of_hour(app.now()) })
}

/// Counts a move of this booking, in the caller's transaction, and refuses one too many. Not counted with the mails
/// to its address: strangers could use those up, and its visitor could not move it any more.
///
/// # Errors
/// `RATE_LIMITED`.
pub(crate) async fn count_move<C: ConnectionTrait>(
    app: &App,
    db: &C,
    caller: &Caller,
    booking: Uuid,
) -> Result<()> {
    let most = app.config.limits.mails_per_hour;
    if !caller.is_visitor() || count(app, db, &format!("move-quota/{booking}")).await? <= most {
        return Ok(());
    }
    let message = format!("a meeting is moved at most {most} times an hour; try again later");
    Err(Error::RateLimited { message, retry_after_seconds: rest_of_hour(app.now()) })
}

/// Counts a live chat that is asked for by this address, and refuses one too many.
///
/// # Errors
/// `RATE_LIMITED`.
pub(crate) async fn count_live_chat(app: &App, caller: &Caller, email: &str) -> Result<()> {
    let most = app.config.limits.live_chats_per_hour;
    if !caller.is_visitor() || count_email(app, &app.db, "live-chat-quota", email).await? <= most {
        return Ok(());
    }
    let message =
        format!("one address may ask for at most {most} live chats an hour; try again later");
    Err(Error::RateLimited { message, retry_after_seconds: rest_of_hour(app.now()) })
}

async fn count_email<C: ConnectionTrait>(
    app: &App,
    db: &C,
    what: &str,
    email: &str,
) -> Result<i32> {
    count(app, db, &format!("{what}/{}", mailbox::canonical(email))).await
}

async fn count<C: ConnectionTrait>(app: &App, db: &C, subject: &str) -> Result<i32> {
    Ok(quota::count_one(db, app.secrets.hash(subject), app.now()).await?)
}

fn rest_of_hour(now: DateTime<Utc>) -> i64 {
    3600 - now.timestamp().rem_euclid(3600)
}
