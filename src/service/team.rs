//! Teams: agents whom visitors can ask for together, and whom rules name together.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QuerySelect, Set,
};
use uuid::Uuid;

use super::{Error, Result, text};
use crate::app::App;
use crate::ids;
use crate::store::page::{Page, PageRequest};
use crate::store::team::{ActiveModel, Column, Entity, Model};
use crate::store::{self, agent, routing_rule, team};

/// Most members of one team.
pub const MOST_MEMBERS: usize = 500;

/// What to change about a team; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct TeamUpdate {
    /// Unique among teams, whatever its capitals.
    pub name: Option<String>,
    /// All of its members, in order, each with where it stands in the input.
    pub members: Option<Vec<Uuid>>,
}

/// There is no such team.
pub(crate) fn unknown(id: Uuid) -> Error {
    Error::NotFound(format!("there is no team {}", ids::TEAM.format(id)))
}

/// The team with this ID.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(id).one(&app.db).await?)
}

/// The members of several teams as records, in order, deactivated ones included.
///
/// # Errors
/// None but the database's.
pub async fn agents_of(app: &App, teams: &[Uuid]) -> Result<HashMap<Uuid, Vec<agent::Model>>> {
    let members = team::members(&app.db, teams).await?;
    let ids: HashSet<Uuid> = members.values().flatten().copied().collect();
    let agents = agent::Entity::find().filter(agent::Column::Id.is_in(ids)).all(&app.db).await?;
    let agents: HashMap<Uuid, agent::Model> = agents.into_iter().map(|a| (a.id, a)).collect();
    let records = |ids: Vec<Uuid>| ids.iter().filter_map(|id| agents.get(id).cloned()).collect();
    Ok(members.into_iter().map(|(team, ids)| (team, records(ids))).collect())
}

/// A page of teams, in the order in which they were made.
///
/// # Errors
/// None but the database's.
pub async fn list(app: &App, page: &PageRequest<Uuid>) -> Result<Page<Model>> {
    Ok(store::page::read(&app.db, Entity::find(), &[Column::Id], page).await?)
}

/// How many teams there are to page through.
///
/// # Errors
/// None but the database's.
pub async fn count(app: &App) -> Result<u64> {
    Ok(Entity::find().count(&app.db).await?)
}

/// Makes a team.
///
/// # Errors
/// `BAD_USER_INPUT`, for a member given twice too; `NOT_FOUND` for an unknown member; `CONFLICT` where
/// another team has the name.
pub async fn create(app: &App, name: &str, members: &[Uuid]) -> Result<Model> {
    let name = checked_name(name)?;
    check_members(members)?;
    let record = ActiveModel {
        id: Set(app.uuid()),
        name_key: Set(name.to_lowercase()),
        name: Set(name),
        created_at: Set(app.now()),
    };
    let transaction = store::begin(&app.db).await?;
    // First, so that changes of teams and of rules, which name them, come one after the other.
    routing_rule::touch(&transaction).await?;
    let made = Entity::insert(record).exec_with_returning(&transaction).await;
    let made = made.map_err(name_taken)?;
    must_exist(&transaction, members).await?;
    team::set_members(&transaction, made.id, members).await?;
    transaction.commit().await?;
    Ok(made)
}

/// Changes a team.
///
/// # Errors
/// As [`create`], and `NOT_FOUND` for the team.
pub async fn update(app: &App, id: Uuid, update: TeamUpdate) -> Result<Model> {
    let name = update.name.as_deref().map(checked_name).transpose()?;
    if let Some(members) = &update.members {
        check_members(members)?;
    }
    let transaction = store::begin(&app.db).await?;
    routing_rule::touch(&transaction).await?;
    let before = team::lock(&transaction, id).await?.ok_or_else(|| unknown(id))?;
    let mut after = before;
    if let Some(name) = name {
        let record = ActiveModel {
            id: Set(id),
            name_key: Set(name.to_lowercase()),
            name: Set(name),
            ..Default::default()
        };
        after = record.update(&transaction).await.map_err(name_taken)?;
    }
    if let Some(members) = &update.members {
        must_exist(&transaction, members).await?;
        team::set_members(&transaction, id, members).await?;
    }
    transaction.commit().await?;
    Ok(after)
}

/// Takes a team away.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` while a rule names it.
pub async fn delete(app: &App, id: Uuid) -> Result<()> {
    let transaction = store::begin(&app.db).await?;
    routing_rule::touch(&transaction).await?;
    team::lock(&transaction, id).await?.ok_or_else(|| unknown(id))?;
    if let Some(rule) = team::rule_naming(&transaction, id).await? {
        let message = format!("the rule “{rule}” sends visitors to this team");
        return Err(Error::Conflict(message));
    }
    team::delete(&transaction, id).await?;
    transaction.commit().await?;
    Ok(())
}

fn checked_name(given: &str) -> Result<String> {
    text::required("input.name", given, text::NAME_CHARS)
}

fn name_taken(error: sea_orm::DbErr) -> Error {
    if store::is_unique_violation(&error) {
        return Error::taken("input.name", "another team has this name");
    }
    error.into()
}

fn check_members(members: &[Uuid]) -> Result<()> {
    if MOST_MEMBERS < members.len() {
        let message = format!("a team has at most {MOST_MEMBERS} members, not {}", members.len());
        return Err(Error::bad_input("input.memberIds", message));
    }
    let mut seen = HashSet::new();
    match members.iter().position(|member| !seen.insert(member)) {
        Some(index) => {
            let field = format!("input.memberIds.{index}");
            let message = format!("{field} names an agent that stands before it already");
            Err(Error::bad_input(field, message))
        }
        None => Ok(()),
    }
}

/// Agents are never deleted, so those that are there stay.
async fn must_exist<C: ConnectionTrait>(db: &C, members: &[Uuid]) -> Result<()> {
    let known: Vec<Uuid> = agent::Entity::find()
        .select_only()
        .column(agent::Column::Id)
        .filter(agent::Column::Id.is_in(members.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    let known: HashSet<Uuid> = known.into_iter().collect();
    match members.iter().position(|member| !known.contains(member)) {
        Some(index) => {
            let message = format!("input.memberIds.{index} names no agent");
            Err(Error::NotFound(message))
        }
        None => Ok(()),
    }
}
