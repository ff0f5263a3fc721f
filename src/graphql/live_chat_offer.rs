//! Live chats as they are offered to agents.

use async_graphql::{Context, Enum, ID, Object, SimpleObject, Union};

use super::access::{app, authorise, caller, read_id};
use super::agent::Agent;
use super::error::Result;
use super::live_chat_request::LiveChatRequest;
use super::loaders::{AgentById, LiveChatRequestById, load};
use super::scalars::DateTime;
use crate::ids;
use crate::service::Error;
use crate::service::live_chat::offer as service;
use crate::store::live_chat::offer::{self, Model};

/// How an offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum LiveChatOfferStatus {
    /// It may be accepted until it expires.
    Open,
    /// Its agent took the chat.
    Accepted,
    /// Its agent refused it.
    Declined,
    /// Its agent did not answer in time.
    Expired,
    /// It was taken back: the visitor gave up, or the agent became unavailable.
    Withdrawn,
}

/// A live chat that one agent is asked to take.
#[derive(Clone, Debug)]
pub struct LiveChatOffer(pub(crate) Model);

/// A live chat that one agent is asked to take.
#[Object]
impl LiveChatOffer {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::LIVE_CHAT_OFFER.format(self.0.id).into()
    }

    /// Who is asked.
    async fn agent(&self, ctx: &Context<'_>) -> Result<Agent> {
        let agent = load(ctx, AgentById(self.0.agent_id)).await?;
        let gone = || Error::internal(anyhow::anyhow!("agent {} is gone", self.0.agent_id));
        Ok(Agent(agent.ok_or_else(gone)?))
    }

    /// What is offered.
    async fn request(&self, ctx: &Context<'_>) -> Result<LiveChatRequest> {
        let request = load(ctx, LiveChatRequestById(self.0.request_id)).await?;
        let gone = || Error::internal(anyhow::anyhow!("request {} is gone", self.0.request_id));
        Ok(LiveChatRequest(request.ok_or_else(gone)?))
    }

    /// How it stands.
    async fn status(&self) -> Result<LiveChatOfferStatus> {
        Ok(match self.0.state.as_str() {
            offer::OPEN => LiveChatOfferStatus::Open,
            offer::ACCEPTED => LiveChatOfferStatus::Accepted,
            offer::DECLINED => LiveChatOfferStatus::Declined,
            offer::EXPIRED => LiveChatOfferStatus::Expired,
            offer::WITHDRAWN => LiveChatOfferStatus::Withdrawn,
            other => return Err(Error::internal(anyhow::anyhow!("offer status {other}")).into()),
        })
    }

    /// When it was made.
    async fn offered_at(&self) -> DateTime {
        self.0.offered_at.into()
    }

    /// From when on it can't be accepted.
    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.into()
    }

    /// When it was answered, ran out or was taken back.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(Into::into)
    }
}

/// What happened to an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum IncomingLiveChatKind {
    /// It was made: let the agent know.
    Offered,
    /// The agent took it, perhaps in another browser: it needs no answer any more.
    Accepted,
    /// It can't be accepted any more, whatever the reason: `offer.status` says which.
    Withdrawn,
}

/// News of an offer, for its agent.
#[derive(Clone, Debug, SimpleObject)]
pub struct IncomingLiveChat {
    /// What happened.
    pub(crate) kind: IncomingLiveChatKind,
    /// The offer as it is now.
    pub(crate) offer: LiveChatOffer,
}

impl IncomingLiveChat {
    pub(crate) fn of(offer: Model) -> Self {
        let kind = match offer.state.as_str() {
            offer::OPEN => IncomingLiveChatKind::Offered,
            offer::ACCEPTED => IncomingLiveChatKind::Accepted,
            _ => IncomingLiveChatKind::Withdrawn,
        };
        Self { kind, offer: LiveChatOffer(offer) }
    }
}

/// The chat is the agent's.
#[derive(Clone, Debug, SimpleObject)]
pub struct LiveChatAccepted {
    /// With where to find the conversation.
    request: LiveChatRequest,
}

/// The accept came too late.
#[derive(Clone, Debug, SimpleObject)]
pub struct LiveChatMissed {
    /// Why, for the agent.
    message: String,
    /// The offer as it is now.
    offer: LiveChatOffer,
}

/// What came of an accept.
#[derive(Clone, Debug, Union)]
#[expect(clippy::large_enum_variant, reason = "one a request, never kept in a list")]
pub enum AcceptLiveChatResult {
    /// The chat is the agent's.
    Accepted(LiveChatAccepted),
    /// It came too late.
    Missed(LiveChatMissed),
}

/// Mutations about offers.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveChatOfferMutation;

#[Object]
impl LiveChatOfferMutation {
    /// Takes a chat that was offered; who accepts twice has it all the same. For the agent who was asked.
    async fn accept_live_chat(
        &self,
        ctx: &Context<'_>,
        offer_id: ID,
    ) -> Result<AcceptLiveChatResult> {
        authorise(ctx)?;
        let id = read_id(ids::LIVE_CHAT_OFFER, &offer_id, "offerId")?;
        Ok(match service::accept(app(ctx), caller(ctx), id).await? {
            service::Accepted::Taken(request) => {
                let request = LiveChatRequest(*request);
                AcceptLiveChatResult::Accepted(LiveChatAccepted { request })
            }
            service::Accepted::Missed { message, offer } => {
                let (message, offer) = (message.to_owned(), LiveChatOffer(*offer));
                AcceptLiveChatResult::Missed(LiveChatMissed { message, offer })
            }
        })
    }

    /// Refuses a chat that was offered: the next agent is asked at once. An offer that is no longer open stays
    /// as it is. For the agent who was asked.
    async fn decline_live_chat(&self, ctx: &Context<'_>, offer_id: ID) -> Result<LiveChatOffer> {
        authorise(ctx)?;
        let id = read_id(ids::LIVE_CHAT_OFFER, &offer_id, "offerId")?;
        Ok(LiveChatOffer(service::decline(app(ctx), caller(ctx), id).await?))
    }
}
