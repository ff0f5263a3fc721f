//! Custom routing rules: which visitors go to whom, besides the owners of accounts.

mod snapshot;

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QuerySelect, Set,
};
use uuid::Uuid;

use super::{Error, Result, condition, text};
use crate::app::App;
use crate::ids;
use crate::routing::Condition;
use crate::store::routing_rule::{self as store, ActiveModel, Entity, Model};
use crate::store::{JsonOf, agent, begin, queue};

pub use snapshot::{Rule, Snapshot, SnapshotCache, TeamMembers, snapshot};

/// Most rules there can be.
pub const MOST: usize = 500;
/// Most agents of one rule.
pub const MOST_AGENTS: usize = 200;
/// The greatest priority number.
const LAST_PRIORITY: i32 = 1_000_000;

/// A rule with the agents that it names, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingRule {
    /// The rule.
    pub record: Model,
    /// None where it names a team.
    pub agents: Vec<Uuid>,
}

/// Who gets the visitors of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These agents, each once.
    Agents(Vec<Uuid>),
    /// The members of this team.
    Team(Uuid),
}

/// A rule to make.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "as in `Model`")]
pub struct NewRule {
    pub name: String,
    pub description: Option<String>,
    /// Behind all others where none is given.
    pub priority: Option<i64>,
    pub active: bool,
    pub target: Target,
    pub condition: Condition,
}

/// What to change about a rule; what is none stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in `Model`")]
pub struct RuleUpdate {
    pub name: Option<String>,
    /// An empty one takes it away.
    pub description: Option<String>,
    pub priority: Option<i64>,
    pub active: Option<bool>,
    pub target: Option<Target>,
    pub condition: Option<Condition>,
}

fn unknown(id: Uuid) -> Error {
    Error::NotFound(format!("there is no routing rule {}", ids::ROUTING_RULE.format(id)))
}

/// The rule with this ID.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<RoutingRule>> {
    find_in(&app.db, id).await
}

async fn find_in<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<Option<RoutingRule>> {
    let Some(record) = Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    let agents = store::agents(db, Some(id)).await?.remove(&id).unwrap_or_default();
    Ok(Some(RoutingRule { record, agents }))
}

/// All rules, in the order in which they are looked at; at most [`MOST`].
///
/// # Errors
/// None but the database's.
pub async fn list(app: &App) -> Result<Vec<RoutingRule>> {
    list_in(&app.db).await
}

async fn list_in<C: ConnectionTrait>(db: &C) -> Result<Vec<RoutingRule>> {
    let rules = store::all(db).await?;
    let mut agents: HashMap<Uuid, Vec<Uuid>> = store::agents(db, None).await?;
    let rule = |record: Model| {
        let agents = agents.remove(&record.id).unwrap_or_default();
        RoutingRule { record, agents }
    };
    Ok(rules.into_iter().map(rule).collect())
}

/// Makes a rule.
///
/// # Errors
/// `BAD_USER_INPUT` naming the part at fault, agents that are not active among it;
/// `LIMIT_EXCEEDED` past 500 rules.
pub async fn create(app: &App, new: NewRule) -> Result<RoutingRule> {
    let name = name(&new.name)?;
    let description = description(new.description.as_deref())?;
    let given = new.priority.map(priority).transpose()?;
    let condition = condition::condition("input.condition", new.condition)?;
    let transaction = begin(&app.db).await?;
    store::touch(&transaction).await?;
    let others = store::all(&transaction).await?;
    if MOST <= others.len() {
        return Err(Error::LimitExceeded(format!("there can be at most {MOST} routing rules")));
    }
    let last = others.last().map_or(0, |rule| rule.priority);
    let record = ActiveModel {
        id: Set(app.uuid()),
        name: Set(name),
        description: Set(description),
        priority: Set(given.unwrap_or(last.saturating_add(1).min(LAST_PRIORITY))),
        active: Set(new.active),
        team_id: Set(team(&transaction, &new.target).await?),
        condition: Set(JsonOf(condition)),
        created_at: Set(app.now()),
    };
    let record = Entity::insert(record).exec_with_returning(&transaction).await?;
    let agents = set_target(&transaction, record.id, new.target).await?;
    transaction.commit().await?;
    Ok(RoutingRule { record, agents })
}

/// Changes a rule.
///
/// # Errors
/// As [`create`]; `NOT_FOUND`.
pub async fn update(app: &App, id: Uuid, update: RuleUpdate) -> Result<RoutingRule> {
    let mut record = ActiveModel { id: Set(id), ..Default::default() };
    if let Some(given) = &update.name {
        record.name = Set(name(given)?);
    }
    if let Some(given) = &update.description {
        record.description = Set(description(Some(given))?);
    }
    if let Some(given) = update.priority {
        record.priority = Set(priority(given)?);
    }
    if let Some(active) = update.active {
        record.active = Set(active);
    }
    if let Some(given) = update.condition {
        record.condition = Set(JsonOf(condition::condition("input.condition", given)?));
    }
    let transaction = begin(&app.db).await?;
    store::touch(&transaction).await?;
    find_in(&transaction, id).await?.ok_or_else(|| unknown(id))?;
    if let Some(target) = update.target {
        record.team_id = Set(team(&transaction, &target).await?);
        set_target(&transaction, id, target).await?;
    }
    if record.is_changed() {
        record.update(&transaction).await?;
    }
    let after = find_in(&transaction, id).await?.ok_or_else(|| unknown(id))?;
    transaction.commit().await?;
    Ok(after)
}

/// Takes a rule out. Who was found by it stays with whom it gave.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn delete(app: &App, id: Uuid) -> Result<()> {
    let transaction = begin(&app.db).await?;
    store::touch(&transaction).await?;
    let deleted = Entity::delete_by_id(id).exec(&transaction).await?;
    if deleted.rows_affected == 0 {
        return Err(unknown(id));
    }
    for queue in [format!("rule/{id}"), format!("chat/rule/{id}")] {
        queue::forget(&transaction, &queue).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Gives the rules the priorities 1, 2, … in this order.
///
/// # Errors
/// `BAD_USER_INPUT` where one is left out, unknown, or named twice.
pub async fn reorder(app: &App, ids: &[Uuid]) -> Result<Vec<RoutingRule>> {
    let transaction = begin(&app.db).await?;
    store::touch(&transaction).await?;
    let rules = store::all(&transaction).await?;
    let mut left: HashSet<Uuid> = rules.iter().map(|rule| rule.id).collect();
    for (index, id) in ids.iter().enumerate() {
        if !left.remove(id) {
            let message = "each rule must be named once; this is unknown or named before";
            return Err(Error::bad_input(format!("ruleIds.{index}"), message));
        }
    }
    if !left.is_empty() {
        let message = format!("ruleIds must name all rules; {} are left out", left.len());
        return Err(Error::bad_input("ruleIds", message));
    }
    for (priority, id) in (1..).zip(ids) {
        let record = ActiveModel { id: Set(*id), priority: Set(priority), ..Default::default() };
        record.update(&transaction).await?;
    }
    let after = list_in(&transaction).await?;
    transaction.commit().await?;
    Ok(after)
}

fn name(given: &str) -> Result<String> {
    text::required("input.name", given, text::NAME_CHARS)
}

fn description(given: Option<&str>) -> Result<Option<String>> {
    text::optional_lines("input.description", given, 1000)
}

fn priority(given: i64) -> Result<i32> {
    text::number("input.priority", given, 1..=LAST_PRIORITY)
}

/// The team that a rule is to name, if it is to name one.
async fn team(transaction: &DatabaseTransaction, target: &Target) -> Result<Option<Uuid>> {
    let Target::Team(team) = target else { return Ok(None) };
    if !store::has_team(transaction, *team).await? {
        return Err(Error::bad_input("input.teamId", "input.teamId names no team"));
    }
    Ok(Some(*team))
}

/// Writes which agents a rule names, and says which.
async fn set_target(
    transaction: &DatabaseTransaction,
    rule: Uuid,
    target: Target,
) -> Result<Vec<Uuid>> {
    let agents = match target {
        Target::Agents(agents) => agents,
        Target::Team(_) => Vec::new(),
    };
    check_agents(transaction, &agents).await?;
    store::set_agents(transaction, rule, &agents).await?;
    Ok(agents)
}

/// Refuses agents that nobody can be sent to. One that is deactivated later is passed over.
async fn check_agents(transaction: &DatabaseTransaction, agents: &[Uuid]) -> Result<()> {
    let active: Vec<Uuid> = agent::Entity::find()
        .select_only()
        .column(agent::Column::Id)
        .filter(agent::Column::Id.is_in(agents.iter().copied()))
        .filter(agent::Column::Active.eq(true))
        .into_tuple()
        .all(transaction)
        .await?;
    let mut left: HashSet<Uuid> = active.iter().copied().collect();
    for (index, agent) in agents.iter().enumerate() {
        if left.remove(agent) {
            continue;
        }
        let message = if active.contains(agent) {
            "the agent is named twice"
        } else {
            "there is no such agent, or it is deactivated"
        };
        return Err(Error::bad_input(format!("input.agentIds.{index}"), message));
    }
    Ok(())
}
