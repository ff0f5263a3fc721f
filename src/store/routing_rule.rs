//! Custom routing rules, and the revision of all that routing goes by.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{JsonOf, run_raw, statement};
use crate::routing::Condition;

/// A row of `routing_rules`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "routing_rules")]
pub struct Model {
    /// UUID version 7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What those who keep rules call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The lower, the earlier it is looked at; of equal ones, the older rule's first.
    pub priority: i32,
    /// False: it is passed over.
    pub active: bool,
    /// Who gets the visitor; none where agents are named.
    pub team_id: Option<Uuid>,
    /// Which visitors it is for.
    pub condition: JsonOf<Condition>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The agents that rules name.
pub mod agent {
    use super::*;

    /// A row of `routing_rule_agents`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "routing_rule_agents")]
    pub struct Model {
        /// The rule.
        #[sea_orm(primary_key, auto_increment = false)]
        pub rule_id: Uuid,
        /// One of its agents.
        #[sea_orm(primary_key, auto_increment = false)]
        pub agent_id: Uuid,
        /// Where the agent stands among them, from 0.
        pub place: i32,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Notes that something changed that routing goes by: rules, teams or their members. Changes come one
/// after the other, since the row stays locked until the transaction ends.
///
/// # Errors
/// The database's own.
pub async fn touch<C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    run_raw(db, "UPDATE routing_state SET revision = revision + 1 WHERE id = 1", []).await?;
    Ok(())
}

/// How often that has changed.
///
/// # Errors
/// The database's own.
pub async fn revision<C: ConnectionTrait>(db: &C) -> Result<i64, DbErr> {
    let query = statement(db.get_database_backend(), "SELECT revision FROM routing_state", []);
    let row = db.query_one_raw(query).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("routing_state".to_owned()))?.try_get_by_index(0)
}

/// All rules in the order in which they are looked at.
///
/// # Errors
/// The database's own.
pub async fn all<C: ConnectionTrait>(db: &C) -> Result<Vec<Model>, DbErr> {
    Entity::find().order_by_asc(Column::Priority).order_by_asc(Column::Id).all(db).await
}

/// The agents that rules name, each rule's in their order: of all rules, or of one.
///
/// # Errors
/// The database's own.
pub async fn agents<C: ConnectionTrait>(
    db: &C,
    rule: Option<Uuid>,
) -> Result<HashMap<Uuid, Vec<Uuid>>, DbErr> {
    let of_rule = rule.map(|rule| agent::Column::RuleId.eq(rule));
    let rows: Vec<(Uuid, Uuid)> = agent::Entity::find()
        .select_only()
        .columns([agent::Column::RuleId, agent::Column::AgentId])
        .filter(sea_orm::Condition::all().add_option(of_rule))
        .order_by_asc(agent::Column::RuleId)
        .order_by_asc(agent::Column::Place)
        .into_tuple()
        .all(db)
        .await?;
    Ok(grouped(rows))
}

/// Names `agents` for a rule, in this order, instead of those that it named.
///
/// # Errors
/// The database's own.
pub async fn set_agents<C: ConnectionTrait>(
    db: &C,
    rule: Uuid,
    agents: &[Uuid],
) -> Result<(), DbErr> {
    use sea_orm::Set;
    agent::Entity::delete_many().filter(agent::Column::RuleId.eq(rule)).exec(db).await?;
    let rows = (0..).zip(agents).map(|(place, agent)| agent::ActiveModel {
        rule_id: Set(rule),
        agent_id: Set(*agent),
        place: Set(place),
    });
    if !agents.is_empty() {
        agent::Entity::insert_many(rows).exec_without_returning(db).await?;
    }
    Ok(())
}

/// All teams: each one's ID, name and members, in their order.
///
/// # Errors
/// The database's own.
pub async fn teams<C: ConnectionTrait>(db: &C) -> Result<Vec<(Uuid, String, Vec<Uuid>)>, DbErr> {
    let backend = db.get_database_backend();
    let sql = "SELECT team_id, agent_id FROM team_members ORDER BY team_id, place, agent_id";
    let rows = db.query_all_raw(statement(backend, sql, [])).await?;
    let pair =
        |row: &sea_orm::QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    let mut members = grouped(rows.iter().map(pair).collect::<Result<Vec<_>, DbErr>>()?);
    let teams = db.query_all_raw(statement(backend, "SELECT id, name FROM teams", [])).await?;
    let team = |row: &sea_orm::QueryResult| {
        let id: Uuid = row.try_get_by_index(0)?;
        Ok((id, row.try_get_by_index(1)?, members.remove(&id).unwrap_or_default()))
    };
    teams.iter().map(team).collect()
}

/// Whether there is a team with this ID.
///
/// # Errors
/// The database's own.
pub async fn has_team<C: ConnectionTrait>(db: &C, team: Uuid) -> Result<bool, DbErr> {
    let sql = "SELECT 1 FROM teams WHERE id = ?";
    let query = statement(db.get_database_backend(), sql, [team.into()]);
    Ok(db.query_one_raw(query).await?.is_some())
}

fn grouped(rows: Vec<(Uuid, Uuid)>) -> HashMap<Uuid, Vec<Uuid>> {
    let mut found: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for (of, member) in rows {
        found.entry(of).or_default().push(member);
    }
    found
}
