//! What calls share, and how a broken provider does it.

use calendar_provider::conformance::Fault;
use calendar_provider::{Connection, EventDraft, EventHandle, ProviderError, TimeRange};
use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use secrecy::ExposeSecret;

use super::calendar::{Calendar, known, place};
use super::entry::{Conference, Entry};
use super::state::{Place, State};
use super::{Flaw, MAIN, TOKEN};

/// What a call is about to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Reading,
    Writing,
    Following,
}

impl Calendar {
    /// What every call checks first.
    pub(super) async fn enter(
        &self,
        connection: &Connection,
        doing: Doing,
    ) -> Result<(), ProviderError> {
        tokio::task::yield_now().await;
        if connection.credentials.expose_secret() != TOKEN {
            let cause = if self.has(Flaw::TokenInError) {
                format!("refused {}", connection.credentials.expose_secret())
            } else {
                "refused".into()
            };
            return Err(ProviderError::unauthorized().with_source(cause));
        }
        known(&connection.calendar_ref)?;
        let fault = self.lock().fault;
        match fault {
            None | Some(Fault::HistoryForgotten) => Ok(()),
            Some(Fault::Revoked) if !self.has(Flaw::RevokedIsTransient) => {
                Err(ProviderError::unauthorized())
            }
            Some(Fault::RateLimited) => {
                Err(ProviderError::rate_limited(Some(TimeDelta::seconds(9))))
            }
            Some(Fault::CalendarGone) => Err(ProviderError::not_found("the calendar")),
            Some(Fault::WritesRefused | Fault::ChangedMeanwhile) if doing != Doing::Writing => {
                Ok(())
            }
            Some(Fault::WritesRefused) if self.has(Flaw::RefusalIsUnauthorized) => {
                Err(ProviderError::unauthorized())
            }
            Some(Fault::WritesRefused) => Err(ProviderError::permanent("it is for reading only")),
            Some(Fault::ChangedMeanwhile) if self.has(Flaw::OverwritesOthers) => Ok(()),
            Some(Fault::ChangedMeanwhile) => Err(ProviderError::conflict()),
            Some(Fault::Html | Fault::NotUtf8 | Fault::Huge) => {
                Err(ProviderError::permanent("the answer can't be read"))
            }
            Some(_) => Err(ProviderError::transient("it is down")),
        }
    }

    pub(super) fn supports(&self, supported: bool) -> Result<(), ProviderError> {
        match supported {
            true => Ok(()),
            false if self.has(Flaw::RefusesEvenIfUnsupported) => {
                Err(ProviderError::permanent("no"))
            }
            false => Err(ProviderError::unsupported("that")),
        }
    }

    /// Which calendar the call means, after what a broken provider takes it for.
    pub(super) fn place(&self, connection: &Connection) -> Place {
        let mut place = place(connection);
        if self.has(Flaw::PickIgnored) {
            place.1 = MAIN.into();
        }
        place
    }

    /// When the event will stand, after what a broken provider does to its ends.
    pub(super) fn placed(&self, event: &EventDraft) -> TimeRange {
        let place = |instant: DateTime<Utc>| {
            let local = instant.with_timezone(&event.zone).naive_local();
            match self.flaw {
                Flaw::FoldTakesFirstPass => event
                    .zone
                    .from_local_datetime(&local)
                    .earliest()
                    .map_or(instant, |it| it.to_utc()),
                Flaw::WinterOffsetAllYear => {
                    let winter = event
                        .zone
                        .offset_from_utc_datetime(&"2031-01-01T00:00:00".parse().expect("a date"));
                    (local - winter.fix()).and_utc()
                }
                Flaw::ZonesRoundToHours => {
                    let offset = local - instant.naive_utc();
                    let whole = TimeDelta::hours(offset.num_hours());
                    instant + (offset - whole)
                }
                _ => instant,
            }
        };
        let (start, end) = (place(event.range.start()), place(event.range.end()));
        // A fold that is read as its first pass can turn the ends around.
        TimeRange::new(start, end.max(start + TimeDelta::minutes(1))).expect("it lasts a minute")
    }

    /// The reference of the event that a put changes, if it is one that stands.
    pub(super) fn reference(
        &self,
        state: &State,
        place: &Place,
        event: &EventDraft,
    ) -> Option<String> {
        let hint = event.event_ref.clone();
        match self.flaw {
            Flaw::PutAlwaysCreates => None,
            Flaw::TrustsReferences if hint.is_some() => hint,
            Flaw::NeedsTheReference if hint.is_some() => {
                hint.filter(|it| state.of(place).any(|(event_ref, ..)| event_ref == it))
            }
            _ => state.by_uid(place, &event.uid),
        }
    }

    /// The link that the event has after it is written, and what a broken provider makes of it.
    pub(super) fn conference(
        &self,
        event: &EventDraft,
        old: Option<&Entry>,
        revision: usize,
    ) -> Conference {
        if self.has(Flaw::ConferencePromised) && self.about.conference.is_none() {
            return Conference::Pending;
        }
        let wanted = event.conference_wanted || self.has(Flaw::ConferenceUnasked);
        if !wanted || self.about.conference.is_none() {
            return Conference::None;
        }
        let made = |name: &str| {
            let url = format!("https://meet.example/{name}");
            Conference::Made(url.parse().expect("it is a URL"))
        };
        match old.map(|entry| &entry.conference) {
            _ if self.has(Flaw::ConferenceShared) => made("room"),
            _ if self.has(Flaw::ConferenceUnasked) => made("room"),
            _ if self.has(Flaw::ConferenceAnewEachTime) => made(&revision.to_string()),
            Some(link @ Conference::Made(_)) => link.clone(),
            Some(Conference::Pending) if !self.has(Flaw::ConferencePendingForEver) => {
                made(&event.uid)
            }
            _ => Conference::Pending,
        }
    }

    /// Which entry the call means by its handle.
    pub(super) fn find(
        &self,
        state: &State,
        place: &Place,
        event: &EventHandle,
        by: Flaw,
    ) -> Option<String> {
        match &event.event_ref {
            Some(hint) if self.has(by) => {
                let mut all = state.of(place);
                all.find(|(event_ref, ..)| event_ref == hint).map(|(found, ..)| found.into())
            }
            _ => state.by_uid(place, &event.uid),
        }
    }
}
