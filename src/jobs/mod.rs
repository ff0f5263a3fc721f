//! The worker: delivers what changes caused.
//!
//! A row of the outbox is claimed under a lease (`worker`), tried by the file of its kind, and
//! what came of it is written in one transaction together with what the booking shows of it
//! (`settle`). A process that dies in between leaves the lease to run out, and another tries
//! again: every delivery can be repeated without the receiver seeing two.

mod agent_mail;
mod attempt;
mod backoff;
mod calendar_event;
mod failure_mail;
mod farewell;
mod follow;
mod housekeeping;
mod letter;
mod reauthentication_mail;
mod settle;
mod visitor_mail;
mod worker;

pub use follow::follow;
pub use worker::{run, run_due};
