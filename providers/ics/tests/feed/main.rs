//! The provider against a feed server that can misbehave.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod bad_days;
mod conformance;
mod connecting;
mod following;
mod outside;
mod server;
