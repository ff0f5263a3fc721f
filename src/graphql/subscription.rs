//! News, as it happens.

use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, StreamExt, stream};
use uuid::Uuid;

use super::access::{app, authorise, caller, read_id};
use super::agent::Agent;
use super::booking::Booking;
use super::error::Result;
use crate::app::App;
use crate::ids;
use crate::service::access::{self, Caller, Permission};
use crate::service::changes::{Change, Topic};
use crate::service::{self, Error, booking};

/// News, as it happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChangeSubscription;

#[Subscription]
impl ChangeSubscription {
    /// Every change to a booking that the caller may see: an agent's own; with MANAGE_ALL_MEETINGS,
    /// all.
    async fn booking_changed(
        &self,
        ctx: &Context<'_>,
        agent_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<Booking>> + use<>> {
        authorise(ctx)?;
        let own = booking::agent_of(caller(ctx))?;
        let only = read_agent(agent_id.as_ref(), own)?;
        let (app, caller) = (Arc::clone(app(ctx)), caller(ctx).clone());
        let news = news(&app, &caller, Topic::Bookings(only)).filter_map(move |change| {
            let found = match change {
                Change::Booking { id, .. } => Some(id),
                _ => None,
            };
            let (app, caller) = (Arc::clone(&app), caller.clone());
            async move {
                let id = found?;
                if let Err(error) = access::still_holds(&app, &caller).await {
                    return Some(Err(error.into()));
                }
                let booking = booking::shared(&app, id).await.map_err(Into::into).transpose()?;
                Some(booking.map(Booking))
            }
        });
        Ok(through_first_error(news))
    }

    /// Every change to an agent, its calendar status or live-chat status included, that the caller
    /// may see: an agent's own; with MANAGE_AGENTS, all.
    async fn agent_changed(
        &self,
        ctx: &Context<'_>,
        agent_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<Agent>> + use<>> {
        authorise(ctx)?;
        let own = own_unless_all(caller(ctx))?;
        let only = read_agent(agent_id.as_ref(), own)?;
        let (app, caller) = (Arc::clone(app(ctx)), caller(ctx).clone());
        let news = news(&app, &caller, Topic::Agents(only)).filter_map(move |change| {
            let found = match change {
                Change::Agent(id) => Some(id),
                _ => None,
            };
            let (app, caller) = (Arc::clone(&app), caller.clone());
            async move {
                let id = found?;
                if let Err(error) = access::still_holds(&app, &caller).await {
                    return Some(Err(error.into()));
                }
                let agent = service::agent::shared(&app, id).await;
                Some(agent.map(Agent).map_err(Into::into))
            }
        });
        Ok(through_first_error(news))
    }
}

/// What is told from now on. A listener that is too far behind goes on with the newest. While it listens,
/// an agent is in the app.
fn news(app: &App, caller: &Caller, topic: Topic) -> impl Stream<Item = Change> + Send + use<> {
    let here = caller.agent_id().map(|agent| app.presence.enter(agent));
    stream::unfold((app.changes.listen(topic), here), |(mut listener, here)| async move {
        loop {
            if let Some(change) = listener.next().await {
                return Some((change, (listener, here)));
            }
        }
    })
}

/// A stream that ends with its first error, at once: whoever it was for is no longer in the app then.
pub(crate) fn through_first_error<T>(
    news: impl Stream<Item = Result<T>>,
) -> impl Stream<Item = Result<T>> {
    stream::unfold(Some(Box::pin(news)), |news| async {
        let mut news = news?;
        let item = news.next().await?;
        let rest = item.is_ok().then_some(news);
        Some((item, rest))
    })
}

/// The one agent that the caller hears of; none for all.
fn own_unless_all(caller: &Caller) -> Result<Option<Uuid>> {
    if caller.may(Permission::ManageAgents) {
        return Ok(None);
    }
    match caller.agent_id() {
        Some(agent) => Ok(Some(agent)),
        None => Ok(caller.require(Permission::ManageAgents).map(|()| None)?),
    }
}

fn read_agent(asked: Option<&ID>, own: Option<Uuid>) -> Result<Option<Uuid>> {
    let asked = asked.map(|id| read_id(ids::AGENT, id, "agentId")).transpose()?;
    match (asked, own) {
        (Some(asked), Some(own)) if asked != own => {
            Err(Error::Forbidden("agentId names another agent".to_owned()).into())
        }
        (asked, own) => Ok(asked.or(own)),
    }
}
