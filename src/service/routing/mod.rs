//! Whom a visitor gets: the account's owner, else whom a rule names, else the next of all.
//!
//! A route leads to tiers ([`resolve()`]), which are gone through in order: whoever takes the visitor is of
//! the first tier that has somebody to take them. Within a tier it is round robin, each tier's queue
//! counting its own turns. What was looked at is kept as a [`Record`] with each booking and live chat.

mod explain;
pub(crate) mod meeting;
mod record;
mod resolve;

use uuid::Uuid;

pub use explain::{Explanation, Question, explain};
pub use record::{
    CandidateRecord, MOST_CANDIDATES, MOST_RULES, MatchedAccount, Outcome, Record, RuleRecord,
    SkipReason, TierRecord,
};
pub use resolve::{Resolved, resolve};
use serde::{Deserialize, Serialize};

/// Whom a visitor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Route {
    /// The account's owner, else whom a rule names, else whoever is next of all.
    Queue,
    /// This agent.
    Agent(Uuid),
    /// Whoever of this team is next.
    Team(Uuid),
}

/// What an agent is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A meeting at a time to come.
    Meeting,
    /// A live chat now.
    LiveChat,
}

/// Where a tier comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TierKind {
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

/// Agents who are looked at together, before those of the next tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Where it comes from.
    pub kind: TierKind,
    /// The account, rule, team or agent that it comes from; none for all agents.
    pub id: Option<Uuid>,
    /// The name of that; none for all agents.
    pub name: Option<String>,
    /// Its agents, in order, perhaps deactivated; none: all that are active.
    pub agents: Option<Vec<Uuid>>,
    /// The queue whose turns its agents take; none where there is but one agent.
    pub queue: Option<String>,
}

impl Tier {
    /// Whether this agent is of the tier, were it active.
    pub fn has(&self, agent: Uuid) -> bool {
        self.agents.as_ref().is_none_or(|agents| agents.contains(&agent))
    }

    /// Whether its agents wait in a queue, which is for those who have weekly blocks. Who asks for an
    /// agent is content with what the agent offers.
    pub fn is_queue(&self) -> bool {
        self.kind != TierKind::Agent
    }
}

/// The queue of what a tier comes from: meetings and live chats count apart.
fn queue(purpose: Purpose, name: &str) -> String {
    match purpose {
        Purpose::Meeting => name.to_owned(),
        Purpose::LiveChat => format!("chat/{name}"),
    }
}
