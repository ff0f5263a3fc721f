//! Who may call each field of Query, Mutation and Subscription: one table, closed by default.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use uuid::Uuid;

use super::agent::Agent;
use super::error::Result;
use super::scalars::DateTime;
use crate::app::App;
use crate::ids::{self, Prefix};
use crate::service::access::{AgentEditor, Caller, Permission as P, Profile as ProfileName};
use crate::service::{Error, booking, credential, live_chat};

/// Who may call a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everybody, visitors included.
    Open,
    /// Whoever has a key or a token.
    Known,
    /// Whoever has this permission.
    Has(P),
    /// Whoever has MANAGE_AGENTS, for the agent meant.
    Managers,
    /// The agent meant, where it has the first; and whoever has MANAGE_AGENTS.
    Own(P),
    /// The agent meant, whatever its profile, and whoever has one of these.
    SelfOr(&'static [P]),
    /// An agent for its own bookings; for all of them, whoever has MANAGE_ALL_MEETINGS.
    Bookings,
    /// An agent for its own live chats with VIEW_MY_CONVERSATIONS; for all, whoever has
    /// VIEW_ALL_CONVERSATIONS.
    Conversations,
    /// Whoever holds the booking's manage token; by ID as [`Rule::Bookings`].
    Reference,
}

/// Every field of Query, Mutation and Subscription, with its rule. A field that is not here is
/// refused to everybody.
pub const RULES: &[(&str, Rule)] = &[
    ("viewer", Rule::Open),
    ("node", Rule::Known),
    ("agent", Rule::Known),
    ("agents", Rule::Known),
    ("booking", Rule::Bookings),
    ("managedBooking", Rule::Open),
    ("bookings", Rule::Bookings),
    ("liveChatRequest", Rule::Open),
    ("liveChats", Rule::Conversations),
    ("slots", Rule::Open),
    ("calendarProviders", Rule::Known),
    ("templateTokens", Rule::Known),
    ("previewInvite", Rule::Own(P::ManageCalendarAvailability)),
    ("failedDeliveries", Rule::Has(P::ManageIntegrations)),
    ("pushPublicKey", Rule::Known),
    ("routingRule", Rule::Has(P::ViewRouting)),
    ("whyUnavailable", Rule::SelfOr(&[P::ViewRouting, P::ManageAgents])),
    ("fallbackMessages", Rule::Has(P::ViewRouting)),
    ("routingRules", Rule::Has(P::ViewRouting)),
    ("webhooks", Rule::Has(P::ManageIntegrations)),
    ("webhook", Rule::Has(P::ManageIntegrations)),
    ("account", Rule::Has(P::ViewAccounts)),
    ("accounts", Rule::Has(P::ViewAccounts)),
    ("blockedVisitors", Rule::Has(P::ManagePrivacyAndSecurity)),
    ("blockVisitors", Rule::Has(P::ManagePrivacyAndSecurity)),
    ("unblockVisitors", Rule::Has(P::ManagePrivacyAndSecurity)),
    ("createAccount", Rule::Has(P::ManageRouting)),
    ("updateAccount", Rule::Has(P::ManageRouting)),
    ("deleteAccount", Rule::Has(P::ManageRouting)),
    ("importAccounts", Rule::Has(P::ManageRouting)),
    ("team", Rule::Has(P::ViewRouting)),
    ("teams", Rule::Has(P::ViewRouting)),
    ("explainRouting", Rule::Has(P::ViewRouting)),
    ("createAgent", Rule::Has(P::ManageAgents)),
    ("updateAgent", Rule::Managers),
    ("issueAgentToken", Rule::Managers),
    ("revokeAgentTokens", Rule::SelfOr(&[P::ManageAgents])),
    ("setMeetingAvailability", Rule::Own(P::ManageCalendarAvailability)),
    ("setDateOverride", Rule::Own(P::ManageCalendarAvailability)),
    ("removeDateOverride", Rule::Own(P::ManageCalendarAvailability)),
    ("setInviteTemplate", Rule::Own(P::ManageCalendarAvailability)),
    ("createBusyTime", Rule::Own(P::ManageCalendarAvailability)),
    ("deleteBusyTime", Rule::Own(P::ManageCalendarAvailability)),
    ("setLiveChatAvailability", Rule::Own(P::ManageLiveChatAvailability)),
    ("setLiveChatOverride", Rule::Own(P::ManageLiveChatAvailability)),
    ("clearLiveChatOverride", Rule::Own(P::ManageLiveChatAvailability)),
    ("setFailedActionNotifications", Rule::SelfOr(&[P::ManageAgents])),
    ("requestLiveChat", Rule::Open),
    ("cancelLiveChat", Rule::Open),
    ("touchLiveChat", Rule::Open),
    ("endLiveChat", Rule::Known),
    ("acceptLiveChat", Rule::Known),
    ("declineLiveChat", Rule::Known),
    ("startCalendarAuthorization", Rule::Own(P::ConnectCalendar)),
    ("connectCalendar", Rule::Own(P::ConnectCalendar)),
    ("disconnectCalendar", Rule::Own(P::ConnectCalendar)),
    ("selectCalendar", Rule::Own(P::ConnectCalendar)),
    ("createCalendarFeed", Rule::Own(P::ConnectCalendar)),
    ("revokeCalendarFeed", Rule::Own(P::ConnectCalendar)),
    ("registerPushSubscription", Rule::Own(P::ManageLiveChatAvailability)),
    ("removePushRegistration", Rule::Own(P::ManageLiveChatAvailability)),
    ("bookMeeting", Rule::Open),
    ("confirmBooking", Rule::Open),
    ("rescheduleBooking", Rule::Reference),
    ("cancelBooking", Rule::Reference),
    ("acceptCalendarEventDrift", Rule::Bookings),
    ("undoCalendarEventDrift", Rule::Bookings),
    ("retryDelivery", Rule::Has(P::ManageIntegrations)),
    ("setFallbackMessage", Rule::Has(P::ManageRouting)),
    ("removeFallbackMessage", Rule::Has(P::ManageRouting)),
    ("createRoutingRule", Rule::Has(P::ManageRouting)),
    ("updateRoutingRule", Rule::Has(P::ManageRouting)),
    ("deleteRoutingRule", Rule::Has(P::ManageRouting)),
    ("reorderRoutingRules", Rule::Has(P::ManageRouting)),
    ("createWebhook", Rule::Has(P::ManageIntegrations)),
    ("updateWebhook", Rule::Has(P::ManageIntegrations)),
    ("deleteWebhook", Rule::Has(P::ManageIntegrations)),
    ("rotateWebhookSecret", Rule::Has(P::ManageIntegrations)),
    ("resendWebhookDelivery", Rule::Has(P::ManageIntegrations)),
    ("createTeam", Rule::Has(P::ManageRouting)),
    ("updateTeam", Rule::Has(P::ManageRouting)),
    ("deleteTeam", Rule::Has(P::ManageRouting)),
    ("bookingChanged", Rule::Bookings),
    ("agentChanged", Rule::Known),
    ("incomingLiveChats", Rule::Known),
    ("liveChatRequestChanged", Rule::Open),
];

/// Lets the caller into the field that is being resolved, or not. Rules about an agent's own settings
/// want to know which agent is meant: see [`authorise_for`].
pub(crate) fn authorise(ctx: &Context<'_>) -> Result<()> {
    let caller = caller(ctx);
    match rule(ctx)? {
        // Whoever holds a manage token is looked at together with the booking.
        Rule::Open | Rule::Reference => Ok(()),
        Rule::Known => Ok(caller.require_known()?),
        Rule::Has(permission) => Ok(caller.require(permission)?),
        Rule::Bookings => Ok(booking::agent_of(caller).map(|_| ())?),
        Rule::Conversations => Ok(live_chat::scope_of_list(caller).map(|_| ())?),
        Rule::Managers | Rule::Own(_) | Rule::SelfOr(_) => Err(no_rule(ctx.field().name()).into()),
    }
}

/// The same for a field that shows something of `agent`.
pub(crate) fn authorise_for(ctx: &Context<'_>, agent: &ID, field: &str) -> Result<Uuid> {
    let rule = rule(ctx)?;
    let caller = caller(ctx);
    caller.require_known()?;
    let id = read_id(ids::AGENT, agent, field)?;
    match rule {
        Rule::Managers => caller.require(P::ManageAgents)?,
        Rule::Own(own) => caller.require_for(id, own, P::ManageAgents)?,
        Rule::SelfOr(any) => caller.require_self_or_any(id, any)?,
        _ => return Err(no_rule(ctx.field().name()).into()),
    }
    Ok(id)
}

/// The same for a field that changes `agent`. Whether the agent may do what the caller may not is held
/// against its row when it is changed: see [`AgentEditor`].
pub(crate) fn authorise_edit(ctx: &Context<'_>, agent: &ID, field: &str) -> Result<AgentEditor> {
    let id = authorise_for(ctx, agent, field)?;
    Ok(AgentEditor::new(caller(ctx), id)?)
}

fn rule(ctx: &Context<'_>) -> Result<Rule> {
    let name = ctx.field().name();
    let found = RULES.iter().find(|(field, _)| *field == name);
    Ok(found.map(|(_, rule)| *rule).ok_or_else(|| no_rule(name))?)
}

fn no_rule(field: &str) -> Error {
    Error::internal(anyhow::anyhow!("the field {field} has no fitting rule"))
}

/// Who calls.
pub(crate) fn caller<'a>(ctx: &Context<'a>) -> &'a Caller {
    ctx.data_opt::<Caller>().unwrap_or(&Caller::Visitor { network: None })
}

/// What the process holds.
pub(crate) fn app<'a>(ctx: &Context<'a>) -> &'a Arc<App> {
    ctx.data_unchecked::<Arc<App>>()
}

/// Reads a global ID of one kind.
///
/// # Errors
/// `NOT_FOUND` for an ID of another kind, or no ID of ours at all: nothing has it.
pub(crate) fn read_id(kind: Prefix, id: &ID, field: &str) -> Result<Uuid, Error> {
    kind.parse(id).ok_or_else(|| Error::NotFound(format!("{field} names nothing of this kind")))
}

/// What a profile may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "P")]
pub enum Permission {
    /// Own live-chat blocks and toggle.
    ManageLiveChatAvailability,
    /// Own calendar: connecting, disconnecting, its feed.
    ConnectCalendar,
    /// Own meeting blocks, date overrides, busy times and invitation.
    ManageCalendarAvailability,
    /// Every agent and its settings, as far as the agent's profile allows no more than the caller's. Includes
    /// MANAGE_LIVE_CHAT_AVAILABILITY, CONNECT_CALENDAR and MANAGE_CALENDAR_AVAILABILITY.
    ManageAgents,
    /// Own live chats.
    ViewMyConversations,
    /// Everybody's live chats. Includes VIEW_MY_CONVERSATIONS.
    ViewAllConversations,
    /// Everybody's bookings.
    ManageAllMeetings,
    /// How one's own meetings and live chats were routed, without accounts and rules.
    ViewMyRouting,
    /// Routing rules, teams and how meetings and live chats were routed. Includes VIEW_MY_ROUTING.
    ViewRouting,
    /// Accounts and their owners.
    ViewAccounts,
    /// Changing routing rules, teams and accounts. Includes VIEW_ROUTING and VIEW_ACCOUNTS.
    ManageRouting,
    /// What is kept about visitors, and for how long, and which visitors are blocked.
    ManagePrivacyAndSecurity,
    /// Deliveries that failed, and webhooks; those that tell of live chats need VIEW_ALL_CONVERSATIONS too.
    ManageIntegrations,
    /// Reports about oneself. There are none yet.
    ViewMyReports,
    /// Reports, to look at. Includes VIEW_MY_REPORTS.
    ViewReports,
    /// Reports, to take out. Includes VIEW_REPORTS.
    ExportReports,
}

/// A named set of permissions, for an API key or an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ProfileName")]
pub enum Profile {
    /// All permissions.
    Admin,
    /// Manages agents, all meetings and routing; views accounts, all conversations and reports, and takes reports
    /// out.
    SalesAdmin,
    /// Views routing and reports, takes reports out, manages privacy and integrations, and blocks visitors. Sees no
    /// accounts and no conversations.
    MarketingAdmin,
    /// Views routing and reports. Sees no accounts and no conversations.
    MarketingUser,
    /// Own live chat, calendar and availability; views own conversations, routing and reports.
    LiveAgent,
    /// Own calendar and availability; views own routing and reports.
    CalendarAgent,
}

/// Kinds of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ViewerKind {
    /// Nobody we know.
    Visitor,
    /// A program with an API key.
    ApiKey,
    /// An agent's browser.
    Agent,
}

/// Who calls, and what it may do.
#[derive(Clone, Debug)]
pub struct Viewer(Caller);

#[Object]
impl Viewer {
    /// What the caller is.
    async fn kind(&self) -> ViewerKind {
        match self.0 {
            Caller::Visitor { .. } => ViewerKind::Visitor,
            Caller::Key { .. } => ViewerKind::ApiKey,
            Caller::Agent { .. } => ViewerKind::Agent,
        }
    }

    /// What the API key was made for; null for other callers.
    async fn key_name(&self) -> Option<&str> {
        match &self.0 {
            Caller::Key { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Null for a visitor.
    async fn profile(&self) -> Option<Profile> {
        self.0.profile().map(Into::into)
    }

    /// What the profile allows, permissions that others include among them; nothing for a visitor.
    async fn permissions(&self) -> Vec<Permission> {
        let profile = self.0.profile();
        let all = profile.map_or(&[][..], ProfileName::permissions);
        all.iter().map(|permission| (*permission).into()).collect()
    }

    /// The agent that calls; null for other callers.
    async fn agent(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        match self.0.agent_id() {
            Some(id) => Ok(Some(Agent(crate::service::agent::get(app(ctx), id).await?))),
            None => Ok(None),
        }
    }
}

/// A token for an agent's browser.
#[derive(Clone, Debug, SimpleObject)]
pub struct AgentToken {
    /// Goes into the header Authorization: Bearer …; shown once.
    token: String,
    /// When it stops working.
    expires_at: DateTime,
}

/// Whose tokens to end.
#[derive(Clone, Debug, InputObject)]
pub struct RevokeAgentTokensInput {
    /// The agent's ID.
    agent_id: ID,
}

/// The agent whose tokens ended.
#[derive(Clone, Debug, SimpleObject)]
pub struct RevokeAgentTokensPayload {
    /// The agent.
    agent: Agent,
}

/// Queries about access.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessQuery;

#[Object]
impl AccessQuery {
    /// Who the caller is and what it may do. Open to everybody.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        authorise(ctx)?;
        Ok(Viewer(caller(ctx).clone()))
    }
}

/// Mutations about access.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessMutation;

#[Object]
impl AccessMutation {
    /// A short-lived token for an agent's browser, with the agent's own permissions. For API keys
    /// with MANAGE_AGENTS whose profile allows all that the agent's does. It ends early with
    /// revokeAgentTokens, and when the agent is deactivated or given another profile.
    async fn issue_agent_token(
        &self,
        ctx: &Context<'_>,
        agent_id: ID,
        #[graphql(desc = "1 to 720.")] ttl_minutes: i64,
    ) -> Result<AgentToken> {
        let editor = authorise_edit(ctx, &agent_id, "agentId")?;
        if !matches!(caller(ctx), Caller::Key { .. }) {
            let message = "only an API key can issue tokens".to_owned();
            return Err(Error::Forbidden(message).into());
        }
        let new = credential::issue_agent_token(app(ctx), editor, ttl_minutes).await?;
        Ok(AgentToken { token: new.token, expires_at: new.expires_at.into() })
    }

    /// Ends all tokens of an agent for good, in every process. WebSockets opened with them are closed with 4401
    /// and event streams are completed after an UNAUTHENTICATED error, within a second. Links that
    /// startCalendarAuthorization made for the agent end too. For the agent itself, and for callers with MANAGE_AGENTS
    /// whose profile allows all that the agent's does.
    async fn revoke_agent_tokens(
        &self,
        ctx: &Context<'_>,
        input: RevokeAgentTokensInput,
    ) -> Result<Option<RevokeAgentTokensPayload>> {
        let editor = authorise_edit(ctx, &input.agent_id, "input.agentId")?;
        let agent = Agent(credential::revoke_agent_tokens(app(ctx), editor).await?);
        Ok(Some(RevokeAgentTokensPayload { agent }))
    }
}
