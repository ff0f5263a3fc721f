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

/// Writes down, in the caller's transaction, what webhooks are to be told of a request.
pub(super) async fn tell<C: ConnectionTrait>(
    app: &App,
    db: &C,
    request: &Model,
    told: Told,
) -> Result<()> {
    let chat = LiveChat {
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
    };
    let event = match told {
        Told::Requested => Event::LiveChatRequested(&chat),
        Told::Accepted => Event::LiveChatAccepted(&chat),
        Told::Ended => Event::LiveChatEnded(&chat),
        Told::TimedOut => Event::LiveChatTimedOut(&chat),
    };
    webhook::emit(app, db, event).await
}
