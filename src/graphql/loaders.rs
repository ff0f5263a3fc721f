//! Loaders: what many rows of a list lead to is read in one statement. [`batch`] gathers the keys.

mod batch;
mod live_chat;

pub(crate) use live_chat::{ActiveChatsOf, LiveChatRequestById, OffersOf};

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_graphql::{Context, Data};
use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use self::batch::{Batches, Loader};
use super::error::{LoadError, Result};
use crate::app::App;
use crate::service::booking::{self, Filter};
use crate::store::page::{Page, PageRequest};
use crate::store::webhook::attempt;
use crate::store::{self, agent, calendar, date_override};

/// Reads rows for one operation.
#[derive(Clone)]
pub(crate) struct Loaders(Arc<App>);

/// An agent's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CalendarOf(pub(crate) Uuid);

/// An agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AgentById(pub(crate) Uuid);

/// An account's domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DomainsOf(pub(crate) Uuid);

/// An agent's date overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OverridesOf {
    pub(crate) agent: Uuid,
    pub(crate) from: Option<NaiveDate>,
    pub(crate) to: Option<NaiveDate>,
}

/// A page of an agent's bookings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BookingsOf {
    pub(crate) agent: Uuid,
    pub(crate) filter: Filter,
    pub(crate) page: PageRequest<(DateTime<Utc>, Uuid)>,
}

/// How many bookings an agent has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountOf {
    pub(crate) agent: Uuid,
    pub(crate) filter: Filter,
}

/// An agent's busy times that have not ended before an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BusyTimesOf {
    pub(crate) agent: Uuid,
    pub(crate) since: DateTime<Utc>,
}

/// The browsers that an agent registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PushRegistrationsOf(pub(crate) Uuid);

/// A team's members, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MembersOf(pub(crate) Uuid);

/// The teams that an agent is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TeamsOf(pub(crate) Uuid);

/// A booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BookingById(pub(crate) Uuid);

/// The tries of a delivery to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AttemptsOf(pub(crate) Uuid);

/// A team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TeamById(pub(crate) Uuid);

/// Puts new loaders into an operation's data. They keep nothing between batches: a subscription's
/// operation lives long, and must not see what was once.
pub(crate) fn add(data: &mut Data, app: &Arc<App>) {
    data.insert(Batches::new(Loaders(Arc::clone(app))));
}

/// Reads one key, together with whatever else is asked for at the same time.
pub(crate) async fn load<K>(
    ctx: &Context<'_>,
    key: K,
) -> Result<Option<<Loaders as Loader<K>>::Value>>
where
    K: Send + Sync + std::hash::Hash + Eq + Clone + 'static,
    Loaders: Loader<K, Error = LoadError>,
{
    let batches = ctx.data_unchecked::<Batches<Loaders>>();
    Ok(batches.load(key).await?)
}

impl Loader<AgentById> for Loaders {
    type Value = agent::Model;
    type Error = LoadError;

    async fn load(&self, keys: &[AgentById]) -> Result<HashMap<AgentById, Self::Value>, LoadError> {
        let rows = crate::service::agent::some(&self.0, keys.iter().map(|key| key.0).collect());
        Ok(only(keys, &rows.await?, |row| AgentById(row.id)))
    }
}

impl Loader<AttemptsOf> for Loaders {
    type Value = Vec<attempt::Model>;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[AttemptsOf],
    ) -> Result<HashMap<AttemptsOf, Self::Value>, LoadError> {
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in attempt::of(&self.0.db, keys.iter().map(|key| key.0)).await? {
            found.entry(AttemptsOf(row.delivery_id)).or_default().push(row);
        }
        Ok(found)
    }
}

impl Loader<TeamById> for Loaders {
    type Value = store::team::Model;
    type Error = LoadError;

    async fn load(&self, keys: &[TeamById]) -> Result<HashMap<TeamById, Self::Value>, LoadError> {
        let select = store::team::Entity::find();
        let ids = keys.iter().map(|key| key.0);
        let rows = select.filter(store::team::Column::Id.is_in(ids)).all(&self.0.db).await?;
        Ok(rows.into_iter().map(|row| (TeamById(row.id), row)).collect())
    }
}

impl Loader<BookingById> for Loaders {
    type Value = store::booking::Model;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[BookingById],
    ) -> Result<HashMap<BookingById, Self::Value>, LoadError> {
        let rows = booking::some(&self.0, keys.iter().map(|key| key.0).collect());
        Ok(only(keys, &rows.await?, |row| BookingById(row.id)))
    }
}

impl Loader<MembersOf> for Loaders {
    type Value = Vec<agent::Model>;
    type Error = LoadError;

    async fn load(&self, keys: &[MembersOf]) -> Result<HashMap<MembersOf, Self::Value>, LoadError> {
        let teams: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let members = crate::service::team::agents_of(&self.0, &teams).await?;
        Ok(members.into_iter().map(|(team, agents)| (MembersOf(team), agents)).collect())
    }
}

impl Loader<TeamsOf> for Loaders {
    type Value = Vec<store::team::Model>;
    type Error = LoadError;

    async fn load(&self, keys: &[TeamsOf]) -> Result<HashMap<TeamsOf, Self::Value>, LoadError> {
        let agents: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let teams = store::team::of_agents(&self.0.db, &agents).await?;
        Ok(teams.into_iter().map(|(agent, teams)| (TeamsOf(agent), teams)).collect())
    }
}

impl Loader<CalendarOf> for Loaders {
    type Value = calendar::Model;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[CalendarOf],
    ) -> Result<HashMap<CalendarOf, Self::Value>, LoadError> {
        let agents = keys.iter().map(|key| key.0);
        let select = calendar::Entity::find();
        let rows = select.filter(calendar::Column::AgentId.is_in(agents)).all(&self.0.db).await?;
        Ok(rows.into_iter().map(|row| (CalendarOf(row.agent_id), row)).collect())
    }
}

impl Loader<DomainsOf> for Loaders {
    type Value = Vec<String>;
    type Error = LoadError;

    async fn load(&self, keys: &[DomainsOf]) -> Result<HashMap<DomainsOf, Self::Value>, LoadError> {
        let accounts: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found = store::account::domains_of(&self.0.db, &accounts).await?;
        Ok(found.into_iter().map(|(account, domains)| (DomainsOf(account), domains)).collect())
    }
}

impl Loader<OverridesOf> for Loaders {
    type Value = Vec<date_override::Model>;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[OverridesOf],
    ) -> Result<HashMap<OverridesOf, Self::Value>, LoadError> {
        use date_override::Column;
        let mut found: HashMap<OverridesOf, Self::Value> =
            keys.iter().map(|key| (*key, Vec::new())).collect();
        for ((from, to), agents) in alike(keys, |key| (key.from, key.to), |key| key.agent) {
            let condition = sea_orm::Condition::all()
                .add(Column::AgentId.is_in(agents))
                .add_option(from.map(|from| Column::Date.gte(from)))
                .add_option(to.map(|to| Column::Date.lte(to)));
            let select = date_override::Entity::find().filter(condition);
            for row in select.order_by_asc(Column::Date).all(&self.0.db).await? {
                found.entry(OverridesOf { agent: row.agent_id, from, to }).or_default().push(row);
            }
        }
        Ok(found)
    }
}

impl Loader<BusyTimesOf> for Loaders {
    type Value = Vec<crate::service::busy_time::BusyTime>;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[BusyTimesOf],
    ) -> Result<HashMap<BusyTimesOf, Self::Value>, LoadError> {
        let mut found = HashMap::new();
        for (since, agents) in alike(keys, |key| key.since, |key| key.agent) {
            let mut of_each =
                crate::service::busy_time::list_of_agents(&self.0, &agents, since).await?;
            for agent in agents {
                let mine = of_each.remove(&agent).unwrap_or_else(Vec::new);
                found.insert(BusyTimesOf { agent, since }, mine);
            }
        }
        Ok(found)
    }
}

impl Loader<PushRegistrationsOf> for Loaders {
    type Value = Vec<crate::service::push::Registration>;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[PushRegistrationsOf],
    ) -> Result<HashMap<PushRegistrationsOf, Self::Value>, LoadError> {
        let agents: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found = crate::service::push::list_of_agents(&self.0, &agents).await?;
        Ok(found.into_iter().map(|(agent, own)| (PushRegistrationsOf(agent), own)).collect())
    }
}

impl Loader<BookingsOf> for Loaders {
    type Value = Page<store::booking::Model>;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[BookingsOf],
    ) -> Result<HashMap<BookingsOf, Self::Value>, LoadError> {
        let mut found = HashMap::new();
        let kinds = alike(keys, |key| (key.filter.clone(), key.page.clone()), |key| key.agent);
        for ((filter, page), agents) in kinds {
            let pages = booking::list_of_agents(&self.0, &agents, &filter, &page).await?;
            for (agent, rows) in pages {
                let key = BookingsOf { agent, filter: filter.clone(), page: page.clone() };
                found.insert(key, rows);
            }
        }
        Ok(found)
    }
}

impl Loader<CountOf> for Loaders {
    type Value = u64;
    type Error = LoadError;

    async fn load(&self, keys: &[CountOf]) -> Result<HashMap<CountOf, u64>, LoadError> {
        let mut found = HashMap::new();
        for (filter, agents) in alike(keys, |key| key.filter.clone(), |key| key.agent) {
            for (agent, count) in booking::counts(&self.0, &agents, &filter).await? {
                found.insert(CountOf { agent, filter: filter.clone() }, count);
            }
        }
        Ok(found)
    }
}

/// Of rows that a shared read found, those that were asked for here.
fn only<K: std::hash::Hash + Eq + Copy, R: Clone>(
    keys: &[K],
    rows: &[R],
    key: impl Fn(&R) -> K,
) -> HashMap<K, R> {
    let asked: HashSet<K> = keys.iter().copied().collect();
    let own = rows.iter().filter(|row| asked.contains(&key(row)));
    own.map(|row| (key(row), row.clone())).collect()
}

/// Groups keys by what they ask for, with the agents that each is asked for.
fn alike<K, A: std::hash::Hash + Eq>(
    keys: &[K],
    asked: impl Fn(&K) -> A,
    agent: impl Fn(&K) -> Uuid,
) -> HashMap<A, Vec<Uuid>> {
    let mut groups: HashMap<A, Vec<Uuid>> = HashMap::new();
    for key in keys {
        groups.entry(asked(key)).or_default().push(agent(key));
    }
    groups
}
