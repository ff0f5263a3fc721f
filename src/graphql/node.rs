//! Anything by its global ID.

use async_graphql::{Context, ID, Interface, Object};
use sea_orm::EntityTrait;

use super::access::{app, authorise, caller};
use super::account::Account;
use super::agent::Agent;
use super::availability::DateOverride;
use super::blocked_visitor::BlockedVisitor;
use super::booking::Booking;
use super::calendar::{BusyTime, CalendarConnection};
use super::delivery::Delivery;
use super::error::Result;
use super::live_chat_offer::LiveChatOffer;
use super::live_chat_request::LiveChatRequest;
use super::loaders::{AgentById, BookingById, LiveChatRequestById, OffersOf, load};
use super::push::PushRegistration;
use super::routing_rule::RoutingRule;
use super::team::Team;
use super::webhook::Webhook;
use crate::ids;
use crate::service::access::Permission;
use crate::service::{
    Error, account, blocked_visitor, booking, busy_time, live_chat, push, routing_rule, team,
    webhook,
};
use crate::store;

/// Anything that has a global ID.
#[derive(Clone, Debug, Interface)]
#[expect(clippy::large_enum_variant, reason = "one a request, never kept in a list")]
#[graphql(field(name = "id", ty = "ID", desc = "Names it everywhere."))]
pub enum Node {
    /// An agent.
    Agent(Agent),
    /// A booking.
    Booking(Booking),
    /// An agent's calendar.
    CalendarConnection(CalendarConnection),
    /// A date override.
    DateOverride(DateOverride),
    /// A busy time.
    BusyTime(BusyTime),
    /// A delivery.
    Delivery(Delivery),
    /// A browser that takes notifications.
    PushRegistration(PushRegistration),
    /// A routing rule.
    RoutingRule(RoutingRule),
    /// A webhook.
    Webhook(Webhook),
    /// An account.
    Account(Account),
    /// A team.
    Team(Team),
    /// A request for a live chat.
    LiveChatRequest(LiveChatRequest),
    /// A live chat that an agent is asked to take.
    LiveChatOffer(LiveChatOffer),
    /// A blocked mailbox or domain.
    BlockedVisitor(BlockedVisitor),
}

/// Queries for anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Anything by its global ID; null where there is no such thing, or it is not for the caller to
    /// see. For known callers.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Node>> {
        authorise(ctx)?;
        find(ctx, &id).await
    }
}

async fn find(ctx: &Context<'_>, id: &str) -> Result<Option<Node>> {
    let caller = caller(ctx);
    let sees_agent = |agent| caller.is_agent(agent) || caller.may(Permission::ManageAgents);
    let db = &app(ctx).db;
    if let Some(id) = ids::AGENT.parse(id) {
        return Ok(load(ctx, AgentById(id)).await?.map(|agent| Node::Agent(Agent(agent))));
    }
    if let Some(id) = ids::BOOKING.parse(id) {
        let found = load(ctx, BookingById(id)).await?;
        let found = found.filter(|found| booking::may_see(caller, found.agent_id));
        return Ok(found.map(|found| Node::Booking(Booking(found))));
    }
    if let Some(id) = ids::CALENDAR.parse(id) {
        let found = store::calendar::Entity::find_by_id(id).one(db).await.map_err(Error::from)?;
        let found = found.filter(|found| sees_agent(found.agent_id));
        return Ok(found.map(|found| Node::CalendarConnection(CalendarConnection(found))));
    }
    if let Some(id) = ids::DATE_OVERRIDE.parse(id) {
        let found = store::date_override::Entity::find_by_id(id).one(db).await;
        let found = found.map_err(Error::from)?.filter(|found| sees_agent(found.agent_id));
        return Ok(found.map(|found| Node::DateOverride(DateOverride(found))));
    }
    if let Some(id) = ids::BUSY_TIME.parse(id) {
        let found = busy_time::find(app(ctx), id).await?;
        let found = found.filter(|found| sees_agent(found.agent_id));
        return Ok(found.map(|found| Node::BusyTime(BusyTime(found))));
    }
    if let Some(id) = ids::ACCOUNT.parse(id)
        && caller.may(Permission::ViewAccounts)
    {
        return Ok(account::find(app(ctx), id).await?.map(|found| Node::Account(Account(found))));
    }
    if let Some(id) = ids::PUSH_REGISTRATION.parse(id) {
        let found = push::find(app(ctx), id).await?;
        let found = found.filter(|found| sees_agent(found.agent_id));
        return Ok(found.map(|found| Node::PushRegistration(PushRegistration(found))));
    }
    if let Some(id) = ids::LIVE_CHAT_REQUEST.parse(id) {
        let found = load(ctx, LiveChatRequestById(id)).await?;
        let offers = load(ctx, OffersOf(id)).await?.unwrap_or_else(Vec::new);
        let found = found.filter(|found| live_chat::may_see(caller, found, &offers));
        return Ok(found.map(|found| Node::LiveChatRequest(LiveChatRequest(found))));
    }
    if let Some(id) = ids::LIVE_CHAT_OFFER.parse(id) {
        let found = store::live_chat::offer::Entity::find_by_id(id).one(db).await;
        let found = found
            .map_err(Error::from)?
            .filter(|found| caller.is_agent(found.agent_id) || live_chat::sees_all(caller));
        return Ok(found.map(|found| Node::LiveChatOffer(LiveChatOffer(found))));
    }
    if let Some(id) = ids::DELIVERY.parse(id)
        && caller.may(Permission::ManageIntegrations)
    {
        let found = store::outbox::Entity::find_by_id(id).one(db).await.map_err(Error::from)?;
        return Ok(found.map(|found| Node::Delivery(Delivery(found))));
    }
    if let Some(id) = ids::ROUTING_RULE.parse(id)
        && caller.may(Permission::ViewRouting)
    {
        let found = routing_rule::find(app(ctx), id).await?;
        return Ok(found.map(|found| Node::RoutingRule(RoutingRule(found))));
    }
    if let Some(id) = ids::BLOCKED_VISITOR.parse(id)
        && caller.may(Permission::ManagePrivacyAndSecurity)
    {
        let found = blocked_visitor::find(app(ctx), id).await?;
        return Ok(found.map(|found| Node::BlockedVisitor(BlockedVisitor(found))));
    }
    if let Some(id) = ids::WEBHOOK.parse(id)
        && caller.may(Permission::ManageIntegrations)
    {
        return Ok(webhook::find(app(ctx), id).await?.map(|found| Node::Webhook(Webhook(found))));
    }
    if let Some(id) = ids::TEAM.parse(id)
        && caller.may(Permission::ViewRouting)
    {
        let found = team::find(app(ctx), id).await?;
        return Ok(found.map(|found| Node::Team(Team(found))));
    }
    Ok(None)
}
