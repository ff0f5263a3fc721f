//! Google Calendar against the fake, and against recorded exchanges.

mod about;
mod bad_answers;
mod bad_days;
mod conformance;
mod counting;
mod discovery;
mod errors;
mod guides;
mod pushes;
mod recorded;
mod syncing;
mod world;
mod writing;
