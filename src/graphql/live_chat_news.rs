//! News of live chats, as it happens.
//!
//! A stream reads how things stand and tells what is new to it, so that none is missed and none is told twice,
//! however many changes came at once; that something changed is only what has it read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, ID, Subscription};
use chrono::{DateTime as Instant, TimeDelta, Utc};
use futures_util::{Stream, StreamExt, stream};
use uuid::Uuid;

use super::access::{app, authorise, caller, read_id};
use super::error::{ApiError, Result};
use super::live_chat_offer::IncomingLiveChat;
use super::live_chat_request::LiveChatRequest;
use super::scalars::DateTime;
use super::subscription::through_first_error;
use crate::app::App;
use crate::cluster::presence::Here;
use crate::ids;
use crate::service::access::{self, Caller, Permission};
use crate::service::changes::{Listener, Topic};
use crate::service::{Error, live_chat as service};
use crate::store::live_chat::offer;

/// How far back offers that ended are told where nothing else was asked for, and at most.
const USUAL: TimeDelta = TimeDelta::minutes(10);
const FARTHEST: TimeDelta = TimeDelta::days(1);
/// How much before the last look the next one begins: clocks of processes differ, and what is committed
/// late was done earlier.
const SLACK: TimeDelta = TimeDelta::minutes(2);
/// Looks without a change that called for one. Changes are told, or it is told that some were missed: this is for
/// what nobody thought of, and seldom, since thousands listen.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// News of live chats.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveChatSubscription;

#[Subscription]
impl LiveChatSubscription {
    /// Offers of live chats to an agent, and their ends: first those that are open and those that ended at
    /// `since` or after (10 minutes ago where left out, a day at most), so that a browser that was away misses
    /// none; then each as it happens. For the agent itself; `agentId` is for callers with
    /// VIEW_ALL_CONVERSATIONS.
    async fn incoming_live_chats(
        &self,
        ctx: &Context<'_>,
        agent_id: Option<ID>,
        since: Option<DateTime>,
    ) -> Result<impl Stream<Item = Result<IncomingLiveChat>> + use<>> {
        authorise(ctx)?;
        let (app, caller) = (Arc::clone(app(ctx)), caller(ctx).clone());
        let agent = whose(&caller, agent_id.as_ref())?;
        crate::service::agent::get(&app, agent).await?;
        let now = app.now();
        let since = match since {
            Some(since) => since.read("since")?.max(now - FARTHEST),
            None => now - USUAL,
        };
        let here = caller.agent_id().map(|agent| app.presence.enter(agent));
        let listener = app.changes.listen(Topic::LiveChatOffers(agent));
        let told = HashMap::new();
        let state =
            Incoming { app, caller, agent, since, told, listener, is_first: true, _here: here };
        let batches = stream::unfold(state, |mut state| async {
            let batch = state.next().await;
            Some((batch, state))
        });
        Ok(through_first_error(batches.flat_map(stream::iter)))
    }

    /// How a request for a live chat stands: now, and after each change, until nothing more can come of it.
    /// Open to whoever holds the ID.
    async fn live_chat_request_changed(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<impl Stream<Item = Result<LiveChatRequest>> + use<>> {
        authorise(ctx)?;
        let id = read_id(ids::LIVE_CHAT_REQUEST, &id, "id")?;
        let (app, caller) = (Arc::clone(app(ctx)), caller(ctx).clone());
        let listener = app.changes.listen(Topic::LiveChatRequest(id));
        service::by_id(&app, id).await?;
        let state = Some(Followed { app, caller, id, told: None, listener });
        let news = stream::unfold(state, |state| async {
            let mut state = state?;
            let next = state.next().await;
            let is_last = next.as_ref().map_or(true, |request| request.0.is_over());
            Some((next, (!is_last).then_some(state)))
        });
        Ok(through_first_error(news))
    }
}

/// Whose offers are told.
fn whose(caller: &Caller, asked: Option<&ID>) -> Result<Uuid> {
    caller.require_known()?;
    let asked = asked.map(|id| read_id(ids::AGENT, id, "agentId")).transpose()?;
    match (caller.agent_id(), asked) {
        (Some(own), None) => Ok(own),
        (Some(own), Some(asked)) if own == asked => Ok(own),
        (_, Some(asked)) => Ok(caller.require(Permission::ViewAllConversations).map(|()| asked)?),
        (None, None) => {
            let message = "agentId must name an agent, since no agent calls";
            Err(Error::bad_input("agentId", message).into())
        }
    }
}

/// Returns once there is a reason to look again.
async fn changed(listener: &mut Listener) {
    tokio::select! {
        _ = listener.next() => {}
        () = tokio::time::sleep(LOOK_EVERY) => {}
    }
    // All that was told by now is answered by one look.
    while listener.told().is_some() {}
}

/// An agent's offers, and what was told of them.
struct Incoming {
    app: Arc<App>,
    caller: Caller,
    agent: Uuid,
    since: Instant<Utc>,
    /// Offers that were told, with whether they were open then.
    told: HashMap<Uuid, (bool, Instant<Utc>)>,
    listener: Listener,
    is_first: bool,
    /// While this lives, the agent is in the app.
    _here: Option<Here>,
}

impl Incoming {
    /// What is new, once something is.
    async fn next(&mut self) -> Vec<Result<IncomingLiveChat>> {
        loop {
            if !std::mem::take(&mut self.is_first) {
                changed(&mut self.listener).await;
            }
            match self.look().await {
                Ok(new) if new.is_empty() => {}
                Ok(new) => {
                    return new.into_iter().map(|offer| Ok(IncomingLiveChat::of(offer))).collect();
                }
                Err(error) => return vec![Err(error)],
            }
        }
    }

    async fn look(&mut self) -> Result<Vec<offer::Model>, ApiError> {
        let now = self.app.now();
        let offers = service::incoming(&self.app, self.agent, self.since).await?;
        let mut new = Vec::new();
        for offer in offers {
            let is_open = offer.state == offer::OPEN;
            if self.told.get(&offer.id).is_none_or(|(was_open, _)| *was_open && !is_open) {
                self.told.insert(offer.id, (is_open, offer.ended_at.unwrap_or(now)));
                new.push(offer);
            }
        }
        self.since = self.since.max(now - SLACK);
        let since = self.since;
        self.told.retain(|_, (is_open, ended_at)| *is_open || since <= *ended_at);
        if !new.is_empty() {
            access::still_holds(&self.app, &self.caller).await?;
        }
        Ok(new)
    }
}

/// A request, and at which revision it was told.
struct Followed {
    app: Arc<App>,
    caller: Caller,
    id: Uuid,
    told: Option<i64>,
    listener: Listener,
}

impl Followed {
    /// The request as it is, once it is not as it was told.
    async fn next(&mut self) -> Result<LiveChatRequest> {
        loop {
            if self.told.is_some() {
                changed(&mut self.listener).await;
            }
            let request = service::by_id(&self.app, self.id).await?;
            if self.told != Some(request.revision) {
                self.told = Some(request.revision);
                access::still_holds(&self.app, &self.caller).await?;
                return Ok(LiveChatRequest(request));
            }
        }
    }
}
