//! What is kept of how an agent was found.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Resolved, Tier, TierKind};

/// Most rules that are listed.
pub const MOST_RULES: usize = 100;
/// Most candidates that are listed for each tier.
pub const MOST_CANDIDATES: usize = 50;

/// How an agent was found, or that none was: kept as JSON with each booking and live chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The account that the visitor is of.
    pub account: Option<MatchedAccount>,
    /// The rules that were looked at, in order; at most 100, those that matched before others.
    pub rules: Vec<RuleRecord>,
    /// In the order in which they were gone through.
    pub tiers: Vec<TierRecord>,
    /// Who was chosen.
    pub chosen: Option<Uuid>,
}

/// The account that a visitor is of, as it was named then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchedAccount {
    /// The account.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// A rule that was looked at, as it was named then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRecord {
    /// The rule.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: i32,
    /// Whether its condition holds for the visitor.
    pub matched: bool,
}

/// A tier that was gone through, or that was not come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierRecord {
    /// Where it comes from.
    pub kind: TierKind,
    /// The account, rule, team or agent that it comes from; none for all agents.
    pub id: Option<Uuid>,
    /// The name that it had then.
    pub name: Option<String>,
    /// In order of turn; at most [`MOST_CANDIDATES`], whoever was chosen among them.
    pub candidates: Vec<CandidateRecord>,
    /// How many candidates there were.
    pub count: usize,
}

/// An agent who was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateRecord {
    /// The agent.
    pub agent: Uuid,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of looking at a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Takes the visitor; or has been offered them.
    Chosen,
    /// Could not, or would not.
    Skipped(SkipReason),
    /// Somebody before was chosen.
    NotReached,
}

/// Why a candidate was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
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
    /// Outside the hours of availability.
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

impl Record {
    /// Begins a record: no tier has been gone through yet.
    pub fn new(resolved: &Resolved) -> Self {
        let tiers = resolved.tiers.iter().map(TierRecord::new).collect();
        let matched = resolved.rules.iter().filter(|rule| rule.matched).count();
        let mut others = MOST_RULES.saturating_sub(matched);
        let mut rules = resolved.rules.clone();
        rules.retain(|rule| {
            let is_kept = rule.matched || 0 < others;
            others = others.saturating_sub(usize::from(!rule.matched));
            is_kept
        });
        rules.truncate(MOST_RULES);
        Self { account: resolved.account.clone(), rules, tiers, chosen: None }
    }

    /// Notes the candidates of a tier, in order of turn, in place of those noted before.
    pub fn set_candidates(
        &mut self,
        tier: usize,
        candidates: impl IntoIterator<Item = (Uuid, Outcome)>,
    ) {
        if let Some(tier) = self.tiers.get_mut(tier) {
            tier.candidates.clear();
            tier.count = 0;
            for (agent, outcome) in candidates {
                tier.add(agent, outcome);
            }
        }
    }

    /// Notes what came of a candidate of a tier, in place of what was noted of it before.
    pub fn note(&mut self, tier: usize, agent: Uuid, outcome: Outcome) {
        if outcome == Outcome::Chosen {
            self.chosen = Some(agent);
        } else if self.chosen == Some(agent) {
            self.chosen = None;
        }
        let Some(tier) = self.tiers.get_mut(tier) else { return };
        match tier.candidates.iter_mut().find(|candidate| candidate.agent == agent) {
            Some(candidate) => candidate.outcome = outcome,
            None => tier.add(agent, outcome),
        }
    }

    /// Notes several, in order.
    pub fn note_all(&mut self, tier: usize, candidates: impl IntoIterator<Item = (Uuid, Outcome)>) {
        for (agent, outcome) in candidates {
            self.note(tier, agent, outcome);
        }
    }

    /// Whether something is noted of a candidate of a tier.
    pub fn has(&self, tier: usize, agent: Uuid) -> bool {
        let tier = self.tiers.get(tier);
        tier.is_some_and(|tier| tier.candidates.iter().any(|noted| noted.agent == agent))
    }
}

impl TierRecord {
    fn new(tier: &Tier) -> Self {
        let (kind, id, name) = (tier.kind, tier.id, tier.name.clone());
        Self { kind, id, name, candidates: Vec::new(), count: 0 }
    }

    /// What says least gives way where there are too many.
    fn add(&mut self, agent: Uuid, outcome: Outcome) {
        self.count += 1;
        if self.candidates.len() == MOST_CANDIDATES {
            if outcome == Outcome::NotReached {
                return;
            }
            let is_not_reached = |c: &CandidateRecord| c.outcome == Outcome::NotReached;
            let least = self.candidates.iter().rposition(is_not_reached);
            match (least, outcome) {
                (Some(place), _) => drop(self.candidates.remove(place)),
                (None, Outcome::Chosen) => drop(self.candidates.pop()),
                (None, _) => return,
            }
        }
        self.candidates.push(CandidateRecord { agent, outcome });
    }
}
