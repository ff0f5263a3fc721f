//! Picking which calendars of an account count.

use calendar_provider::ProviderError;
use chrono::TimeDelta;
use sea_orm::DatabaseTransaction;

use super::ask::{ask_in_spite, deadline};
use super::parting::{self, Part};
use super::{CONNECTED, REAUTHENTICATION_REQUIRED, of_agent, provider};
use crate::app::App;
use crate::service::access::AgentEditor;
use crate::service::{Error, Result};
use crate::store::calendar::{self, Listed};
use crate::store::{JsonOf, agent, outbox, sync};

/// Most calendars that block an agent besides the one that is written to.
const MOST: usize = 20;

/// What an agent picks.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The calendar that bookings are written to; it blocks the agent as well.
    pub calendar_ref: String,
    /// The others that block the agent.
    pub busy_calendar_refs: Vec<String>,
}

/// A calendar of a connected account, and whether it counts.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The calendar.
    pub listed: Listed,
    /// Whether bookings are written to it.
    pub written_to: bool,
    /// Whether what stands in it blocks the agent.
    pub busy: bool,
}

/// The calendars of a connection's account as they were last listed, in that order; the connected one
/// alone where the provider does not list them.
pub fn calendars(app: &App, record: &calendar::Model) -> Vec<Counted> {
    let about = app.providers.get(&record.provider).map(|provider| provider.about());
    let writes = about.is_some_and(|about| about.capabilities.writes);
    let connected = || Listed {
        calendar_ref: record.calendar_ref.clone(),
        name: record.calendar_name.clone().unwrap_or_else(|| record.account.clone()),
        primary: true,
        writable: writes,
    };
    let listed = &record.calendars.0;
    let all = if listed.is_empty() { vec![connected()] } else { listed.clone() };
    let counted = |listed: Listed| {
        let is_connected = listed.calendar_ref == record.calendar_ref;
        let is_ticked = record.also_busy.0.contains(&listed.calendar_ref);
        Counted { written_to: is_connected && writes, busy: is_connected || is_ticked, listed }
    };
    all.into_iter().map(counted).collect()
}

/// Changes which calendars of the connected account count. The agent is out of the queue until those
/// that were not read before have been. Entries of bookings stay where they are. A connection that its
/// agent was to mend is mended by this where its account still answers: what was wrong then is that one
/// of its calendars is gone.
///
/// # Errors
/// `NOT_FOUND` where no calendar is connected; `BAD_USER_INPUT` for one that the account does not have
/// or that can't be written to, for too many, or where the provider has one alone;
/// `UPSTREAM_UNAVAILABLE` where it does not answer; `CONFLICT` where another calendar was connected
/// meanwhile.
pub async fn select(app: &App, editor: AgentEditor, selection: Selection) -> Result<agent::Model> {
    let agent_id = editor.read(app).await?.id;
    let none = || Error::NotFound("the agent has no calendar connected".to_owned());
    let record = of_agent(app, agent_id).await?.ok_or_else(none)?;
    let about = provider(app, &record.provider)?.about();
    if !about.capabilities.calendars {
        let message = format!("{} has one calendar alone", about.name);
        return Err(Error::bad_input("input.agentId", message));
    }
    let listed = ask_in_spite(app, &record, deadline(app), |provider, connection| async move {
        provider.calendars(&connection).await
    });
    let listed: Vec<Listed> =
        listed.await.map_err(unlisted)?.into_iter().map(Listed::from).collect();
    let (chosen, also_busy) = check(&listed, selection, about.capabilities.writes)?;
    let selected = crate::service::agent::locked(app, editor, async |transaction, _, _| {
        let mut now = calendar::locked(transaction, record.id).await?.ok_or_else(|| {
            Error::Conflict("another calendar was connected meanwhile".to_owned())
        })?;
        now.calendar_ref = chosen.calendar_ref.clone();
        now.calendar_name = Some(chosen.name.clone());
        now.also_busy = JsonOf(also_busy.clone());
        now.calendars = JsonOf(listed.clone());
        let was = std::mem::replace(&mut now.status, CONNECTED.to_owned());
        now.problem = None;
        now.selected_at = Some(app.now());
        calendar::set_selection(transaction, &now).await?;
        let over = crate::service::sync::begin(transaction, app, &now).await?;
        if was == REAUTHENTICATION_REQUIRED {
            go_on(app, transaction, &now).await?;
        }
        parting::write(app, transaction, &now, Part::Calendars, &over).await
    });
    let selected = selected.await?;
    app.wake.notify_one();
    app.wake_sync.notify_one();
    Ok(selected)
}

/// Goes on with whatever rested until the agent mended the connection: looks at calendars, and entries.
async fn go_on(
    app: &App,
    transaction: &DatabaseTransaction,
    record: &calendar::Model,
) -> Result<()> {
    let now = app.now();
    let give_up_at = now + TimeDelta::minutes(app.config.delivery.give_up_after_minutes.into());
    sync::begin_again(transaction, record.id, now).await?;
    Ok(outbox::resume_events(transaction, record.agent_id, now, give_up_at).await?)
}

/// The calendar to write to and the others, in order and each once.
fn check(listed: &[Listed], selection: Selection, writes: bool) -> Result<(Listed, Vec<String>)> {
    let find = |wanted: &str| listed.iter().find(|listed| listed.calendar_ref == wanted);
    let unknown = |field: &str| Error::bad_input(field, "the account has no such calendar");
    let chosen = find(&selection.calendar_ref).ok_or_else(|| unknown("input.calendarRef"))?;
    if writes && !chosen.writable {
        let message = "bookings can't be written to this calendar";
        return Err(Error::bad_input("input.calendarRef", message));
    }
    let field = "input.busyCalendarRefs";
    let mut others = selection.busy_calendar_refs;
    others.sort_unstable();
    others.dedup();
    others.retain(|other| *other != chosen.calendar_ref);
    if MOST < others.len() {
        return Err(Error::bad_input(field, format!("at most {MOST} calendars can count")));
    }
    match others.iter().find(|other| find(other).is_none()) {
        Some(_) => Err(unknown(field)),
        None => Ok((chosen.clone(), others)),
    }
}

fn unlisted(error: ProviderError) -> Error {
    tracing::info!(error = &error as &dyn std::error::Error, "calendars could not be listed");
    Error::Upstream(error.to_string())
}
