//! When an event is and whether it blocks: the table in the crate's documentation.

use calendar_provider::{EventSnapshot, ProviderError, TimeRange};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::events::event_id;
use crate::resources::{Event, Place, UID_PROPERTY};

impl Event {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.status.as_deref() == Some("cancelled")
    }

    /// Whether it blocks the agent.
    pub(crate) fn is_busy(&self) -> bool {
        let declined = |it: &crate::resources::Answer| {
            it.is_self && it.response_status.as_deref() == Some("declined")
        };
        let never = matches!(self.event_type.as_deref(), Some("workingLocation" | "birthday"));
        !never
            && !self.is_cancelled()
            && self.transparency.as_deref() != Some("transparent")
            && !self.attendees.iter().any(declined)
    }

    /// When it is; none where it has no length.
    ///
    /// # Errors
    /// Transient where it can't be told: the event is not taken for none.
    pub(crate) fn range(&self, zone: Tz) -> Result<Option<TimeRange>, ProviderError> {
        let ends = self.start.as_ref().zip(self.end.as_ref());
        let instants = ends.and_then(|(start, end)| start.instant(zone).zip(end.instant(zone)));
        match instants {
            Some((start, end)) if start == end => Ok(None),
            Some((start, end)) => TimeRange::new(start, end).map(Some).map_err(unreadable),
            None => Err(unreadable("no start or end")),
        }
    }

    /// The UID it was written with, or Google's own. A copy that the agent made of one of our
    /// events has our property too, and is none of ours.
    fn uid(&self) -> Option<&String> {
        let written = self.extended_properties.private.get(UID_PROPERTY);
        written.filter(|uid| event_id(uid) == self.id).or(self.i_cal_uid.as_ref())
    }

    /// As the server sees it; none where it has no length.
    ///
    /// # Errors
    /// As [`Event::range`].
    pub(crate) fn snapshot(&self, zone: Tz) -> Result<Option<EventSnapshot>, ProviderError> {
        Ok(self.range(zone)?.map(|range| {
            let mut snapshot = EventSnapshot::new(&self.id, range);
            snapshot.series_ref.clone_from(&self.recurring_event_id);
            snapshot.uid = self.uid().cloned();
            snapshot.busy = self.is_busy();
            snapshot.title.clone_from(&self.summary);
            snapshot.version.clone_from(&self.etag);
            snapshot
        }))
    }
}

impl Place {
    fn instant(&self, zone: Tz) -> Option<DateTime<Utc>> {
        let moment = self.date_time.map(|it| it.to_utc());
        moment.or_else(|| self.date.and_then(|day| midnight(day, zone)))
    }
}

/// When the day begins, by RFC 5545's rule: the first of two midnights; one that does not exist is
/// read with the offset before the gap.
fn midnight(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight: NaiveDateTime = day.and_time(NaiveTime::MIN);
    let there = zone.from_local_datetime(&midnight).earliest();
    there.map(|it| it.to_utc()).or_else(|| {
        // A day before, no gap of ours has begun yet.
        let before = midnight.checked_sub_signed(TimeDelta::days(1))?;
        let offset = zone.offset_from_utc_datetime(&before).fix();
        Some(midnight.checked_sub_offset(offset)?.and_utc())
    })
}

pub(crate) fn unreadable(cause: impl Into<calendar_provider::Source>) -> ProviderError {
    ProviderError::transient("an event is not as documented").with_source(cause)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::midnight;

    #[track_caller]
    fn check(day: &str, zone: Tz, expected: &str) {
        let instant = midnight(day.parse().unwrap(), zone).unwrap();
        assert_eq!(format!("{instant:?}"), expected, "{day} in {zone}");
    }

    #[test]
    fn days_begin_at_midnight_in_their_zone() {
        check("2031-05-05", Tz::Europe__Paris, "2031-05-04T22:00:00Z");
        check("2031-05-05", Tz::UTC, "2031-05-05T00:00:00Z");
        // Santiago goes from 24:00 to 01:00 at 04:00 UTC.
        check("2031-09-07", Tz::America__Santiago, "2031-09-07T04:00:00Z");
        // Havana has midnight twice, at 04:00 and 05:00 UTC.
        check("2031-11-02", Tz::America__Havana, "2031-11-02T04:00:00Z");
    }
}
