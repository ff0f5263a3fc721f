//! Live chats: when agents take them, and who takes which.
//!
//! A request goes to one agent at a time ([`request()`]), who accepts or declines ([`offer`]); time that runs
//! out, agents who go, and whatever else moves a request on is in one place (`advance`). Every change is one
//! transaction under the request's row, so that it does not matter which process makes it, and what is due
//! by itself says when in `due_at`, so that it does not matter which process lives.
//!
//! Locks are taken in this order: conversations, a request that is there, one queue, agents in order of ID. What was
//! looked at in vain is given back before the next, so two requests never wait for each other in a circle. Requests
//! that are made together (`batch`) hold several agents; one by itself holds one.

mod advance;
mod assign;
pub mod availability;
mod batch;
mod explain;
mod missed;
pub mod offer;
mod place;
mod read;
mod request;
mod told;

pub use advance::{follow_clock, withdraw_from_unavailable};
pub use availability::{
    State, clear_override, follow_schedules, set_availability, set_override, state,
};
pub use batch::Lines;
pub(crate) use explain::explain;
pub use missed::set_failed_action_notifications;
pub use read::{
    Filter, active, by_id, count, find, incoming, involves, list, may_see, scope_of_list, sees_all,
};
pub use request::{Meeting, NewRequest, cancel, end, fallback, request, touch};

use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::access::{Permission, Profile};
use super::changes::{self, Change};
use super::{Error, Result};
use crate::app::App;
use crate::store::{is_unique_violation, is_worth_another_try};

/// How often a transaction is made again that was in another's way.
const TRIES: u32 = 6;

/// Profiles whose agents take live chats.
pub(crate) fn profiles() -> Vec<&'static str> {
    let takes =
        |profile: &Profile| profile.permissions().contains(&Permission::ManageLiveChatAvailability);
    Profile::ALL.into_iter().filter(takes).map(Profile::as_str).collect()
}

/// There is no such request.
fn unknown(id: Uuid) -> Error {
    let id = crate::ids::LIVE_CHAT_REQUEST.format(id);
    Error::NotFound(format!("there is no live-chat request {id}"))
}

/// What is to come of a transaction once it is committed.
#[derive(Default)]
struct Effects {
    /// What is to be told.
    changes: Vec<Change>,
    /// Whether it wrote deliveries down, for the worker.
    has_deliveries: bool,
}

impl Effects {
    fn push(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// Makes a transaction, tells what it changed, and makes it again where another's was in its way. A macro, since
/// what a closure would borrow could not cross threads.
macro_rules! transact {
    ($app:expr, |$transaction:ident, $effects:ident| $body:block) => {{
        let mut tries = 0;
        loop {
            let begun = $crate::store::begin(&$app.db).await?;
            let mut effects = $crate::service::live_chat::Effects::default();
            let done: $crate::service::Result<_> = async {
                let ($transaction, $effects) = (&begun, &mut effects);
                $body
            }
            .await;
            tries += 1;
            if let Some(done) =
                $crate::service::live_chat::settle($app, begun, effects, done, tries).await
            {
                break done;
            }
        }
    }};
}
use transact;

/// Commits what was done; none where it is to be done again.
async fn settle<T>(
    app: &App,
    transaction: DatabaseTransaction,
    effects: Effects,
    done: Result<T>,
    tries: u32,
) -> Option<Result<T>> {
    let settled = match done {
        Ok(done) => commit(app, transaction, effects).await.map(|()| done),
        Err(error) => {
            // What it did is undone in any case, at the latest when the connection is used again.
            let _ = transaction.rollback().await;
            Err(error)
        }
    };
    match settled {
        Err(Error::Internal(cause)) if tries < TRIES && is_in_the_way(&cause) => {
            tracing::debug!(tries, "a live-chat transaction is made again");
            None
        }
        settled => Some(settled),
    }
}

async fn commit(app: &App, transaction: DatabaseTransaction, effects: Effects) -> Result<()> {
    let news = changes::write(app, &transaction, effects.changes).await?;
    transaction.commit().await?;
    news.tell(app);
    if effects.has_deliveries {
        app.wake.notify_one();
    }
    Ok(())
}

fn is_in_the_way(cause: &anyhow::Error) -> bool {
    let error = cause.downcast_ref::<DbErr>();
    error.is_some_and(|error| is_worth_another_try(error) || is_unique_violation(error))
}
