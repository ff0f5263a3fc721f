//! Busy time that is known from calendars, and the built-in calendar's own entries.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use uuid::Uuid;

use super::JsonOf;

/// A row of `busy_intervals`: what the server knows of an agent's calendar. Our own bookings'
/// entries never stand here; the bookings themselves are busy.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "busy_intervals")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Who is busy.
    pub agent_id: Uuid,
    /// The entry in the calendar.
    pub uid: String,
    /// Its start.
    pub starts_at: DateTime<Utc>,
    /// Its end.
    pub ends_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The built-in calendar's entries.
pub mod builtin {
    use super::*;

    /// `kind` of an entry that stands for a booking.
    pub const BOOKING: &str = "BOOKING";
    /// `kind` of an entry that the agent made.
    pub const BUSY_TIME: &str = "BUSY_TIME";

    /// A row of `builtin_events`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "builtin_events")]
    pub struct Model {
        /// Whose calendar it is in.
        #[sea_orm(primary_key, auto_increment = false)]
        pub agent_id: Uuid,
        /// iCalendar's UID.
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: String,
        /// [`BOOKING`] or [`BUSY_TIME`].
        pub kind: String,
        /// iCalendar's SEQUENCE.
        pub sequence: i32,
        /// Its start.
        pub starts_at: DateTime<Utc>,
        /// Its end.
        pub ends_at: DateTime<Utc>,
        /// What it is called.
        pub title: String,
        /// The rest of the entry.
        pub details: JsonOf<serde_json::Value>,
        /// Grows with each change in this agent's calendar.
        pub revision: i64,
        /// True once taken out: kept so that a reader of changes hears of it.
        pub deleted: bool,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
