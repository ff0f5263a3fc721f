//! How agents are found for visitors.

use std::collections::HashMap;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime as Instant, Utc};
use uuid::Uuid;

use super::access::{app, authorise, caller};
use super::agent::Agent;
use super::error::Result;
use super::loaders::{AgentById, load};
use super::scalars::DateTime;
use super::slots::{RouteInput, read_route};
use super::visitor::{CompanyInput, PersonInput};
use crate::ids;
use crate::service::access::{Caller, Permission};
use crate::service::routing::{self as service, Outcome, Purpose, Question, Record, TierRecord};
use crate::service::{Error, visitor};

/// What an agent is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Purpose")]
pub enum RoutingKind {
    /// A meeting at a time to come.
    Meeting,
    /// A live chat now.
    LiveChat,
}

/// Where a tier comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "service::TierKind")]
pub enum RoutingTierKind {
    /// The owner of the visitor's account.
    Owner,
    /// A rule that matches.
    Rule,
    /// The team that was asked for.
    Team,
    /// The agent who was asked for.
    Agent,
    /// All agents.
    All,
}

/// What came of looking at a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum RoutingOutcome {
    /// Takes the visitor, has been offered them, or would be.
    Chosen,
    /// Could not, or would not.
    Skipped,
    /// Somebody before was chosen.
    NotReached,
}

/// Why a candidate was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "service::SkipReason")]
pub enum SkipReason {
    /// Deactivated.
    Inactive,
    /// The profile does not allow it.
    NotPermitted,
    /// No calendar is connected.
    NoCalendar,
    /// The calendar must be connected again.
    CalendarNeedsReauthentication,
    /// The calendar can't be read, or was not for too long.
    CalendarUnreachable,
    /// Outside the hours of availability, or there are none.
    OutOfHours,
    /// Busy then, or within the buffer.
    Busy,
    /// Nearer than the notice that the agent asks for.
    Notice,
    /// Further ahead than the agent can be booked.
    Horizon,
    /// No slot of the agent starts then, or it ends at another time.
    NoSlotThen,
    /// Not available for live chats.
    LiveChatUnavailable,
    /// As many live chats as the agent takes at once.
    LiveChatLimit,
    /// Declined the offer.
    Declined,
    /// Let the offer run out.
    DidNotAnswer,
}

/// The account that a visitor is of, as it was named then.
#[derive(Clone, Debug, SimpleObject)]
pub struct RoutingAccount {
    /// The account's.
    id: ID,
    /// The account's.
    name: String,
}

/// A rule that was looked at, as it was named then.
#[derive(Clone, Debug, SimpleObject)]
pub struct RoutingRuleResult {
    /// The rule's.
    id: ID,
    /// The rule's.
    name: String,
    /// The rule's.
    priority: i32,
    /// Whether its condition holds for the visitor.
    matched: bool,
}

/// How an agent was found, or would be.
#[derive(Clone, Debug)]
pub struct RoutingExplanation {
    sees: Sees,
    record: Record,
    starts_at: Option<Instant<Utc>>,
    earliest: HashMap<Uuid, Instant<Utc>>,
}

/// What of an explanation a caller sees besides agents.
#[derive(Clone, Copy, Debug)]
struct Sees {
    accounts: bool,
    rules: bool,
}

impl Sees {
    fn of(caller: &Caller) -> Self {
        Self {
            accounts: caller.may(Permission::ViewAccounts),
            rules: caller.may(Permission::ViewRouting),
        }
    }

    /// Whether the thing that a tier comes from may be named.
    const fn names(self, tier: service::TierKind) -> bool {
        match tier {
            service::TierKind::Owner => self.accounts,
            service::TierKind::Rule | service::TierKind::Team => self.rules,
            service::TierKind::Agent | service::TierKind::All => true,
        }
    }
}

impl RoutingExplanation {
    /// What was kept with a booking or a live chat, as far as the caller sees it: all with VIEW_ROUTING; of
    /// what is its own with VIEW_MY_ROUTING.
    pub(crate) fn kept(
        caller: &Caller,
        is_own: bool,
        record: &serde_json::Value,
        starts_at: Option<Instant<Utc>>,
    ) -> Result<Option<Self>> {
        let sees_own = is_own && caller.may(Permission::ViewMyRouting);
        if !sees_own && !caller.may(Permission::ViewRouting) {
            return Ok(None);
        }
        let record = serde_json::from_value(record.clone()).map_err(Error::internal)?;
        let sees = Sees::of(caller);
        Ok(Some(Self { sees, record, starts_at, earliest: HashMap::new() }))
    }
}

/// How an agent was found, or would be.
#[Object]
impl RoutingExplanation {
    /// The account that the visitor is of; null where there is none, or whom to meet was said. Null without
    /// VIEW_ACCOUNTS.
    async fn account(&self) -> Option<RoutingAccount> {
        let account = self.record.account.as_ref().filter(|_| self.sees.accounts)?;
        let id = ids::ACCOUNT.format(account.id).into();
        Some(RoutingAccount { id, name: account.name.clone() })
    }

    /// The active rules, in the order in which they were looked at; of more than 100, those that matched
    /// before others. None where whom to meet was said, and without VIEW_ROUTING.
    #[graphql(complexity = "super::page::cost_of_up_to(service::MOST_RULES, child_complexity)")]
    async fn rules(&self) -> Vec<RoutingRuleResult> {
        let rule = |rule: &service::RuleRecord| RoutingRuleResult {
            id: ids::ROUTING_RULE.format(rule.id).into(),
            name: rule.name.clone(),
            priority: rule.priority,
            matched: rule.matched,
        };
        self.record.rules.iter().filter(|_| self.sees.rules).map(rule).collect()
    }

    /// Agents who are looked at together, in the order in which they are gone through.
    #[graphql(complexity = "super::page::cost_of_list(child_complexity)")]
    async fn tiers(&self) -> Vec<RoutingTier> {
        let shown = |tier: &TierRecord| {
            let mut shown = tier.clone();
            if !self.sees.names(tier.kind) {
                (shown.id, shown.name) = (None, None);
            }
            RoutingTier { tier: shown, all: self.clone_earliest(tier) }
        };
        self.record.tiers.iter().map(shown).collect()
    }

    /// Who takes the visitor, has been offered them, or would be; null where nobody can.
    async fn chosen(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        match self.record.chosen {
            Some(id) => Ok(load(ctx, AgentById(id)).await?.map(Agent)),
            None => Ok(None),
        }
    }

    /// The start that this is about; null for a live chat, and where nobody has a slot.
    async fn starts_at(&self) -> Option<DateTime> {
        self.starts_at.map(Into::into)
    }
}

impl RoutingExplanation {
    fn clone_earliest(&self, tier: &TierRecord) -> HashMap<Uuid, Instant<Utc>> {
        let agents = tier.candidates.iter().map(|candidate| candidate.agent);
        agents.filter_map(|agent| Some((agent, *self.earliest.get(&agent)?))).collect()
    }
}

/// Agents who are looked at together, before those of the next tier.
#[derive(Clone, Debug)]
pub struct RoutingTier {
    tier: TierRecord,
    all: HashMap<Uuid, Instant<Utc>>,
}

/// Agents who are looked at together, before those of the next tier.
#[Object]
impl RoutingTier {
    /// Where it comes from.
    async fn kind(&self) -> RoutingTierKind {
        self.tier.kind.into()
    }

    /// The ID of the account, rule, team or agent that it comes from. Null for all agents, for an account
    /// without VIEW_ACCOUNTS, and for a rule or team without VIEW_ROUTING.
    async fn id(&self) -> Option<ID> {
        let prefix = match self.tier.kind {
            service::TierKind::Owner => ids::ACCOUNT,
            service::TierKind::Rule => ids::ROUTING_RULE,
            service::TierKind::Team => ids::TEAM,
            service::TierKind::Agent | service::TierKind::All => ids::AGENT,
        };
        self.tier.id.map(|id| prefix.format(id).into())
    }

    /// The name that the account, rule or team had then. Null for an agent and for all agents, for an account
    /// without VIEW_ACCOUNTS, and for a rule or team without VIEW_ROUTING.
    async fn name(&self) -> Option<&str> {
        self.tier.name.as_deref()
    }

    /// In order of turn; at most 50, whoever was chosen among them. For a meeting, an agent of several tiers is in
    /// the first alone. For a live chat, whoever was passed over is looked at again in the next tier, and tiers
    /// behind the one that had somebody list nobody.
    #[graphql(
        complexity = "super::page::cost_of_up_to(service::MOST_CANDIDATES, child_complexity)"
    )]
    async fn candidates(&self) -> Vec<RoutingCandidate> {
        let candidate = |candidate: &service::CandidateRecord| {
            let (outcome, reason) = match candidate.outcome {
                Outcome::Chosen => (RoutingOutcome::Chosen, None),
                Outcome::Skipped(reason) => (RoutingOutcome::Skipped, Some(reason.into())),
                Outcome::NotReached => (RoutingOutcome::NotReached, None),
            };
            let earliest = self.all.get(&candidate.agent).copied();
            RoutingCandidate { agent: candidate.agent, outcome, reason, earliest }
        };
        self.tier.candidates.iter().map(candidate).collect()
    }

    /// How many candidates were looked at, of whom at most 50 are kept. For a live chat that is up to a few
    /// behind whoever was asked last.
    async fn candidate_count(&self) -> usize {
        self.tier.count
    }
}

/// An agent who was looked at.
#[derive(Clone, Debug)]
pub struct RoutingCandidate {
    agent: Uuid,
    outcome: RoutingOutcome,
    reason: Option<SkipReason>,
    earliest: Option<Instant<Utc>>,
}

/// An agent who was looked at.
#[Object]
impl RoutingCandidate {
    /// The agent.
    async fn agent(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        Ok(load(ctx, AgentById(self.agent)).await?.map(Agent))
    }

    /// What came of it.
    async fn outcome(&self) -> RoutingOutcome {
        self.outcome
    }

    /// Why the candidate was passed over.
    async fn reason(&self) -> Option<SkipReason> {
        self.reason
    }

    /// The agent's earliest slot, where explainRouting was asked without startsAt; null where there is
    /// none.
    async fn earliest_start(&self) -> Option<DateTime> {
        self.earliest.map(Into::into)
    }
}

/// Queries about routing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoutingQuery;

#[Object]
impl RoutingQuery {
    /// Whom a visitor would get and why, changing nothing: the rules that are looked at, the candidates in
    /// order of turn, who is passed over and for which reason, and who would be chosen. Needs
    /// VIEW_ROUTING; accounts are named with VIEW_ACCOUNTS.
    ///
    /// For a meeting it is about startsAt; left out, about the earliest slot that is offered to the
    /// visitor, and each candidate is told with the earliest slot of its own. It goes by what is known
    /// here; a calendar elsewhere is asked once more at booking. For a live chat it is about now.
    async fn explain_routing(
        &self,
        ctx: &Context<'_>,
        person: PersonInput,
        company: Option<CompanyInput>,
        route: Option<RouteInput>,
        #[graphql(default_with = "RoutingKind::Meeting")] kind: RoutingKind,
        starts_at: Option<DateTime>,
    ) -> Result<RoutingExplanation> {
        authorise(ctx)?;
        let question = Question {
            purpose: kind.into(),
            route: read_route(route.as_ref(), "route")?,
            person: visitor::person("person", person.into())?,
            company: company.map(|c| visitor::company("company", c.into())).transpose()?,
            starts_at: starts_at.map(|start| start.read_exact("startsAt")).transpose()?,
        };
        let found = service::explain(app(ctx), &question).await?;
        let (record, starts_at) = (found.record, found.starts_at);
        let sees = Sees::of(caller(ctx));
        Ok(RoutingExplanation { sees, record, starts_at, earliest: found.earliest })
    }
}
