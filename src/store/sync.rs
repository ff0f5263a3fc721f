//! What is known of how far each calendar elsewhere was read.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use uuid::Uuid;

/// A row of `calendar_syncs`: one calendar of a connection whose busy time counts. It goes with its
/// connection.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "calendar_syncs")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The connection that it is read through.
    pub connection_id: Uuid,
    /// Whose calendar it is.
    pub agent_id: Uuid,
    /// The provider's reference to the calendar.
    pub calendar_ref: String,
    /// Where to go on from; none: from the beginning.
    pub cursor: Option<String>,
    /// The first instant that the cursor covers.
    pub window_start: Option<DateTime<Utc>>,
    /// The first instant that it no longer covers.
    pub window_end: Option<DateTime<Utc>>,
    /// When what is known of it was last known to be right.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// Looks that failed since.
    pub failures: i32,
    /// When to look next.
    pub due_at: DateTime<Utc>,
    /// Grows with each wish to look, so that one that comes during a look is not lost.
    pub asked: i32,
    /// Who is looking.
    pub lease_id: Option<Uuid>,
    /// Until when nobody else may.
    pub lease_until: Option<DateTime<Utc>>,
    /// The channel on which the provider tells of changes.
    pub watch_channel: Option<Uuid>,
    /// The channel that is being made.
    pub next_channel: Option<Uuid>,
    /// What the provider needs to prolong or end the channel.
    pub watch_ref: Option<String>,
    /// When the channel ends by itself.
    pub watch_expires_at: Option<DateTime<Utc>>,
    /// When to make or prolong it.
    pub watch_due_at: Option<DateTime<Utc>>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
