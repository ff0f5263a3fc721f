//! Webhooks, after the Standard Webhooks specification: who is told of what, and how it is signed.
//!
//! What is told is written to the outbox by the transaction of the change ([`emit()`]); `jobs/webhook`
//! sends it.

mod emit;
mod sign;

use calendar_http::{HttpClient, Network};
use calendar_provider::ProviderError;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Set,
};
use url::Url;
use uuid::Uuid;

use super::access::{Caller, Permission};
use super::{Error, Result, text};
use crate::app::App;
use crate::ids;
use crate::store::outbox::{self, Kind};
use crate::store::page::{self, Page, PageRequest};
use crate::store::webhook::{self, ActiveModel, Entity, EventType, Model};
use crate::store::{self, JsonOf};

pub use emit::{BookingFailure, DISCONNECTED, Event, LiveChat, emit, emit_all};
pub(crate) use sign::{secrets, sign};

/// Most webhooks.
pub const MOST: u64 = 50;
/// Longest address, in characters.
const URL_CHARS: usize = 2000;
/// How long the former secret signs too, once there is a new one.
const FORMER_KEPT: TimeDelta = TimeDelta::hours(24);
/// How long a delivery is tried at most: somewhat longer than the schedule of tries.
const TRIED_FOR: TimeDelta = TimeDelta::days(5);

/// A webhook to make.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Where it is told, unchecked.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it is told of.
    pub events: Vec<EventType>,
}

/// What to change of a webhook; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Where it is told, unchecked.
    pub url: Option<String>,
    /// What it is for; an empty text for nothing.
    pub description: Option<String>,
    /// What it is told of.
    pub events: Option<Vec<EventType>>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
}

/// A webhook, with the secret that is shown once.
#[derive(Clone, Debug)]
pub struct WithSecret {
    /// The webhook.
    pub webhook: Model,
    /// As the specification writes it.
    pub secret: String,
}

/// The client for addresses that webhooks name: public ones, unless the operator allows others.
pub(crate) fn client(app: &App) -> HttpClient {
    let network = if app.config.allow_private_addresses { Network::Any } else { Network::Public };
    app.http.with_network(network)
}

/// A webhook.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn get(app: &App, id: Uuid) -> Result<Model> {
    find(app, id).await?.ok_or_else(|| unknown(id))
}

/// A webhook, if there is one with this ID.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(id).one(&app.db).await?)
}

/// All webhooks, in the order in which they were made.
///
/// # Errors
/// None but the database's.
pub async fn all(app: &App) -> Result<Vec<Model>> {
    Ok(webhook::all(&app.db).await?)
}

/// Makes a webhook.
///
/// # Errors
/// `FORBIDDEN` where it is to be told of live chats and the caller may not see them; `BAD_USER_INPUT`;
/// `LIMIT_EXCEEDED` where there are [`MOST`] already.
pub async fn create(app: &App, caller: &Caller, new: NewWebhook) -> Result<WithSecret> {
    if new.events.iter().any(|event| event.is_live_chat()) {
        caller.require(Permission::ViewAllConversations)?;
    }
    let url = check_url(app, &new.url)?;
    let description = check_description(new.description.as_deref())?;
    let events = check_events(new.events)?;
    let id = app.uuid();
    let secret = app.ids.secret();
    let transaction = store::begin(&app.db).await?;
    if MOST <= Entity::find().count(&transaction).await? {
        let message = format!("there are {MOST} webhooks already, which is the most");
        return Err(Error::LimitExceeded(message));
    }
    let row = ActiveModel {
        id: Set(id),
        url: Set(url),
        description: Set(description),
        events: Set(JsonOf(events)),
        secret: Set(app.secrets.seal(&secret, id, &app.ids.secret())),
        former_secret: Set(None),
        former_secret_until: Set(None),
        enabled: Set(true),
        disabled_reason: Set(None),
        failing_since: Set(None),
        created_at: Set(app.now()),
    };
    let webhook = row.insert(&transaction).await?;
    transaction.commit().await?;
    Ok(WithSecret { webhook, secret: sign::shown(&secret) })
}

/// Changes a webhook. To enable it forgets how it failed before; to disable it ends what waits to be sent.
///
/// # Errors
/// `NOT_FOUND`; `BAD_USER_INPUT`; `FORBIDDEN` where live chats would be told anew, or elsewhere, and the caller
/// may not see them.
pub async fn update(app: &App, caller: &Caller, id: Uuid, change: Change) -> Result<Model> {
    let mut row = ActiveModel { id: Set(id), ..Default::default() };
    if let Some(url) = &change.url {
        row.url = Set(check_url(app, url)?);
    }
    if let Some(description) = &change.description {
        row.description = Set(check_description(Some(description))?);
    }
    if let Some(events) = change.events.clone() {
        row.events = Set(JsonOf(check_events(events)?));
    }
    let transaction = store::begin(&app.db).await?;
    let before = webhook::hold(&transaction, id).await?.ok_or_else(|| unknown(id))?;
    if sends_chats_on(&transaction, &before, &change).await? {
        caller.require(Permission::ViewAllConversations)?;
    }
    match change.enabled {
        Some(true) => {
            row.enabled = Set(true);
            row.disabled_reason = Set(None);
            row.failing_since = Set(None);
        }
        Some(false) if before.enabled => {
            row.enabled = Set(false);
            webhook::end_deliveries(&transaction, id, app.now(), DISABLED).await?;
        }
        _ => {}
    }
    let after = if row.is_changed() { row.update(&transaction).await? } else { before };
    transaction.commit().await?;
    Ok(after)
}

/// Whether a change lets somebody read of live chats who did not before: another event, or another address.
async fn sends_chats_on<C: ConnectionTrait>(
    db: &C,
    before: &Model,
    change: &Change,
) -> Result<bool> {
    let mut asked = change.events.iter().flatten();
    if asked.any(|event| event.is_live_chat() && !before.events.0.contains(event)) {
        return Ok(true);
    }
    if change.url.is_none() {
        return Ok(false);
    }
    // What was caused while it was told of live chats goes to the new address too.
    Ok(before.events.0.iter().any(|event| event.is_live_chat())
        || webhook::keeps_live_chats(db, before.id).await?)
}

/// What is said of deliveries to a webhook that is disabled.
pub(crate) const DISABLED: &str = "the webhook is disabled";

/// Deletes a webhook, with all that is known of what was sent to it.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn delete(app: &App, id: Uuid) -> Result<()> {
    let transaction = store::begin(&app.db).await?;
    if !webhook::delete(&transaction, id).await? {
        return Err(unknown(id));
    }
    Ok(transaction.commit().await?)
}

/// Gives a webhook another secret. The former one signs too for 24 hours, so that its receiver can change
/// over without missing anything.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn rotate_secret(app: &App, id: Uuid) -> Result<WithSecret> {
    let secret = app.ids.secret();
    let transaction = store::begin(&app.db).await?;
    let before = webhook::hold(&transaction, id).await?.ok_or_else(|| unknown(id))?;
    let row = ActiveModel {
        id: Set(id),
        secret: Set(app.secrets.seal(&secret, id, &app.ids.secret())),
        former_secret: Set(Some(before.secret)),
        former_secret_until: Set(Some(app.now() + FORMER_KEPT)),
        ..Default::default()
    };
    let webhook = row.update(&transaction).await?;
    transaction.commit().await?;
    Ok(WithSecret { webhook, secret: sign::shown(&secret) })
}

/// A page of a webhook's deliveries, in the order in which they were caused.
///
/// # Errors
/// None but the database's.
pub async fn deliveries(
    app: &App,
    webhook: Uuid,
    request: &PageRequest<Uuid>,
) -> Result<Page<outbox::Model>> {
    let select = outbox::Entity::find().filter(outbox::Column::WebhookId.eq(webhook));
    Ok(page::read(&app.db, select, &[outbox::Column::Id], request).await?)
}

/// How many deliveries of a webhook are kept.
///
/// # Errors
/// None but the database's.
pub async fn count_deliveries(app: &App, webhook: Uuid) -> Result<u64> {
    let select = outbox::Entity::find().filter(outbox::Column::WebhookId.eq(webhook));
    Ok(select.count(&app.db).await?)
}

/// Queues a delivery once more, whatever came of it before, and returns it: the same message under the
/// same ID.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` where the webhook is disabled, or it is just being delivered.
pub async fn resend(app: &App, delivery: Uuid) -> Result<outbox::Model> {
    let unknown = || {
        let id = ids::DELIVERY.format(delivery);
        Error::NotFound(format!("there is no delivery {id} to a webhook"))
    };
    let select = outbox::Entity::find_by_id(delivery);
    let select = select.filter(outbox::Column::Kind.eq(Kind::Webhook.as_str()));
    let webhook = select.clone().one(&app.db).await?.and_then(|row| row.webhook_id);
    let transaction = store::begin(&app.db).await?;
    let held = webhook::hold(&transaction, webhook.ok_or_else(unknown)?).await?;
    if !held.ok_or_else(unknown)?.enabled {
        return Err(Error::Conflict(DISABLED.to_owned()));
    }
    let now = app.now();
    if !outbox::send_again(&transaction, delivery, now, give_up_at(now)).await? {
        return Err(Error::Conflict("it is just being delivered".to_owned()));
    }
    let row = select.one(&transaction).await?.ok_or_else(unknown)?;
    transaction.commit().await?;
    app.wake.notify_one();
    Ok(row)
}

/// When a delivery that begins now is given up at the latest.
pub(crate) fn give_up_at(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TRIED_FOR
}

/// What the HTTP client, which calendars share, says went wrong.
pub(crate) fn words(error: &ProviderError) -> String {
    match error {
        ProviderError::Transient { message, .. } | ProviderError::Permanent { message, .. } => {
            message.to_string()
        }
        _ => error.to_string(),
    }
}

fn unknown(id: Uuid) -> Error {
    Error::NotFound(format!("there is no webhook {}", ids::WEBHOOK.format(id)))
}

/// As it is asked: what a name leads to is looked at each time.
fn check_url(app: &App, given: &str) -> Result<String> {
    let field = "input.url";
    let given = text::required(field, given, URL_CHARS)?;
    let refused = |why: &str| Error::bad_input(field, format!("{field} can't be used: {why}"));
    let mut url = Url::parse(&given).map_err(|_| refused("it must be an absolute URL"))?;
    url.set_fragment(None);
    if url.scheme() != "https" && !(url.scheme() == "http" && app.config.allow_private_addresses) {
        return Err(refused("it must begin with https://"));
    }
    client(app).check(&url).map_err(|error| refused(&words(&error)))?;
    Ok(url.into())
}

fn check_description(given: Option<&str>) -> Result<Option<String>> {
    text::optional("input.description", given, text::LINE_CHARS)
}

fn check_events(given: Vec<EventType>) -> Result<Vec<EventType>> {
    let field = "input.events";
    if given.is_empty() {
        return Err(Error::bad_input(field, format!("{field} must name at least one event")));
    }
    for (place, event) in given.iter().enumerate() {
        if given[..place].contains(event) {
            let name = event.name();
            let message = format!("{field}.{place} must not name {name} twice");
            return Err(Error::bad_input(format!("{field}.{place}"), message));
        }
    }
    Ok(given)
}
