//! Teams.

use async_graphql::{Context, ID, InputObject, Object};
use uuid::Uuid;

use super::access::{app, authorise, read_id};
use super::agent::Agent;
use super::error::Result;
use super::loaders::{MembersOf, load};
use super::page::{Cursor, PageArgs, connection};
use super::scalars::DateTime;
use crate::ids;
use crate::service::{Error, team as service};
use crate::store::team::Model;

/// Agents whom visitors can ask for together, and whom rules name together.
#[derive(Clone, Debug)]
pub struct Team(pub(crate) Model);

/// Agents whom visitors can ask for together, and whom rules name together.
#[Object]
impl Team {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::TEAM.format(self.0.id).into()
    }

    /// Unique among teams, whatever its capitals.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// In order; an agent may be in several teams. Deactivated ones stay, and are passed over.
    #[graphql(
        complexity = "super::page::cost_of_long_list(service::MOST_MEMBERS, child_complexity)"
    )]
    async fn members(&self, ctx: &Context<'_>) -> Result<Vec<Agent>> {
        let members = load(ctx, MembersOf(self.0.id)).await?;
        Ok(members.into_iter().flatten().map(Agent).collect())
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

connection!(
    /// A page of teams, in the order in which they were made.
    TeamConnection, TeamEdge, Team(Model),
    cursor: |team| team.id.encode(),
    count(ctx, _of: ()): Ok(service::count(app(ctx)).await?)
);

/// A team to make.
#[derive(Clone, Debug, InputObject)]
pub struct CreateTeamInput {
    /// At most 100 characters; unique among teams, whatever its capitals.
    name: String,
    /// In order, each once; at most 500.
    member_ids: Vec<ID>,
}

/// Fields left out stay as they are.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateTeamInput {
    /// Which.
    team_id: ID,
    /// At most 100 characters; unique among teams, whatever its capitals.
    name: Option<String>,
    /// All of them, in order, each once; at most 500. They take the place of those that were there.
    member_ids: Option<Vec<ID>>,
}

/// Queries about teams.
#[derive(Clone, Copy, Debug, Default)]
pub struct TeamQuery;

#[Object]
impl TeamQuery {
    /// The team with this ID, or null. Needs VIEW_ROUTING.
    async fn team(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Team>> {
        authorise(ctx)?;
        match ids::TEAM.parse(&id) {
            Some(id) => Ok(service::find(app(ctx), id).await?.map(Team)),
            None => Ok(None),
        }
    }

    /// Teams, in the order in which they were made. Needs VIEW_ROUTING.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
    ) -> Result<TeamConnection> {
        authorise(ctx)?;
        let page = PageArgs { first, after, last, before }.read()?;
        Ok(TeamConnection::new(service::list(app(ctx), &page).await?, ()))
    }
}

/// Mutations about teams.
#[derive(Clone, Copy, Debug, Default)]
pub struct TeamMutation;

#[Object]
impl TeamMutation {
    /// Makes a team. Needs MANAGE_ROUTING.
    async fn create_team(&self, ctx: &Context<'_>, input: CreateTeamInput) -> Result<Team> {
        authorise(ctx)?;
        let members = read_members(&input.member_ids)?;
        Ok(Team(service::create(app(ctx), &input.name, &members).await?))
    }

    /// Changes a team. Needs MANAGE_ROUTING.
    async fn update_team(&self, ctx: &Context<'_>, input: UpdateTeamInput) -> Result<Team> {
        authorise(ctx)?;
        let id = read_id(ids::TEAM, &input.team_id, "input.teamId")?;
        let members = input.member_ids.as_deref().map(read_members).transpose()?;
        let update = service::TeamUpdate { name: input.name, members };
        Ok(Team(service::update(app(ctx), id, update).await?))
    }

    /// Takes a team away, and answers with its ID. A CONFLICT while a rule names it. Needs
    /// MANAGE_ROUTING.
    async fn delete_team(&self, ctx: &Context<'_>, team_id: ID) -> Result<ID> {
        authorise(ctx)?;
        service::delete(app(ctx), read_id(ids::TEAM, &team_id, "teamId")?).await?;
        Ok(team_id)
    }
}

fn read_members(given: &[ID]) -> Result<Vec<Uuid>, Error> {
    let read =
        |(index, id): (usize, &ID)| read_id(ids::AGENT, id, &format!("input.memberIds.{index}"));
    given.iter().enumerate().map(read).collect()
}
