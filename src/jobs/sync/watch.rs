//! The channels on which providers tell of changes: made, prolonged, and made anew.

use calendar_provider::{ProviderError, Watch, WatchRequest};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::pace::Pace;
use crate::app::App;
use crate::service::{Result, calendar as calendars, push_path};
use crate::store::{calendar, sync};

/// The longest life that is asked for; providers give less.
const LIFE: TimeDelta = TimeDelta::days(30);
/// The wait after a channel could not be made. Until then the calendar is polled.
const AFTER_FAILURE: TimeDelta = TimeDelta::minutes(10);
/// The least time between two channels, whatever life a provider gives them.
const LEAST: TimeDelta = TimeDelta::minutes(1);

/// Sees to it that the provider tells of changes, where the server can be called and the provider can
/// call. Before the look: what changed until the channel was made is then seen, and what changes later
/// is told.
///
/// # Errors
/// None but the database's: a channel that can't be had is done without.
pub(super) async fn keep(
    app: &App,
    pace: &Pace,
    record: &calendar::Model,
    sync: &mut sync::Model,
) -> Result<()> {
    let now = app.now();
    if sync.watch_due_at.is_none_or(|due| now < due) {
        return Ok(());
    }
    let channel = app.uuid();
    let Some(request) = request(app, channel, now + LIFE) else {
        sync.watch_due_at = None;
        sync::note_watch(&app.db, sync).await?;
        return Ok(());
    };
    // Before the provider is asked: it may call the address to try it before it answers.
    if !sync::prepare_watch(&app.db, sync, channel).await? {
        return Ok(());
    }
    let before = before(sync);
    pace.one().await;
    match watch(app, record, sync, request, before.clone()).await {
        Ok(watch) => {
            let is_prolonged = before.as_ref().is_some_and(|b| b.watch_ref == watch.watch_ref);
            if !note(app, sync, &watch, (!is_prolonged).then_some(channel)).await? {
                // The calendar was disconnected or taken over meanwhile: nobody would ever end this one.
                if !is_prolonged {
                    end(app, record, sync, watch).await;
                }
                return Ok(());
            }
            if let Some(before) = before.filter(|_| !is_prolonged) {
                end(app, record, sync, before).await;
            }
        }
        Err(error) => put_off(app, sync, &error).await?,
    }
    Ok(())
}

fn request(app: &App, channel: Uuid, until: DateTime<Utc>) -> Option<WatchRequest> {
    let mut url = app.config.push_url.clone()?;
    let name = channel.to_string();
    push_path(&mut url, &["calendar-pushes", &name]);
    Some(WatchRequest::new(name, url, app.secrets.push_secret(channel), until))
}

/// The channel there is, alive or not.
fn before(sync: &sync::Model) -> Option<Watch> {
    sync.watch_channel?;
    Some(Watch::new(sync.watch_ref.clone()?, sync.watch_expires_at?))
}

async fn watch(
    app: &App,
    record: &calendar::Model,
    sync: &sync::Model,
    request: WatchRequest,
    before: Option<Watch>,
) -> Result<Watch, ProviderError> {
    calendars::ask(app, record, |provider, mut connection| {
        connection.calendar_ref.clone_from(&sync.calendar_ref);
        let (request, before) = (request.clone(), before.clone());
        async move { provider.watch(&connection, &request, before.as_ref()).await }
    })
    .await
}

/// Notes a channel that works: the one of before, prolonged, or a new one. False where the calendar is no
/// longer ours to read.
async fn note(app: &App, sync: &mut sync::Model, watch: &Watch, new: Option<Uuid>) -> Result<bool> {
    let now = app.now();
    sync.watch_channel = new.or(sync.watch_channel);
    sync.watch_ref = Some(watch.watch_ref.clone());
    sync.watch_expires_at = Some(watch.expires_at);
    // At four fifths of its life.
    let life = (watch.expires_at - now) * 4 / 5;
    sync.watch_due_at = Some(now + life.clamp(LEAST, LIFE));
    Ok(sync::note_watch(&app.db, sync).await?)
}

async fn put_off(app: &App, sync: &mut sync::Model, error: &ProviderError) -> Result<()> {
    let wait = match error {
        ProviderError::Unsupported { .. } => None,
        ProviderError::RateLimited { retry_after, .. } => {
            Some(retry_after.map_or(AFTER_FAILURE, |wait| wait.clamp(AFTER_FAILURE, LIFE)))
        }
        _ => Some(AFTER_FAILURE),
    };
    log(sync, error);
    sync.watch_due_at = wait.map(|wait| app.now() + wait);
    sync::note_watch(&app.db, sync).await?;
    Ok(())
}

fn log(sync: &sync::Model, error: &ProviderError) {
    let error = error as &dyn std::error::Error;
    let agent = sync.agent_id;
    tracing::warn!(agent.id = %agent, error, "a calendar's provider does not tell of changes");
}

/// Ends a channel. One that can't be ended ends by itself, and calls on it are unknown.
async fn end(app: &App, record: &calendar::Model, sync: &sync::Model, watch: Watch) {
    let ended = calendars::ask(app, record, |provider, mut connection| {
        connection.calendar_ref.clone_from(&sync.calendar_ref);
        let watch = watch.clone();
        async move { provider.unwatch(&connection, &watch).await }
    });
    if let Err(error) = ended.await {
        let error = &error as &dyn std::error::Error;
        tracing::info!(agent.id = %sync.agent_id, error, "a channel was left to end by itself");
    }
}
