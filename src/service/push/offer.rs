//! Live chats that are offered to agents who are not in the app.

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, ModelTrait};
use serde::Serialize;
use uuid::Uuid;

use super::Subscription;
use crate::app::App;
use crate::ids;
use crate::mail::{self, Language};
use crate::service::Result;
use crate::service::changes::{self, Change};
use crate::store::live_chat::{offer, request};
use crate::store::outbox::{self, About, Kind, LiveChatPush, New, Payload};
use crate::store::{self, agent, process, push_registration};

/// What a name is cut to, in characters: notifications show about as much.
const VISITOR_CHARS: usize = 80;
/// Offers that one look reads.
const MOST_AT_ONCE: u32 = 200;

/// What a browser is to be told.
#[derive(Clone, Debug)]
pub struct Push {
    /// Which browser.
    pub subscription: Subscription,
    /// What the browser's service worker reads.
    pub message: Vec<u8>,
    /// Of two pushes of one topic that wait at the push service, the later replaces the earlier (RFC 8030,
    /// section 5.4).
    pub topic: String,
    /// Until when it is of use.
    pub expires_at: DateTime<Utc>,
}

/// What a push says: what the notification shows, and what names the offer. The visitor's name or company is
/// all that it has of the visitor.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    r#type: &'static str,
    offer_id: String,
    request_id: String,
    title: &'a str,
    visitor: Option<String>,
    expires_at: String,
}

/// Has agents who are not in the app told of their open offers, in each browser that they registered: also of
/// offers that were made before they left, or registered one. Returns how many that were.
///
/// # Errors
/// None but the database's.
pub async fn tell_absent(app: &App) -> Result<usize> {
    let untold = offer::not_pushed(&app.db, app.now(), MOST_AT_ONCE).await?;
    let mut told = futures_util::stream::iter(untold)
        .map(|(id, request)| tell(app, id, request))
        .buffer_unordered(store::transactions_at_once(&app.db));
    let (mut pushed, mut failed) = (0, None);
    while let Some(done) = told.next().await {
        match done {
            Ok(is_pushed) => pushed += usize::from(is_pushed),
            // What keeps one from being told must not keep the others.
            Err(error) => failed = Some(error),
        }
    }
    if 0 < pushed {
        app.wake.notify_one();
    }
    failed.map_or(Ok(pushed), Err)
}

async fn tell(app: &App, id: Uuid, request: Uuid) -> Result<bool> {
    let transaction = store::begin(&app.db).await?;
    // The request's row comes before its offers, as for whoever changes it.
    request::lock(&transaction, request).await?;
    let found = offer::Entity::find_by_id(id).one(&transaction).await?;
    let is_pushed = match found.filter(|found| found.state == offer::OPEN) {
        Some(found) => push(app, &transaction, &found).await?,
        None => false,
    };
    transaction.commit().await?;
    Ok(is_pushed)
}

async fn push(app: &App, transaction: &DatabaseTransaction, offer: &offer::Model) -> Result<bool> {
    if is_in_the_app(app, transaction, offer.agent_id).await? {
        return Ok(false);
    }
    let browsers = push_registration::of_agents(transaction, &[offer.agent_id]).await?;
    let now = app.now();
    // Without a browser it stays open to be told: one may be registered yet.
    if browsers.is_empty() || !offer::note_pushed(transaction, offer.id, now).await? {
        return Ok(false);
    }
    let rows = browsers.into_iter().map(|browser| New {
        id: app.uuid(),
        kind: Kind::WebPush,
        about: About {
            agent: Some(offer.agent_id),
            live_chat: Some(offer.request_id),
            ..About::default()
        },
        payload: Payload::LiveChatPush(LiveChatPush {
            push_offer: offer.id,
            registration: browser.id,
        }),
        dedup_key: format!("{}/{}/{}", Kind::WebPush.as_str(), offer.id, browser.id),
        run_at: now,
        give_up_at: offer.expires_at,
        created_at: now,
    });
    outbox::put(transaction, rows.collect()).await?;
    Ok(true)
}

async fn is_in_the_app<C: ConnectionTrait>(app: &App, db: &C, agent: Uuid) -> Result<bool> {
    Ok(app.presence.is_here(agent) || process::is_present(db, agent).await?)
}

/// What a browser is to be told of an offer; none where there is no such browser any more, it is another
/// agent's, or the offer is over.
///
/// # Errors
/// None but the database's.
pub async fn of_offer(app: &App, which: &LiveChatPush) -> Result<Option<Push>> {
    let browser = push_registration::Entity::find_by_id(which.registration).one(&app.db).await?;
    let offer = offer::Entity::find_by_id(which.push_offer).one(&app.db).await?;
    let (Some(browser), Some(offer)) = (browser, offer) else { return Ok(None) };
    let is_open = offer.state == offer::OPEN && app.now() < offer.expires_at;
    if !is_open || browser.agent_id != offer.agent_id {
        return Ok(None);
    }
    let request = request::Entity::find_by_id(offer.request_id).one(&app.db).await?;
    let agent = agent::Entity::find_by_id(offer.agent_id).one(&app.db).await?;
    let (Some(request), Some(agent)) = (request, agent) else { return Ok(None) };
    let language = Language::of_tag(&agent.locale);
    let message = Message {
        r#type: "live_chat_offer",
        offer_id: ids::LIVE_CHAT_OFFER.format(offer.id),
        request_id: ids::LIVE_CHAT_REQUEST.format(request.id),
        title: language.either("New live chat", "Nouveau chat"),
        visitor: visitor(&request),
        expires_at: offer.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    Ok(Some(Push {
        subscription: Subscription::open(app, &browser.subscription, browser.id)?,
        message: serde_json::to_vec(&message).map_err(crate::service::Error::internal)?,
        topic: topic(offer.id),
        expires_at: offer.expires_at,
    }))
}

/// A browser takes no pushes any more, its push service says.
///
/// # Errors
/// None but the database's.
pub async fn forget(app: &App, registration: Uuid) -> Result<()> {
    let transaction = store::begin(&app.db).await?;
    let found = push_registration::Entity::find_by_id(registration).one(&transaction).await?;
    let agent = found.as_ref().map(|found| found.agent_id);
    if let Some(found) = found {
        found.delete(&transaction).await?;
    }
    let news = changes::write(app, &transaction, agent.map(Change::Agent)).await?;
    transaction.commit().await?;
    news.tell(app);
    Ok(())
}

/// Who waits, as far as is known: a person's name, else a company's, cut where it is long.
fn visitor(request: &request::Model) -> Option<String> {
    let person = request.person.as_ref().and_then(|person| {
        let names = [person.0.first_name.as_deref(), person.0.last_name.as_deref()];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        (!names.is_empty()).then(|| names.join(" "))
    });
    let company = request.company.as_ref().and_then(|company| company.0.name.clone());
    let name = mail::unlinked(&person.or(company)?);
    if name.chars().count() <= VISITOR_CHARS {
        return Some(name);
    }
    Some(name.chars().take(VISITOR_CHARS - 1).chain(['…']).collect())
}

/// An ID in 22 characters; a topic has at most 32, of base64url's.
fn topic(offer: Uuid) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(offer)
}
