//! The public schema: each resolver decodes, authorises, calls one service function and wraps.

pub mod access;
pub mod account;
pub mod agent;
pub mod availability;
pub mod blocked_visitor;
pub mod booking;
pub mod calendar;
mod cost;
pub mod delivery;
pub mod drift;
pub mod error;
pub mod fallback;
pub mod invite;
pub mod live_chat;
pub mod live_chat_news;
pub mod live_chat_offer;
pub mod live_chat_request;
pub(crate) mod loaders;
pub mod node;
pub mod page;
pub mod push;
pub mod routing;
pub mod routing_rule;
pub mod scalars;
pub mod slots;
pub mod subscription;
pub mod team;
pub mod visitor;
pub mod webhook;
pub mod why;

use std::sync::Arc;

use async_graphql::{Data, MergedObject, MergedSubscription, Schema as AnySchema, SchemaBuilder};

use crate::app::App;
use crate::http::{Credentials, CredentialsEnd, Identify, Identity, Price};
use crate::service;
use crate::service::access::Caller;
use crate::work::Payer;

/// Most points of one operation: each selection costs one, each list as many times what it holds as
/// it can have entries; lists of hundreds by fewer, see `page`.
pub const MOST_COMPLEXITY: usize = 10_000;

/// What can be asked.
#[derive(Debug, Default, MergedObject)]
pub struct Query(
    access::AccessQuery,
    node::NodeQuery,
    agent::AgentQuery,
    booking::BookingQuery,
    live_chat_request::LiveChatQuery,
    slots::SlotQuery,
    calendar::CalendarQuery,
    invite::InviteQuery,
    delivery::DeliveryQuery,
    push::PushQuery,
    routing_rule::RoutingRuleQuery,
    webhook::WebhookQuery,
    fallback::FallbackQuery,
    why::WhyQuery,
    account::AccountQuery,
    team::TeamQuery,
    routing::RoutingQuery,
    blocked_visitor::BlockedVisitorQuery,
);

/// What can be done.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(
    access::AccessMutation,
    agent::AgentMutation,
    availability::AvailabilityMutation,
    live_chat::LiveChatMutation,
    live_chat_request::LiveChatRequestMutation,
    live_chat_offer::LiveChatOfferMutation,
    invite::InviteMutation,
    calendar::CalendarMutation,
    booking::BookingMutation,
    drift::DriftMutation,
    delivery::DeliveryMutation,
    push::PushMutation,
    routing_rule::RoutingRuleMutation,
    webhook::WebhookMutation,
    fallback::FallbackMutation,
    account::AccountMutation,
    team::TeamMutation,
    blocked_visitor::BlockedVisitorMutation,
);

/// News, as it happens.
#[derive(Debug, Default, MergedSubscription)]
pub struct Subscription(subscription::ChangeSubscription, live_chat_news::LiveChatSubscription);

/// The schema.
pub type Schema = AnySchema<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    AnySchema::build(Query::default(), Mutation::default(), Subscription::default())
        .limit_complexity(MOST_COMPLEXITY)
}

/// The schema over a process's parts.
pub fn schema(app: Arc<App>) -> Schema {
    builder().data(app).finish()
}

/// What documents of the schema cost.
pub fn prices(app: &Arc<App>) -> Price {
    Arc::new(cost::Prices::new(app))
}

/// The schema as text: what `schema.graphql` holds.
pub fn sdl() -> String {
    builder().finish().sdl()
}

/// Finds out who calls, for each operation anew.
#[derive(Clone)]
pub struct Identifier(pub Arc<App>);

impl Identify for Identifier {
    async fn identify(
        &self,
        credentials: Credentials<'_>,
    ) -> Result<Identity, async_graphql::Error> {
        let known =
            service::access::identify(&self.0, credentials.bearer, credentials.client.network())
                .await;
        let known = known.map_err(error::ApiError::from)?;
        let payer = match &known.caller {
            Caller::Visitor { network } => Payer::Visitor(*network),
            Caller::Key { id, .. } => Payer::Key(*id),
            Caller::Agent { id, .. } => Payer::Agent(*id),
        };
        let expires_at = known.expires_at;
        let mut data = Data::default();
        data.insert(known.caller.clone());
        let end = CredentialsEnd {
            valid_for: expires_at
                .map(|expiry| (expiry - self.0.now()).to_std().unwrap_or_default()),
            revoked: service::credential::revoked(&self.0, known),
        };
        let mut identity = Identity { payer, data, end };
        loaders::add(&mut identity.data, &self.0);
        Ok(identity)
    }
}
