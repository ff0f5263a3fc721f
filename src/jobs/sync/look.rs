//! One look at a calendar: what its provider answers, with no transaction open.

use std::time::Duration;

use calendar_provider::{
    BusyInterval, CalendarProvider, Changes, Cursor, EventSnapshot, ProviderError, TimeRange,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::fold::{Standing, fold};
use super::pace::Pace;
use super::window;
use crate::app::App;
use crate::service::Error;
use crate::service::calendar::{self as calendars};
use crate::store::{calendar, sync};

/// Most events and occurrences that are kept of one calendar.
const MOST: usize = 100_000;

/// What a look needs.
pub(super) struct Look<'a> {
    pub(super) app: &'a App,
    pub(super) pace: &'a Pace,
    pub(super) provider: &'a dyn CalendarProvider,
    /// The connection.
    pub(super) record: &'a calendar::Model,
    /// The calendar, claimed.
    pub(super) sync: &'a sync::Model,
    /// How far ahead the agent can be booked.
    pub(super) horizon: TimeDelta,
}

/// What was seen.
pub(super) struct Seen {
    /// When the look began: what was seen is right as of then.
    pub(super) began: DateTime<Utc>,
    /// What it covered.
    pub(super) window: TimeRange,
    /// Where to go on from.
    pub(super) cursor: Option<Cursor>,
    /// Whether all that overlaps the window was seen, not only what changed.
    pub(super) is_whole: bool,
    /// Whether events were told, not only the times that they take.
    pub(super) tells_events: bool,
    /// What stands, of all or of what changed.
    pub(super) standing: Standing,
}

impl Look<'_> {
    /// Asks for what changed, or for everything where that can't be told.
    pub(super) async fn see(&self) -> Result<Seen, ProviderError> {
        let now = self.app.now();
        let seen = if self.provider.about().capabilities.changes {
            self.follow(now).await?
        } else {
            self.read(now).await?
        };
        if MOST < seen.standing.events.len() {
            return Err(ProviderError::permanent(
                "the calendar holds more events than can be kept",
            ));
        }
        Ok(seen)
    }

    async fn follow(&self, now: DateTime<Utc>) -> Result<Seen, ProviderError> {
        let anew = window::to_follow(now, self.horizon).map_err(fault)?;
        let kept = window::followed(self.sync, now, self.horizon);
        let since = kept.and(self.sync.cursor.clone()).map(Cursor::new);
        let (changes, window, is_whole) = match since {
            None => (self.changes(None, anew).await?, anew, true),
            Some(since) => {
                let window = kept.unwrap_or(anew);
                match self.changes(Some(since), window).await {
                    Err(ProviderError::CursorExpired { .. }) => {
                        self.pace.one().await;
                        (self.changes(None, anew).await?, anew, true)
                    }
                    other => (other?, window, false),
                }
            }
        };
        Ok(Seen {
            began: now,
            window,
            cursor: Some(changes.next),
            is_whole,
            tells_events: true,
            standing: fold(changes.events),
        })
    }

    async fn changes(
        &self,
        since: Option<Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        let calendar_ref = &self.sync.calendar_ref;
        let deadline = self.deadline(since.is_none());
        calendars::ask_for(self.app, self.record, deadline, |provider, mut connection| {
            connection.calendar_ref.clone_from(calendar_ref);
            connection.also_busy.clear();
            let since = since.clone();
            async move { provider.changes(&connection, since.as_ref(), window).await }
        })
        .await
    }

    async fn read(&self, now: DateTime<Utc>) -> Result<Seen, ProviderError> {
        let window = window::to_read(now, self.horizon).map_err(fault)?;
        let calendar_ref = &self.sync.calendar_ref;
        let deadline = self.deadline(false);
        let busy =
            calendars::ask_for(self.app, self.record, deadline, |provider, mut connection| {
                connection.calendar_ref.clone_from(calendar_ref);
                connection.also_busy.clear();
                async move { provider.free_busy(&connection, window).await }
            })
            .await?;
        let events = busy.into_iter().map(snapshot).collect();
        Ok(Seen {
            began: now,
            window,
            cursor: None,
            is_whole: true,
            tells_events: false,
            standing: Standing { events, ..Standing::default() },
        })
    }

    /// From its beginning, a calendar of many events takes many requests: what half the lease allows,
    /// with a rest to write down what was seen. What changed takes few, so that a provider that does not
    /// answer is given up soon.
    fn deadline(&self, is_whole: bool) -> Duration {
        let whole = Duration::from_secs(self.app.config.sync.lease_seconds.into()) / 2;
        let request = self.app.config.limits.provider_timeout_seconds.into();
        if is_whole { whole } else { Duration::from_secs(request).saturating_mul(2).min(whole) }
    }
}

fn snapshot(interval: BusyInterval) -> EventSnapshot {
    let mut event = EventSnapshot::new("", interval.range);
    (event.uid, event.title) = (interval.uid, interval.title);
    event
}

/// A fault of ours, in words for whoever is told why a look failed.
fn fault(error: Error) -> ProviderError {
    let error = &error as &dyn std::error::Error;
    tracing::error!(error, "a calendar can't be read for a fault of ours");
    ProviderError::transient("this server met a fault")
}
