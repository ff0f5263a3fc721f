//! Teams: agents whom visitors can ask for together.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect, Set};
use uuid::Uuid;

use super::{run_raw, statement};

/// A row of `teams`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "teams")]
pub struct Model {
    /// UUID version 7: teams in the order in which they were made.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// As given.
    pub name: String,
    /// Lower-cased, unique.
    pub name_key: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// None: joins are written where they are needed.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Who is in which team.
pub mod member {
    use super::{
        ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait,
        EnumIter, PrimaryKeyTrait, Uuid,
    };

    /// A row of `team_members`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "team_members")]
    pub struct Model {
        /// The team.
        #[sea_orm(primary_key, auto_increment = false)]
        pub team_id: Uuid,
        /// Its member.
        #[sea_orm(primary_key, auto_increment = false)]
        pub agent_id: Uuid,
        /// The member's place in the team, from 0.
        pub place: i32,
    }

    /// None: joins are written where they are needed.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The team with this ID, locked until the transaction ends, so that its name and members are changed by
/// one at a time. SQLite has one writer anyway.
///
/// # Errors
/// The database's own.
pub async fn lock<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).lock_exclusive().one(db).await
}

/// The members of each of several teams, in order. A team without any is left out.
///
/// # Errors
/// The database's own.
pub async fn members<C: ConnectionTrait>(
    db: &C,
    teams: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Uuid>>, DbErr> {
    let select = member::Entity::find()
        .filter(member::Column::TeamId.is_in(teams.iter().copied()))
        .order_by_asc(member::Column::TeamId)
        .order_by_asc(member::Column::Place);
    let mut members: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for row in select.all(db).await? {
        members.entry(row.team_id).or_default().push(row.agent_id);
    }
    Ok(members)
}

/// The teams of each of several agents, in the order in which they were made.
///
/// # Errors
/// The database's own.
pub async fn of_agents<C: ConnectionTrait>(
    db: &C,
    agents: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Model>>, DbErr> {
    let rows: Vec<(Uuid, Uuid)> = member::Entity::find()
        .select_only()
        .columns([member::Column::AgentId, member::Column::TeamId])
        .filter(member::Column::AgentId.is_in(agents.iter().copied()))
        .order_by_asc(member::Column::TeamId)
        .into_tuple()
        .all(db)
        .await?;
    let teams = rows.iter().map(|(_, team)| *team);
    let teams = Entity::find().filter(Column::Id.is_in(teams)).all(db).await?;
    let teams: HashMap<Uuid, Model> = teams.into_iter().map(|team| (team.id, team)).collect();
    let mut found: HashMap<Uuid, Vec<Model>> = HashMap::new();
    for (agent, team) in rows {
        found.entry(agent).or_default().extend(teams.get(&team).cloned());
    }
    Ok(found)
}

/// Puts these members, in this order, in place of those that the team has.
///
/// # Errors
/// The database's own.
pub async fn set_members<C: ConnectionTrait>(
    db: &C,
    team: Uuid,
    members: &[Uuid],
) -> Result<(), DbErr> {
    run_raw(db, "DELETE FROM team_members WHERE team_id = ?", [team.into()]).await?;
    let row = |(place, agent): (i32, &Uuid)| member::ActiveModel {
        team_id: Set(team),
        agent_id: Set(*agent),
        place: Set(place),
    };
    let rows: Vec<_> = (0..).zip(members).map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    member::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

/// The name of a rule that sends visitors to the team, if there is one: the first in the order in which
/// rules are looked at.
///
/// # Errors
/// The database's own.
pub async fn rule_naming<C: ConnectionTrait>(db: &C, team: Uuid) -> Result<Option<String>, DbErr> {
    let sql = "SELECT name FROM routing_rules WHERE team_id = ? ORDER BY priority, id LIMIT 1";
    let query = statement(db.get_database_backend(), sql, [team.into()]);
    db.query_one_raw(query).await?.map(|row| row.try_get_by_index(0)).transpose()
}

/// Takes the team away, with the turns of its queues. Its members go with it.
///
/// # Errors
/// The database's own.
pub async fn delete<C: ConnectionTrait>(db: &C, team: Uuid) -> Result<(), DbErr> {
    for queue in [format!("team/{team}"), format!("chat/team/{team}")] {
        super::queue::forget(db, &queue).await?;
    }
    run_raw(db, "DELETE FROM teams WHERE id = ?", [team.into()]).await?;
    Ok(())
}
