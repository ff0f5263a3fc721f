//! Live chats by the clock: blocks that begin and end, offers and chats whose time is up, offers to agents
//! who went, and pushes to those who are not in the app.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::service::{Result, live_chat, push};
use crate::store::live_chat::{candidate, request};

/// Between two looks at most, whatever is due when: another process may have changed that.
const AT_MOST: Duration = Duration::from_millis(500);
/// Between two looks at least, however often something changes.
const AT_LEAST: Duration = Duration::from_millis(100);
/// The pause after the database failed.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// Does what is due until `shutdown` is cancelled. A failure never ends it.
pub(super) async fn run(app: Arc<App>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let pause = match look(&app).await {
            Ok(pause) => pause,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "live chats can't be moved on");
                DATABASE_PAUSE
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(AT_LEAST.min(pause)) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = app.changes.agent_or_chat() => {}
            () = tokio::time::sleep(pause.saturating_sub(AT_LEAST)) => {}
        }
    }
}

/// Does what is due, and returns how long there is nothing more to do.
async fn look(app: &App) -> Result<Duration> {
    run_due(app).await?;
    let next = [candidate::next_due(&app.db).await?, request::next_due(&app.db).await?];
    let wait = next.into_iter().flatten().min().map(|next| next - app.now());
    let wait = wait.map_or(AT_MOST, |wait| wait.to_std().unwrap_or(AT_LEAST));
    Ok(wait.clamp(AT_LEAST, AT_MOST))
}

/// Does everything about live chats that is due by now, and returns how much that was.
///
/// # Errors
/// None but the database's.
pub async fn run_due(app: &App) -> Result<usize> {
    let mut all = 0;
    loop {
        // Each by itself: what keeps one from being done must not keep the others.
        let by_clock = async {
            [
                live_chat::follow_schedules(app).await,
                live_chat::withdraw_from_unavailable(app).await,
                live_chat::follow_clock(app).await,
            ]
        };
        let (by_clock, pushed) = tokio::join!(by_clock, push::tell_absent(app));
        let done = by_clock.into_iter().chain([pushed]).sum::<Result<usize>>()?;
        if done == 0 {
            return Ok(all);
        }
        all += done;
    }
}
