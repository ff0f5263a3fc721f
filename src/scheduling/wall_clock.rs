//! From a zone's wall clock to instants, by RFC 5545, section 3.3.5.

use calendar_provider::TimeRange;
use chrono::{
    DateTime, Days, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc,
};
use chrono_tz::{GapInfo, Tz, TzOffset};

use super::local_time::LocalTime;
use super::micros;

/// The days from `from` to `to`, both included, as `zone` has them: from the first instant of
/// `from` up to the first instant after `to`.
///
/// Midnight becomes an instant by the same rule as the ends of a block. `None` where `to` is
/// before `from`, where the calendar ends, and for days that the zone skipped altogether
/// (2011-12-30 in Apia).
///
/// ```
/// use chrono::{NaiveDate, TimeDelta};
/// use frontdesk::scheduling::day_window;
///
/// let spring_forward = NaiveDate::from_ymd_opt(2027, 3, 28).expect("a date");
/// let day = day_window(spring_forward, spring_forward, chrono_tz::Europe::Paris).expect("a day");
/// assert_eq!(day.length(), TimeDelta::hours(23));
/// ```
pub fn day_window(from: NaiveDate, to: NaiveDate, zone: Tz) -> Option<TimeRange> {
    let start = micros::instant(block_end_micros(zone, from, LocalTime::MIDNIGHT)?)?;
    let end = micros::instant(block_end_micros(zone, to, LocalTime::END_OF_DAY)?)?;
    TimeRange::new(start, end).ok()
}

/// A date on a zone's wall clock.
#[derive(Clone, Copy)]
pub(super) struct LocalDay {
    pub(super) date: NaiveDate,
    zone: Tz,
    /// The offset from UTC in seconds, where it is the same all day.
    steady: Option<i64>,
}

impl LocalDay {
    /// The instant of a time on this date, in microseconds; `None` past the calendar's end.
    pub(super) fn micros(self, time: LocalTime) -> Option<i64> {
        let Some(offset) = self.steady else {
            return block_end_micros(self.zone, self.date, time);
        };
        let midnight = i64::from(self.date.to_epoch_days()) * 86_400;
        Some((midnight + i64::from(time.minutes()) * 60 - offset) * 1_000_000)
    }
}

/// The dates from `first` to `last`, both included.
///
/// A look-up in the zone costs more than all else that is done for a block, so the offset is
/// looked up once a day. In UTC a date lies, whatever the zone, between the midnight before it and
/// the second one after it: where the offset is the same at all of these, no clock change
/// concerns the date. (No zone has ever changed its offset and gone back between two midnights; a
/// test goes through all of them.)
pub(super) fn local_days(
    zone: Tz,
    first: NaiveDate,
    last: NaiveDate,
) -> impl Iterator<Item = LocalDay> {
    let offset_at = move |date: NaiveDate| {
        let offset = zone.offset_from_utc_datetime(&date.and_time(NaiveTime::MIN));
        i64::from(offset.fix().local_minus_utc())
    };
    let mut offsets = [
        None,
        first.pred_opt().map(offset_at),
        Some(offset_at(first)),
        first.succ_opt().map(offset_at),
    ];
    first.iter_days().take_while(move |date| *date <= last).map(move |date| {
        offsets.rotate_left(1);
        offsets[3] = date.checked_add_days(Days::new(2)).map(offset_at);
        let steady = offsets[0].filter(|offset| offsets.iter().all(|o| *o == Some(*offset)));
        LocalDay { date, zone, steady }
    })
}

/// The instant of a wall-clock time on a date, in microseconds; `None` past the calendar's end.
///
/// Serves both ends of a block: `24:00` is the next date's `00:00`.
pub(super) fn block_end_micros(zone: Tz, date: NaiveDate, time: LocalTime) -> Option<i64> {
    let local = local_datetime(date, time)?;
    let offset = match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => offset,
        MappedLocalTime::None => offset_before_gap(zone, &local)?,
    };
    Some(micros_at(&local, &offset))
}

/// The start of `date`, each time that the zone's clock comes to it: once, or twice where the
/// clock is put back over midnight.
pub(super) fn midnights(zone: Tz, date: NaiveDate) -> impl Iterator<Item = DateTime<Utc>> {
    let local = date.and_time(NaiveTime::MIN);
    let (first, again) = match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) => (Some(offset), None),
        MappedLocalTime::Ambiguous(first, again) => (Some(first), Some(again)),
        MappedLocalTime::None => (offset_before_gap(zone, &local), None),
    };
    let offsets = [first, again].into_iter().flatten();
    offsets.filter_map(move |offset| micros::instant(micros_at(&local, &offset)))
}

/// The date that the zone's clock shows; `None` past the calendar's end.
pub(super) fn local_date(zone: Tz, instant: DateTime<Utc>) -> Option<NaiveDate> {
    let utc = instant.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    utc.checked_add_offset(offset).map(|local| local.date())
}

fn local_datetime(date: NaiveDate, time: LocalTime) -> Option<NaiveDateTime> {
    let minutes = u32::from(time.minutes());
    if time == LocalTime::END_OF_DAY {
        return date.succ_opt()?.and_hms_opt(0, 0, 0);
    }
    date.and_hms_opt(minutes / 60, minutes % 60, 0)
}

fn offset_before_gap(zone: Tz, local: &NaiveDateTime) -> Option<TzOffset> {
    GapInfo::new(local, &zone)?.begin.map(|(_, offset)| offset)
}

fn micros_at(local: &NaiveDateTime, offset: &TzOffset) -> i64 {
    let seconds = local.and_utc().timestamp() - i64::from(offset.fix().local_minus_utc());
    seconds * 1_000_000
}
