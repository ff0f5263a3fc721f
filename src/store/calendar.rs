//! The one calendar that an agent has connected, and the feed of the built-in one.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use uuid::Uuid;

use super::JsonOf;

/// A row of `calendar_connections`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "calendar_connections")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose calendar it is; one an agent.
    pub agent_id: Uuid,
    /// The provider's key.
    pub provider: String,
    /// As the provider names the account.
    pub account: String,
    /// As the provider names the calendar.
    pub calendar_name: Option<String>,
    /// What the provider needs to find the calendar again.
    pub calendar_ref: String,
    /// `CONNECTED`, `REAUTHENTICATION_REQUIRED` or `UNREACHABLE`.
    pub status: String,
    /// Why it is not `CONNECTED`.
    pub problem: Option<String>,
    /// What the agent granted.
    pub granted_scopes: JsonOf<Vec<String>>,
    /// Sealed, bound to this row's ID.
    pub credentials: Vec<u8>,
    /// When it was connected.
    pub connected_at: DateTime<Utc>,
    /// When its busy time was last known to be right.
    pub last_synced_at: Option<DateTime<Utc>>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The secret address under which calendar programs can read an agent's built-in calendar.
pub mod feed {
    use super::*;

    /// A row of `calendar_feeds`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "calendar_feeds")]
    pub struct Model {
        /// Whose calendar it shows; one feed an agent.
        #[sea_orm(primary_key, auto_increment = false)]
        pub agent_id: Uuid,
        /// The keyed hash of the secret.
        pub token_hash: Vec<u8>,
        /// When it was made.
        pub created_at: DateTime<Utc>,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
