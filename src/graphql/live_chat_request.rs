//! Live chats that visitors ask for.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject, Union};
use uuid::Uuid;

use super::access::{app, authorise, authorise_edit, caller, read_id};
use super::agent::Agent;
use super::error::Result;
use super::live_chat_offer::LiveChatOffer;
use super::loaders::{AgentById, OffersOf, load};
use super::page::{Cursor, PageArgs, connection};
use super::routing::RoutingExplanation;
use super::scalars::{DateTime, Locale, TimeZone, Url};
use super::slots::{RouteInput, Slot, read_route};
use super::visitor::{Company, CompanyInput, Person, PersonInput};
use crate::ids;
use crate::service::access::Permission;
use crate::service::{Error, live_chat as service};
use crate::store::live_chat::request::{self, Model};

/// How a request for a live chat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum LiveChatRequestStatus {
    /// An agent is asked, or is just being looked for.
    Offered,
    /// An agent has it; the chat goes on.
    Accepted,
    /// The chat is over.
    Ended,
    /// Nobody took it.
    Unanswered,
    /// The visitor gave up waiting.
    Cancelled,
}

impl LiveChatRequestStatus {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Offered, request::OFFERED),
        (Self::Accepted, request::ACCEPTED),
        (Self::Ended, request::ENDED),
        (Self::Unanswered, request::UNANSWERED),
        (Self::Cancelled, request::CANCELLED),
    ];

    fn read(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        let unknown = || Error::internal(anyhow::anyhow!("live-chat status {text}"));
        Ok(found.map(|(status, _)| status).ok_or_else(unknown)?)
    }

    fn name(self) -> Option<&'static str> {
        Self::ALL.into_iter().find(|(status, _)| *status == self).map(|(_, name)| name)
    }
}

/// Why a chat that an agent had accepted is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum LiveChatEndReason {
    /// Somebody ended it.
    Closed,
    /// Nothing happened in it for too long.
    Idle,
}

/// A visitor's request for a live chat, from the first offer to the end of the chat. Whoever holds its ID,
/// which nobody can guess, may follow it.
#[derive(Clone, Debug)]
pub struct LiveChatRequest(pub(crate) Model);

impl LiveChatRequest {
    /// For what only those who may see conversations may.
    async fn private(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Vec<crate::store::live_chat::offer::Model>> {
        let caller = caller(ctx);
        caller.require_known()?;
        let offers = load(ctx, OffersOf(self.0.id)).await?.unwrap_or_else(Vec::new);
        if service::may_see(caller, &self.0, &offers) {
            return Ok(offers);
        }
        Ok(caller.require(Permission::ViewAllConversations).map(|()| offers)?)
    }
}

/// A visitor's request for a live chat, from the first offer to the end of the chat. Whoever holds its ID,
/// which nobody can guess, may follow it.
#[Object]
impl LiveChatRequest {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::LIVE_CHAT_REQUEST.format(self.0.id).into()
    }

    /// How it stands.
    async fn status(&self) -> Result<LiveChatRequestStatus> {
        LiveChatRequestStatus::read(&self.0.state)
    }

    /// Who took it; null until somebody has.
    async fn agent(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        match self.0.agent_id {
            Some(id) => Ok(load(ctx, AgentById(id)).await?.map(Agent)),
            None => Ok(None),
        }
    }

    /// The chat tool's own name of the conversation.
    async fn conversation_id(&self) -> Option<&str> {
        self.0.conversation_id.as_deref()
    }

    /// Where the agent finds the conversation. For those who may see conversations.
    async fn conversation_url(&self, ctx: &Context<'_>) -> Result<Option<Url>> {
        self.private(ctx).await?;
        Ok(self.0.conversation_url.clone().map(Url))
    }

    /// The visitor, where it said who it is. For those who may see conversations.
    async fn person(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        self.private(ctx).await?;
        Ok(self.0.person.as_ref().map(|person| (&person.0).into()))
    }

    /// The visitor's company. For those who may see conversations.
    async fn company(&self, ctx: &Context<'_>) -> Result<Option<Company>> {
        self.private(ctx).await?;
        Ok(self.0.company.as_ref().map(|company| (&company.0).into()))
    }

    /// The visitor's language.
    async fn locale(&self) -> Locale {
        Locale(self.0.locale.clone())
    }

    /// The visitor's first words. For those who may see conversations.
    async fn message(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        self.private(ctx).await?;
        Ok(self.0.message.as_deref())
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When an agent took it.
    async fn accepted_at(&self) -> Option<DateTime> {
        self.0.accepted_at.map(Into::into)
    }

    /// When something last happened in the chat, as far as the chat tool said; null until an agent took it.
    async fn last_active_at(&self) -> Option<DateTime> {
        self.0.touched_at.or(self.0.accepted_at).map(Into::into)
    }

    /// When it came to an end: the chat, or the waiting for one.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(Into::into)
    }

    /// Why the chat is over; null for one that was never accepted.
    async fn end_reason(&self) -> Result<Option<LiveChatEndReason>> {
        match self.0.end_reason.as_deref() {
            None => Ok(None),
            Some(request::CLOSED) => Ok(Some(LiveChatEndReason::Closed)),
            Some(request::IDLE) => Ok(Some(LiveChatEndReason::Idle)),
            Some(other) => Err(Error::internal(anyhow::anyhow!("live-chat end {other}")).into()),
        }
    }

    /// What to tell the visitor where nobody took it; null for any other status.
    async fn fallback(&self) -> Option<LiveChatFallback> {
        (self.0.state == request::UNANSWERED).then(|| LiveChatFallback(self.0.clone()))
    }

    /// How its agent was looked for. Null for callers who have neither VIEW_ROUTING nor, as an agent who
    /// took it or was asked to, VIEW_MY_ROUTING.
    async fn routing(&self, ctx: &Context<'_>) -> Result<Option<RoutingExplanation>> {
        let caller = caller(ctx);
        let is_own = match caller.agent_id() {
            Some(agent) if !caller.may(Permission::ViewRouting) => {
                let offers = load(ctx, OffersOf(self.0.id)).await?.unwrap_or_else(Vec::new);
                service::involves(&self.0, &offers, agent)
            }
            _ => false,
        };
        RoutingExplanation::kept(caller, is_own, &self.0.routing.0, None)
    }

    /// Whom it was offered to, in order. For those who may see conversations.
    #[graphql(complexity = "super::page::cost_of_list(child_complexity)")]
    async fn offers(&self, ctx: &Context<'_>) -> Result<Vec<LiveChatOffer>> {
        Ok(self.private(ctx).await?.into_iter().map(LiveChatOffer).collect())
    }
}

connection!(
    /// A page of requests, in the order in which they were made.
    LiveChatConnection, LiveChatEdge, LiveChatRequest(Model),
    cursor: |request| request.id.encode(),
    count(ctx, filter: service::Filter): Ok(service::count(app(ctx), filter).await?)
);

/// An agent is asked.
#[derive(Clone, Debug, SimpleObject)]
pub struct LiveChatOffered {
    /// To be followed by its ID.
    request: LiveChatRequest,
}

/// Nobody takes the chat: what to tell the visitor.
#[derive(Clone, Debug)]
pub struct LiveChatFallback(Model);

/// Nobody takes the chat: what to tell the visitor.
#[Object]
impl LiveChatFallback {
    /// The words, in the visitor's language where the organisation wrote them in it.
    async fn message(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(service::fallback(app(ctx), &self.0).await?.message)
    }

    /// The request, as it was noted.
    async fn request(&self) -> LiveChatRequest {
        LiveChatRequest(self.0.clone())
    }

    /// A meeting instead; null where none is to be offered.
    async fn meeting(&self, ctx: &Context<'_>) -> Result<Option<LiveChatMeetingOption>> {
        if !service::fallback(app(ctx), &self.0).await?.offers_meeting {
            return Ok(None);
        }
        let meeting = service::Meeting::of(app(ctx), &self.0).await?;
        Ok(Some(LiveChatMeetingOption {
            slots: meeting.slots.into_iter().map(Into::into).collect(),
            time_zone: meeting.zone.into(),
        }))
    }
}

/// A meeting instead of a chat. `bookMeeting` with the same route, person and company takes a slot.
#[derive(Clone, Debug, SimpleObject)]
pub struct LiveChatMeetingOption {
    /// The next that are free, at most 5, within 14 days; perhaps none.
    slots: Vec<Slot>,
    /// The visitor's, as asked; UTC where left out.
    time_zone: TimeZone,
}

/// What came of asking for a live chat.
#[derive(Clone, Debug, Union)]
pub enum RequestLiveChatResult {
    /// An agent is asked.
    Offered(LiveChatOffered),
    /// Nobody can take it.
    Fallback(LiveChatFallback),
}

impl RequestLiveChatResult {
    fn of(request: Model) -> Self {
        if request.state == request::UNANSWERED {
            return Self::Fallback(LiveChatFallback(request));
        }
        Self::Offered(LiveChatOffered { request: LiveChatRequest(request) })
    }
}

/// A live chat to ask for.
#[derive(Clone, Debug, InputObject)]
pub struct RequestLiveChatInput {
    /// The visitor, where it said who it is.
    person: Option<PersonInput>,
    company: Option<CompanyInput>,
    /// Left out: the account's owner, then custom rules, then whoever is next of all.
    route: Option<RouteInput>,
    /// The visitor's; the server's default where left out.
    locale: Option<Locale>,
    /// The visitor's: of the slots that a fallback brings.
    time_zone: Option<TimeZone>,
    /// The visitor's first words, for the agent: at most 1000 characters.
    message: Option<String>,
    /// The chat tool's own name of the conversation, at most 200 characters. An API key that asks again about
    /// one whose request is not over gets that request. So does a visitor from the same IP address, with the same
    /// e-mail address or none, where the name has at least 16 characters: use a random UUID.
    conversation_id: Option<String>,
    /// Where the agent finds the conversation, http or https.
    conversation_url: Option<Url>,
}

/// Narrows down requests; all that is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct LiveChatFilter {
    /// Who took it.
    agent_id: Option<ID>,
    status: Option<LiveChatRequestStatus>,
    /// Asked for at or after.
    since: Option<DateTime>,
}

impl LiveChatFilter {
    fn read(self, own: Option<Uuid>) -> Result<service::Filter> {
        let asked =
            self.agent_id.map(|id| read_id(ids::AGENT, &id, "filter.agentId")).transpose()?;
        if let (Some(asked), Some(own)) = (asked, own)
            && asked != own
        {
            return Err(Error::Forbidden("filter.agentId names another agent".to_owned()).into());
        }
        Ok(service::Filter {
            agent: asked.or(own),
            state: self.status.and_then(LiveChatRequestStatus::name),
            since: self.since.map(|since| since.read("filter.since")).transpose()?,
        })
    }
}

/// Queries about live chats.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveChatQuery;

#[Object]
impl LiveChatQuery {
    /// The request with this ID, or null. Open to whoever holds the ID; what the visitor said is for those who
    /// may see conversations.
    async fn live_chat_request(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<LiveChatRequest>> {
        authorise(ctx)?;
        let Some(id) = ids::LIVE_CHAT_REQUEST.parse(&id) else { return Ok(None) };
        Ok(service::find(app(ctx), id).await?.map(LiveChatRequest))
    }

    /// Requests, in the order in which they were made: an agent's own with VIEW_MY_CONVERSATIONS; with
    /// VIEW_ALL_CONVERSATIONS, all.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    async fn live_chats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
        filter: Option<LiveChatFilter>,
    ) -> Result<LiveChatConnection> {
        authorise(ctx)?;
        let own = service::scope_of_list(caller(ctx))?;
        let page = PageArgs { first, after, last, before }.read()?;
        let filter = filter.unwrap_or_default().read(own)?;
        let page = service::list(app(ctx), &filter, &page).await?;
        Ok(LiveChatConnection::new(page, filter))
    }
}

fn read_request(id: &ID) -> Result<Uuid, Error> {
    read_id(ids::LIVE_CHAT_REQUEST, id, "requestId")
}

/// Mutations about requests for live chats.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveChatRequestMutation;

#[Object]
impl LiveChatRequestMutation {
    /// Asks for a live chat: an agent is asked at once, or nobody can take it; one an operation. Open to
    /// visitors, who are RATE_LIMITED where they ask too often with one e-mail address, or have too many requests and
    /// chats open: by default one with an e-mail address, three from one IP address without, and ten from one IP
    /// address in all. Asking again at a limit with the same e-mail address from the same IP address answers with
    /// the request that is open, unless that has a conversationId of at least 16 characters: then its name has to be
    /// given too. A visitor who is blocked gets the fallback, and no agent is asked.
    #[graphql(complexity = "5_001 + child_complexity")]
    async fn request_live_chat(
        &self,
        ctx: &Context<'_>,
        input: RequestLiveChatInput,
    ) -> Result<RequestLiveChatResult> {
        authorise(ctx)?;
        let new = service::NewRequest {
            route: read_route(input.route.as_ref(), "input.route")?,
            zone: input.time_zone.map(|zone| zone.read("input.timeZone")).transpose()?,
            person: input.person.map(Into::into),
            company: input.company.map(Into::into),
            locale: input.locale.map(|locale| locale.0),
            message: input.message,
            conversation_id: input.conversation_id,
            conversation_url: input.conversation_url.map(|url| url.0),
        };
        let made = service::request(app(ctx), caller(ctx), new).await?;
        Ok(RequestLiveChatResult::of(made))
    }

    /// The visitor gives up waiting: an open offer is withdrawn. A request that is no longer waiting stays as
    /// it is. Open to whoever holds the ID.
    async fn cancel_live_chat(&self, ctx: &Context<'_>, request_id: ID) -> Result<LiveChatRequest> {
        authorise(ctx)?;
        Ok(LiveChatRequest(service::cancel(app(ctx), read_request(&request_id)?).await?))
    }

    /// Ends a chat; one that is over stays as it is. For its agent, the API key that asked for it, and callers
    /// with VIEW_ALL_CONVERSATIONS.
    async fn end_live_chat(&self, ctx: &Context<'_>, request_id: ID) -> Result<LiveChatRequest> {
        authorise(ctx)?;
        let id = read_request(&request_id)?;
        Ok(LiveChatRequest(service::end(app(ctx), caller(ctx), id).await?))
    }

    /// Says that something happens in a chat, so that it is not ended as idle. A chat that does not go on stays
    /// as it is. Open to whoever holds the ID.
    async fn touch_live_chat(&self, ctx: &Context<'_>, request_id: ID) -> Result<LiveChatRequest> {
        authorise(ctx)?;
        Ok(LiveChatRequest(service::touch(app(ctx), read_request(&request_id)?).await?))
    }

    /// Whether an agent is written to about chats that nobody took, or that were accepted and came to nothing.
    /// For the agent itself, else needs MANAGE_AGENTS.
    async fn set_failed_action_notifications(
        &self,
        ctx: &Context<'_>,
        agent_id: ID,
        enabled: bool,
    ) -> Result<Agent> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        Ok(Agent(service::set_failed_action_notifications(app(ctx), editor, enabled).await?))
    }
}
