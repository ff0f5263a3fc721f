//! A fresh look at a calendar, while a visitor waits.

use calendar_provider::TimeRange;
use chrono::TimeDelta;
use uuid::Uuid;

use super::{of_agent, open, provider, within_deadline};
use crate::app::App;
use crate::service::{Error, Result};
use crate::store;

/// Asks the agent's calendar whether a slot, with the buffer around it, is free now. One that does
/// not answer is not free. Entries of our own bookings are left out: those are known better here.
///
/// # Errors
/// None but the database's.
pub async fn says_free(app: &App, agent: Uuid, slot: TimeRange, buffer: TimeDelta) -> Result<bool> {
    let Some(calendar) = of_agent(app, agent).await? else { return Ok(false) };
    let connection = match open(app, &calendar) {
        Ok(connection) => connection,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(agent.id = %agent, error, "a calendar's credentials can't be read");
            return Ok(false);
        }
    };
    let around = TimeRange::new(slot.start() - buffer, slot.end() + buffer);
    let around = around.map_err(Error::internal)?;
    let provider = provider(app, &calendar.provider)?;
    let answer = within_deadline(app, provider.free_busy(&connection, around)).await;
    let busy = match answer {
        Ok(busy) => busy,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(agent.id = %agent, error, "a calendar could not be read");
            return Ok(false);
        }
    };
    for interval in busy.into_iter().filter(|interval| interval.range.overlaps(around)) {
        let ours = match &interval.uid {
            Some(uid) => store::booking::is_ours(&app.db, agent, uid).await?,
            None => false,
        };
        if !ours {
            return Ok(false);
        }
    }
    Ok(true)
}
