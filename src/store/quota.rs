//! How often something was done for one e-mail address, or to one booking, in an hour of the clock. The table is named after mails, which
//! were counted first.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use super::statement;

/// Counts what is done once more in the hour of `now`, and returns the count; `hash` is of what it is and of the
/// address or booking. Two that count at once are counted one after the other.
///
/// # Errors
/// The database's own.
pub async fn count_one<C: ConnectionTrait>(
    db: &C,
    hash: Vec<u8>,
    now: DateTime<Utc>,
) -> Result<i32, DbErr> {
    let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
    let sql = "INSERT INTO mail_quotas (recipient_hash, hour_starts_at, mails) VALUES (?, ?, 1) \
        ON CONFLICT (recipient_hash, hour_starts_at) DO UPDATE SET mails = mail_quotas.mails + 1 \
        RETURNING mails";
    let query = statement(db.get_database_backend(), sql, [hash.into(), hour.into()]);
    let row = db.query_one_raw(query).await?;
    row.ok_or_else(|| DbErr::RecordNotInserted)?.try_get_by_index(0)
}
