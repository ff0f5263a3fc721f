//! What visitors and the chat tool do with a request.

use std::sync::Arc;

use calendar_provider::TimeRange;
use chrono_tz::Tz;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};
use url::Url;
use uuid::Uuid;

use super::advance::{Moving, resolve, route};
use super::batch::{self, Wanted};
use super::offer::idle;
use super::told::Told;
use super::{place, read, transact, unknown};
use crate::app::App;
use crate::service::access::Caller;
use crate::service::changes::Change;
use crate::service::fallback::{self, Fallback, Kind};
use crate::service::routing::{Record, Resolved, Route};
use crate::service::{Error, Result, blocked_visitor, quota, slots, text, visitor};
use crate::store::JsonOf;
use crate::store::booking::{Company, Person};
use crate::store::live_chat::offer::{self, WITHDRAWN};
use crate::store::live_chat::request::{
    self, ACCEPTED, CANCELLED, CLOSED, Model, OFFERED, UNANSWERED,
};

/// Longest first words of a visitor, in characters.
const MESSAGE_CHARS: usize = 1000;
/// Longest address of a conversation, in characters.
const URL_CHARS: usize = 2000;
/// Slots that a fallback brings.
const SLOTS: usize = 5;

/// What a visitor, or the chat tool for it, asks for.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The visitor, unchecked, where it said who it is.
    pub person: Option<Person>,
    /// The visitor's company, unchecked.
    pub company: Option<Company>,
    /// Whom to chat with.
    pub route: Route,
    /// The visitor's language; the server's default where none is given.
    pub locale: Option<String>,
    /// The visitor's zone.
    pub zone: Option<Tz>,
    /// The visitor's first words.
    pub message: Option<String>,
    /// The chat tool's own name of the conversation.
    pub conversation_id: Option<String>,
    /// Where the agent finds it.
    pub conversation_url: Option<String>,
}

/// A meeting instead of a chat.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The next that are free; perhaps none.
    pub slots: Vec<TimeRange>,
    /// The visitor's zone, UTC where it is not known.
    pub zone: Tz,
}

/// Asks for a live chat, and returns the request: offered to an agent, or unanswered where nobody can take
/// it, or the visitor is blocked. An API key that asks again about a conversation whose request is not over gets that
/// one, and so does a visitor at a limit of open requests who asks again from the same network.
///
/// # Errors
/// `BAD_USER_INPUT`; `NOT_FOUND` for an agent or a team that is not there; `RATE_LIMITED` where a visitor without a key
/// asks too often with one address, or has as many open as it may.
pub async fn request(app: &Arc<App>, caller: &Caller, new: NewRequest) -> Result<Model> {
    let request = check(app, caller, new)?;
    if let Some(person) = &request.person {
        quota::count_live_chat(app, caller, &person.0.email).await?;
    }
    if is_turned_away(app, &request).await? {
        return turn_away(app, request).await;
    }
    let is_once = matches!(caller, Caller::Key { .. });
    let resolved = match resolve(app, &request).await {
        Ok(resolved) => Arc::new(resolved),
        Err(error) => {
            // Whoever asks again is answered even if the agent or the team that was asked for is gone.
            let conversation = request.conversation().filter(|_| is_once);
            return open_already(&app.db, conversation).await?.ok_or(error);
        }
    };
    let wanted = Wanted { request, resolved, is_once };
    match batch::place(app, wanted.clone()).await {
        Some(placed) => Ok(placed),
        None => by_itself(app, wanted).await,
    }
}

/// Makes a request, whatever becomes of it.
async fn by_itself(app: &App, wanted: Wanted) -> Result<Model> {
    transact!(app, |transaction, effects| {
        let conversation = wanted.conversation();
        let places: Vec<&[u8]> = wanted.request.places().collect();
        request::lock_names(transaction, conversation.as_slice(), &places).await?;
        if let Some(open) = open_already(transaction, conversation).await? {
            return Ok(open);
        }
        if let Some(open) = place::instead(app, transaction, &wanted.request).await? {
            return Ok(open);
        }
        let mut made = wanted.request.clone();
        let row = made.clone().into_active_model().reset_all();
        request::Entity::insert(row).exec_without_returning(transaction).await?;
        let (resolved, now) = (wanted.resolved.as_ref(), app.now());
        let mut moving = Moving { app, transaction, resolved, effects, now };
        moving.tell(&made, Told::Requested).await?;
        moving.offer(&mut made).await?;
        Ok(made)
    })
}

/// Whether who asks, as far as it said, is blocked.
async fn is_turned_away(app: &App, request: &Model) -> Result<bool> {
    match &request.person {
        Some(person) => blocked_visitor::is_blocked(app, &person.0.email).await,
        None => Ok(false),
    }
}

/// Notes a request that is offered to nobody, and that nobody is told of.
async fn turn_away(app: &App, request: Model) -> Result<Model> {
    let (state, ended_at) = (UNANSWERED.to_owned(), Some(app.now()));
    let refused = Model { state, ended_at, place_hash: None, network_hash: None, ..request };
    let row = refused.clone().into_active_model().reset_all();
    request::Entity::insert(row).exec_without_returning(&app.db).await?;
    Ok(refused)
}

/// What is open of a conversation.
async fn open_already<C: ConnectionTrait>(
    db: &C,
    conversation: Option<(&str, &str)>,
) -> Result<Option<Model>> {
    Ok(request::open_of_conversations(db, conversation.as_slice()).await?.pop())
}

fn check(app: &App, caller: &Caller, new: NewRequest) -> Result<Model> {
    let locale = match &new.locale {
        Some(locale) => text::locale("input.locale", locale)?,
        None => app.config.default_locale.clone(),
    };
    let message = new.message.as_deref();
    let conversation_id = new.conversation_id.as_deref();
    let person = new.person.map(|person| visitor::person("input.person", person)).transpose()?;
    let company = new.company.map(|company| visitor::company("input.company", company));
    let (agent, team) = match new.route {
        Route::Queue => (None, None),
        Route::Agent(id) => (Some(id), None),
        Route::Team(id) => (None, Some(id)),
    };
    let routing = serde_json::to_value(Record::default()).map_err(Error::internal)?;
    let place::Place { place_hash, network_hash } = place::of(app, caller, person.as_ref());
    Ok(Model {
        id: app.uuid(),
        state: OFFERED.to_owned(),
        requester: caller.scope(),
        conversation_id: text::optional("input.conversationId", conversation_id, text::LINE_CHARS)?,
        conversation_url: match (caller, new.conversation_url.as_deref()) {
            (_, None) => None,
            // Agents open it: nobody whom we don't know may lead them anywhere.
            (Caller::Visitor { .. }, Some(_)) => {
                let field = "input.conversationUrl";
                let message = format!("{field} is taken from callers with an API key alone");
                return Err(Error::bad_input(field, message));
            }
            (_, Some(given)) => Some(url(given)?),
        },
        person: person.map(JsonOf),
        company: company.transpose()?.map(JsonOf),
        locale,
        time_zone: new.zone.map(|zone| zone.name().to_owned()),
        message: text::optional_lines("input.message", message, MESSAGE_CHARS)?,
        route: JsonOf(request::Route { agent, team }),
        routing: JsonOf(routing),
        agent_id: None,
        created_at: app.now(),
        accepted_at: None,
        touched_at: None,
        ended_at: None,
        end_reason: None,
        due_at: None,
        revision: 0,
        place_hash,
        network_hash,
    })
}

fn url(given: &str) -> Result<String> {
    let field = "input.conversationUrl";
    let given = text::required(field, given, URL_CHARS)?;
    match Url::parse(&given) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url.into()),
        _ => {
            let message = format!("{field} must be an absolute http or https URL");
            Err(Error::bad_input(field, message))
        }
    }
}

/// What the visitor is told where nobody took the request.
///
/// # Errors
/// None but the database's.
pub async fn fallback(app: &App, request: &Model) -> Result<Fallback> {
    let mut fallback = fallback::message(app, Kind::LiveChat, Some(&request.locale)).await?;
    // Who is blocked gets no slots either.
    fallback.offers_meeting = fallback.offers_meeting && !is_turned_away(app, request).await?;
    Ok(fallback)
}

impl Meeting {
    /// The next slots of whom the visitor asked for.
    ///
    /// # Errors
    /// None but the database's.
    pub async fn of(app: &App, request: &Model) -> Result<Self> {
        let zone = match &request.time_zone {
            Some(zone) => crate::service::schedule::zone(zone)?,
            None => Tz::UTC,
        };
        let slots = match slots::next(app, route(request), SLOTS).await {
            // The team was taken away meanwhile.
            Err(Error::NotFound(_)) => Vec::new(),
            slots => slots?,
        };
        Ok(Self { slots, zone })
    }
}

/// Gives up waiting: an open offer is taken back. A request that is no longer waiting stays as it is.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn cancel(app: &App, id: Uuid) -> Result<Model> {
    transact!(app, |transaction, effects| {
        let locked = request::lock(transaction, id).await?;
        let mut request = locked.ok_or_else(|| unknown(id))?;
        if request.state != OFFERED {
            return Ok(request);
        }
        let now = app.now();
        if let Some(open) = offer::open_of(transaction, id).await? {
            offer::end(transaction, open.id, WITHDRAWN, now).await?;
            effects.push(Change::LiveChatOffers(open.agent_id));
        }
        CANCELLED.clone_into(&mut request.state);
        request.ended_at = Some(now);
        request.due_at = None;
        request::save(transaction, &mut request).await?;
        effects.push(Change::LiveChatRequest(id));
        Ok(request)
    })
}

/// Ends a chat. One that is over stays as it is.
///
/// # Errors
/// `UNAUTHENTICATED`; `NOT_FOUND` for a chat that is not the caller's to end; `CONFLICT` where nobody has
/// taken it yet.
pub async fn end(app: &App, caller: &Caller, id: Uuid) -> Result<Model> {
    caller.require_known()?;
    let request = read::by_id(app, id).await?;
    let is_own = request.agent_id.is_some_and(|agent| caller.is_agent(agent));
    let is_requester = matches!(caller, Caller::Key { .. }) && request.requester == caller.scope();
    if !is_own && !is_requester && !read::sees_all(caller) {
        return Err(unknown(id));
    }
    let resolved = Resolved::nobody();
    transact!(app, |transaction, effects| {
        let locked = request::lock(transaction, id).await?;
        let mut request = locked.ok_or_else(|| unknown(id))?;
        if request.state == OFFERED {
            let message = "nobody has taken this chat yet; cancelLiveChat gives it up".to_owned();
            return Err(Error::Conflict(message));
        }
        if request.state == ACCEPTED {
            let now = app.now();
            let mut moving = Moving { app, transaction, resolved: &resolved, effects, now };
            moving.end_chat(&mut request, CLOSED).await?;
        }
        Ok(request)
    })
}

/// Says that something happens in a chat, so that it goes on. A chat that does not go on stays as it is.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn touch(app: &App, id: Uuid) -> Result<Model> {
    let now = app.now();
    request::touch(&app.db, id, now, now + idle(app)).await?;
    read::by_id(app, id).await
}
