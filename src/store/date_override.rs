//! Dates whose meeting blocks differ from the weekly ones.

use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use uuid::Uuid;

use super::JsonOf;
use crate::scheduling::DayBlocks;

/// A row of `date_overrides`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "date_overrides")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose date it is.
    pub agent_id: Uuid,
    /// In the agent's meeting time zone; one override a date.
    pub date: NaiveDate,
    /// Empty: a day off.
    pub blocks: JsonOf<DayBlocks>,
    /// For the agent's own eyes.
    pub note: Option<String>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
