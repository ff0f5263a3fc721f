//! Who would be offered a live chat now, changing nothing.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::advance::why_not;
use super::profiles;
use crate::app::App;
use crate::service::Result;
use crate::service::routing::{MOST_CANDIDATES, Outcome, Record, Resolved, SkipReason, Tier};
use crate::store::agent;
use crate::store::live_chat::candidate::{self, Candidate, Search};

/// Candidates read at once.
const PAGE: u64 = 100;

/// What would be kept of a request that is made now. Tiers behind the one that has somebody are not looked
/// at, as they would not be.
///
/// # Errors
/// None but the database's.
pub(crate) async fn explain(app: &App, resolved: &Resolved) -> Result<Record> {
    let mut record = Record::new(resolved);
    for (place, tier) in resolved.tiers.iter().enumerate() {
        if tier.agents.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        in_turn(app, tier, place, &mut record).await?;
        note_others(app, tier, place, &mut record).await?;
        if record.chosen.is_some() {
            break;
        }
    }
    Ok(record)
}

/// Goes through the candidates in order of turn, up to the first who has room.
async fn in_turn(app: &App, tier: &Tier, place: usize, record: &mut Record) -> Result<()> {
    let profiles = profiles();
    let search = Search {
        queue: tier.queue.as_deref(),
        agents: tier.agents.as_deref(),
        profiles: &profiles,
        now: app.now(),
    };
    let mut after = None;
    loop {
        let page = candidate::page(&app.db, &search, PAGE, after).await?;
        for candidate in &page {
            let reason = if record.chosen.is_some() {
                None
            } else {
                let away =
                    if candidate.is_outdated { away(app, candidate.id).await? } else { None };
                away.or_else(|| (!candidate.has_room()).then_some(SkipReason::LiveChatLimit))
            };
            let outcome = match reason {
                Some(reason) => Outcome::Skipped(reason),
                None if record.chosen.is_some() => Outcome::NotReached,
                None => Outcome::Chosen,
            };
            record.note(place, candidate.id, outcome);
        }
        if record.chosen.is_some() || u64::try_from(page.len()).is_ok_and(|read| read < PAGE) {
            return Ok(());
        }
        after = page.last().map(Candidate::place);
    }
}

/// Why an agent is not available after all, where what is noted of that is too old.
async fn away(app: &App, id: Uuid) -> Result<Option<SkipReason>> {
    match agent::Entity::find_by_id(id).one(&app.db).await? {
        Some(agent) => why_not(&agent, app.now()),
        None => Ok(Some(SkipReason::Inactive)),
    }
}

/// Notes why others of the tier would not be asked, whom the search left out.
async fn note_others(app: &App, tier: &Tier, place: usize, record: &mut Record) -> Result<()> {
    let noted: Vec<Uuid> = match record.tiers.get(place) {
        Some(tier) => tier.candidates.iter().map(|candidate| candidate.agent).collect(),
        None => return Ok(()),
    };
    let most = u64::try_from(MOST_CANDIDATES.saturating_sub(noted.len())).unwrap_or(0);
    let select = agent::Entity::find().filter(agent::Column::Id.is_not_in(noted));
    let select = match &tier.agents {
        Some(agents) => select.filter(agent::Column::Id.is_in(agents.iter().copied())),
        None => select.filter(agent::Column::Active.eq(true)),
    };
    for agent in select.order_by_asc(agent::Column::Id).limit(most).all(&app.db).await? {
        if let Some(reason) = why_not(&agent, app.now())? {
            record.note(place, agent.id, Outcome::Skipped(reason));
        }
    }
    Ok(())
}
