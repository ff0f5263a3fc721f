//! Ending connections at their providers, after they were ended here.
//!
//! What is to be said is written to the outbox by the transaction that ends the connection, with the
//! credentials as they were sealed: channels first, which need them, then the tokens.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use calendar_provider::{CalendarProvider, Connection, ProviderError, Watch};
use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
};
use uuid::Uuid;

use super::{ask, oauth, tokens, within_deadline};
use crate::app::App;
use crate::service::{Error, Result};
use crate::store::outbox::{self, About, Channel, Farewell, Kind, New, Payload};
use crate::store::{calendar, sync};

/// What a provider is to be told of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it ended.
    Whole,
    /// Some of its calendars no longer count.
    Calendars,
}

/// Writes down what `record`'s provider is to be told, if anything.
pub(super) async fn write<C: ConnectionTrait>(
    app: &App,
    transaction: &C,
    record: &calendar::Model,
    part: Part,
    read: &[sync::Model],
) -> Result<()> {
    let Some(provider) = app.providers.get(&record.provider) else { return Ok(()) };
    let now = app.now();
    let channels: Vec<Channel> = read.iter().filter_map(channel).collect();
    // A provider that is not there to be asked may well have tokens forgotten once it is.
    let has_tokens = part == Part::Whole
        && provider.oauth2().is_none_or(|client| client.revocation_url.is_some())
        && tokens::are_kept_in(app, record);
    if channels.is_empty() && !has_tokens {
        return Ok(());
    }
    let farewell = Farewell {
        farewell: record.provider.clone(),
        connection: record.id,
        account: record.account.clone(),
        credentials: STANDARD.encode(&record.credentials),
        token_expires_at: record.token_expires_at,
        revoke: has_tokens,
        channels,
    };
    let kept = TimeDelta::minutes(app.config.delivery.give_up_after_minutes.into());
    let id = app.uuid();
    let row = New {
        id,
        kind: Kind::CalendarFarewell,
        about: About { agent: Some(record.agent_id), ..About::default() },
        payload: Payload::Farewell(farewell),
        dedup_key: format!("{}/{id}", Kind::CalendarFarewell.as_str()),
        run_at: now,
        give_up_at: now + kept,
        created_at: now,
    };
    Ok(outbox::put(transaction, vec![row]).await?)
}

/// What a provider needs to end a calendar's channel; none where it has none.
fn channel(read: &sync::Model) -> Option<Channel> {
    Some(Channel {
        calendar_ref: read.calendar_ref.clone(),
        watch_ref: read.watch_ref.clone()?,
        expires_at: read.watch_expires_at?,
    })
}

/// The calendars that are read through a connection, which nobody else changes until the transaction
/// ends.
pub(super) async fn read_through<C: ConnectionTrait>(
    db: &C,
    connection: Uuid,
) -> Result<Vec<sync::Model>> {
    let select = sync::Entity::find().filter(sync::Column::ConnectionId.eq(connection));
    Ok(select.lock_exclusive().all(db).await?)
}

/// Tells a provider what [`write`] wrote.
///
/// # Errors
/// Those that may pass; what a provider refuses for good is none, since there is nothing left to do.
pub(crate) async fn tell(app: &App, agent: Uuid, farewell: &Farewell) -> Result<(), ProviderError> {
    let Some(provider) = app.providers.get(&farewell.farewell) else {
        return Err(ProviderError::transient("this server does not have its provider"));
    };
    let found = calendar::Entity::find_by_id(farewell.connection).one(&app.db).await;
    match found.map_err(|error| ask::fault(error.into()))? {
        Some(record) => end_channels_of(app, &record, farewell).await,
        None => end(app, provider, agent, farewell).await,
    }
}

/// Ends channels of a connection that still is: it has better credentials than those written down.
async fn end_channels_of(
    app: &App,
    record: &calendar::Model,
    farewell: &Farewell,
) -> Result<(), ProviderError> {
    for channel in live(app, farewell) {
        let watch = &Watch::new(&channel.watch_ref, channel.expires_at);
        let calendar_ref = &channel.calendar_ref;
        let ended = super::ask(app, record, |provider, mut connection| async move {
            connection.calendar_ref = calendar_ref.clone();
            provider.unwatch(&connection, watch).await
        });
        unless_passing(ended.await)?;
    }
    Ok(())
}

/// Ends all of a connection that is no more.
async fn end(
    app: &App,
    provider: &Arc<dyn CalendarProvider>,
    agent: Uuid,
    farewell: &Farewell,
) -> Result<(), ProviderError> {
    let Ok(record) = as_it_was(agent, farewell) else { return Ok(()) };
    if !provider.about().configured {
        return Err(ask::not_set_up());
    }
    let Ok(mut opened) = tokens::open(app, &record) else {
        tracing::warn!(
            "a connection can't be ended at its provider: it was sealed with another key"
        );
        return Ok(());
    };
    if live(app, farewell).next().is_some() {
        match tokens::once_more(app, provider, opened).await {
            Ok(fresh) => opened = fresh,
            Err(error) if tokens::ended(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    for channel in live(app, farewell) {
        let mut connection: Connection = opened.connection.clone();
        connection.calendar_ref = channel.calendar_ref.clone();
        let watch = Watch::new(&channel.watch_ref, channel.expires_at);
        unless_passing(within_deadline(app, provider.unwatch(&connection, &watch)).await)?;
    }
    let Some(client) = provider.oauth2().filter(|_| farewell.revoke) else { return Ok(()) };
    let shared = is_shared(app, &farewell.farewell, Some(&farewell.account)).await;
    match (shared.map_err(ask::fault)?, opened.to_revoke()) {
        (false, Some(token)) => {
            unless_passing(oauth::revoke(&tokens::http(app), client, &token).await)
        }
        _ => Ok(()),
    }
}

/// Whether to revoke a token may end those of a connection that is in use. To Google a token stands for
/// all that its account granted, whichever agent connected it. An account that is not known may be any.
pub(super) async fn is_shared(app: &App, provider: &str, account: Option<&str>) -> Result<bool> {
    let mut select = calendar::Entity::find().filter(calendar::Column::Provider.eq(provider));
    if let Some(account) = account {
        select = select.filter(calendar::Column::Account.eq(account));
    }
    Ok(0 < select.count(&app.db).await?)
}

/// The channels that did not end by themselves.
fn live<'a>(app: &App, farewell: &'a Farewell) -> impl Iterator<Item = &'a Channel> {
    let now = app.now();
    farewell.channels.iter().filter(move |channel| now < channel.expires_at)
}

/// The connection's row, as far as a provider is told of it.
fn as_it_was(agent: Uuid, farewell: &Farewell) -> Result<calendar::Model> {
    let credentials = STANDARD.decode(&farewell.credentials).map_err(Error::internal)?;
    Ok(calendar::Model {
        id: farewell.connection,
        agent_id: agent,
        provider: farewell.farewell.clone(),
        account: farewell.account.clone(),
        credentials,
        token_expires_at: farewell.token_expires_at,
        ..calendar::Model::default()
    })
}

/// An error only where trying again may help.
fn unless_passing(done: Result<(), ProviderError>) -> Result<(), ProviderError> {
    match done {
        Err(error) if error.is_retryable() => Err(error),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::info!(error, "a provider did not end a connection");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
