//! Browsers that agents registered for pushes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, EntityTrait, ModelTrait, Set};
use uuid::Uuid;

use super::Subscription;
use super::subscription::read_endpoint;
use crate::app::App;
use crate::service::access::{self, AgentEditor};
use crate::service::changes::{self, Change};
use crate::service::{Error, Result, text};
use crate::store;
use crate::store::push_registration::{self as store_registration, ActiveModel, Entity, Model};

/// Most browsers of one agent.
const MOST: u64 = 20;

/// A browser that an agent registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Names it.
    pub id: Uuid,
    /// Whose it is.
    pub agent_id: Uuid,
    /// The push service that it is reached through.
    pub origin: String,
    /// What the agent calls it.
    pub label: Option<String>,
    /// When it was registered last.
    pub created_at: DateTime<Utc>,
}

/// A browser to register: what `PushSubscription.toJSON()` says there.
#[derive(Clone)]
pub struct NewRegistration {
    /// Its address at the push service.
    pub endpoint: String,
    /// Its public key.
    pub p256dh: String,
    /// The secret that it shares with us.
    pub auth: String,
    /// What the agent calls it.
    pub label: Option<String>,
}

/// Which of an agent's registrations.
#[derive(Clone, Copy)]
pub enum Which<'a> {
    /// The one of this ID.
    Id(Uuid),
    /// The one of this endpoint: all that a browser knows of itself.
    Endpoint(&'a str),
}

/// Has an agent told through a browser. One that is registered already, for whomever, is the agent's from
/// now on, with these keys.
///
/// # Errors
/// `BAD_USER_INPUT`; `LIMIT_EXCEEDED`; `NOT_FOUND`.
pub async fn register(
    app: &App,
    editor: AgentEditor,
    new: NewRegistration,
) -> Result<Registration> {
    let agent = editor.agent();
    let subscription = Subscription::read(app, &new.endpoint, &new.p256dh, &new.auth)?;
    let label = text::optional("input.label", new.label.as_deref(), text::NAME_CHARS)?;
    let hash = app.secrets.hash(subscription.endpoint().as_str());
    let id = app.uuid();
    let model = Model {
        id,
        agent_id: agent,
        endpoint_hash: hash.clone(),
        subscription: subscription.seal(app, id)?,
        label: label.clone(),
        created_at: app.now(),
    };
    changed(app, editor, async |transaction| {
        if MOST <= store_registration::count_others(transaction, agent, &hash).await? {
            let message = format!("an agent has at most {MOST} browsers registered");
            return Err(Error::LimitExceeded(message));
        }
        if store_registration::add(transaction, model.clone()).await? {
            return Ok((Registration::of(app, model)?, None));
        }
        let Some(kept) = store_registration::of_endpoint(transaction, &hash).await? else {
            let message = "the browser was removed at the same time; register it again";
            return Err(Error::Conflict(message.to_owned()));
        };
        let former = kept.agent_id;
        let again = ActiveModel {
            id: Set(kept.id),
            agent_id: Set(agent),
            subscription: Set(subscription.seal(app, kept.id)?),
            label: Set(label),
            created_at: Set(app.now()),
            ..Default::default()
        };
        let kept = Entity::update(again).exec(transaction).await?;
        Ok((Registration::of(app, kept)?, Some(former)))
    })
    .await
}

/// Has an agent told through a browser no more.
///
/// # Errors
/// `NOT_FOUND` where the agent has no such registration; `BAD_USER_INPUT` for an endpoint that can't be
/// one.
pub async fn remove(app: &App, editor: AgentEditor, which: Which<'_>) -> Result<()> {
    let agent = editor.agent();
    let hash = match which {
        Which::Id(_) => None,
        Which::Endpoint(text) => Some(read_endpoint(app, "endpoint", text)?),
    };
    let hash = hash.map(|url| app.secrets.hash(url.as_str()));
    changed(app, editor, async |transaction| {
        let found = match (which, hash) {
            (_, Some(hash)) => store_registration::of_endpoint(transaction, &hash).await?,
            (Which::Id(id), None) => Entity::find_by_id(id).one(transaction).await?,
            (Which::Endpoint(_), None) => None,
        };
        let found = found.filter(|found| found.agent_id == agent).ok_or_else(|| {
            Error::NotFound("the agent has no such browser registered".to_owned())
        })?;
        found.delete(transaction).await?;
        Ok(((), None))
    })
    .await
}

/// The registrations of several agents, each agent's in the order in which they were first made.
///
/// # Errors
/// None but the database's.
pub async fn list_of_agents(
    app: &App,
    agents: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Registration>>> {
    let mut found: HashMap<Uuid, Vec<Registration>> = HashMap::new();
    for model in store_registration::of_agents(&app.db, agents).await? {
        found.entry(model.agent_id).or_default().push(Registration::of(app, model)?);
    }
    Ok(found)
}

/// The registration with this ID, whoever asks.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Registration>> {
    let found = Entity::find_by_id(id).one(&app.db).await?;
    found.map(|model| Registration::of(app, model)).transpose()
}

impl Registration {
    fn of(app: &App, model: Model) -> Result<Self> {
        let subscription = Subscription::open(app, &model.subscription, model.id)?;
        Ok(Self {
            id: model.id,
            agent_id: model.agent_id,
            origin: subscription.origin(),
            label: model.label,
            created_at: model.created_at,
        })
    }
}

/// Changes what an agent has, one change of an agent at a time, and tells of it; of the agent too whose it
/// was before.
async fn changed<T, F>(app: &App, editor: AgentEditor, edit: F) -> Result<T>
where
    F: AsyncFnOnce(&DatabaseTransaction) -> Result<(T, Option<Uuid>)>,
{
    let transaction = store::begin(&app.db).await?;
    let id = access::hold(&transaction, editor).await?.id;
    let (done, former) = edit(&transaction).await?;
    let others = former.filter(|former| *former != id);
    let all = std::iter::once(id).chain(others).map(Change::Agent);
    let news = changes::write(app, &transaction, all).await?;
    transaction.commit().await?;
    news.tell(app);
    Ok(done)
}
