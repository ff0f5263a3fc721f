//! The end of a connection at its provider, after it was ended here.

use calendar_provider::ProviderError;

use super::attempt::{Delivered, Outcome, misfit};
use crate::app::App;
use crate::service::{Result, calendar};
use crate::store::outbox::{Model, Payload};

/// Ends the channels, then has the tokens forgotten. Nobody waits for it, so that nobody is told where
/// it is given up: channels end by themselves, and what is sealed is deleted.
pub(super) async fn deliver(app: &App, row: &Model) -> Result<Outcome> {
    let Payload::Farewell(farewell) = &row.payload.0 else { return Err(misfit(row)) };
    let Err(error) = calendar::part(app, row.agent()?, farewell).await else {
        return Ok(Outcome::Done(Delivered::Farewell));
    };
    if row.give_up_at <= app.now() {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(delivery.id = %row.id, error, "a connection was not ended at its provider");
        return Ok(Outcome::Done(Delivered::Farewell));
    }
    let words = error.to_string();
    Ok(match error {
        ProviderError::RateLimited { retry_after, .. } => {
            Outcome::Retry { error: words, after: retry_after }
        }
        _ => Outcome::retry(words),
    })
}
