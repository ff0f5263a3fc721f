//! The second, direct look at entries of our own that do not seem to stand where they should.

use calendar_provider::{EventHandle, EventSnapshot, ProviderError, TimeRange};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::diff::Entry;
use super::look::Look;
use super::ours::Suspect;
use crate::service::calendar as calendars;
use crate::store::booking::{Drift, Model};

/// Direct looks of one calendar at once.
const AT_ONCE: usize = 4;

/// A booking whose entry was looked at, and how it is to be shown.
pub(super) struct Verdict {
    pub(super) booking: Model,
    /// None where the entry stands as booked.
    pub(super) drift: Option<Drift>,
}

/// What came of a direct look.
enum Shown {
    /// How the booking is to be shown.
    New(Box<Verdict>),
    /// It is shown so already.
    AsBefore,
    /// Nothing: the entry can't be looked at. Where it was seen, the agent is busy.
    Hidden(Vec<Entry>),
}

/// Looks at each entry directly; only what that shows is believed. Those that are shown so already are
/// left out. What can't be looked at for good counts as busy time where it was seen.
///
/// # Errors
/// The provider's, where the same look may work later: what was seen must not be taken in before,
/// since it would not be told again.
pub(super) async fn verify(
    look: &Look<'_>,
    suspects: Vec<Suspect>,
) -> Result<(Vec<Verdict>, Vec<Entry>), ProviderError> {
    let all: Vec<Shown> = stream::iter(suspects)
        .map(|suspect| one(look, suspect))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let (mut verdicts, mut busy) = (Vec::new(), Vec::new());
    for shown in all {
        match shown {
            Shown::New(verdict) => verdicts.push(*verdict),
            Shown::AsBefore => {}
            Shown::Hidden(seen) => busy.extend(seen),
        }
    }
    Ok((verdicts, busy))
}

async fn one(look: &Look<'_>, suspect: Suspect) -> Result<Shown, ProviderError> {
    let Suspect { booking, seen } = suspect;
    look.pace.one().await;
    let handle = EventHandle::new(&booking.uid, booking.event_ref.clone());
    let asked = calendars::ask(look.app, look.record, |provider, connection| {
        let handle = handle.clone();
        async move { provider.get_event(&connection, &handle).await }
    });
    match asked.await {
        Ok(found) => Ok(verdict(look, booking, found)
            .map_or(Shown::AsBefore, |verdict| Shown::New(Box::new(verdict)))),
        Err(error) if error.is_retryable() => Err(error),
        Err(error @ ProviderError::Unauthorized { .. }) => Err(error),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(booking.id = %booking.id, error, "an entry can't be looked at");
            Ok(Shown::Hidden(seen))
        }
    }
}

fn verdict(look: &Look<'_>, booking: Model, found: Option<EventSnapshot>) -> Option<Verdict> {
    let stands = found.map(|event| event.range);
    let in_place =
        stands.is_some() && stands == TimeRange::new(booking.starts_at, booking.ends_at).ok();
    let shown = booking.drift.as_ref().map(|drift| drift.0.range);
    if shown == (!in_place).then_some(stands) {
        return None;
    }
    let drift = (!in_place).then(|| Drift { range: stands, noticed_at: look.app.now() });
    Some(Verdict { booking, drift })
}
