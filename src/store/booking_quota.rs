//! How many bookings callers without a key have made, by what is counted and by period.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Value};

use super::{run_raw, statement};

/// What is counted in a period.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The keyed hash of what it is.
    pub hash: Vec<u8>,
    /// The start of its period.
    pub period: DateTime<Utc>,
}

/// Counts one booking more for each subject, and returns the counts in the order of the subjects. Each row stays
/// locked until the transaction ends, so those who count the same are counted one after the other, and what is
/// rolled back was never counted. All lock them in the order given.
///
/// # Errors
/// The database's own.
pub async fn count_one<C: ConnectionTrait>(
    db: &C,
    subjects: &[Subject],
) -> Result<Vec<i64>, DbErr> {
    let rows = vec!["(?, ?, 1)"; subjects.len()].join(", ");
    let sql = format!(
        "INSERT INTO booking_quotas (subject_hash, period_starts_at, bookings) VALUES {rows} \
         ON CONFLICT (subject_hash, period_starts_at) \
         DO UPDATE SET bookings = booking_quotas.bookings + 1 RETURNING subject_hash, bookings"
    );
    let values = subjects
        .iter()
        .flat_map(|subject| -> [Value; 2] { [subject.hash.clone().into(), subject.period.into()] });
    let found = db.query_all_raw(statement(db.get_database_backend(), &sql, values)).await?;
    let mut counts = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let mut count = None;
        for row in &found {
            if row.try_get_by_index::<Vec<u8>>(0)? == subject.hash {
                count = Some(row.try_get_by_index::<i32>(1)?.into());
            }
        }
        counts.push(count.ok_or(DbErr::RecordNotInserted)?);
    }
    Ok(counts)
}

/// Keeps others from counting what is open for a mailbox, for a network or in all, whichever the hash is of, until the
/// transaction ends. SQLite has one writer at a
/// time anyway.
///
/// # Errors
/// The database's own.
pub async fn lock_open<C: ConnectionTrait>(db: &C, hash: &[u8]) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let mut first = [0; 8];
    for (byte, from) in first.iter_mut().zip(hash) {
        *byte = *from;
    }
    let key = i64::from_be_bytes(first);
    run_raw(db, "SELECT pg_advisory_xact_lock(?)", [key.into()]).await.map(|_| ())
}
