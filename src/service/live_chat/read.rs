//! Finding live chats, and who may see which.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use super::unknown;
use crate::app::App;
use crate::service::Result;
use crate::service::access::{Caller, Permission};
use crate::store::live_chat::offer;
use crate::store::live_chat::request::{self, Column, Entity, Model};
use crate::store::page::{self, Page, PageRequest};

/// Which requests are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// That this agent took.
    pub agent: Option<Uuid>,
    /// Of this state.
    pub state: Option<&'static str>,
    /// Made at or after.
    pub since: Option<DateTime<Utc>>,
}

impl Filter {
    fn condition(&self) -> Condition {
        Condition::all()
            .add_option(self.agent.map(|agent| Column::AgentId.eq(agent)))
            .add_option(self.state.map(|state| Column::State.eq(state)))
            .add_option(self.since.map(|since| Column::CreatedAt.gte(since)))
    }
}

/// The request with this ID, whoever asks: the ID is its secret.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(id).one(&app.db).await?)
}

/// The same where it must be there.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn by_id(app: &App, id: Uuid) -> Result<Model> {
    find(app, id).await?.ok_or_else(|| unknown(id))
}

/// Whether the caller may see all of every chat.
pub fn sees_all(caller: &Caller) -> bool {
    caller.may(Permission::ViewAllConversations)
}

/// Whether an agent took the request, or was asked to.
pub fn involves(request: &Model, offers: &[offer::Model], agent: Uuid) -> bool {
    request.agent_id == Some(agent) || offers.iter().any(|offer| offer.agent_id == agent)
}

/// Whether the caller may see all of a request: who sees all of them, and who sees its own and was asked.
pub fn may_see(caller: &Caller, request: &Model, offers: &[offer::Model]) -> bool {
    let is_own = |agent| involves(request, offers, agent);
    sees_all(caller)
        || (caller.may(Permission::ViewMyConversations) && caller.agent_id().is_some_and(is_own))
}

/// The one agent whose chats the caller may list; none where it may list all.
///
/// # Errors
/// `UNAUTHENTICATED`, `FORBIDDEN`.
pub fn scope_of_list(caller: &Caller) -> Result<Option<Uuid>> {
    caller.require_known()?;
    if sees_all(caller) {
        return Ok(None);
    }
    match caller.agent_id() {
        Some(agent) if caller.may(Permission::ViewMyConversations) => Ok(Some(agent)),
        _ => caller.require(Permission::ViewAllConversations).map(|()| None),
    }
}

/// A page of requests, in the order in which they were made.
///
/// # Errors
/// None but the database's.
pub async fn list(app: &App, filter: &Filter, request: &PageRequest<Uuid>) -> Result<Page<Model>> {
    let select = Entity::find().filter(filter.condition());
    Ok(page::read(&app.db, select, &[Column::Id], request).await?)
}

/// How many requests there are to page through.
///
/// # Errors
/// None but the database's.
pub async fn count(app: &App, filter: &Filter) -> Result<u64> {
    Ok(Entity::find().filter(filter.condition()).count(&app.db).await?)
}

/// An agent's offers that are open or ended at `since` or after.
///
/// # Errors
/// None but the database's.
pub async fn incoming(app: &App, agent: Uuid, since: DateTime<Utc>) -> Result<Vec<offer::Model>> {
    Ok(offer::of_agent_since(&app.db, agent, since).await?)
}

/// How many chats each of these agents has now; who has none is left out.
///
/// # Errors
/// None but the database's.
pub async fn active(app: &App, agents: &[Uuid]) -> Result<Vec<(Uuid, i64)>> {
    Ok(request::active(&app.db, agents).await?)
}
