//! Web Push: telling agents who are not in the app (RFC 8030).
//!
//! A browser that an agent registered is an address at its vendor's push service, and keys that only that
//! browser has. What is pushed is encrypted for the browser (`subscription`, RFC 8291) and signed with a key
//! of the server's own, which the browser was told when it subscribed (`vapid`, RFC 8292).
//!
//! What is pushed is a row of the outbox, written once for each offer whose agent is not in the app (`offer`), by
//! whichever process looks first (`jobs/live_chat`). An offer that is over is not called back: until its agent's
//! browser is online the push waits at the push service, and no longer than the offer lasts.

mod offer;
mod registration;
mod subscription;
mod vapid;

pub use offer::{Push, forget, of_offer, tell_absent};
pub use registration::{
    NewRegistration, Registration, Which, find, list_of_agents, register, remove,
};
pub use subscription::Subscription;
pub(crate) use subscription::client;
pub use vapid::{Vapid, vapid};
