//! Who calls, and what they may do.

use std::net::IpAddr;

use sea_orm::{DatabaseTransaction, EntityTrait};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::shared_reads::by_id;
use super::{Error, Result};
use crate::app::App;
use crate::store::agent;
use crate::store::credential::{agent_token, api_key};

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

/// Who changes an agent. Whatever changes one wants this rather than an ID, and asks
/// [`AgentEditor::require_over`] about the agent's row in the transaction that changes it, since the agent
/// may have been given another profile a moment ago.
#[derive(Clone, Copy, Debug)]
pub struct AgentEditor {
    agent: Uuid,
    by: Option<Profile>,
}

impl AgentEditor {
    /// A caller who has passed the rule of the field: see `graphql::access`. An agent that changes itself is
    /// one, since it may do all that it may.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub fn new(caller: &Caller, agent: Uuid) -> Result<Self> {
        caller.require_known()?;
        Ok(Self { agent, by: caller.profile() })
    }

    /// Whoever had this profile when they were let in; the server itself where none is given.
    pub(crate) const fn of(agent: Uuid, by: Option<Profile>) -> Self {
        Self { agent, by }
    }

    /// The server itself, whose own changes no profile limits.
    pub const fn server(agent: Uuid) -> Self {
        Self { agent, by: None }
    }

    /// The agent.
    pub const fn agent(&self) -> Uuid {
        self.agent
    }

    /// What the editor may do; none for the server itself.
    pub(crate) const fn profile(&self) -> Option<Profile> {
        self.by
    }

    /// Refuses where the agent may do what the editor may not.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn require_over(&self, agent: &agent::Model) -> Result<()> {
        let Some(by) = self.by else { return Ok(()) };
        let theirs = profile(&agent.profile)?;
        if by.covers(theirs) {
            return Ok(());
        }
        let message = format!(
            "the agent has the profile {}, which allows more than yours, {}; only those who may do as \
             much can change it",
            theirs.as_str(),
            by.as_str()
        );
        Err(Error::Forbidden(message))
    }

    /// Refuses to give the agent a profile that allows more than the editor's.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub(crate) fn require_grant(&self, granted: Profile) -> Result<()> {
        if self.by.is_none() { Ok(()) } else { require_grant(self.by, granted) }
    }

    /// The agent as it is now, to refuse early: before a calendar is asked, for example.
    ///
    /// # Errors
    /// `NOT_FOUND`, `FORBIDDEN`.
    pub async fn read(&self, app: &App) -> Result<agent::Model> {
        let found = super::agent::get(app, self.agent).await?;
        self.require_over(&found)?;
        Ok(found)
    }
}

/// The agent of an editor who may change it, which nobody else changes until the transaction ends. Its
/// revision stays: for what does not bear on when it is free.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN`.
pub(crate) async fn hold(
    transaction: &DatabaseTransaction,
    editor: AgentEditor,
) -> Result<agent::Model> {
    let id = editor.agent();
    agent::hold(transaction, &[id]).await?;
    let found = agent::Entity::find_by_id(id).one(transaction).await?;
    let found = found.ok_or_else(|| super::agent::unknown(id))?;
    editor.require_over(&found)?;
    Ok(found)
}

/// Nobody hands out more than they have.
///
/// # Errors
/// `FORBIDDEN`.
pub(crate) fn require_grant(held: Option<Profile>, granted: Profile) -> Result<()> {
    if held.is_some_and(|held| held.covers(granted)) {
        return Ok(());
    }
    let message = format!("the profile {} allows more than yours", granted.as_str());
    Err(Error::Forbidden(message))
}

fn lacks(permissions: &[Permission]) -> Error {
    let names: Vec<&str> = permissions.iter().map(|permission| permission.as_str()).collect();
    Error::Forbidden(format!("this needs the permission {}", names.join(" or ")))
}

/// Who calls, and for how long that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub caller: Caller,
    /// When a token stops working.
    pub expires_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The keyed hash of the key or token; none for a visitor.
    pub hash: Option<Vec<u8>>,
}

/// Who carries `bearer`, the token of an Authorization header; a visitor on `network` where there is none.
///
/// # Errors
/// `UNAUTHENTICATED` where there is one and it does not work: a caller that means to be known is
/// never served as a visitor.
pub async fn identify(app: &App, bearer: Option<&str>, network: Option<IpAddr>) -> Result<Known> {
    let Some(token) = bearer else {
        return Ok(Known { caller: Caller::Visitor { network }, expires_at: None, hash: None });
    };
    let hash = app.secrets.hash(token);
    let found = match token.starts_with("fda_") {
        true => agent_of_token(app, hash).await?,
        false => key_in_force(app, hash).await?,
    };
    found.ok_or(Error::Unauthenticated("the key or token is unknown, expired or revoked"))
}

/// Whether what a caller was known by still works, and allows what it allowed then.
///
/// # Errors
/// None but the database's.
pub(crate) async fn is_in_force(app: &App, known: &Known) -> Result<bool> {
    let now = match (&known.caller, &known.hash) {
        (Caller::Key { .. }, Some(hash)) => key_in_force(app, hash.clone()).await?,
        (Caller::Agent { .. }, Some(hash)) => agent_of_token(app, hash.clone()).await?,
        _ => return Ok(true),
    };
    Ok(now.is_some_and(|now| now.caller == known.caller))
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

/// The program whose API key has this hash, unless it was revoked.
async fn key_in_force(app: &App, hash: Vec<u8>) -> Result<Option<Known>> {
    let db = app.db.clone();
    let read = move |hashes| {
        let db = db.clone();
        async move { api_key::in_force(&db, hashes).await }
    };
    let rows = app.api_keys.rows(hash.clone(), read).await?;
    let found = rows.iter().find(|key| bool::from(key.key_hash.ct_eq(&hash)));
    let Some(key) = found else { return Ok(None) };
    let profile = profile(&key.profile)?;
    let caller = Caller::Key { id: key.id, name: key.name.clone(), profile };
    Ok(Some(Known { caller, expires_at: None, hash: Some(hash) }))
}

/// The agent whose token has this hash, unless it has expired.
async fn agent_of_token(app: &App, hash: Vec<u8>) -> Result<Option<Known>> {
    let db = app.db.clone();
    let read = move |hashes| {
        let db = db.clone();
        async move { agent_token::in_force(&db, hashes).await }
    };
    let rows = app.agent_tokens.rows(hash.clone(), read).await?;
    let found = rows.iter().find(|token| bool::from(token.token_hash.ct_eq(&hash)));
    let Some(token) = found.filter(|token| app.now() < token.expires_at) else { return Ok(None) };
    let caller = Caller::Agent { id: token.agent_id, profile: profile(&token.profile)? };
    Ok(Some(Known { caller, expires_at: Some(token.expires_at), hash: Some(hash) }))
}
