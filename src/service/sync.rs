//! Reading calendars elsewhere: which are read, and what providers say of changes on their own.
//!
//! The looks themselves are `jobs/sync`'s.

use std::collections::BTreeMap;

use calendar_provider::{ProviderError, Push, Pushed};
use chrono::TimeDelta;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use uuid::Uuid;

use super::changes::{self, Change};
use super::webhook::{Event, emit};
use super::{Result, calendar as calendars};
use crate::app::App;
use crate::store::{self, busy, calendar, sync};

/// Has the calendars of a connection read that count, and no others: the one that bookings are
/// written to, and those that block the agent besides. New ones are due at once; once the transaction
/// is committed, `app.wake_sync` tells the worker of this process. What was known of those that no
/// longer count is forgotten; they are returned, for their channels to be ended.
///
/// A calendar that is kept here is not read.
///
/// # Errors
/// None but the database's.
pub async fn begin<C: ConnectionTrait>(
    transaction: &C,
    app: &App,
    record: &calendar::Model,
) -> Result<Vec<sync::Model>> {
    let Some(provider) = app.providers.get(&record.provider) else { return Ok(Vec::new()) };
    if calendars::is_local(provider.as_ref()) {
        return Ok(Vec::new());
    }
    sync::hold_connection(transaction, record.id).await?;
    let is_pushed = app.config.push_url.is_some() && provider.about().capabilities.push;
    let mut wanted: Vec<&String> =
        std::iter::once(&record.calendar_ref).chain(&record.also_busy.0).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let select = sync::Entity::find().filter(sync::Column::ConnectionId.eq(record.id));
    let (kept, over): (Vec<_>, Vec<_>) =
        select.all(transaction).await?.into_iter().partition(|s| wanted.contains(&&s.calendar_ref));
    let ids: Vec<Uuid> = over.iter().map(|sync| sync.id).collect();
    let of_these = busy::Column::SyncId.is_in(ids.iter().copied());
    busy::Entity::delete_many().filter(of_these).exec(transaction).await?;
    let these = sync::Column::Id.is_in(ids);
    sync::Entity::delete_many().filter(these).exec(transaction).await?;
    let now = app.now();
    let is_new = |wanted: &&String| kept.iter().all(|sync| sync.calendar_ref != **wanted);
    for calendar_ref in wanted.into_iter().filter(is_new) {
        let row = sync::ActiveModel {
            id: Set(app.uuid()),
            connection_id: Set(record.id),
            agent_id: Set(record.agent_id),
            calendar_ref: Set(calendar_ref.clone()),
            due_at: Set(now),
            watch_due_at: Set(is_pushed.then_some(now)),
            failures: Set(0),
            asked: Set(0),
            ..Default::default()
        };
        sync::Entity::insert(row).exec_without_returning(transaction).await?;
    }
    sync::note_freshness(transaction, record.id).await?;
    Ok(over)
}

/// A call on a channel's address, before anything in it is believed.
#[derive(Clone, Debug)]
pub struct Call {
    /// The channel whose address was called.
    pub channel: Uuid,
    /// The headers; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The query's parameters, decoded.
    pub query: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What to answer to such a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was heard.
    Heard,
    /// Exactly this: the provider tries whether the address is ours.
    Say {
        /// Its content type.
        content_type: &'static str,
        /// Its body.
        body: String,
    },
    /// It does not say the channel's secret.
    Forged,
    /// It says the secret and nothing that can be read.
    Unreadable,
    /// Nobody listens there, or no longer.
    Unknown,
}

/// Takes in a provider's word that a calendar changed. Many words of one calendar cost one look: each
/// makes it due now, and one that comes during a look makes one more.
///
/// # Errors
/// None but the database's.
pub async fn pushed(app: &App, call: Call) -> Result<Answer> {
    let channel = call.channel;
    let Some((id, provider)) = sync::by_channel(&app.db, channel).await? else {
        return Ok(Answer::Unknown);
    };
    let Some(provider) = app.providers.get(&provider) else { return Ok(Answer::Unknown) };
    let mut push = Push::new(channel.to_string(), app.secrets.push_secret(channel));
    (push.headers, push.query, push.body) = (call.headers, call.query, call.body);
    let now = app.now();
    match provider.read_push(&push) {
        Ok(Pushed::Nothing) => return Ok(Answer::Heard),
        Ok(Pushed::Handshake { content_type, body }) => {
            return Ok(Answer::Say { content_type, body });
        }
        Ok(Pushed::Renew | Pushed::Ended) => sync::ask_watch(&app.db, id, now).await?,
        // Changed, and what a later version of the trait may tell.
        Ok(_) => {}
        Err(ProviderError::Unauthorized { .. }) => return Ok(Answer::Forged),
        Err(ProviderError::Unsupported { .. }) => return Ok(Answer::Unknown),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(sync.id = %id, error, "a push can't be read");
            return Ok(Answer::Unreadable);
        }
    }
    sync::ask(&app.db, id, now).await?;
    app.wake_sync.notify_one();
    Ok(Answer::Heard)
}

/// How long a calendar may go unread before it is taken for busy.
pub(crate) fn staleness(app: &App) -> TimeDelta {
    TimeDelta::minutes(app.config.limits.calendar_staleness_minutes.into())
}

/// Shows the calendars as unreachable that have not been read for too long, and tells whoever listens.
/// They are out of the queue already: whether one is fresh is a matter of time alone.
///
/// # Errors
/// None but the database's.
pub(crate) async fn notice_stale(app: &App) -> Result<()> {
    let since = app.now() - staleness(app);
    for found in sync::stale(&app.db, since).await? {
        let transaction = store::begin(&app.db).await?;
        // The agent first, as everywhere: it is what a booking under way looks at.
        store::agent::lock(&transaction, found.agent_id).await?;
        let problem = found.problem.as_deref();
        if !sync::note_staleness(&transaction, found.id, since, problem).await? {
            transaction.rollback().await?;
            continue;
        }
        let event = Event::CalendarDisconnected {
            agent: found.agent_id,
            calendar: found.id,
            provider: &found.provider,
            status: calendars::UNREACHABLE,
            problem,
        };
        emit(app, &transaction, event).await?;
        let news = changes::write(app, &transaction, [Change::Agent(found.agent_id)]).await?;
        transaction.commit().await?;
        app.wake.notify_one();
        tracing::warn!(agent.id = %found.agent_id, problem, "a calendar was not read for too long");
        news.tell(app);
    }
    Ok(())
}
