//! Deliveries that were given up.

use async_graphql::{Context, Enum, ID, Object};

use super::access::{app, authorise, caller, read_id};
use super::booking::Booking;
use super::error::Result;
use super::loaders::{BookingById, load};
use super::page::{Cursor, PageArgs, connection};
use super::scalars::DateTime;
use crate::ids;
use crate::service::{Error, booking, delivery as service};
use crate::store::outbox::{Kind, Model};

/// What is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Kind")]
pub enum DeliveryKind {
    /// The entry in the agent's calendar.
    CalendarEvent,
    /// The confirmation, update or cancellation that the visitor receives.
    VisitorMail,
    /// The same news for the agent.
    AgentMail,
    /// Word to the agent that one of the others was given up.
    FailureMail,
    /// Word to the agent that the calendar must be connected again.
    ReauthenticationMail,
    /// The end of a connection at its provider.
    CalendarFarewell,
    /// Word of an event to a webhook.
    Webhook,
    /// Word to the visitor that the meeting is coming up.
    ReminderMail,
    /// Word of a live chat that is offered, in a browser of an agent who is not in the app.
    WebPush,
    /// Word of a live chat that nobody took, to an agent who asked for it.
    MissedChatMail,
    /// The link by which a visitor confirms a booking.
    ConfirmBookingMail,
}

/// Something that a change caused and that is to reach somebody.
#[derive(Clone, Debug)]
pub struct Delivery(pub(crate) Model);

/// Something that a change caused and that is to reach somebody.
#[Object]
impl Delivery {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::DELIVERY.format(self.0.id).into()
    }

    /// What is delivered.
    async fn kind(&self) -> Result<DeliveryKind> {
        let unknown = || Error::internal(anyhow::anyhow!("delivery kind {}", self.0.kind));
        Ok(Kind::parse(&self.0.kind).ok_or_else(unknown)?.into())
    }

    /// What it is about; null where it is about no booking, and for callers who may not see that.
    async fn booking(&self, ctx: &Context<'_>) -> Result<Option<Booking>> {
        match self.0.booking_id {
            Some(id)
                if self.0.agent_id.is_some_and(|agent| booking::may_see(caller(ctx), agent)) =>
            {
                Ok(load(ctx, BookingById(id)).await?.map(Booking))
            }
            _ => Ok(None),
        }
    }

    /// How often it was tried.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// The last failure, in words; null when none.
    async fn problem(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// When it was caused.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was given up; null once it is queued again.
    async fn failed_at(&self) -> Option<DateTime> {
        self.0.done_at.map(Into::into)
    }
}

connection!(
    /// A page of deliveries, in the order in which they were caused.
    DeliveryConnection, DeliveryEdge, Delivery(Model),
    cursor: |delivery| delivery.id.encode(),
    count(ctx, _all: ()): Ok(service::count_failed(app(ctx)).await?)
);

/// Queries about deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryQuery;

#[Object]
impl DeliveryQuery {
    /// Deliveries that were given up, in the order in which they were caused. Needs
    /// MANAGE_INTEGRATIONS.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    async fn failed_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
    ) -> Result<DeliveryConnection> {
        authorise(ctx)?;
        let page = PageArgs { first, after, last, before }.read()?;
        Ok(DeliveryConnection::new(service::failed(app(ctx), &page).await?, ()))
    }
}

/// Mutations about deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryMutation;

#[Object]
impl DeliveryMutation {
    /// Queues a delivery that was given up once more. Needs MANAGE_INTEGRATIONS.
    async fn retry_delivery(&self, ctx: &Context<'_>, delivery_id: ID) -> Result<Delivery> {
        authorise(ctx)?;
        let id = read_id(ids::DELIVERY, &delivery_id, "deliveryId")?;
        Ok(Delivery(service::retry(app(ctx), id).await?))
    }
}
