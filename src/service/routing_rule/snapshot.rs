//! Rules and teams as routing reads them: kept in memory under the revision that they were read at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::app::App;
use crate::routing::Condition;
use crate::service::{Error, Result};
use crate::store::routing_rule as store;

/// All that routing goes by besides accounts, as of one revision or a little later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// How often it had changed.
    pub revision: i64,
    /// Active rules, in the order in which they are looked at.
    pub rules: Vec<Rule>,
    /// All teams.
    pub teams: HashMap<Uuid, TeamMembers>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Names it.
    pub id: Uuid,
    /// What those who keep rules call it.
    pub name: String,
    /// The lower, the earlier.
    pub priority: i32,
    /// Who gets the visitor, in their order, deactivated ones included; none where there is a team.
    pub agents: Vec<Uuid>,
    /// Whose members get the visitor.
    pub team: Option<Uuid>,
    /// Which visitors it is for.
    pub condition: Condition,
}

/// A team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamMembers {
    /// What it is called.
    pub name: String,
    /// Who is in it, in their order, deactivated ones included.
    pub members: Vec<Uuid>,
}

/// What was last read.
#[derive(Default)]
pub struct SnapshotCache(Mutex<Option<Arc<Snapshot>>>);

impl SnapshotCache {
    fn at(&self, revision: i64) -> Option<Arc<Snapshot>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A later one holds all that this one does.
        kept.as_ref().filter(|kept| revision <= kept.revision).map(Arc::clone)
    }

    fn keep(&self, read: &Arc<Snapshot>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|kept| kept.revision < read.revision) {
            *kept = Some(Arc::clone(read));
        }
    }
}

/// Rules and teams, with at least what was committed before this call. Reads one row, shared by
/// requests, and the rest only where that says that it changed.
///
/// # Errors
/// None but the database's.
pub async fn snapshot(app: &App) -> Result<Arc<Snapshot>> {
    let db = app.db.clone();
    let read = move |_: Vec<()>| {
        let db = db.clone();
        async move { Ok(vec![store::revision(&db).await?]) }
    };
    let revisions = app.routing_revision.rows((), read).await?;
    let revision = revisions.first().copied();
    let revision = revision.ok_or_else(|| Error::internal(anyhow::anyhow!("no revision")))?;
    if let Some(kept) = app.routing.at(revision) {
        return Ok(kept);
    }
    let read = Arc::new(read_all(app, revision).await?);
    app.routing.keep(&read);
    Ok(read)
}

/// Reads after the revision was, so that what is kept under it holds at least what it counts.
async fn read_all(app: &App, revision: i64) -> Result<Snapshot> {
    let rules = store::all(&app.db).await?;
    let mut agents = store::agents(&app.db, None).await?;
    let teams = store::teams(&app.db).await?;
    let rule = |rule: store::Model| Rule {
        agents: agents.remove(&rule.id).unwrap_or_default(),
        id: rule.id,
        name: rule.name,
        priority: rule.priority,
        team: rule.team_id,
        condition: rule.condition.0,
    };
    let team = |(id, name, members)| (id, TeamMembers { name, members });
    Ok(Snapshot {
        revision,
        rules: rules.into_iter().filter(|rule| rule.active).map(rule).collect(),
        teams: teams.into_iter().map(team).collect(),
    })
}
