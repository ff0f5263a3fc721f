//! Writing down what a look brought: busy time, drift and how far was read, in one transaction.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::diff::{Diff, diff};
use super::drift::Verdict;
use super::look::{Look, Seen};
use super::ours::{self, Sorted};
use super::window;
use crate::app::App;
use crate::service::changes::{self, Change};
use crate::service::sync::staleness;
use crate::service::{Result, calendar as calendars};
use crate::store::sync::Looked;
use crate::store::{self, JsonOf, agent, booking, busy, run_raw, sync};

/// Writes it down. False where another process has taken the calendar over: then nothing is written.
pub(super) async fn apply(
    look: &Look<'_>,
    seen: Seen,
    sorted: Sorted,
    verdicts: Vec<Verdict>,
) -> Result<bool> {
    let (app, sync) = (look.app, look.sync);
    // Read before the transaction: nobody writes to these while the calendar is claimed, and a claim
    // that was lost is noticed below.
    let known = known(app, sync, &seen).await?;
    let mut diff = diff(known, sorted.entries);
    let was_good = calendars::is_healthy(app, look.record);
    let transaction = store::begin(&app.db).await?;
    let knows_more = sync.window_end != Some(seen.window.end());
    if diff.moves_busy || knows_more || !verdicts.is_empty() {
        agent::lock(&transaction, sync.agent_id).await?;
    } else if !diff.gone.is_empty() || !diff.new.is_empty() {
        agent::hold(&transaction, &[sync.agent_id]).await?;
    }
    leave_out_ours(&transaction, look, &mut diff, &sorted.known_refs).await?;
    write_busy(app, &transaction, sync, diff).await?;
    for verdict in &verdicts {
        show_drift(&transaction, verdict).await?;
    }
    sync::hold_connection(&transaction, sync.connection_id).await?;
    if !sync::finish(&transaction, sync, &looked(look, &seen)).await? {
        transaction.rollback().await?;
        return Ok(false);
    }
    sync::note_freshness(&transaction, sync.connection_id).await?;
    if !was_good {
        let since = app.now() - staleness(app);
        sync::note_recovery(&transaction, sync.connection_id, since).await?;
    }
    let drifted = verdicts
        .iter()
        .map(|Verdict { booking, .. }| Change::Booking { id: booking.id, agent: booking.agent_id });
    let recovered = (!was_good).then_some(Change::Agent(sync.agent_id));
    let news = changes::write(app, &transaction, drifted.chain(recovered)).await?;
    transaction.commit().await?;
    news.tell(app);
    Ok(true)
}

/// Leaves entries out that turned out to be our own: written before the look, and noted on their booking
/// only since what was seen was sorted. Under the agent's lock no more are noted.
async fn leave_out_ours(
    transaction: &DatabaseTransaction,
    look: &Look<'_>,
    diff: &mut Diff,
    known_refs: &HashSet<String>,
) -> Result<()> {
    if diff.new.is_empty() {
        return Ok(());
    }
    let now = ours::refs_now(transaction, look).await?;
    let late: HashSet<String> = now.into_iter().filter(|r| !known_refs.contains(r)).collect();
    diff.new.retain(|entry| entry.event_ref.as_ref().is_none_or(|r| !late.contains(r)));
    Ok(())
}

/// What was known of what was seen.
async fn known(app: &App, sync: &sync::Model, seen: &Seen) -> Result<Vec<busy::Model>> {
    if seen.is_whole {
        return Ok(busy::of_sync(&app.db, sync.id).await?);
    }
    let touched: Vec<String> = seen.standing.touched.iter().cloned().collect();
    Ok(busy::of_events(&app.db, sync.id, &touched).await?)
}

async fn write_busy(
    app: &App,
    transaction: &DatabaseTransaction,
    sync: &sync::Model,
    diff: Diff,
) -> Result<()> {
    busy::delete(transaction, &diff.gone).await?;
    let row = |entry: super::diff::Entry| busy::Model {
        id: app.uuid(),
        agent_id: sync.agent_id,
        uid: entry.uid,
        starts_at: entry.range.start(),
        ends_at: entry.range.end(),
        sync_id: Some(sync.id),
        event_ref: entry.event_ref,
        series_ref: entry.series_ref,
        title: entry.title,
    };
    busy::insert(transaction, diff.new.into_iter().map(row).collect()).await?;
    Ok(())
}

/// Shows on the booking how its entry differs, unless the booking changed or was written anew since.
async fn show_drift(transaction: &DatabaseTransaction, verdict: &Verdict) -> Result<()> {
    let Verdict { booking, drift } = verdict;
    let drift = drift.clone().map(JsonOf);
    let sql = "UPDATE bookings SET drift = ? WHERE id = ? AND sequence = ? AND status = ? \
        AND event_status = ? AND event_calendar = ?";
    let values = [
        drift.into(),
        booking.id.into(),
        booking.sequence.into(),
        booking::CONFIRMED.into(),
        store::outbox::DELIVERED.into(),
        booking.event_calendar.clone().into(),
    ];
    run_raw(transaction, sql, values).await?;
    Ok(())
}

fn looked(look: &Look<'_>, seen: &Seen) -> Looked {
    let now = look.app.now();
    Looked {
        cursor: seen.cursor.as_ref().map(|cursor| cursor.as_str().to_owned()),
        window_start: seen.window.start(),
        window_end: seen.window.end(),
        began: seen.began,
        now,
        due_at: due_at(look, now),
    }
}

/// Later where the provider tells of changes, and no later than its channel is to be prolonged.
fn due_at(look: &Look<'_>, now: DateTime<Utc>) -> DateTime<Utc> {
    let settings = &look.app.config.sync;
    let is_told = look.sync.watch_expires_at.is_some_and(|end| now < end);
    let seconds = if is_told { settings.pushed_poll_seconds } else { settings.poll_seconds };
    let due = window::after_success(now, seconds, look.sync.id);
    look.sync.watch_due_at.map_or(due, |watch| due.min(watch.max(now)))
}
