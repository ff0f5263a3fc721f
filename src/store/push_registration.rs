//! Browsers of agents that take pushes.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{PaginatorTrait, QueryOrder};
use uuid::Uuid;

/// A row of `push_registrations`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "push_registrations")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose browser it is.
    pub agent_id: Uuid,
    /// The keyed hash of its endpoint: an endpoint is one browser.
    #[sea_orm(unique)]
    pub endpoint_hash: Vec<u8>,
    /// Its endpoint and keys, sealed for this row.
    pub subscription: Vec<u8>,
    /// What the agent calls it.
    pub label: Option<String>,
    /// When it was registered last.
    pub created_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Adds a registration, unless its endpoint has one. Whether it was added.
///
/// # Errors
/// The database's own.
pub async fn add<C: ConnectionTrait>(db: &C, new: Model) -> Result<bool, DbErr> {
    let on_conflict = OnConflict::column(Column::EndpointHash).do_nothing().to_owned();
    let new = ActiveModel::from(new).reset_all();
    Ok(Entity::insert(new).on_conflict(on_conflict).exec_without_returning(db).await? == 1)
}

/// The registration of an endpoint.
///
/// # Errors
/// The database's own.
pub async fn of_endpoint<C: ConnectionTrait>(db: &C, hash: &[u8]) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::EndpointHash.eq(hash)).one(db).await
}

/// How many registrations an agent has, but for the one of this endpoint.
///
/// # Errors
/// The database's own.
pub async fn count_others<C: ConnectionTrait>(
    db: &C,
    agent: Uuid,
    hash: &[u8],
) -> Result<u64, DbErr> {
    let own = Entity::find().filter(Column::AgentId.eq(agent));
    own.filter(Column::EndpointHash.ne(hash)).count(db).await
}

/// The registrations of several agents, in the order in which they were first made.
///
/// # Errors
/// The database's own.
pub async fn of_agents<C: ConnectionTrait>(db: &C, agents: &[Uuid]) -> Result<Vec<Model>, DbErr> {
    let own = Entity::find().filter(Column::AgentId.is_in(agents.iter().copied()));
    own.order_by_asc(Column::Id).all(db).await
}
