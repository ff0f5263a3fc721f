//! The one calendar that an agent has connected, and the feed of the built-in one.

use calendar_provider::CalendarInfo;
use chrono::{DateTime, Utc};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{JsonOf, run_raw};

/// A row of `calendar_connections`.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
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
    /// When its agent last picked which calendars count, where that was since.
    pub selected_at: Option<DateTime<Utc>>,
    /// When its busy time was last known to be right, all of its calendars together.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// The account's own zone, where the provider told it.
    pub time_zone: Option<String>,
    /// The account's language, where the provider told it.
    pub language: Option<String>,
    /// The account's calendars when they were last listed.
    pub calendars: JsonOf<Vec<Listed>>,
    /// References to calendars that block the agent besides `calendar_ref`.
    pub also_busy: JsonOf<Vec<String>>,
    /// For a provider that connects over OAuth: when the access token stops working.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// Who is refreshing the tokens.
    pub refresh_lease_id: Option<Uuid>,
    /// Until when nobody else may.
    pub refresh_lease_until: Option<DateTime<Utc>>,
    /// The process that is refreshing them.
    pub refresh_lease_process: Option<Uuid>,
}

impl Model {
    /// Names the calendar that bookings are written to, whichever connection it is reached by: an
    /// agent who connects the same calendar again finds the same entries in it.
    pub fn place(&self) -> String {
        place(&self.provider, &self.account, &self.calendar_ref)
    }

    /// The reference to the calendar that `named`, made by [`place`], names, where it is another one of
    /// the same account: one that this connection reaches too.
    pub fn former(&self, named: &str) -> Option<String> {
        let (provider, account, calendar_ref) = parts(named)?;
        let is_other = calendar_ref != self.calendar_ref;
        (provider == self.provider && account == self.account && is_other).then_some(calendar_ref)
    }
}

/// The provider, the account and the calendar's reference that [`place`] put together.
pub fn parts(place: &str) -> Option<(String, String, String)> {
    serde_json::from_str(place).ok()
}

/// Names a calendar of an account, as [`Model::place`] does.
pub fn place(provider: &str, account: &str, calendar_ref: &str) -> String {
    serde_json::json!([provider, account, calendar_ref]).to_string()
}

/// A calendar of the account, as kept in [`Model::calendars`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The provider's reference to it.
    pub calendar_ref: String,
    /// What the agent calls it.
    pub name: String,
    /// Whether it is the account's main one.
    pub primary: bool,
    /// Whether events can be written to it.
    pub writable: bool,
}

impl From<CalendarInfo> for Listed {
    fn from(info: CalendarInfo) -> Self {
        Self {
            calendar_ref: info.calendar_ref,
            name: info.name,
            primary: info.primary,
            writable: info.writable,
        }
    }
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A connection's row, which nobody else changes until the transaction ends.
///
/// # Errors
/// The database's own.
pub async fn locked<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).lock_exclusive().one(db).await
}

/// Keeps which calendars of the account count, which there are, and how the connection stands since.
///
/// # Errors
/// The database's own.
pub async fn set_selection<C: ConnectionTrait>(db: &C, selected: &Model) -> Result<(), DbErr> {
    let sql = "UPDATE calendar_connections SET calendar_ref = ?, calendar_name = ?, also_busy = ?, \
        calendars = ?, status = ?, problem = ?, selected_at = ? WHERE id = ?";
    let values = [
        selected.calendar_ref.clone().into(),
        selected.calendar_name.clone().into(),
        selected.also_busy.clone().into(),
        selected.calendars.clone().into(),
        selected.status.clone().into(),
        selected.problem.clone().into(),
        selected.selected_at.into(),
        selected.id.into(),
    ];
    run_raw(db, sql, values).await?;
    Ok(())
}

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
