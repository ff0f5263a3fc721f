//! The authorization code flow, refresh and revocation, as a client sees them over HTTP.

mod authorizing;
mod support;
mod tokens;
