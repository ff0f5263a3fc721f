//! What must be known of an iCalendar text besides when it is busy.

use calendar_ical::{Budget, Expansion, MAX_TOTAL, Occurrence, expand_with};
use calendar_provider::{EventSnapshot, ProviderError, TimeRange};
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use url::Url;

use crate::account::Account;
use crate::href;
use crate::query::{Object, Objects};

/// How far from its DTSTART an event's first occurrence is looked for: a rule may leave the start
/// itself out.
const FIRST_WITHIN: TimeDelta = TimeDelta::days(400);

/// Every occurrence that overlaps `window`, of each of the objects.
///
/// # Errors
/// Permanent where one can't be understood, since an event of which it is not known when it is
/// could be at any time; where all together take too long; and where there are more than
/// [`MAX_TOTAL`].
pub(crate) async fn occurrences(
    objects: Objects,
    account: &Account,
    window: TimeRange,
) -> Result<Vec<Read>, ProviderError> {
    let (zone, me) = (account.zone, account.addresses.clone());
    // A text's length says nothing of how long its rules take, so other calls never wait for it.
    let work = tokio::task::spawn_blocking(move || read_all(objects, window, zone, &me));
    work.await.map_err(|cause| {
        ProviderError::transient("reading the calendar was broken off").with_source(cause)
    })?
}

/// An object and its occurrences.
pub(crate) struct Read {
    pub(crate) url: Url,
    pub(crate) etag: Option<String>,
    pub(crate) found: Vec<Occurrence>,
}

fn read_all(
    objects: Objects,
    window: TimeRange,
    zone: Option<Tz>,
    me: &[String],
) -> Result<Vec<Read>, ProviderError> {
    let mut expansion = Expansion::new(window, zone);
    expansion.me = me;
    let mut budget = Budget::for_texts(objects.len());
    let (mut all, mut total) = (Vec::with_capacity(objects.len()), 0);
    for (url, Object { etag, data }) in objects {
        let found = expand_with(&data, &expansion, &mut budget).map_err(|cause| {
            ProviderError::permanent("it holds an event that can't be understood")
                .with_source(cause)
        })?;
        total += found.len();
        if MAX_TOTAL < total {
            return Err(ProviderError::permanent("it holds too many events"));
        }
        all.push(Read { url, etag, found });
    }
    Ok(all)
}

/// An event by itself: where it recurs, its first occurrence.
///
/// # Errors
/// Permanent where it can't be told when it is: that is no word on whether it is there.
pub(crate) async fn snapshot(
    url: Url,
    object: Object,
    account: &Account,
) -> Result<EventSnapshot, ProviderError> {
    let unclear = || ProviderError::permanent("it is not clear when the event is");
    let window = around_start(&object.data).ok_or_else(unclear)?;
    let read = occurrences(Objects::from([(url, object)]), account, window).await?;
    let read = read.into_iter().next().ok_or_else(unclear)?;
    let first = read.found.into_iter().next().ok_or_else(unclear)?;
    Ok(describe(href::reference(&read.url), first, read.etag))
}

/// An occurrence as the server is told of it.
pub(crate) fn describe(
    event_ref: String,
    occurrence: Occurrence,
    version: Option<String>,
) -> EventSnapshot {
    let mut snapshot = EventSnapshot::new(event_ref, occurrence.range);
    snapshot.uid = Some(occurrence.uid).filter(|it| !it.is_empty());
    snapshot.busy = occurrence.busy;
    snapshot.title = occurrence.title;
    snapshot.version = version;
    snapshot
}

/// Whether an event in the text has exactly this UID.
pub(crate) fn has_uid(data: &str, uid: &str) -> bool {
    event_lines(data).iter().any(|line| value_of(line, "UID") == Some(uid))
}

/// A window that the first occurrence of the first event overlaps.
fn around_start(data: &str) -> Option<TimeRange> {
    let lines = event_lines(data);
    let start = lines.iter().find_map(|line| value_of(line, "DTSTART"))?;
    let day = NaiveDate::parse_from_str(start.get(..8)?, "%Y%m%d").ok()?;
    let day = day.and_time(NaiveTime::MIN).and_local_timezone(Tz::UTC).single()?.to_utc();
    let before = day.checked_sub_signed(TimeDelta::days(2))?;
    TimeRange::new(before, day.checked_add_signed(FIRST_WITHIN)?).ok()
}

/// The lines of all events, unfolded (RFC 5545, section 3.1), without those of components that an
/// event holds.
fn event_lines(data: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in data.split(['\r', '\n']).filter(|it| !it.is_empty()) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ => lines.push(line.to_owned()),
        }
    }
    let mut within: Vec<String> = Vec::new();
    lines.retain(|line| {
        if let Some(name) = value_of(line, "BEGIN") {
            within.push(name.to_ascii_uppercase());
            return false;
        }
        if value_of(line, "END").is_some() {
            within.pop();
            return false;
        }
        within.last().is_some_and(|it| it == "VEVENT")
    });
    lines
}

/// The value of a line, where it is this property's and has no quoted parameter.
fn value_of<'a>(line: &'a str, property: &str) -> Option<&'a str> {
    let (head, value) = line.split_once(':')?;
    let name = head.split(';').next().unwrap_or_default();
    name.eq_ignore_ascii_case(property).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use calendar_provider::{ErrorClass, TimeRange};
    use chrono::TimeDelta;

    use super::{Object, Objects, has_uid, read_all};

    const TEXT: &str = "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nUID:zone\r\nEND:VTIMEZONE\r\n\
        BEGIN:VEVENT\r\nUID;X-A=1:abc-\r\n def\r\nBEGIN:VALARM\r\nUID:alarm\r\nEND:VALARM\r\n\
        SUMMARY:UID:no\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nuid:second\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[test]
    fn only_an_events_own_uid_counts_and_only_all_of_it() {
        for uid in ["abc-def", "second"] {
            assert!(has_uid(TEXT, uid), "{uid}");
        }
        for uid in ["abc-", "abc", "zone", "alarm", "no", "SECOND", ""] {
            assert!(!has_uid(TEXT, uid), "{uid}");
        }
    }

    /// Each takes a bit more than a third of what one reading may cost.
    fn costly_objects(count: usize) -> Objects {
        let data = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:19000101T000000Z\r\n\
            DURATION:PT1S\r\nRRULE:FREQ=MINUTELY;BYSECOND=0;COUNT=6000000\r\n\
            RDATE:20310106T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let url = |n| format!("https://example.com/{n}.ics").parse().expect("valid");
        (0..count).map(|n| (url(n), Object { etag: None, data: data.to_owned() })).collect()
    }

    #[test]
    fn all_objects_of_a_reading_share_what_it_may_cost() {
        let start = "2031-01-01T00:00:00Z".parse().expect("valid");
        let window = TimeRange::lasting(start, TimeDelta::days(31)).expect("valid");
        let read = |count| read_all(costly_objects(count), window, None, &[]);
        assert_eq!(read(1).map(|all| all[0].found.len()).ok(), Some(1));
        // None is left out: the whole reading fails.
        assert_eq!(read(3).err().map(|error| error.class()), Some(ErrorClass::Permanent));
    }
}
