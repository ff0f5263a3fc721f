//! Several processes on one database, with nothing else installed.
//!
//! Each process says now and then that it lives (`heartbeat`), hears what the others changed (`bus`) and notes
//! which agents are in the app through it (`presence`). There is no leader: whatever is to be done at a time is
//! a row that says when, and whoever comes first does it. What a dead process was at is free again as soon as
//! another notices.

pub mod bus;
mod heartbeat;
pub mod presence;

pub use heartbeat::reap;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Takes part until `shutdown` is cancelled, and takes its leave of the others then.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    tokio::join!(
        heartbeat::run(&app, shutdown.clone()),
        bus::run(&app, shutdown.clone()),
        presence::run(&app, shutdown),
    );
}
