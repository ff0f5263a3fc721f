//! Visitors who are blocked.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::access::{app, authorise, caller};
use super::agent::Agent;
use super::error::Result;
use super::loaders::{AgentById, load};
use super::page::{Cursor, PageArgs, connection};
use super::scalars::{DateTime, EmailAddress};
use crate::ids;
use crate::service::blocked_visitor::{self as service, MOST_AT_ONCE, Named};
use crate::store::blocked_visitor::Model;

/// A mailbox or a domain whose visitors are turned away: they get no slots, no bookings and no live chats, but the
/// fallback message.
#[derive(Clone, Debug)]
pub struct BlockedVisitor(pub(crate) Model);

/// A mailbox or a domain whose visitors are turned away: they get no slots, no bookings and no live chats, but the
/// fallback message.
#[Object]
impl BlockedVisitor {
    /// The entry's globally unique ID.
    pub(crate) async fn id(&self) -> ID {
        ids::BLOCKED_VISITOR.format(self.0.id).into()
    }

    /// The mailbox that is blocked, however its address is spelt: in lower case, without a +tag, without the dots
    /// that Gmail ignores. Null where a domain is blocked.
    async fn email(&self) -> Option<EmailAddress> {
        self.0.pattern.contains('@').then(|| EmailAddress(self.0.pattern.clone()))
    }

    /// The domain that is blocked with its subdomains, in ASCII. Null where a mailbox is blocked.
    async fn domain(&self) -> Option<&str> {
        Some(self.0.pattern.as_str()).filter(|pattern| !pattern.contains('@'))
    }

    /// Why, as whoever blocked it wrote down. Null where nothing was written.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// The agent who blocked it. Null where an API key did.
    async fn blocked_by(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        match self.0.blocked_by {
            Some(agent) => Ok(load(ctx, AgentById(agent)).await?.map(Agent)),
            None => Ok(None),
        }
    }

    /// When it was blocked.
    async fn blocked_at(&self) -> DateTime {
        self.0.blocked_at.into()
    }
}

connection!(
    /// A page of blocked mailboxes and domains, in the order in which they were blocked.
    BlockedVisitorConnection, BlockedVisitorEdge, BlockedVisitor(Model),
    cursor: |blocked| blocked.id.encode(),
    count(ctx, _of: ()): Ok(service::count(app(ctx)).await?)
);

/// Visitors to turn away. At most 100 addresses and domains together, and at least one.
#[derive(Clone, Debug, InputObject)]
pub struct BlockVisitorsInput {
    /// E-mail addresses. Each blocks its mailbox, however the address is spelt.
    #[graphql(default)]
    emails: Vec<EmailAddress>,
    /// Domains of at least two labels, e.g. example.com. Each blocks its subdomains too.
    #[graphql(default)]
    domains: Vec<String>,
    /// Why, for whoever reads the list. At most 200 characters.
    note: Option<String>,
}

/// Visitors to let in again. At most 100 addresses and domains together, and at least one.
#[derive(Clone, Debug, InputObject)]
pub struct UnblockVisitorsInput {
    /// E-mail addresses, in any spelling.
    #[graphql(default)]
    emails: Vec<EmailAddress>,
    /// Domains.
    #[graphql(default)]
    domains: Vec<String>,
}

/// What came of blocking visitors.
#[derive(Clone, Debug, SimpleObject)]
pub struct BlockVisitorsPayload {
    /// What is blocked now of the input, in the order in which it was blocked. What was blocked before keeps its note.
    #[graphql(complexity = "super::page::cost_of_up_to(MOST_AT_ONCE, child_complexity)")]
    blocked: Vec<BlockedVisitor>,
}

/// What came of letting visitors in again.
#[derive(Clone, Debug, SimpleObject)]
pub struct UnblockVisitorsPayload {
    /// What was blocked of the input, and is not any more.
    #[graphql(complexity = "super::page::cost_of_up_to(MOST_AT_ONCE, child_complexity)")]
    unblocked: Vec<BlockedVisitor>,
}

/// Queries about blocked visitors.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockedVisitorQuery;

#[Object]
impl BlockedVisitorQuery {
    /// Mailboxes and domains whose visitors are turned away, in the order in which they were blocked. Needs
    /// MANAGE_PRIVACY_AND_SECURITY.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    async fn blocked_visitors(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
    ) -> Result<BlockedVisitorConnection> {
        authorise(ctx)?;
        let page = PageArgs { first, after, last, before }.read()?;
        Ok(BlockedVisitorConnection::new(service::list(app(ctx), &page).await?, ()))
    }
}

/// Mutations about blocked visitors.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockedVisitorMutation;

#[Object]
impl BlockedVisitorMutation {
    /// Turns visitors away by their e-mail addresses and domains: they get no slots, no bookings and no live chats,
    /// but the fallback message, whoever asks for them. Bookings that they have stay, and can be cancelled. At most
    /// 10000 are kept. Needs MANAGE_PRIVACY_AND_SECURITY.
    async fn block_visitors(
        &self,
        ctx: &Context<'_>,
        input: BlockVisitorsInput,
    ) -> Result<Option<BlockVisitorsPayload>> {
        authorise(ctx)?;
        let named = named(input.emails, input.domains);
        let blocked = service::block(app(ctx), caller(ctx), named, input.note.as_deref()).await?;
        let blocked = blocked.into_iter().map(BlockedVisitor).collect();
        Ok(Some(BlockVisitorsPayload { blocked }))
    }

    /// Lets visitors in again. An address is let in only where no domain above it is blocked. Needs
    /// MANAGE_PRIVACY_AND_SECURITY.
    async fn unblock_visitors(
        &self,
        ctx: &Context<'_>,
        input: UnblockVisitorsInput,
    ) -> Result<Option<UnblockVisitorsPayload>> {
        authorise(ctx)?;
        let unblocked = service::unblock(app(ctx), named(input.emails, input.domains)).await?;
        let unblocked = unblocked.into_iter().map(BlockedVisitor).collect();
        Ok(Some(UnblockVisitorsPayload { unblocked }))
    }
}

fn named(emails: Vec<EmailAddress>, domains: Vec<String>) -> Named {
    Named { emails: emails.into_iter().map(|email| email.0).collect(), domains }
}
