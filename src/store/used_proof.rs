//! Proofs that were used. Each is good for one request, whichever process it reaches.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use super::run_raw;

/// Notes the use of the proof with this hash, which can't be used after `expires_at` in any case. False where it was
/// used before.
///
/// # Errors
/// The database's own.
pub async fn note<C: ConnectionTrait>(
    db: &C,
    hash: Vec<u8>,
    expires_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "INSERT INTO used_proofs (proof_hash, expires_at) VALUES (?, ?) \
        ON CONFLICT (proof_hash) DO NOTHING";
    Ok(run_raw(db, sql, [hash.into(), expires_at.into()]).await? == 1)
}
