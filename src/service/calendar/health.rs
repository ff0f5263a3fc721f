//! Whether a calendar can be trusted to say when its agent is free.

use calendar_provider::Residence;
use chrono::{DateTime, Utc};

use super::{CONNECTED, UNREACHABLE};
use crate::app::App;
use crate::service::sync::staleness;
use crate::store::agent::Candidate;
use crate::store::calendar;

/// What decides whether a calendar can be trusted to say when its agent is free.
#[derive(Clone, Copy, Debug)]
pub struct Health<'a> {
    provider: &'a str,
    status: &'a str,
    last_synced_at: Option<DateTime<Utc>>,
}

impl<'a> Health<'a> {
    /// Of a candidate for a meeting.
    pub fn of(candidate: &'a Candidate) -> Self {
        Self {
            provider: &candidate.provider,
            status: &candidate.calendar_status,
            last_synced_at: candidate.last_synced_at,
        }
    }

    /// Whether it can be trusted now: connected, its provider at hand, and its busy time kept by
    /// ourselves or known to be fresh.
    pub fn is_good(self, app: &App) -> bool {
        let Some(provider) = app.providers.get(self.provider) else { return false };
        let staleness = staleness(app);
        let is_fresh = match provider.about().capabilities.residence {
            Residence::Local => true,
            Residence::Remote => {
                self.last_synced_at.is_some_and(|synced| app.now() < synced + staleness)
            }
        };
        self.status == CONNECTED && is_fresh
    }
}

/// Whether a calendar can be trusted now.
pub fn is_healthy(app: &App, calendar: &calendar::Model) -> bool {
    let health = Health {
        provider: &calendar.provider,
        status: &calendar.status,
        last_synced_at: calendar.last_synced_at,
    };
    health.is_good(app)
}

/// The status that a calendar shows. One that was connected or picked a moment ago and is still to be
/// read for the first time is connected, though not yet in the queue; one that was not read for too long is
/// unreachable, whether or not that was noticed already.
pub fn shown_status<'a>(app: &App, calendar: &'a calendar::Model) -> &'a str {
    let since = calendar.selected_at.unwrap_or(calendar.connected_at);
    let is_new = calendar.last_synced_at.is_none() && app.now() < since + staleness(app);
    let has_provider = app.providers.contains_key(&calendar.provider);
    if calendar.status != CONNECTED || is_healthy(app, calendar) || (is_new && has_provider) {
        return &calendar.status;
    }
    UNREACHABLE
}
