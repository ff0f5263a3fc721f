//! Work that one process at a time is at.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Who claims rows, and until when. The claim of a process that dies is taken back before its end: see
/// [`super::process::forget`].
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Names the claim.
    pub id: Uuid,
    /// The process that claims.
    pub process: Uuid,
    /// When it begins.
    pub now: DateTime<Utc>,
    /// When it ends by itself.
    pub until: DateTime<Utc>,
}
