//! Browsers that agents are told through while they are not in the app.

use async_graphql::{Context, ID, InputObject, Object};

use super::access::{app, authorise, authorise_edit, read_id};
use super::agent::Agent;
use super::error::Result;
use super::scalars::{DateTime, Url};
use crate::ids;
use crate::service::push::{self as service, NewRegistration, Which};
use crate::service::{Error, agent};

/// A browser in which an agent takes notifications while not in the app (Web Push, RFC 8030).
#[derive(Clone, Debug)]
pub struct PushRegistration(pub(crate) service::Registration);

/// A browser in which an agent takes notifications while not in the app (Web Push, RFC 8030).
#[Object]
impl PushRegistration {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::PUSH_REGISTRATION.format(self.0.id).into()
    }

    /// The push service that it is reached through, e.g. https://fcm.googleapis.com. The rest of its
    /// endpoint is a secret and is never shown.
    async fn origin(&self) -> Url {
        Url(self.0.origin.clone())
    }

    /// What the agent calls it.
    async fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// When it was registered last.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

/// A browser's keys, as `PushSubscription.toJSON().keys` has them.
#[derive(Clone, Debug, InputObject)]
pub struct PushKeysInput {
    /// A point on the curve P-256, in base64url.
    #[graphql(name = "p256dh")]
    p256dh: String,
    /// 16 bytes, in base64url.
    auth: String,
}

/// A browser to register: what `PushSubscription.toJSON()` says there.
#[derive(Clone, Debug, InputObject)]
pub struct RegisterPushSubscriptionInput {
    agent_id: ID,
    /// https, at most 2000 bytes, and no private address.
    endpoint: Url,
    keys: PushKeysInput,
    /// What the agent calls the browser; at most 100 characters.
    label: Option<String>,
}

/// Queries about notifications.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushQuery;

#[Object]
impl PushQuery {
    /// The key that browsers subscribe with: `applicationServerKey` of PushManager.subscribe, an
    /// uncompressed P-256 point in base64url. It never changes. For known callers.
    async fn push_public_key(&self, ctx: &Context<'_>) -> Result<String> {
        authorise(ctx)?;
        Ok(service::vapid(app(ctx)).await?.public_key().to_owned())
    }
}

/// Mutations about notifications.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushMutation;

#[Object]
impl PushMutation {
    /// Has an agent notified in a browser, at most 20 of them, while not in the app. One that is
    /// registered already is registered anew, and is no other agent's any more. Needs
    /// MANAGE_LIVE_CHAT_AVAILABILITY for oneself, else MANAGE_AGENTS.
    async fn register_push_subscription(
        &self,
        ctx: &Context<'_>,
        input: RegisterPushSubscriptionInput,
    ) -> Result<PushRegistration> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let new = NewRegistration {
            endpoint: input.endpoint.0,
            p256dh: input.keys.p256dh,
            auth: input.keys.auth,
            label: input.label,
        };
        Ok(PushRegistration(service::register(app(ctx), editor, new).await?))
    }

    /// Has an agent notified in a browser no more. Needs MANAGE_LIVE_CHAT_AVAILABILITY for oneself,
    /// else MANAGE_AGENTS.
    async fn remove_push_registration(
        &self,
        ctx: &Context<'_>,
        agent_id: ID,
        #[graphql(desc = "Which; or the endpoint.")] registration_id: Option<ID>,
        #[graphql(desc = "Of the browser itself, which knows no more; or registrationId.")]
        endpoint: Option<Url>,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        let which = match (&registration_id, &endpoint) {
            (Some(registration), None) => {
                let kind = ids::PUSH_REGISTRATION;
                Which::Id(read_id(kind, registration, "registrationId")?)
            }
            (None, Some(endpoint)) => Which::Endpoint(&endpoint.0),
            _ => {
                let message = "either registrationId or endpoint must be given";
                return Err(Error::bad_input("registrationId", message).into());
            }
        };
        service::remove(app(ctx), editor, which).await?;
        Ok(Agent(agent::get(app(ctx), editor.agent()).await?))
    }
}
