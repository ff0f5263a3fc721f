//! The provider against a Microsoft of the test's own.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod account;
mod bad_days;
mod conformance;
mod exchanges;
mod following;
mod outlook;
mod pushes;
mod receiver;
mod writing;
