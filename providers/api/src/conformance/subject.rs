//! What the checks run against, and what they ask of it.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use url::Url;

use crate::{CalendarProvider, ConnectRequest, Connection, Push, TimeRange};

/// Makes what the checks run against.
#[async_trait]
pub trait Factory: Send + Sync {
    /// A provider with one connected calendar that holds nothing. Subjects share nothing that
    /// one check could leave to the next.
    async fn fresh(&self) -> Box<dyn Subject>;
}

/// A provider under test, and its connected calendar.
///
/// Everything but the first three is a hook: the more of them a subject has, the more is checked.
/// What is left as it is here, its checks are skipped, and the report says so.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// The provider.
    fn provider(&self) -> Arc<dyn CalendarProvider>;

    /// The connection to the empty calendar.
    fn connection(&self) -> Connection;

    /// A connection that the provider does not know, or no longer.
    fn unknown_connection(&self) -> Connection;

    /// A second connection, to another empty calendar.
    fn other_connection(&self) -> Option<Connection> {
        None
    }

    /// Another empty calendar of the connected account, by its
    /// [`calendar_ref`](Connection::calendar_ref).
    fn second_calendar(&self) -> Option<String> {
        None
    }

    /// A request that connects.
    fn connect_request(&self) -> Option<ConnectRequest> {
        None
    }

    /// A request that must be refused.
    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        None
    }

    /// Puts an event in the calendar behind the provider's back, as the agent would with a
    /// calendar program. A provider that can't write needs it.
    async fn add_outside_event(&self, _event: OutsideEvent) -> Hook {
        Hook::Unavailable
    }

    /// The same with a recurring event. One of a UID that stands in the calendar already takes
    /// the place of that.
    async fn add_outside_series(&self, _series: OutsideSeries) -> Hook {
        Hook::Unavailable
    }

    /// The same with an event of whole days.
    async fn add_outside_days(&self, _days: OutsideDays) -> Hook {
        Hook::Unavailable
    }

    /// Removes an event, or a series with all its occurrences, behind the provider's back:
    /// whoever made it.
    async fn remove_outside(&self, _uid: &str) -> Hook {
        Hook::Unavailable
    }

    /// Where the provider's calls are to go that [`pushes`](Self::pushes) lists.
    fn callback_url(&self) -> Url {
        Url::parse("https://frontdesk.example/push/conformance").expect("it is a URL")
    }

    /// The calls that the provider has made to [`callback_url`](Self::callback_url) up to now, in
    /// order and as they came in, [`Push::channel`] and [`Push::secret`] being those of the
    /// request it was made for. Waits for those that are on their way. None where the provider's
    /// calls can't be seen.
    async fn pushes(&self) -> Option<Vec<Push>> {
        None
    }

    /// A call by which the provider tries whether the callback address is the server's.
    fn handshake(&self) -> Option<Push> {
        None
    }

    /// Makes every later call fail so, until [`mend`](Self::mend).
    async fn inflict(&self, _fault: Fault) -> Hook {
        Hook::Unavailable
    }

    /// Ends what [`inflict`](Self::inflict) began.
    async fn mend(&self) {}
}

/// An event that the agent made with another program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutsideEvent {
    /// Its UID.
    pub uid: String,
    /// When.
    pub range: TimeRange,
    /// Its title.
    pub title: String,
    /// Whether it blocks the agent: OPAQUE or TRANSPARENT (RFC 5545, section 3.8.2.7).
    pub busy: bool,
}

impl OutsideEvent {
    /// An event that blocks the agent.
    pub fn new(uid: impl Into<String>, range: TimeRange, title: impl Into<String>) -> Self {
        Self { uid: uid.into(), range, title: title.into(), busy: true }
    }
}

/// A recurring event that the agent made with another program.
///
/// Its times are local to [`zone`](Self::zone), as calendar programs keep them (RFC 5545, section
/// 3.3.5, form 3). None of them falls into a gap or a fold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutsideSeries {
    /// Its UID, shared by all its occurrences.
    pub uid: String,
    /// Its title.
    pub title: String,
    /// When the first occurrence begins.
    pub start: NaiveDateTime,
    /// How long each lasts, in real time.
    pub duration: TimeDelta,
    /// The zone of all its local times; for whole days the calendar's own zone.
    pub zone: Tz,
    /// When it recurs: the value of an RRULE (RFC 5545, section 3.3.10), e.g. `FREQ=DAILY;COUNT=3`.
    pub rule: String,
    /// Starts that the rule makes and that are left out (RFC 5545, section 3.8.5.1).
    pub exdates: Vec<NaiveDateTime>,
    /// Occurrences that were moved one by one.
    pub moved: Vec<MovedOccurrence>,
    /// Whether each occurrence takes one whole day: then `start` and the others are midnights,
    /// and `duration` is a day.
    pub whole_days: bool,
    /// Whether it blocks the agent.
    pub busy: bool,
}

impl OutsideSeries {
    /// A series that blocks the agent, with no exceptions.
    pub fn new(
        uid: impl Into<String>,
        start: NaiveDateTime,
        duration: TimeDelta,
        zone: Tz,
        rule: impl Into<String>,
    ) -> Self {
        Self {
            uid: uid.into(),
            title: "Outside series".into(),
            start,
            duration,
            zone,
            rule: rule.into(),
            exdates: Vec::new(),
            moved: Vec::new(),
            whole_days: false,
            busy: true,
        }
    }
}

/// One occurrence that stands at another time than the rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MovedOccurrence {
    /// The start that the rule made (RECURRENCE-ID; RFC 5545, section 3.8.4.4).
    pub original: NaiveDateTime,
    /// When it begins instead; it lasts as long as the others.
    pub start: NaiveDateTime,
}

/// An event of whole days that the agent made with another program, in a calendar whose own zone
/// is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutsideDays {
    /// Its UID.
    pub uid: String,
    /// Its title.
    pub title: String,
    /// The first day.
    pub first: NaiveDate,
    /// How many days.
    pub days: u32,
    /// The calendar's zone, in which the days begin and end.
    pub zone: Tz,
    /// Whether it blocks the agent.
    pub busy: bool,
}

/// What can be wrong with a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The calendar can't be reached.
    Down,
    /// The authorization was revoked.
    Revoked,
    /// The calendar wants fewer requests.
    RateLimited,
    /// The connected calendar was deleted; the account still stands.
    CalendarGone,
    /// Every answer is a success that holds an HTML page, as a proxy's.
    Html,
    /// Every answer is a success that is not UTF-8.
    NotUtf8,
    /// Every answer ends in its middle.
    CutOff,
    /// Every answer is a success of 200 MiB.
    Huge,
    /// Every write is refused for good, though the authorization holds, e.g. since the calendar
    /// is shared with the agent for reading only. Reading works.
    WritesRefused,
    /// Every write meets an event that somebody else has just changed. Reading works.
    ChangedMeanwhile,
    /// The calendar has forgotten its history: cursors given out before are too old.
    HistoryForgotten,
}

/// Whether a [`Subject`] could do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// It did.
    Done,
    /// It can't; the checks that need it are skipped.
    Unavailable,
}
