//! Word to the agent that the calendar must be connected again.

use super::attempt::{Delivered, Outcome};
use crate::app::App;
use crate::service::Result;
use crate::store::outbox::Model;

/// Tells the agent, unless the calendar works again meanwhile.
pub(super) async fn deliver(_app: &App, _row: &Model) -> Result<Outcome> {
    Ok(Outcome::Done(Delivered::Notice))
}
