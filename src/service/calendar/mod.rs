//! Agents' calendars: connecting them, asking them, and how they stand.

mod ask;
mod authorization;
mod callback;
mod connect;
mod feed;
mod free;
mod health;
mod oauth;
mod parting;
mod select;
mod tokens;

use std::sync::Arc;

use calendar_provider::{CalendarProvider, Residence};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{Error, Result};
use crate::app::App;
use crate::store::agent::Candidate;
use crate::store::calendar;

pub(crate) use ask::mark;
pub use ask::{ask, ask_for, within_deadline};
pub use authorization::{
    SentOn, begin, mend, mending_link, name_of_provider, start_authorization, to_mend,
};
pub use callback::{Callback, Problem, Told, finish};
pub use connect::{connect, disconnect};
pub use feed::{create_feed, read_feed, revoke_feed};
pub use free::{Answer, Asked, look};
pub use health::{Health, is_healthy, shown_status};
pub(crate) use parting::tell as part;
pub use select::{Counted, Selection, calendars, select};

use authorization::not_set_up;

/// `status` of a calendar that can be read.
pub const CONNECTED: &str = "CONNECTED";

/// `status` of a calendar that its agent has to connect again.
pub const REAUTHENTICATION_REQUIRED: &str = "REAUTHENTICATION_REQUIRED";
/// `status` of a calendar that could not be read for too long.
pub const UNREACHABLE: &str = "UNREACHABLE";

/// `conference_kind` of a Google Meet link.
pub const GOOGLE_MEET: &str = "GOOGLE_MEET";
/// `conference_kind` of a Microsoft Teams link.
pub const MICROSOFT_TEAMS: &str = "MICROSOFT_TEAMS";

/// The provider with this key.
///
/// # Errors
/// `NOT_FOUND`.
pub fn provider<'a>(app: &'a App, id: &str) -> Result<&'a Arc<dyn CalendarProvider>> {
    app.providers.get(id).ok_or_else(|| {
        let known: Vec<&str> = app.providers.keys().map(String::as_str).collect();
        Error::NotFound(format!(
            "there is no such calendar provider; there are {}",
            known.join(", ")
        ))
    })
}

/// The agent's calendar, if one is connected.
///
/// # Errors
/// None but the database's.
pub async fn of_agent(app: &App, agent: Uuid) -> Result<Option<calendar::Model>> {
    let select = calendar::Entity::find().filter(calendar::Column::AgentId.eq(agent));
    Ok(select.one(&app.db).await?)
}

/// Whether the provider's events live in our own database.
pub fn is_local(provider: &dyn CalendarProvider) -> bool {
    provider.about().capabilities.residence == Residence::Local
}

/// Whether bookings of this agent are to have a conference link: it wants one, and its calendar has
/// them to give.
pub fn adds_conference(app: &App, agent: &Candidate) -> bool {
    let provider = app.providers.get(&agent.provider);
    agent.include_conference_link
        && provider.is_some_and(|provider| provider.about().conference.is_some())
}

/// Whether the agent's calendar is one that lives in our own database.
///
/// # Errors
/// None but the database's.
pub async fn has_local<C: ConnectionTrait>(app: &App, db: &C, agent: Uuid) -> Result<bool> {
    let select = calendar::Entity::find().filter(calendar::Column::AgentId.eq(agent));
    let provider = select.one(db).await?.and_then(|found| app.providers.get(&found.provider));
    Ok(provider.is_some_and(|provider| is_local(provider.as_ref())))
}

/// Whether the agent's bookings are kept in the built-in calendar: it is the one connected, or the one
/// connected can't be written to.
///
/// # Errors
/// None but the database's.
pub async fn keeps_bookings<C: ConnectionTrait>(app: &App, db: &C, agent: Uuid) -> Result<bool> {
    let select = calendar::Entity::find().filter(calendar::Column::AgentId.eq(agent));
    let provider = select.one(db).await?.and_then(|found| app.providers.get(&found.provider));
    Ok(provider.is_some_and(|provider| {
        is_local(provider.as_ref()) || !provider.about().capabilities.writes
    }))
}

/// The providers that agents can connect, in order of their keys.
pub fn providers(app: &App) -> impl Iterator<Item = &Arc<dyn CalendarProvider>> {
    app.providers.values()
}
