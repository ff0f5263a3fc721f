//! The worker: delivers what changes caused.
//!
//! A row of the outbox is claimed under a lease (`worker`), tried by the file of its kind, and
//! what came of it is written in one transaction together with what the booking shows of it
//! (`settle`). A process that dies in between leaves the lease to run out, and another tries
//! again: every delivery can be repeated without the receiver seeing two.
//!
//! `sync` reads calendars elsewhere and `live_chat` follows the clock, beside the deliveries.

mod agent_mail;
mod attempt;
mod backoff;
mod calendar_event;
mod confirm_booking_mail;
mod failure_mail;
mod farewell;
mod housekeeping;
mod letter;
mod live_chat;
mod missed_chat_mail;
mod reauthentication_mail;
mod reminder_mail;
mod settle;
mod sync;
mod visitor_mail;
mod web_push;
mod webhook;
mod worker;

pub use live_chat::run_due as run_chats_due;
pub use sync::run_due as sync_due;
pub use worker::run_due;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Delivers, reads calendars elsewhere, and moves live chats on, until `shutdown` is cancelled.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    tokio::join!(
        worker::run(Arc::clone(&app), shutdown.clone()),
        live_chat::run(Arc::clone(&app), shutdown.clone()),
        sync::run(app, shutdown),
    );
}
