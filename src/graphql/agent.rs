//! Agents.

use async_graphql::{Context, ID, InputObject, Object};
use calendar_provider::TimeRange;

use super::access::{Profile, app, authorise, authorise_edit, caller};
use super::availability::{DateOverride, MeetingAvailability};
use super::booking::{BookingConnection, BookingFilter};
use super::calendar::{BusyTime, CalendarConnection};
use super::error::{ApiError, Result};
use super::invite::InviteTemplate;
use super::live_chat::LiveChatAvailability;
use super::loaders::{
    BookingsOf, BusyTimesOf, CalendarOf, OverridesOf, PushRegistrationsOf, TeamsOf, load,
};
use super::page::{Cursor, PageArgs, connection};
use super::push::PushRegistration;
use super::scalars::{Date, DateTime, EmailAddress, Locale};
use super::team::Team;
use crate::ids;
use crate::service::access::Permission;
use crate::service::{Error, access, agent as service, booking};
use crate::store::agent::Model;

/// A person whose calendar visitors can book and who can take live chats.
#[derive(Clone, Debug)]
pub struct Agent(pub(crate) Model);

impl Agent {
    /// For what only the agent itself and who manages agents may see.
    fn private(&self, ctx: &Context<'_>) -> Result<()> {
        Ok(caller(ctx).require_self_or(self.0.id, Permission::ManageAgents)?)
    }

    async fn connected(&self, ctx: &Context<'_>) -> Result<Option<crate::store::calendar::Model>> {
        load(ctx, CalendarOf(self.0.id)).await
    }
}

/// A person whose calendar visitors can book and who can take live chats.
#[Object]
impl Agent {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::AGENT.format(self.0.id).into()
    }

    /// What visitors read.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Visible to the agent itself and to callers who manage agents.
    async fn email(&self, ctx: &Context<'_>) -> Result<EmailAddress> {
        self.private(ctx)?;
        Ok(EmailAddress(self.0.email.clone()))
    }

    /// The language of mails to the agent.
    async fn locale(&self) -> Locale {
        Locale(self.0.locale.clone())
    }

    /// False once deactivated: out of every queue, nothing bookable, history kept. For known callers.
    async fn active(&self, ctx: &Context<'_>) -> Result<bool> {
        caller(ctx).require_known()?;
        Ok(self.0.active)
    }

    /// What the agent may do. Visible to the agent itself and to callers who manage agents.
    async fn profile(&self, ctx: &Context<'_>) -> Result<Profile> {
        self.private(ctx)?;
        let known = access::Profile::parse(&self.0.profile);
        let unknown = || Error::internal(anyhow::anyhow!("no profile {}", self.0.profile));
        Ok(known.ok_or_else(unknown)?.into())
    }

    /// The one connected calendar, or null. Visible to the agent itself and to callers who manage
    /// agents.
    async fn calendar(&self, ctx: &Context<'_>) -> Result<Option<CalendarConnection>> {
        self.private(ctx)?;
        Ok(self.connected(ctx).await?.map(CalendarConnection))
    }

    /// True while active, with a healthy calendar and at least one availability block. For known
    /// callers.
    async fn in_meeting_queue(&self, ctx: &Context<'_>) -> Result<bool> {
        caller(ctx).require_known()?;
        let calendar = self.connected(ctx).await?;
        Ok(service::in_meeting_queue(app(ctx), &self.0, calendar.as_ref()))
    }

    /// When the agent takes meetings. For known callers.
    async fn meeting_availability(&self, ctx: &Context<'_>) -> Result<MeetingAvailability> {
        caller(ctx).require_known()?;
        Ok(MeetingAvailability::of(&self.0))
    }

    /// When the agent takes live chats. For known callers.
    async fn live_chat(&self, ctx: &Context<'_>) -> Result<LiveChatAvailability> {
        caller(ctx).require_known()?;
        LiveChatAvailability::of(app(ctx), &self.0)
    }

    /// Whether the agent is written to about live chats that nobody took. Visible to the agent itself and to
    /// callers who manage agents.
    async fn failed_action_notifications(&self, ctx: &Context<'_>) -> Result<bool> {
        self.private(ctx)?;
        Ok(self.0.notify_failed_actions)
    }

    /// Single dates whose meeting blocks differ from the weekly ones, in date order. Visible to the
    /// agent itself and to callers who manage agents.
    #[graphql(complexity = "super::page::cost_of_list(child_complexity)")]
    async fn date_overrides(
        &self,
        ctx: &Context<'_>,
        from: Option<Date>,
        to: Option<Date>,
    ) -> Result<Vec<DateOverride>> {
        self.private(ctx)?;
        let from = from.map(|date| date.read("from")).transpose()?;
        let to = to.map(|date| date.read("to")).transpose()?;
        let rows = load(ctx, OverridesOf { agent: self.0.id, from, to }).await?;
        Ok(rows.into_iter().flatten().map(DateOverride).collect())
    }

    /// Busy times kept in the built-in calendar that have not ended before `from` (now where left
    /// out), in order of start. Visible to the agent itself and to callers who manage agents.
    #[graphql(complexity = "super::page::cost_of_list(child_complexity)")]
    async fn busy_times(&self, ctx: &Context<'_>, from: Option<DateTime>) -> Result<Vec<BusyTime>> {
        self.private(ctx)?;
        let since = match from {
            Some(from) => from.read("from")?,
            None => app(ctx).now(),
        };
        let rows = load(ctx, BusyTimesOf { agent: self.0.id, since }).await?;
        Ok(rows.into_iter().flatten().map(BusyTime).collect())
    }

    /// The browsers in which the agent takes notifications while not in the app. Visible to the agent
    /// itself and to callers who manage agents.
    #[graphql(complexity = "super::page::cost_of_list(child_complexity)")]
    async fn push_registrations(&self, ctx: &Context<'_>) -> Result<Vec<PushRegistration>> {
        self.private(ctx)?;
        let found = load(ctx, PushRegistrationsOf(self.0.id)).await?;
        Ok(found.into_iter().flatten().map(PushRegistration).collect())
    }

    /// The teams that the agent is in, in the order in which they were made. Needs VIEW_ROUTING.
    #[graphql(complexity = "super::page::cost_of_list(child_complexity)")]
    async fn teams(&self, ctx: &Context<'_>) -> Result<Vec<Team>> {
        caller(ctx).require(Permission::ViewRouting)?;
        let teams = load(ctx, TeamsOf(self.0.id)).await?;
        Ok(teams.into_iter().flatten().map(Team).collect())
    }

    /// How many times as often as an agent of weight 1 this one is next in a queue: 1 to 10. For known
    /// callers.
    async fn weight(&self, ctx: &Context<'_>) -> Result<i32> {
        caller(ctx).require_known()?;
        Ok(self.0.weight)
    }

    /// The confirmation that the agent's visitors receive. Visible to the agent itself and to callers
    /// who manage agents.
    async fn invite(&self, ctx: &Context<'_>) -> Result<InviteTemplate> {
        self.private(ctx)?;
        Ok(InviteTemplate::of(&self.0))
    }

    /// The agent's bookings, in order of start. Visible to the agent itself and to callers who manage
    /// all meetings.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    async fn bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
        filter: Option<BookingFilter>,
    ) -> Result<BookingConnection> {
        caller(ctx).require_self_or(self.0.id, Permission::ManageAllMeetings)?;
        let page = PageArgs { first, after, last, before }.read()?;
        let mut filter = filter.map(BookingFilter::read).transpose()?.unwrap_or_default();
        if filter.agent.is_some_and(|agent| agent != self.0.id) {
            let message = "filter.agentId must be this agent, or left out";
            return Err(Error::bad_input("filter.agentId", message).into());
        }
        filter.agent = None;
        let key = BookingsOf { agent: self.0.id, filter: filter.clone(), page };
        let page = load(ctx, key).await?;
        let page = page.ok_or_else(|| Error::internal(anyhow::anyhow!("a page was not read")))?;
        let counted = booking::Filter { agent: Some(self.0.id), ..filter };
        Ok(BookingConnection::new(page, counted))
    }
}

connection!(
    /// A page of agents, in the order in which they were made.
    AgentConnection, AgentEdge, Agent(Model),
    cursor: |agent| agent.id.encode(),
    count(ctx, search: service::Search): Ok(service::count(app(ctx), search).await?)
);

/// An agent to make.
#[derive(Clone, Debug, InputObject)]
pub struct CreateAgentInput {
    /// At most 100 characters.
    name: String,
    /// Unique among agents.
    email: EmailAddress,
    /// The server's default where left out.
    locale: Option<Locale>,
    /// What the agent may do; LIVE_AGENT where left out. At most what the caller may.
    profile: Option<Profile>,
}

/// Fields left out stay as they are.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateAgentInput {
    /// Which.
    agent_id: ID,
    /// At most 100 characters.
    name: Option<String>,
    /// Unique among agents.
    email: Option<EmailAddress>,
    /// Of mails to the agent.
    locale: Option<Locale>,
    /// False takes the agent out of every queue and keeps its history.
    active: Option<bool>,
    /// What the agent may do. At most what the caller may.
    profile: Option<Profile>,
    /// How many times as often as an agent of weight 1 this one is next in a queue: 1 to 10.
    weight: Option<i64>,
}

/// Queries about agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct AgentQuery;

#[Object]
impl AgentQuery {
    /// The agent with this ID, or null. For known callers.
    async fn agent(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Agent>> {
        authorise(ctx)?;
        match ids::AGENT.parse(&id) {
            Some(id) => Ok(load(ctx, super::loaders::AgentById(id)).await?.map(Agent)),
            None => Ok(None),
        }
    }

    /// Agents, in the order in which they were made. For known callers.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    async fn agents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
        #[graphql(desc = "Matches the name; for callers who manage agents, the e-mail too.")]
        search: Option<String>,
    ) -> Result<AgentConnection> {
        authorise(ctx)?;
        let page = PageArgs { first, after, last, before }.read()?;
        let search = service::Search::new(caller(ctx), search.as_deref())?;
        let page = service::list(app(ctx), &search, &page).await?;
        Ok(AgentConnection::new(page, search))
    }
}

/// Mutations about agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct AgentMutation;

#[Object]
impl AgentMutation {
    /// Makes an agent, active, with no blocks and no calendar: not in the queue yet. Needs
    /// MANAGE_AGENTS.
    async fn create_agent(&self, ctx: &Context<'_>, input: CreateAgentInput) -> Result<Agent> {
        authorise(ctx)?;
        let new = service::NewAgent {
            name: input.name,
            email: input.email.0,
            locale: input.locale.map(|locale| locale.0),
            profile: input.profile.unwrap_or(Profile::LiveAgent).into(),
        };
        Ok(Agent(service::create(app(ctx), caller(ctx), new).await?))
    }

    /// Changes an agent. Needs MANAGE_AGENTS. Deactivating ends the agent's tokens and its calendar feed for
    /// good; another profile ends its tokens too.
    async fn update_agent(&self, ctx: &Context<'_>, input: UpdateAgentInput) -> Result<Agent> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let update = service::AgentUpdate {
            name: input.name,
            email: input.email.map(|email| email.0),
            locale: input.locale.map(|locale| locale.0),
            active: input.active,
            profile: input.profile.map(Into::into),
            weight: input.weight,
        };
        Ok(Agent(service::update(app(ctx), editor, update).await?))
    }
}

/// A range between two instants of an input.
pub(crate) fn read_range(starts_at: &DateTime, ends_at: &DateTime) -> Result<TimeRange, ApiError> {
    let range = TimeRange::new(starts_at.read("input.startsAt")?, ends_at.read("input.endsAt")?);
    let message = "input.endsAt must be after input.startsAt";
    Ok(range.map_err(|_| Error::bad_input("input.endsAt", message))?)
}
