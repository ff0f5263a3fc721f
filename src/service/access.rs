//! Who calls, and what they may do.

use std::collections::BTreeSet;
use std::net::IpAddr;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::shared_reads::by_id;
use super::{Error, Result};
use crate::app::App;
use crate::store::credential::{agent_token, api_key};
use crate::store::{agent, run_raw};

pub use super::permission::{Permission, Profile};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody we know: a visitor of the website.
    Visitor {
        /// The IPv4 address or IPv6 /64 network that limits count; none where limits per IP address do
        /// not count this caller.
        network: Option<IpAddr>,
    },
    /// A program with an API key.
    Key {
        /// The key.
        id: Uuid,
        /// What it was made for.
        name: String,
        /// What it may do.
        profile: Profile,
    },
    /// An agent's browser.
    Agent {
        /// The agent.
        id: Uuid,
        /// What it may do.
        profile: Profile,
    },
}

impl Caller {
    /// Whether it has neither a key nor a token.
    pub const fn is_visitor(&self) -> bool {
        matches!(self, Self::Visitor { .. })
    }

    /// The profile, where there is one.
    pub const fn profile(&self) -> Option<Profile> {
        match self {
            Self::Visitor { .. } => None,
            Self::Key { profile, .. } | Self::Agent { profile, .. } => Some(*profile),
        }
    }

    /// The agent that calls, where it is one.
    pub const fn agent_id(&self) -> Option<Uuid> {
        match self {
            Self::Agent { id, .. } => Some(*id),
            Self::Visitor { .. } | Self::Key { .. } => None,
        }
    }

    /// Whether the profile allows it.
    pub fn may(&self, permission: Permission) -> bool {
        self.profile().is_some_and(|profile| profile.permissions().contains(&permission))
    }

    /// Whether it is this agent.
    pub fn is_agent(&self, agent: Uuid) -> bool {
        self.agent_id() == Some(agent)
    }

    /// What idempotency keys of this caller are kept apart by.
    pub(crate) fn scope(&self) -> String {
        match self {
            Self::Visitor { .. } => "visitor".to_owned(),
            Self::Key { id, .. } => format!("key/{id}"),
            Self::Agent { id, .. } => format!("agent/{id}"),
        }
    }

    /// Refuses whoever has neither a key nor a token.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub fn require_known(&self) -> Result<()> {
        match self {
            Self::Visitor { .. } => Err(Error::Unauthenticated(
                "this needs an API key or an agent's token in the header Authorization: Bearer …",
            )),
            Self::Key { .. } | Self::Agent { .. } => Ok(()),
        }
    }

    /// Refuses whoever lacks the permission.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, `FORBIDDEN`.
    pub fn require(&self, permission: Permission) -> Result<()> {
        self.require_known()?;
        if self.may(permission) { Ok(()) } else { Err(lacks(&[permission])) }
    }

    /// Lets in the agent itself where its profile has `own`, and whoever has `all`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, `FORBIDDEN`.
    pub fn require_for(&self, agent: Uuid, own: Permission, all: Permission) -> Result<()> {
        self.require_known()?;
        if self.may(all) || (self.is_agent(agent) && self.may(own)) {
            return Ok(());
        }
        Err(if self.is_agent(agent) { lacks(&[own, all]) } else { lacks(&[all]) })
    }

    /// Lets in the agent itself, whatever its profile, and whoever has `all`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, `FORBIDDEN`.
    pub fn require_self_or(&self, agent: Uuid, all: Permission) -> Result<()> {
        self.require_self_or_any(agent, &[all])
    }

    /// Lets in the agent itself, whatever its profile, and whoever has one of `any`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, `FORBIDDEN`.
    pub fn require_self_or_any(&self, agent: Uuid, any: &[Permission]) -> Result<()> {
        self.require_known()?;
        let may = self.is_agent(agent) || any.iter().any(|permission| self.may(*permission));
        if may { Ok(()) } else { Err(lacks(any)) }
    }
}

fn lacks(permissions: &[Permission]) -> Error {
    let names: Vec<&str> = permissions.iter().map(|permission| permission.as_str()).collect();
    Error::Forbidden(format!("this needs the permission {}", names.join(" or ")))
}

/// Who calls, and for how long that holds.
#[derive(Clone, Debug)]
pub struct Known {
    /// Who.
    pub caller: Caller,
    /// When a token stops working.
    pub expires_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Who carries `bearer`, the token of an Authorization header; a visitor on `network` where there is none.
///
/// # Errors
/// `UNAUTHENTICATED` where there is one and it does not work: a caller that means to be known is
/// never served as a visitor.
pub async fn identify(app: &App, bearer: Option<&str>, network: Option<IpAddr>) -> Result<Known> {
    let Some(token) = bearer else {
        return Ok(Known { caller: Caller::Visitor { network }, expires_at: None });
    };
    let refused = Error::Unauthenticated("the key or token is unknown, expired or revoked");
    let hash = app.secrets.hash(token);
    if token.starts_with("fda_") {
        return agent_of_token(app, hash).await?.ok_or(refused);
    }
    let Some(key) = key_in_force(app, hash).await? else { return Err(refused) };
    let profile = profile(&key.profile)?;
    let caller = Caller::Key { id: key.id, name: key.name, profile };
    Ok(Known { caller, expires_at: None })
}

/// Refuses a caller who was let in before and would not be now: its key was revoked, its agent
/// deactivated, or either given another profile. Streams ask before each event. Many share a read, which
/// begins after each of them asked, so none goes by how things stood before.
///
/// # Errors
/// `UNAUTHENTICATED`.
pub async fn still_holds(app: &App, caller: &Caller) -> Result<()> {
    let now = match caller {
        Caller::Visitor { .. } => return Ok(()),
        Caller::Key { id, .. } => {
            let reads = &app.by_id.api_keys;
            let column = api_key::Column::Id;
            let keys = by_id::<api_key::Entity>(reads, &app.db, column, vec![*id]).await?;
            let key = keys.iter().find(|key| key.id == *id && key.revoked_at.is_none());
            key.map(|key| key.profile.clone())
        }
        Caller::Agent { id, .. } => {
            let agents = super::agent::some(app, vec![*id]).await?;
            let agent = agents.iter().find(|agent| agent.id == *id && agent.active);
            agent.map(|agent| agent.profile.clone())
        }
    };
    if now.as_deref() == caller.profile().map(Profile::as_str) {
        return Ok(());
    }
    Err(Error::Unauthenticated("the key or token was revoked, or its profile has changed"))
}

/// Reads a profile from the database.
pub(crate) fn profile(text: &str) -> Result<Profile> {
    Profile::parse(text).ok_or_else(|| Error::internal(anyhow::anyhow!("no profile {text}")))
}

/// The API key with this hash, unless it was revoked.
async fn key_in_force(app: &App, hash: Vec<u8>) -> Result<Option<api_key::Model>> {
    let db = app.db.clone();
    let read = move |hashes: Vec<Vec<u8>>| {
        let select = api_key::Entity::find()
            .filter(api_key::Column::KeyHash.is_in(hashes))
            .filter(api_key::Column::RevokedAt.is_null());
        let db = db.clone();
        async move { select.all(&db).await }
    };
    let rows = app.api_keys.rows(hash.clone(), read).await?;
    Ok(rows.iter().find(|key| bool::from(key.key_hash.ct_eq(&hash))).cloned())
}

/// The agent behind a token that has not expired.
async fn agent_of_token(app: &App, hash: Vec<u8>) -> Result<Option<Known>> {
    let token = agent_token::Entity::find_by_id(hash)
        .filter(agent_token::Column::ExpiresAt.gt(app.now()))
        .one(&app.db)
        .await?;
    let Some(token) = token else { return Ok(None) };
    let agent = agent::Entity::find_by_id(token.agent_id).one(&app.db).await?;
    let Some(agent) = agent.filter(|agent| agent.active) else { return Ok(None) };
    let caller = Caller::Agent { id: agent.id, profile: profile(&agent.profile)? };
    Ok(Some(Known { caller, expires_at: Some(token.expires_at) }))
}

/// A key just made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key itself, shown once.
    pub key: String,
    /// Its record.
    pub record: api_key::Model,
}

/// Makes an API key.
///
/// # Errors
/// `BAD_USER_INPUT` for a name that is empty or longer than 100 characters.
pub async fn create_api_key(app: &App, name: &str, profile: Profile) -> Result<NewKey> {
    let name = super::text::required("name", name, 100)?;
    let key = crate::secrets::token("fd", &app.ids.secret());
    let record = api_key::ActiveModel {
        id: Set(app.uuid()),
        name: Set(name),
        profile: Set(profile.as_str().to_owned()),
        key_hash: Set(app.secrets.hash(&key)),
        created_at: Set(app.now()),
        revoked_at: Set(None),
    };
    let record = api_key::Entity::insert(record).exec_with_returning(&app.db).await?;
    Ok(NewKey { key, record })
}

/// All API keys, in the order in which they were made.
///
/// # Errors
/// None but the database's.
pub async fn api_keys(app: &App) -> Result<Vec<api_key::Model>> {
    Ok(api_key::Entity::find().order_by_asc(api_key::Column::Id).all(&app.db).await?)
}

/// Takes an API key back, at once.
///
/// # Errors
/// `NOT_FOUND` where there is none with this ID, or it was taken back before.
pub async fn revoke_api_key(app: &App, id: Uuid) -> Result<()> {
    let sql = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL";
    if run_raw(&app.db, sql, [app.now().into(), id.into()]).await? == 0 {
        return Err(Error::NotFound(format!(
            "there is no API key {} in force",
            crate::ids::API_KEY.format(id)
        )));
    }
    Ok(())
}

/// A token just made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The token itself, shown once.
    pub token: String,
    /// When it stops working.
    pub expires_at: chrono::DateTime<chrono::Utc>,
}

/// Makes a token for an agent's browser. Only a key can, and only for an agent whose profile
/// allows nothing that the key's does not.
///
/// # Errors
/// `FORBIDDEN`; `NOT_FOUND`; `BAD_USER_INPUT` for a time outside 1 to 720 minutes or an agent that
/// is not active.
pub async fn issue_agent_token(
    app: &App,
    caller: &Caller,
    agent: Uuid,
    ttl_minutes: i64,
) -> Result<NewToken> {
    if !(1..=720).contains(&ttl_minutes) {
        let message = format!("ttlMinutes must be 1 to 720, not {ttl_minutes}");
        return Err(Error::bad_input("ttlMinutes", message));
    }
    let agent = super::agent::get(app, agent).await?;
    if !agent.active {
        return Err(Error::bad_input("agentId", "the agent is not active"));
    }
    let held = caller.profile().map_or(&[][..], Profile::permissions);
    let held: BTreeSet<_> = held.iter().collect();
    if !profile(&agent.profile)?.permissions().iter().all(|wanted| held.contains(wanted)) {
        let message = "the agent's profile allows more than this key's".to_owned();
        return Err(Error::Forbidden(message));
    }
    let token = crate::secrets::token("fda", &app.ids.secret());
    let expires_at = app.now() + chrono::TimeDelta::minutes(ttl_minutes);
    let record = agent_token::ActiveModel {
        token_hash: Set(app.secrets.hash(&token)),
        agent_id: Set(agent.id),
        expires_at: Set(expires_at),
    };
    agent_token::Entity::insert(record).exec_without_returning(&app.db).await?;
    Ok(NewToken { token, expires_at })
}
