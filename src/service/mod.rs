//! What the product does: one file a noun, each a plain function over the [`App`](crate::app::App).

pub mod access;
pub mod account;
pub mod agent;
pub mod blocked_visitor;
pub mod booking;
pub mod busy_time;
pub mod calendar;
pub mod changes;
pub mod condition;
pub mod credential;
pub mod date_override;
pub mod delivery;
mod error;
pub mod fallback;
pub mod invite;
pub mod live_chat;
pub mod mailbox;
mod permission;
pub mod proof;
pub mod push;
mod quota;
pub mod routing;
pub mod routing_rule;
pub mod schedule;
pub mod shared_reads;
pub mod slots;
pub mod sync;
pub mod team;
pub mod text;
pub mod visitor;
pub mod webhook;
pub mod why;

pub use error::{Error, Result};

/// Adds segments to a URL's path.
pub(crate) fn push_path(url: &mut url::Url, segments: &[&str]) {
    // Only a URL that can't be a base has no segments, and configuration lets in http(s) alone.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
}
