//! What goes over the wire: docs/providers/remote.yaml as types.
//!
//! Each is written by one side and read by the other, both of which are in this crate's tests.

mod about;
mod account;
mod channel;
mod event;
mod problem;

pub(crate) use about::{About, CONTRACT, OAuth2};
pub(crate) use account::{Account, Calendars, ConnectRequest, Connected, Connection};
pub(crate) use channel::{Push, PushKind, Unwatch, Watch, WatchRequest};
pub(crate) use event::{
    Busy, Changes, ChangesRequest, EventRequest, FoundEvent, FreeBusyRequest, PutRequest, Receipt,
};
pub(crate) use problem::Problem;
