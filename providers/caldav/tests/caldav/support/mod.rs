//! Servers to test against, and what disturbs them.

pub(crate) mod client;
pub(crate) mod fake;
pub(crate) mod outside;
pub(crate) mod proxy;
pub(crate) mod server;
