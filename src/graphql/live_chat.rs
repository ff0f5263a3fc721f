//! When agents take live chats.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};

use super::access::{app, authorise_edit};
use super::agent::Agent;
use super::availability::{AvailabilityBlock, AvailabilityBlockInput, blocks_of, read_weekly};
use super::error::Result;
use super::loaders::{ActiveChatsOf, load};
use super::scalars::{DateTime, TimeZone};
use crate::app::App;
use crate::scheduling::{ChatOverride, ChatStatus};
use crate::service::live_chat as service;
use crate::store::agent::Model;
use uuid::Uuid;

/// Whether an agent takes live chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ChatStatus")]
pub enum LiveChatStatus {
    /// It does.
    Available,
    /// It does not.
    Unavailable,
}

/// The availability toggle. It wins over the weekly blocks until it is changed or cleared, until
/// the next block starts, or, when it says AVAILABLE, until midnight in the agent's time zone:
/// whichever comes first.
#[derive(Clone, Debug, SimpleObject)]
pub struct LiveChatOverride {
    /// What it says.
    status: LiveChatStatus,
    /// When it was set.
    set_at: DateTime,
    /// Null only for UNAVAILABLE with no blocks ahead.
    expires_at: Option<DateTime>,
}

impl From<ChatOverride> for LiveChatOverride {
    fn from(kept: ChatOverride) -> Self {
        Self {
            status: kept.status.into(),
            set_at: kept.set_at.into(),
            expires_at: kept.expires_at.map(Into::into),
        }
    }
}

/// When an agent takes live chats.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct LiveChatAvailability {
    #[graphql(skip)]
    agent: Uuid,
    /// UTC until set.
    time_zone: TimeZone,
    /// Ordered by day, then start; several a day allowed, never overlapping.
    blocks: Vec<AvailabilityBlock>,
    /// What holds now: the override where one is in force, else the schedule.
    status: LiveChatStatus,
    /// What the weekly blocks alone say now.
    scheduled_status: LiveChatStatus,
    /// The toggle, while it is in force.
    #[graphql(name = "override")]
    in_force: Option<LiveChatOverride>,
    /// Most chats at once, open offers included.
    limit: i32,
}

#[ComplexObject]
impl LiveChatAvailability {
    /// Chats that go on now.
    async fn active(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(load(ctx, ActiveChatsOf(self.agent)).await?.unwrap_or(0))
    }
}

impl LiveChatAvailability {
    pub(crate) fn of(app: &App, agent: &Model) -> Result<Self> {
        let state = service::state(app, agent)?;
        Ok(Self {
            agent: agent.id,
            limit: agent.chat_limit,
            time_zone: TimeZone(agent.chat_time_zone.clone()),
            blocks: blocks_of(&agent.chat_blocks.0),
            status: state.status.into(),
            scheduled_status: state.scheduled.into(),
            in_force: state.in_force.map(Into::into),
        })
    }
}

/// Fields left out stay as they are; blocks, when given, replace them all.
#[derive(Clone, Debug, InputObject)]
pub struct SetLiveChatAvailabilityInput {
    agent_id: ID,
    /// Of the blocks, and of the midnight that ends the toggle.
    time_zone: Option<TimeZone>,
    /// At most 12 a day; they may touch but not overlap.
    blocks: Option<Vec<AvailabilityBlockInput>>,
    /// Most chats at once, open offers included: 1 to 100; 10 until set.
    limit: Option<i64>,
}

/// The toggle.
#[derive(Clone, Debug, InputObject)]
pub struct SetLiveChatOverrideInput {
    agent_id: ID,
    /// What shall hold.
    status: LiveChatStatus,
}

/// Mutations about live-chat availability.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveChatMutation;

#[Object]
impl LiveChatMutation {
    /// Changes when an agent takes live chats. Needs MANAGE_LIVE_CHAT_AVAILABILITY for oneself, else
    /// MANAGE_AGENTS.
    async fn set_live_chat_availability(
        &self,
        ctx: &Context<'_>,
        input: SetLiveChatAvailabilityInput,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let zone = input.time_zone.map(|zone| zone.read("input.timeZone")).transpose()?;
        let blocks = input.blocks.map(|blocks| read_weekly(&blocks)).transpose()?;
        Ok(Agent(service::set_availability(app(ctx), editor, zone, blocks, input.limit).await?))
    }

    /// The availability toggle. Needs MANAGE_LIVE_CHAT_AVAILABILITY for oneself, else MANAGE_AGENTS.
    async fn set_live_chat_override(
        &self,
        ctx: &Context<'_>,
        input: SetLiveChatOverrideInput,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        Ok(Agent(service::set_override(app(ctx), editor, input.status.into()).await?))
    }

    /// Lets the weekly blocks hold again. Needs MANAGE_LIVE_CHAT_AVAILABILITY for oneself, else
    /// MANAGE_AGENTS.
    async fn clear_live_chat_override(&self, ctx: &Context<'_>, agent_id: ID) -> Result<Agent> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        Ok(Agent(service::clear_override(app(ctx), editor).await?))
    }
}
