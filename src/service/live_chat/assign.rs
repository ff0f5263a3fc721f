//! Who is asked: a tier's candidates in order of turn, under their queue's lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::advance::why_not;
use super::availability::become_of;
use crate::scheduling::Turn;
use crate::service::Result;
use crate::service::routing::{Outcome, SkipReason};
use crate::store::agent;
use crate::store::live_chat::candidate::{self, Candidate, Place, Search};
use crate::store::queue::{self, Locked};

/// Candidates read first at the least, beyond one for each request.
const PAGE: u64 = 8;
/// Candidates read at once at the most.
const MOST_READ: u64 = 4096;
/// Agents read at once whose noted status is too old: databases take so many values in one statement.
const MOST_OUTDATED: usize = 500;
/// Candidates behind the chosen one that are noted.
const BEHIND: usize = 9;

/// What came of looking for an agent for one request.
pub(super) struct Found {
    /// Who is to be asked: held until the transaction ends, with room for this request.
    pub(super) agent: Option<Uuid>,
    /// What is to be noted of candidates, in order of turn.
    pub(super) noted: Vec<(Uuid, Outcome)>,
}

/// What came of it for several.
pub(super) struct Assigned {
    /// For each request, in their order.
    pub(super) found: Vec<Found>,
    /// Who was chosen and can't take a chat after all, now that nobody else changes that.
    pub(super) unfit: HashMap<Uuid, SkipReason>,
    /// Whose status had changed by itself, which nobody had noted.
    pub(super) refreshed: Vec<Uuid>,
}

/// Gives each request the next candidate who has room and is not among those that were `asked` for it before,
/// nor among the `unfit`. Their turns are written down; offers are the caller's to make, in the same transaction.
///
/// # Errors
/// None but the database's.
pub(super) async fn assign(
    transaction: &DatabaseTransaction,
    search: &Search<'_>,
    asked: &[HashSet<Uuid>],
    unfit: &HashMap<Uuid, SkipReason>,
) -> Result<Assigned> {
    let locked = match search.queue {
        Some(name) => Some(queue::lock(transaction, name).await?),
        None => None,
    };
    // Enough for all that ask, where everybody has room; rounded, so that databases know the statement.
    let most = u64::try_from(asked.len()).unwrap_or(0).saturating_add(PAGE).next_power_of_two();
    let mut line = Line::new(transaction, search, locked, most);
    let mut found = Vec::with_capacity(asked.len());
    for asked in asked {
        found.push(line.next(asked, unfit).await?);
    }
    let chosen: HashSet<Uuid> = found.iter().filter_map(|found| found.agent).collect();
    let chosen = Vec::from_iter(chosen);
    agent::hold(transaction, &chosen).await?;
    let mut refreshed = Vec::new();
    for candidate in line.known.values().filter(|known| known.is_outdated) {
        if chosen.contains(&candidate.id) && refresh(transaction, candidate.id, search.now).await? {
            refreshed.push(candidate.id);
        }
    }
    // What was read before they were held may have changed.
    let mut rooms = if chosen.is_empty() {
        HashMap::new()
    } else {
        candidate::rooms(transaction, &chosen, search.profiles, search.now).await?
    };
    let mut unfit = HashMap::new();
    for found in &mut found {
        let Some(agent) = found.agent else { continue };
        match rooms.get_mut(&agent) {
            Some(room) if 0 < *room => *room -= 1,
            Some(_) => drop(unfit.insert(agent, SkipReason::LiveChatLimit)),
            None => drop(unfit.insert(agent, SkipReason::LiveChatUnavailable)),
        }
        if unfit.contains_key(&agent) {
            found.agent = None;
        }
    }
    line.note_turns(&found).await?;
    Ok(Assigned { found, unfit, refreshed })
}

/// How far candidates were read.
#[derive(Clone, Copy)]
enum Read {
    None,
    UpTo(Place),
    All,
}

/// Candidates as they stand now that some have been assigned.
struct Line<'a> {
    transaction: &'a DatabaseTransaction,
    search: &'a Search<'a>,
    locked: Option<Locked>,
    /// Those that were read. Some may have come to stand behind others that were not.
    known: BTreeMap<Place, Candidate>,
    /// Those of them who are not available after all, as their blocks say.
    away: HashSet<Uuid>,
    read: Read,
    /// How many are read next: more each time.
    most: u64,
}

impl<'a> Line<'a> {
    fn new(
        transaction: &'a DatabaseTransaction,
        search: &'a Search<'a>,
        locked: Option<Locked>,
        most: u64,
    ) -> Self {
        let (known, away) = (BTreeMap::new(), HashSet::new());
        Self { transaction, search, locked, known, away, read: Read::None, most }
    }

    /// Assigns to the next who is not left out.
    async fn next(
        &mut self,
        asked: &HashSet<Uuid>,
        unfit: &HashMap<Uuid, SkipReason>,
    ) -> Result<Found> {
        let mut noted = Vec::new();
        let mut from = Bound::Unbounded;
        loop {
            let mut next = None;
            for (place, candidate) in self.from(from) {
                from = Bound::Excluded(*place);
                if asked.contains(&candidate.id) {
                    continue;
                }
                let reason = match unfit.get(&candidate.id) {
                    None if self.away.contains(&candidate.id) => SkipReason::LiveChatUnavailable,
                    None if candidate.has_room() => {
                        next = Some(*place);
                        break;
                    }
                    None => SkipReason::LiveChatLimit,
                    Some(reason) => *reason,
                };
                noted.push((candidate.id, Outcome::Skipped(reason)));
            }
            if let Some(place) = next {
                let behind = self.from(from).filter(|(_, other)| !asked.contains(&other.id));
                let behind: Vec<_> =
                    behind.take(BEHIND).map(|(_, other)| (other.id, Outcome::NotReached)).collect();
                let agent = self.take(place);
                noted.extend(agent.map(|agent| (agent, Outcome::Chosen)));
                noted.extend(behind);
                return Ok(Found { agent, noted });
            }
            if matches!(self.read, Read::All) {
                return Ok(Found { agent: None, noted });
            }
            self.read_on().await?;
        }
    }

    /// Those that are known to stand there, up to the first that was not read.
    fn from(&self, from: Bound<Place>) -> impl Iterator<Item = (&Place, &Candidate)> {
        let read = self.read;
        self.known.range((from, Bound::Unbounded)).take_while(move |(place, _)| match read {
            Read::None => false,
            Read::UpTo(last) => **place <= last,
            Read::All => true,
        })
    }

    /// Gives the turn to a candidate, which then stands where that brings it.
    fn take(&mut self, place: Place) -> Option<Uuid> {
        let mut candidate = self.known.remove(&place)?;
        candidate.load += 1;
        if let Some(locked) = &mut self.locked {
            candidate.turn = locked.progress.assign(candidate.turn, candidate.weight);
        }
        let agent = candidate.id;
        self.known.insert(candidate.place(), candidate);
        Some(agent)
    }

    async fn read_on(&mut self) -> Result<()> {
        let after = match self.read {
            Read::UpTo(last) => Some(last),
            Read::None | Read::All => None,
        };
        let page = candidate::page(self.transaction, self.search, self.most, after).await?;
        self.read = match page.last() {
            Some(last) if u64::try_from(page.len()).is_ok_and(|read| self.most <= read) => {
                Read::UpTo(last.place())
            }
            _ => Read::All,
        };
        let outdated = page.iter().filter(|candidate| candidate.is_outdated);
        let outdated: Vec<Uuid> = outdated.map(|candidate| candidate.id).collect();
        self.find_away(&outdated).await?;
        // Whoever joined anew in between is read twice, and stays where it was.
        let known: HashSet<Uuid> = self.known.values().map(|candidate| candidate.id).collect();
        let new = page.into_iter().filter(|candidate| !known.contains(&candidate.id));
        self.known.extend(new.map(|candidate| (candidate.place(), candidate)));
        self.most = (self.most * 8).min(MOST_READ);
        Ok(())
    }

    /// Asks blocks and toggles where what is noted of a status is too old.
    async fn find_away(&mut self, outdated: &[Uuid]) -> Result<()> {
        for outdated in outdated.chunks(MOST_OUTDATED) {
            let select = agent::Entity::find();
            let select = select.filter(agent::Column::Id.is_in(outdated.iter().copied()));
            for agent in select.all(self.transaction).await? {
                // What can't be read is told by what follows schedules, and must not keep others from being asked.
                if !matches!(why_not(&agent, self.search.now), Ok(None)) {
                    self.away.insert(agent.id);
                }
            }
        }
        Ok(())
    }

    async fn note_turns(&self, found: &[Found]) -> Result<()> {
        let Some(locked) = &self.locked else { return Ok(()) };
        let chosen: HashSet<Uuid> = found.iter().filter_map(|found| found.agent).collect();
        let turns: Vec<(Uuid, Turn)> = self
            .known
            .values()
            .filter(|candidate| chosen.contains(&candidate.id))
            .map(|candidate| (candidate.id, candidate.turn))
            .collect();
        Ok(queue::note(self.transaction, locked, &turns).await?)
    }
}

/// Moves on what is noted of an agent's status, which is too old. The agent is to be held.
async fn refresh(transaction: &DatabaseTransaction, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let found = agent::Entity::find_by_id(id).one(transaction).await?;
    let Some(agent) = found else { return Ok(false) };
    let Some(become_one) = become_of(&agent, now)? else { return Ok(false) };
    Ok(!candidate::set(transaction, &[become_one]).await?.is_empty())
}
