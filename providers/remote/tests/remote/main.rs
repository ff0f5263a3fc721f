//! Both sides of the contract, over HTTP.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

#[path = "../../../api/tests/conformance/memory/mod.rs"]
#[expect(dead_code, reason = "shared with the kit's own tests, which need more of it")]
mod memory;

mod at_url;
mod bad_answers;
mod conforming;
mod contract;
mod discovery;
mod hooks;
mod python;
mod server;
