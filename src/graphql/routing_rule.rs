//! Custom routing rules.

use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, SimpleObject};
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::access::{app, authorise, read_id};
use super::agent::Agent;
use super::error::Result;
use super::loaders::{AgentById, TeamById, load};
use super::scalars::DateTime;
use super::team::Team;
use crate::ids;
use crate::routing::{self, Condition};
use crate::service::Error;
use crate::service::routing_rule::{self as service, MOST_AGENTS, Target};

/// Something that visitors say of themselves or their company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "routing::Field")]
pub enum RoutingField {
    /// The whole e-mail address.
    PersonEmail,
    /// What stands behind its @.
    PersonEmailDomain,
    /// The given name.
    PersonFirstName,
    /// The family name.
    PersonLastName,
    /// The telephone number, as typed.
    PersonPhone,
    /// What the person does.
    PersonJobTitle,
    /// One of the person's attributes: the one that the test names.
    PersonAttribute,
    /// The company's name.
    CompanyName,
    /// The company's domain.
    CompanyDomain,
    /// What the company does.
    CompanyIndustry,
    /// Where the company is.
    CompanyCountry,
    /// One of the company's attributes: the one that the test names.
    CompanyAttribute,
}

/// How a field is looked at. Text is compared in lower case, without blanks around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "routing::Operator")]
pub enum RoutingOperator {
    /// The same text.
    Is,
    /// Another text, or none.
    IsNot,
    /// The same text as one of the values.
    IsAnyOf,
    /// The value somewhere in it.
    Contains,
    /// The value at its start.
    StartsWith,
    /// Nothing, or nothing but blanks.
    IsEmpty,
    /// A greater number or a later date. What is neither is not.
    Greater,
    /// A lesser number or an earlier date. What is neither is not.
    Less,
}

/// When a rule holds. Exactly one of the fields is there.
#[derive(Clone, Debug, SimpleObject)]
pub struct RoutingCondition {
    /// Where each of these holds.
    all_of: Option<Vec<RoutingCondition>>,
    /// Where at least one of these holds.
    any_of: Option<Vec<RoutingCondition>>,
    /// Where this holds.
    test: Option<RoutingTest>,
}

/// One look at one field.
#[derive(Clone, Debug, SimpleObject)]
pub struct RoutingTest {
    /// What is looked at.
    field: RoutingField,
    /// The attribute's name, for PERSON_ATTRIBUTE and COMPANY_ATTRIBUTE.
    attribute: Option<String>,
    /// How.
    operator: RoutingOperator,
    /// What it is compared with.
    values: Vec<String>,
}

impl From<&Condition> for RoutingCondition {
    fn from(condition: &Condition) -> Self {
        let each = |group: &[Condition]| Some(group.iter().map(Self::from).collect());
        let none = Self { all_of: None, any_of: None, test: None };
        match condition {
            Condition::AllOf(all) => Self { all_of: each(all), ..none },
            Condition::AnyOf(any) => Self { any_of: each(any), ..none },
            Condition::Test(test) => {
                let test = RoutingTest {
                    field: test.field.into(),
                    attribute: test.attribute.clone(),
                    operator: test.operator.into(),
                    values: test.values.clone(),
                };
                Self { test: Some(test), ..none }
            }
        }
    }
}

/// When a rule holds. Groups can be nested 3 deep, with at most 50 tests in all.
#[derive(Clone, Debug, OneofObject)]
pub enum RoutingConditionInput {
    /// Where each of these holds; at least one.
    AllOf(Vec<RoutingConditionInput>),
    /// Where at least one of these holds; at least one.
    AnyOf(Vec<RoutingConditionInput>),
    /// Where this holds.
    Test(RoutingTestInput),
}

/// One look at one field.
#[derive(Clone, Debug, InputObject)]
pub struct RoutingTestInput {
    /// What is looked at.
    field: RoutingField,
    /// For PERSON_ATTRIBUTE and COMPANY_ATTRIBUTE alone: the attribute's name, the same to the letter; at
    /// most 64 characters.
    attribute: Option<String>,
    /// How.
    operator: RoutingOperator,
    /// One; for IS_ANY_OF 1 to 100, for IS_EMPTY none. At most 500 characters each; for GREATER and LESS
    /// a number (12.5) or a date (2026-11-28).
    values: Option<Vec<String>>,
}

impl From<RoutingConditionInput> for Condition {
    fn from(input: RoutingConditionInput) -> Self {
        match input {
            RoutingConditionInput::AllOf(all) => {
                Self::AllOf(all.into_iter().map(Into::into).collect())
            }
            RoutingConditionInput::AnyOf(any) => {
                Self::AnyOf(any.into_iter().map(Into::into).collect())
            }
            RoutingConditionInput::Test(test) => Self::Test(routing::Test {
                field: test.field.into(),
                attribute: test.attribute,
                operator: test.operator.into(),
                values: test.values.into_iter().flatten().collect(),
            }),
        }
    }
}

/// Sends the visitors that it is for to agents or a team, where no account has an owner for them.
#[derive(Clone, Debug)]
pub struct RoutingRule(pub(crate) service::RoutingRule);

/// Sends the visitors that it is for to agents or a team, where no account has an owner for them.
#[Object]
impl RoutingRule {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::ROUTING_RULE.format(self.0.record.id).into()
    }

    /// What those who keep rules call it.
    async fn name(&self) -> &str {
        &self.0.record.name
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.0.record.description.as_deref()
    }

    /// The lower, the earlier the rule is looked at; of equal ones, the older first.
    async fn priority(&self) -> i32 {
        self.0.record.priority
    }

    /// False: it is passed over.
    async fn active(&self) -> bool {
        self.0.record.active
    }

    /// Who gets the visitors, in turn; those who are deactivated are passed over. Empty where a team does.
    #[graphql(complexity = "super::page::cost_of_long_list(MOST_AGENTS, child_complexity)")]
    async fn agents(&self, ctx: &Context<'_>) -> Result<Vec<Agent>> {
        let agents = self.0.agents.iter().map(|id| load(ctx, AgentById(*id)));
        let agents = try_join_all(agents).await?;
        Ok(agents.into_iter().flatten().map(Agent).collect())
    }

    /// Whose members get the visitors, in turn. Null where agents are named.
    async fn team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        match self.0.record.team_id {
            Some(team) => Ok(load(ctx, TeamById(team)).await?.map(Team)),
            None => Ok(None),
        }
    }

    /// Which visitors it is for.
    async fn condition(&self) -> RoutingCondition {
        (&self.0.record.condition.0).into()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.record.created_at.into()
    }
}

/// A rule to make. Exactly one of agentIds and teamId.
#[derive(Clone, Debug, InputObject)]
pub struct CreateRoutingRuleInput {
    /// At most 100 characters.
    name: String,
    /// At most 1000 characters.
    description: Option<String>,
    /// 1 to 1000000, the lower the earlier; behind all other rules where left out.
    priority: Option<i64>,
    /// False: it is kept and passed over.
    #[graphql(default = true)]
    active: bool,
    /// Active agents, 1 to 200, each once.
    agent_ids: Option<Vec<ID>>,
    team_id: Option<ID>,
    condition: RoutingConditionInput,
}

/// Fields left out stay as they are; agentIds and teamId take each other's place.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateRoutingRuleInput {
    rule_id: ID,
    /// At most 100 characters.
    name: Option<String>,
    /// At most 1000 characters; an empty one takes it away.
    description: Option<String>,
    /// 1 to 1000000, the lower the earlier.
    priority: Option<i64>,
    /// False: it is kept and passed over.
    active: Option<bool>,
    /// Active agents, 1 to 200, each once.
    agent_ids: Option<Vec<ID>>,
    team_id: Option<ID>,
    condition: Option<RoutingConditionInput>,
}

fn read_target(agents: Option<Vec<ID>>, team: Option<ID>) -> Result<Option<Target>, Error> {
    match (agents, team) {
        (None, None) => Ok(None),
        (Some(agents), None) => read_agents(&agents).map(Target::Agents).map(Some),
        (None, Some(team)) => {
            let unknown = || Error::bad_input("input.teamId", "input.teamId names no team");
            let team = ids::TEAM.parse(&team).ok_or_else(unknown)?;
            Ok(Some(Target::Team(team)))
        }
        (Some(_), Some(_)) => {
            let message = "a rule has agents or a team, not both";
            Err(Error::bad_input("input.teamId", message))
        }
    }
}

fn read_agents(agents: &[ID]) -> Result<Vec<Uuid>, Error> {
    if !(1..=MOST_AGENTS).contains(&agents.len()) {
        let message = format!("a rule has 1 to {MOST_AGENTS} agents, not {}", agents.len());
        return Err(Error::bad_input("input.agentIds", message));
    }
    let read = |(index, id): (usize, &ID)| {
        let field = format!("input.agentIds.{index}");
        ids::AGENT.parse(id).ok_or_else(|| Error::bad_input(field, "there is no such agent"))
    };
    agents.iter().enumerate().map(read).collect()
}

/// Queries about routing rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoutingRuleQuery;

#[Object]
impl RoutingRuleQuery {
    /// The routing rule with this ID, or null. Needs VIEW_ROUTING.
    async fn routing_rule(&self, ctx: &Context<'_>, id: ID) -> Result<Option<RoutingRule>> {
        authorise(ctx)?;
        let Some(id) = ids::ROUTING_RULE.parse(&id) else { return Ok(None) };
        Ok(service::find(app(ctx), id).await?.map(RoutingRule))
    }

    /// All routing rules, in the order in which they are looked at; at most 500. Needs VIEW_ROUTING.
    #[graphql(complexity = "super::page::cost_of_long_list(service::MOST, child_complexity)")]
    async fn routing_rules(&self, ctx: &Context<'_>) -> Result<Vec<RoutingRule>> {
        authorise(ctx)?;
        Ok(service::list(app(ctx)).await?.into_iter().map(RoutingRule).collect())
    }
}

/// Mutations about routing rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoutingRuleMutation;

#[Object]
impl RoutingRuleMutation {
    /// Makes a routing rule. Needs MANAGE_ROUTING.
    async fn create_routing_rule(
        &self,
        ctx: &Context<'_>,
        input: CreateRoutingRuleInput,
    ) -> Result<RoutingRule> {
        authorise(ctx)?;
        let neither = || {
            Error::bad_input("input.agentIds", "a rule has agents or a team, and this has neither")
        };
        let new = service::NewRule {
            name: input.name,
            description: input.description,
            priority: input.priority,
            active: input.active,
            target: read_target(input.agent_ids, input.team_id)?.ok_or_else(neither)?,
            condition: input.condition.into(),
        };
        Ok(RoutingRule(service::create(app(ctx), new).await?))
    }

    /// Changes a routing rule. Needs MANAGE_ROUTING.
    async fn update_routing_rule(
        &self,
        ctx: &Context<'_>,
        input: UpdateRoutingRuleInput,
    ) -> Result<RoutingRule> {
        authorise(ctx)?;
        let id = read_id(ids::ROUTING_RULE, &input.rule_id, "input.ruleId")?;
        let update = service::RuleUpdate {
            name: input.name,
            description: input.description,
            priority: input.priority,
            active: input.active,
            target: read_target(input.agent_ids, input.team_id)?,
            condition: input.condition.map(Into::into),
        };
        Ok(RoutingRule(service::update(app(ctx), id, update).await?))
    }

    /// Takes a routing rule out, and answers with its ID. Needs MANAGE_ROUTING.
    async fn delete_routing_rule(&self, ctx: &Context<'_>, rule_id: ID) -> Result<ID> {
        authorise(ctx)?;
        let id = read_id(ids::ROUTING_RULE, &rule_id, "ruleId")?;
        service::delete(app(ctx), id).await?;
        Ok(rule_id)
    }

    /// Gives the routing rules the priorities 1, 2, … in this order, which names each rule once. Needs
    /// MANAGE_ROUTING.
    #[graphql(complexity = "super::page::cost_of_long_list(service::MOST, child_complexity)")]
    async fn reorder_routing_rules(
        &self,
        ctx: &Context<'_>,
        rule_ids: Vec<ID>,
    ) -> Result<Vec<RoutingRule>> {
        authorise(ctx)?;
        let read = |(index, id): (usize, &ID)| {
            let unknown = || Error::bad_input(format!("ruleIds.{index}"), "there is no such rule");
            ids::ROUTING_RULE.parse(id).ok_or_else(unknown)
        };
        let read = rule_ids.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let rules = service::reorder(app(ctx), &read).await?;
        Ok(rules.into_iter().map(RoutingRule).collect())
    }
}
