//! What would be decided for a visitor now, changing nothing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Purpose, Record, Resolved, Route, meeting, resolve};
use crate::app::App;
use crate::service::{Result, live_chat};
use crate::store::booking::{Company, Person};

/// Who a visitor would get, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// As it would be kept.
    pub record: Record,
    /// The start that it is about; none for a live chat, and where nobody has a slot.
    pub starts_at: Option<DateTime<Utc>>,
    /// Where no start was asked for: the earliest slot of each agent that has one.
    pub earliest: HashMap<Uuid, DateTime<Utc>>,
}

/// Whom an explanation is for.
#[derive(Clone, Debug)]
pub struct Question {
    /// What an agent is looked for.
    pub purpose: Purpose,
    /// Whom the visitor asks for.
    pub route: Route,
    /// The visitor.
    pub person: Person,
    /// The visitor's company.
    pub company: Option<Company>,
    /// For a meeting: when; the earliest slot that is offered where left out.
    pub starts_at: Option<DateTime<Utc>>,
}

/// Says which rules were looked at, who was a candidate, who was passed over and why, and who would be
/// chosen, from what is known here: a calendar elsewhere is asked once more at booking.
///
/// # Errors
/// `NOT_FOUND` for an unknown agent or team.
pub async fn explain(app: &App, question: &Question) -> Result<Explanation> {
    let (route, person) = (question.route, Some(&question.person));
    let resolved = resolve(app, question.purpose, route, person, question.company.as_ref()).await?;
    match question.purpose {
        Purpose::Meeting => of_meeting(app, question, &resolved).await,
        Purpose::LiveChat => {
            let record = live_chat::explain(app, &resolved).await?;
            Ok(Explanation { record, ..Explanation::default() })
        }
    }
}

async fn of_meeting(app: &App, question: &Question, resolved: &Resolved) -> Result<Explanation> {
    let known = meeting::read(app, question.route, &resolved.tiers).await?;
    let earliest = match question.starts_at {
        Some(_) => HashMap::new(),
        None => known.earliest(app.now()).await?,
    };
    let starts_at = question.starts_at.or_else(|| earliest.values().min().copied());
    // Where nobody has a slot, now is as good as any other time to say why.
    let lines = known.lines(app, resolved, starts_at.unwrap_or(app.now()), None).await?;
    let mut candidates = lines.iter().flat_map(|line| &line.candidates);
    let chosen = candidates.find(|seen| seen.is_free()).map(|seen| seen.agent);
    let record = meeting::record(resolved, &lines, chosen);
    Ok(Explanation { record, starts_at, earliest })
}
