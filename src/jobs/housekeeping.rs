//! Forgetting what has served its time, and counting what waits.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use metrics::{describe_gauge, gauge};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::cluster::bus;
use crate::store::{change, outbox, run_raw, webhook};

/// Between two looks at what has expired.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// Between two counts of what waits.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// How long counts of mails and bookings are kept: they hold for an hour or a day.
const QUOTAS_KEPT: TimeDelta = TimeDelta::days(2);
/// How long what was to be confirmed is kept: as long as idempotency keys are answered by it.
const CONFIRMATIONS_KEPT: TimeDelta = TimeDelta::hours(48);
/// Between two looks at changes that everybody has heard of.
const FORGET_CHANGES_EVERY: Duration = Duration::from_secs(60);
/// How long deliveries are kept once done, for whoever asks what was sent.
const DELIVERIES_KEPT: TimeDelta = TimeDelta::days(30);

/// Keeps house until `shutdown` is cancelled.
pub(super) async fn run(app: Arc<App>, shutdown: CancellationToken) {
    describe_gauge!("frontdesk_outbox_pending", "Deliveries that are due and not done yet.");
    let mut forgetting = tokio::time::interval(FORGET_EVERY);
    let mut counting = tokio::time::interval(COUNT_EVERY);
    let mut changes = tokio::time::interval(FORGET_CHANGES_EVERY);
    loop {
        let kept = tokio::select! {
            () = shutdown.cancelled() => return,
            _ = forgetting.tick() => forget(&app).await,
            _ = counting.tick() => count(&app).await,
            _ = changes.tick() => change::forget(&app.db, app.now() - bus::KEPT).await.map(drop),
        };
        if let Err(error) = kept {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "housekeeping failed; it is tried again later");
        }
    }
}

/// Deletes what has expired. Each is a statement of its own, so none holds the others up.
async fn forget(app: &App) -> Result<(), DbErr> {
    let (db, now) = (&app.db, app.now());
    let expired = [
        ("DELETE FROM idempotency_keys WHERE expires_at < ?", now),
        ("DELETE FROM agent_tokens WHERE expires_at < ?", now),
        ("DELETE FROM calendar_authorizations WHERE expires_at < ?", now),
        ("DELETE FROM used_proofs WHERE expires_at < ?", now),
        ("DELETE FROM mail_quotas WHERE hour_starts_at < ?", now - QUOTAS_KEPT),
        ("DELETE FROM booking_quotas WHERE period_starts_at < ?", now - QUOTAS_KEPT),
        ("DELETE FROM booking_confirmations WHERE expires_at < ?", now - CONFIRMATIONS_KEPT),
        ("DELETE FROM bookings WHERE status = 'HELD' AND held_until < ?", now),
    ];
    for (sql, before) in expired {
        run_raw(db, sql, [before.into()]).await?;
    }
    outbox::forget(db, now - DELIVERIES_KEPT).await?;
    webhook::forget(db, now - DELIVERIES_KEPT).await?;
    Ok(())
}

async fn count(app: &App) -> Result<(), DbErr> {
    // Reminders of meetings in some weeks are in nobody's way.
    let pending = outbox::Entity::find()
        .filter(outbox::Column::State.eq(outbox::PENDING))
        .filter(outbox::Column::RunAt.lte(app.now()));
    gauge!("frontdesk_outbox_pending").set(pending.count(&app.db).await? as f64);
    Ok(())
}
