//! The provider against Radicale and Xandikos, and against answers as other servers give them.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod conformance;
mod counterparts;
mod discovery;
mod following;
mod large;
mod support;
mod writing;
