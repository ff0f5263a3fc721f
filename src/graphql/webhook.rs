//! Webhooks: who is told of what, and what came of it.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::access::{app, authorise, caller, read_id};
use super::booking::DeliveryStatus;
use super::error::Result;
use super::loaders::{AttemptsOf, load};
use super::page::{Cursor, PageArgs, connection};
use super::scalars::DateTime;
use crate::ids;
use crate::service::Error;
use crate::service::access::Permission;
use crate::service::webhook::{self as service, Change, NewWebhook, WithSecret};
use crate::store::outbox::{self, Payload, WebhookMessage};
use crate::store::webhook::{EventType, Model, attempt};

/// What a webhook can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "EventType")]
pub enum WebhookEvent {
    /// A meeting was booked: booking.created.
    BookingCreated,
    /// A meeting was moved: booking.rescheduled.
    BookingRescheduled,
    /// A meeting was called off: booking.cancelled.
    BookingCancelled,
    /// The calendar's entry or the visitor's mail of a booking was given up: booking.failed.
    BookingFailed,
    /// A live chat was asked for: live_chat.requested.
    LiveChatRequested,
    /// An agent took a live chat: live_chat.accepted.
    LiveChatAccepted,
    /// A live chat that an agent had taken ended: live_chat.ended.
    LiveChatEnded,
    /// Nobody took a live chat in time: live_chat.timed_out.
    LiveChatTimedOut,
    /// An agent's calendar can't be read any more: agent.calendar_disconnected.
    AgentCalendarDisconnected,
}

/// An address that is told of events, after the Standard Webhooks specification.
#[derive(Clone, Debug)]
pub struct Webhook(pub(crate) Model);

/// An address that is told of events, after the Standard Webhooks specification.
#[Object]
impl Webhook {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::WEBHOOK.format(self.0.id).into()
    }

    /// Where it is told, by POST.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// What it is told of.
    async fn events(&self) -> Vec<WebhookEvent> {
        self.0.events.0.iter().copied().map(Into::into).collect()
    }

    /// Whether anything is sent.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Why not, where the server disabled it: its receiver answered 410 Gone, or every delivery failed for
    /// 5 days.
    async fn disabled_reason(&self) -> Option<&str> {
        self.0.disabled_reason.as_deref()
    }

    /// Since when every try failed; null where the last one did not.
    async fn failing_since(&self) -> Option<DateTime> {
        self.0.failing_since.map(Into::into)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// What was sent to it and is to be sent, in the order in which it was caused; kept for 30 days.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
    ) -> Result<WebhookDeliveryConnection> {
        let page = PageArgs { first, after, last, before }.read()?;
        let page = service::deliveries(app(ctx), self.0.id, &page).await?;
        Ok(WebhookDeliveryConnection::new(page, self.0.id))
    }
}

/// One message to one webhook.
#[derive(Clone, Debug)]
pub struct WebhookDelivery(pub(crate) outbox::Model);

impl WebhookDelivery {
    fn message(&self) -> Result<&WebhookMessage> {
        match &self.0.payload.0 {
            Payload::Webhook(message) => Ok(message),
            _ => {
                Err(Error::internal(anyhow::anyhow!("delivery {} has no message", self.0.id))
                    .into())
            }
        }
    }

    /// Whether the caller may read what was said: of live chats, that takes the permission to see them.
    fn may_be_read(&self, ctx: &Context<'_>) -> Result<bool> {
        let is_chat = self.message()?.event.is_live_chat();
        Ok(!is_chat || caller(ctx).may(Permission::ViewAllConversations))
    }
}

/// One message to one webhook.
#[Object]
impl WebhookDelivery {
    /// Names it everywhere.
    async fn id(&self) -> ID {
        ids::DELIVERY.format(self.0.id).into()
    }

    /// What happened.
    async fn event(&self) -> Result<WebhookEvent> {
        Ok(self.message()?.event.into())
    }

    /// The header webhook-id: the same for every webhook that is told of the event, and for every try.
    async fn message_id(&self) -> Result<&str> {
        Ok(&self.message()?.message_id)
    }

    /// The JSON that is sent, with what it tells of a visitor. Null unless the event is no live chat's or the
    /// caller has VIEW_ALL_CONVERSATIONS.
    async fn body(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        Ok(self.may_be_read(ctx)?.then_some(self.message()?.body.as_str()))
    }

    /// How it stands.
    async fn status(&self) -> DeliveryStatus {
        match self.0.state.as_str() {
            outbox::DONE => DeliveryStatus::Delivered,
            outbox::FAILED => DeliveryStatus::Failed,
            _ => DeliveryStatus::Pending,
        }
    }

    /// The last failure, in words; null when none.
    async fn problem(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// The tries, the earliest first; at most 10 unless it was sent again.
    #[graphql(complexity = "super::page::cost_of_list(child_complexity)")]
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<WebhookAttempt>> {
        let attempts = load(ctx, AttemptsOf(self.0.id)).await?.unwrap_or_default();
        let mut attempts: Vec<WebhookAttempt> = attempts.into_iter().map(Into::into).collect();
        if !self.may_be_read(ctx)? {
            // A receiver may send back what it was sent.
            attempts.iter_mut().for_each(|attempt| attempt.response = None);
        }
        Ok(attempts)
    }

    /// When it was caused.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it is tried next; null once it has ended.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        (self.0.state == outbox::PENDING).then(|| self.0.run_at.into())
    }

    /// When its receiver took it.
    async fn delivered_at(&self) -> Option<DateTime> {
        self.0.done_at.filter(|_| self.0.state == outbox::DONE).map(Into::into)
    }
}

/// A try to deliver a message.
#[derive(Clone, Debug, SimpleObject)]
pub struct WebhookAttempt {
    /// When it began.
    attempted_at: DateTime,
    /// How long it took.
    duration_milliseconds: i32,
    /// The HTTP status of the answer; null where there was none.
    status: Option<i32>,
    /// Why it counts as failed; null where it does not.
    problem: Option<String>,
    /// The first KiB of the answer's body, as text. Null unless the event is no live chat's or the caller has
    /// VIEW_ALL_CONVERSATIONS.
    response: Option<String>,
}

impl From<attempt::Model> for WebhookAttempt {
    fn from(attempt: attempt::Model) -> Self {
        Self {
            attempted_at: attempt.attempted_at.into(),
            duration_milliseconds: attempt.duration_ms,
            status: attempt.status,
            problem: attempt.problem,
            response: attempt.response,
        }
    }
}

connection!(
    /// A page of deliveries to a webhook, in the order in which they were caused.
    WebhookDeliveryConnection, WebhookDeliveryEdge, WebhookDelivery(outbox::Model),
    cursor: |delivery| delivery.id.encode(),
    count(ctx, webhook: uuid::Uuid): Ok(service::count_deliveries(app(ctx), *webhook).await?)
);

/// A webhook to make.
#[derive(Clone, Debug, InputObject)]
pub struct CreateWebhookInput {
    /// Where it is told: https, at an address that everybody can reach. At most 2000 characters.
    url: String,
    /// What it is for. At most 200 characters.
    description: Option<String>,
    /// What it is told of: at least one, each once. Events of live chats need VIEW_ALL_CONVERSATIONS too.
    events: Vec<WebhookEvent>,
}

/// Fields left out stay as they are.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateWebhookInput {
    webhook_id: ID,
    /// As in CreateWebhookInput.
    url: Option<String>,
    /// As in CreateWebhookInput; an empty text for none.
    description: Option<String>,
    /// As in CreateWebhookInput.
    events: Option<Vec<WebhookEvent>>,
    /// False ends what waits to be sent; true begins anew, with failingSince forgotten.
    enabled: Option<bool>,
}

/// A webhook with its secret.
#[derive(Clone, Debug, SimpleObject)]
pub struct CreatedWebhook {
    /// The webhook.
    webhook: Webhook,
    /// What its messages are signed with, `whsec_` and 32 bytes in base64; shown once.
    secret: String,
}

impl From<WithSecret> for CreatedWebhook {
    fn from(WithSecret { webhook, secret }: WithSecret) -> Self {
        Self { webhook: Webhook(webhook), secret }
    }
}

/// A webhook with its new secret.
#[derive(Clone, Debug, SimpleObject)]
pub struct RotatedWebhookSecret {
    /// The webhook.
    webhook: Webhook,
    /// What its messages are signed with from now on; shown once.
    secret: String,
}

impl From<WithSecret> for RotatedWebhookSecret {
    fn from(WithSecret { webhook, secret }: WithSecret) -> Self {
        Self { webhook: Webhook(webhook), secret }
    }
}

fn read_events(events: Vec<WebhookEvent>) -> Vec<EventType> {
    events.into_iter().map(Into::into).collect()
}

/// Queries about webhooks.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// All webhooks, at most 50, in the order in which they were made. Needs MANAGE_INTEGRATIONS.
    #[graphql(complexity = "super::page::cost_of_up_to(service::MOST, child_complexity)")]
    async fn webhooks(&self, ctx: &Context<'_>) -> Result<Vec<Webhook>> {
        authorise(ctx)?;
        Ok(service::all(app(ctx)).await?.into_iter().map(Webhook).collect())
    }

    /// A webhook; null where there is none with this ID. Needs MANAGE_INTEGRATIONS.
    async fn webhook(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Webhook>> {
        authorise(ctx)?;
        let Some(id) = ids::WEBHOOK.parse(&id) else { return Ok(None) };
        Ok(service::find(app(ctx), id).await?.map(Webhook))
    }
}

/// Mutations about webhooks.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Makes a webhook, and its secret, which is not shown again. Needs MANAGE_INTEGRATIONS, and
    /// VIEW_ALL_CONVERSATIONS for events of live chats.
    async fn create_webhook(
        &self,
        ctx: &Context<'_>,
        input: CreateWebhookInput,
    ) -> Result<CreatedWebhook> {
        authorise(ctx)?;
        let CreateWebhookInput { url, description, events } = input;
        let new = NewWebhook { url, description, events: read_events(events) };
        Ok(service::create(app(ctx), caller(ctx), new).await?.into())
    }

    /// Changes a webhook. Needs MANAGE_INTEGRATIONS, and VIEW_ALL_CONVERSATIONS to add an event of live chats or
    /// to give another address to a webhook that is, or was, told of them.
    async fn update_webhook(
        &self,
        ctx: &Context<'_>,
        input: UpdateWebhookInput,
    ) -> Result<Webhook> {
        authorise(ctx)?;
        let id = read_id(ids::WEBHOOK, &input.webhook_id, "input.webhookId")?;
        let UpdateWebhookInput { url, description, events, enabled, .. } = input;
        let change = Change { url, description, events: events.map(read_events), enabled };
        Ok(Webhook(service::update(app(ctx), caller(ctx), id, change).await?))
    }

    /// Deletes a webhook with its deliveries, and answers with its ID. Needs MANAGE_INTEGRATIONS.
    async fn delete_webhook(&self, ctx: &Context<'_>, webhook_id: ID) -> Result<ID> {
        authorise(ctx)?;
        let id = read_id(ids::WEBHOOK, &webhook_id, "webhookId")?;
        service::delete(app(ctx), id).await?;
        Ok(webhook_id)
    }

    /// Gives a webhook another secret. Messages carry a signature by the former one too for 24 hours. Needs
    /// MANAGE_INTEGRATIONS.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        webhook_id: ID,
    ) -> Result<RotatedWebhookSecret> {
        authorise(ctx)?;
        let id = read_id(ids::WEBHOOK, &webhook_id, "webhookId")?;
        Ok(service::rotate_secret(app(ctx), id).await?.into())
    }

    /// Queues a message once more, under the same webhook-id, whatever came of it before. A CONFLICT where
    /// the webhook is disabled or the message is just being sent. Needs MANAGE_INTEGRATIONS.
    async fn resend_webhook_delivery(
        &self,
        ctx: &Context<'_>,
        delivery_id: ID,
    ) -> Result<WebhookDelivery> {
        authorise(ctx)?;
        let id = read_id(ids::DELIVERY, &delivery_id, "deliveryId")?;
        Ok(WebhookDelivery(service::resend(app(ctx), id).await?))
    }
}
