//! What webhooks are told of live chats.

use sea_orm::ConnectionTrait;

use crate::app::App;
use crate::service::Result;
use crate::service::webhook::{self, Event, LiveChat};
use crate::store::live_chat::request::Model;

/// Something that webhooks hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It was asked for.
    Requested,
    /// An agent took it.
    Accepted,
    /// It is over.
    Ended,
    /// Nobody took it.
    TimedOut,
}

impl Told {
    fn event<'a>(self, chat: &'a LiveChat<'a>) -> Event<'a> {
        match self {
            Self::Requested => Event::LiveChatRequested(chat),
            Self::Accepted => Event::LiveChatAccepted(chat),
            Self::Ended => Event::LiveChatEnded(chat),
            Self::TimedOut => Event::LiveChatTimedOut(chat),
        }
    }
}

/// Writes down, in the caller's transaction, what webhooks are to be told of requests, and returns whether any
/// want to be.
pub(super) async fn tell<C: ConnectionTrait>(
    app: &App,
    db: &C,
    requests: &[&Model],
    told: Told,
) -> Result<bool> {
    let chats: Vec<LiveChat<'_>> = requests.iter().map(|request| chat(request)).collect();
    let events: Vec<Event<'_>> = chats.iter().map(|chat| told.event(chat)).collect();
    webhook::emit_all(app, db, &events).await
}

fn chat(request: &Model) -> LiveChat<'_> {
    LiveChat {
        id: request.id,
        agent: request.agent_id,
        conversation_id: request.conversation_id.as_deref(),
        conversation_url: request.conversation_url.as_deref(),
        person: request.person.as_ref().map(|person| &person.0),
        company: request.company.as_ref().map(|company| &company.0),
        locale: &request.locale,
        time_zone: request.time_zone.as_deref(),
        message: request.message.as_deref(),
        requested_at: request.created_at,
        accepted_at: request.accepted_at,
        ended_at: request.ended_at,
        end_reason: request.end_reason.as_deref(),
    }
}
