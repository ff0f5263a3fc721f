//! From a route to tiers. Reads only, and no network.

use uuid::Uuid;

use super::{MatchedAccount, Purpose, Route, RuleRecord, Tier, TierKind, queue};
use crate::app::App;
use crate::routing::matches;
use crate::service::routing_rule::{self, Rule, Snapshot};
use crate::service::{Result, account, agent, team};
use crate::store::booking::{Company, Person};

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// In the order in which they are gone through.
    pub tiers: Vec<Tier>,
    /// Every rule that was looked at, in order.
    pub rules: Vec<RuleRecord>,
    /// The account that the visitor is of.
    pub account: Option<MatchedAccount>,
}

/// Finds the tiers that a route leads to for this visitor.
///
/// - No route: the owner of the visitor's account, each active rule that matches by priority and then
///   by ID, and all agents.
/// - An agent: that agent alone.
/// - A team: the team alone for a meeting; for a live chat, all agents after it.
///
/// # Errors
/// `NOT_FOUND` for an unknown agent or team.
pub async fn resolve(
    app: &App,
    purpose: Purpose,
    route: Route,
    person: Option<&Person>,
    company: Option<&Company>,
) -> Result<Resolved> {
    match route {
        Route::Agent(id) => {
            // Who looks for a meeting reads the agent anyway, and finds out whether there is one.
            let name = match purpose {
                Purpose::Meeting => None,
                Purpose::LiveChat => Some(agent::get(app, id).await?.name),
            };
            Ok(direct(vec![one_agent(id, name)]))
        }
        Route::Team(id) => {
            let mut tiers = vec![one_team(app, purpose, id).await?];
            if purpose == Purpose::LiveChat {
                tiers.push(all(purpose));
            }
            Ok(direct(tiers))
        }
        Route::Queue => by_visitor(app, purpose, person, company).await,
    }
}

impl Resolved {
    /// All agents, and nobody before them.
    pub fn all_agents(purpose: Purpose) -> Self {
        direct(vec![all(purpose)])
    }

    /// No one at all: for what concerns nobody who is still to be found.
    pub fn nobody() -> Self {
        direct(Vec::new())
    }
}

fn direct(tiers: Vec<Tier>) -> Resolved {
    Resolved { tiers, rules: Vec::new(), account: None }
}

fn one_agent(id: Uuid, name: Option<String>) -> Tier {
    let (kind, agents) = (TierKind::Agent, Some(vec![id]));
    Tier { kind, id: Some(id), name, agents, queue: None }
}

async fn one_team(app: &App, purpose: Purpose, id: Uuid) -> Result<Tier> {
    let rules = routing_rule::snapshot(app).await?;
    let team = rules.teams.get(&id).ok_or_else(|| team::unknown(id))?;
    Ok(Tier {
        kind: TierKind::Team,
        id: Some(id),
        name: Some(team.name.clone()),
        agents: Some(team.members.clone()),
        queue: Some(queue(purpose, &format!("team/{id}"))),
    })
}

fn all(purpose: Purpose) -> Tier {
    let queue = Some(queue(purpose, "all"));
    Tier { kind: TierKind::All, id: None, name: None, agents: None, queue }
}

async fn by_visitor(
    app: &App,
    purpose: Purpose,
    person: Option<&Person>,
    company: Option<&Company>,
) -> Result<Resolved> {
    let (account, rules) = futures_util::future::try_join(
        account::matching(app, person, company),
        routing_rule::snapshot(app),
    )
    .await?;
    let owner = account.as_ref().map(|account| Tier {
        kind: TierKind::Owner,
        id: Some(account.id),
        name: Some(account.name.clone()),
        agents: Some(vec![account.owner_id]),
        queue: None,
    });
    let mut tiers = Vec::from_iter(owner);
    let mut records = Vec::with_capacity(rules.rules.len());
    for rule in &rules.rules {
        let matched = matches(&rule.condition, person, company);
        let (id, name, priority) = (rule.id, rule.name.clone(), rule.priority);
        records.push(RuleRecord { id, name, priority, matched });
        if matched {
            tiers.push(one_rule(purpose, &rules, rule));
        }
    }
    tiers.push(all(purpose));
    let account = account.map(|account| MatchedAccount { id: account.id, name: account.name });
    Ok(Resolved { tiers, rules: records, account })
}

fn one_rule(purpose: Purpose, rules: &Snapshot, rule: &Rule) -> Tier {
    let team = rule.team.and_then(|team| rules.teams.get(&team));
    let agents = team.map_or(&rule.agents, |team| &team.members);
    Tier {
        kind: TierKind::Rule,
        id: Some(rule.id),
        name: Some(rule.name.clone()),
        agents: Some(agents.clone()),
        queue: Some(queue(purpose, &format!("rule/{}", rule.id))),
    }
}
