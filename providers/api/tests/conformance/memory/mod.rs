//! A calendar in memory that keeps every rule, or breaks one on purpose.

mod calendar;
mod entry;
mod flaw;
mod pushes;
mod rules;
mod series;
mod state;

use std::sync::Arc;

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideDays, OutsideEvent, OutsideSeries, Subject,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection, Push};

pub(crate) use calendar::Calendar;
use entry::Entry;
pub(crate) use flaw::Flaw;

pub(crate) const TOKEN: &str = "token-of-the-memory-calendar";
/// The account's calendar that is connected, and its other one.
pub(crate) const MAIN: &str = "main";
pub(crate) const SIDE: &str = "side";

/// What the calendars can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All that the trait knows.
    Full,
    /// Writing and following, no more.
    Plain,
    /// Reading, no more.
    ReadOnly,
}

/// A factory of calendars of one kind and with one flaw.
pub(crate) struct Calendars {
    pub(crate) kind: Kind,
    pub(crate) flaw: Flaw,
}

#[async_trait]
impl Factory for Calendars {
    async fn fresh(&self) -> Box<dyn Subject> {
        Box::new(Memory(Arc::new(Calendar::new(self.kind, self.flaw, "owner"))))
    }
}

/// The subject over a calendar in memory.
pub(crate) struct Memory(pub(crate) Arc<Calendar>);

#[async_trait]
impl Subject for Memory {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.0.clone()
    }

    fn connection(&self) -> Connection {
        Connection::new("owner", MAIN, TOKEN.into())
    }

    fn unknown_connection(&self) -> Connection {
        Connection::new("owner", MAIN, "token-of-someone-else".into())
    }

    fn other_connection(&self) -> Option<Connection> {
        Some(Connection::new("other", MAIN, TOKEN.into()))
    }

    fn second_calendar(&self) -> Option<String> {
        Some(SIDE.into())
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        Some(request(TOKEN))
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        Some(request("guessed"))
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        self.0.add(Entry::single(&event.uid, event.range, &event.title), event.busy)
    }

    async fn add_outside_series(&self, series: OutsideSeries) -> Hook {
        let occurrences = series::occurrences(&series, self.0.flaw);
        self.0.add(Entry::series(&series.uid, occurrences, &series.title), series.busy)
    }

    async fn add_outside_days(&self, days: OutsideDays) -> Hook {
        let range = series::whole_days(&days, self.0.flaw);
        self.0.add(Entry::single(&days.uid, range, &days.title), days.busy)
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        self.0.remove(uid);
        Hook::Done
    }

    async fn pushes(&self) -> Option<Vec<Push>> {
        Some(self.0.pushes())
    }

    fn handshake(&self) -> Option<Push> {
        let mut push = Push::new("00000000-0000-4000-8000-000000000001", "secret".into());
        push.query.insert("validation".into(), "say this".into());
        Some(push)
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        self.0.set_fault(Some(fault));
        Hook::Done
    }

    async fn mend(&self) {
        self.0.set_fault(None);
    }
}

fn request(token: &str) -> ConnectRequest {
    let mut request = ConnectRequest::new("owner");
    request.credentials.insert("token".into(), token.into());
    request
}
