//! Why a slot is missing: what stands in the way of a start with an agent, for people.

mod words;

use calendar_provider::TimeRange;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::access::{Caller, Permission};
use super::schedule::{Taken, TakenBy, facts};
use super::{Result, booking, calendar};
use crate::app::App;
use crate::scheduling::{self, DatedBlock, Obstacle, Schedule};
use crate::store::{self, busy, date_override};

/// Most conflicts that are told.
const MOST_CONFLICTS: usize = 20;

/// Whether a slot starts at an instant with an agent, and if not, why.
#[derive(Clone, Debug)]
pub struct Why {
    /// The slot, where it can be booked.
    pub slot: Option<TimeRange>,
    /// Each reason why not, in order of weight; none where there is a slot.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Clone, Debug)]
pub struct Reason {
    /// Of what kind.
    pub kind: Kind,
    /// In words, with times in the agent's zone.
    pub message: String,
    /// The nearest block, where the start is out of hours.
    pub block: Option<DatedBlock>,
    /// The date override to blame, for those who may see it.
    pub date_override: Option<date_override::Model>,
    /// What is there already.
    pub conflict: Option<Conflict>,
    /// The first instant that is not too soon.
    pub earliest: Option<DateTime<Utc>>,
    /// The first instant that is too far ahead.
    pub latest: Option<DateTime<Utc>>,
    /// The nearest starts of slots before and after.
    pub neighbours: Vec<DateTime<Utc>>,
}

/// Kinds of reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "said in the schema")]
pub enum Kind {
    Inactive,
    NoCalendar,
    CalendarNeedsReauthentication,
    CalendarUnreachable,
    Past,
    Notice,
    Horizon,
    NoBlocks,
    DateOverride,
    OutOfHours,
    OffGrid,
    Busy,
    Buffer,
    NotKnown,
}

/// What is there already.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// When.
    pub range: TimeRange,
    /// Whether it is a meeting of ours, rather than an entry of the agent's own.
    pub is_booking: bool,
    /// The meeting, for those who may see it.
    pub booking: Option<store::booking::Model>,
    /// What the agent calls it, for those who may see that.
    pub title: Option<String>,
}

/// Looks at a start with an agent, as the engine and the state of the calendar have it.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn why(app: &App, caller: &Caller, agent: Uuid, at: DateTime<Utc>) -> Result<Why> {
    let now = app.now();
    let record = super::agent::get(app, agent).await?;
    let calendar = calendar::of_agent(app, agent).await?;
    let facts = facts(&app.db, agent, None, now).await?;
    let rules = &facts.rules;
    let mut reasons: Vec<Reason> = Vec::new();
    if !record.active {
        reasons.push(words::plain(Kind::Inactive));
    }
    reasons.extend(ailment(app, calendar.as_ref()).map(words::plain));

    let ranges: Vec<TimeRange> = facts.taken.iter().map(|taken| taken.range).collect();
    let obstacles = scheduling::explain(rules, &ranges, at, now);
    let mut conflicts = 0;
    for obstacle in obstacles {
        if let Obstacle::Busy(_) | Obstacle::Buffer(_) = obstacle {
            conflicts += 1;
            if MOST_CONFLICTS < conflicts {
                continue;
            }
        }
        let looked_up = Looking { app, caller, agent, rules, taken: &facts.taken };
        reasons.push(looked_up.reason(obstacle).await?);
    }
    // Last, so that what is known comes first.
    reasons.sort_by_key(|reason| reason.kind == Kind::NotKnown);
    let slot = match reasons.is_empty() {
        true => scheduling::check(rules, &ranges.into_iter().collect(), at, now).ok(),
        false => None,
    };
    Ok(Why { slot, reasons })
}

/// What is the matter with a calendar.
fn ailment(app: &App, calendar: Option<&store::calendar::Model>) -> Option<Kind> {
    let Some(found) = calendar else { return Some(Kind::NoCalendar) };
    if calendar::is_healthy(app, found) {
        return None;
    }
    Some(match found.status.as_str() {
        calendar::REAUTHENTICATION_REQUIRED => Kind::CalendarNeedsReauthentication,
        _ => Kind::CalendarUnreachable,
    })
}

/// What reasons are made of.
struct Looking<'a> {
    app: &'a App,
    caller: &'a Caller,
    agent: Uuid,
    rules: &'a Schedule,
    taken: &'a [Taken],
}

impl Looking<'_> {
    /// Whether the caller may see what the agent keeps for itself.
    fn sees_private(&self) -> bool {
        self.caller.is_agent(self.agent) || self.caller.may(Permission::ManageAgents)
    }

    async fn reason(&self, obstacle: Obstacle) -> Result<Reason> {
        let zone = self.rules.zone;
        Ok(match obstacle {
            Obstacle::Past => words::plain(Kind::Past),
            Obstacle::NoBlocks => words::plain(Kind::NoBlocks),
            Obstacle::Notice { earliest } => Reason {
                earliest: Some(earliest),
                ..words::notice(self.rules.notice, earliest, zone)
            },
            Obstacle::Horizon { latest } => {
                Reason { latest: Some(latest), ..words::horizon(self.rules.horizon, latest, zone) }
            }
            Obstacle::DateOverride { date, nearest } => Reason {
                block: nearest,
                date_override: self.date_override(date).await?,
                ..words::date_override(date, nearest, zone)
            },
            Obstacle::OutOfHours { nearest } => {
                Reason { block: nearest, ..words::out_of_hours(nearest, zone) }
            }
            Obstacle::OffGrid { before, after } => {
                let neighbours: Vec<_> = [before, after].into_iter().flatten().collect();
                Reason { neighbours: neighbours.clone(), ..words::off_grid(&neighbours, zone) }
            }
            Obstacle::Busy(index) => self.conflict(&self.taken[index], None).await?,
            Obstacle::Buffer(index) => {
                self.conflict(&self.taken[index], Some(self.rules.buffer)).await?
            }
        })
    }

    async fn date_override(&self, date: chrono::NaiveDate) -> Result<Option<date_override::Model>> {
        if !self.sees_private() {
            return Ok(None);
        }
        let found = date_override::Entity::find()
            .filter(date_override::Column::AgentId.eq(self.agent))
            .filter(date_override::Column::Date.eq(date));
        Ok(found.one(&self.app.db).await?)
    }

    async fn conflict(&self, taken: &Taken, buffer: Option<TimeDelta>) -> Result<Reason> {
        let (booking, title) = match taken.by {
            TakenBy::Unknown => return Ok(words::not_known(taken.range.start(), self.rules.zone)),
            TakenBy::Booking(id) | TakenBy::MovedEntry(id) => {
                let sees = booking::may_see(self.caller, self.agent);
                (if sees { booking::find(self.app, id).await? } else { None }, None)
            }
            TakenBy::Hold => (None, None),
            TakenBy::Entry(id) => (None, self.title(id).await?),
        };
        let is_booking = !matches!(taken.by, TakenBy::Entry(_));
        let conflict = Conflict { range: taken.range, is_booking, booking, title };
        let told = words::conflict(&conflict, taken.by, buffer, self.rules.zone);
        Ok(Reason { conflict: Some(conflict), ..told })
    }

    /// What the agent calls an entry, for those who may see that.
    async fn title(&self, entry: Uuid) -> Result<Option<String>> {
        if !self.sees_private() {
            return Ok(None);
        }
        let db = &self.app.db;
        let Some(row) = busy::Entity::find_by_id(entry).one(db).await? else { return Ok(None) };
        if row.title.is_some() || row.sync_id.is_some() {
            return Ok(row.title);
        }
        // The built-in calendar keeps it with its own entries.
        let key = (self.agent, row.uid);
        let kept = busy::builtin::Entity::find_by_id(key).one(db).await?;
        Ok(kept.map(|event| event.title).filter(|title| !title.is_empty()))
    }
}
