//! Reading a calendar's objects: by time, by reference and by UID (RFC 4791, section 7).

use calendar_provider::{ErrorClass, ProviderError, TimeRange};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use url::Url;

use crate::dav::{Dav, Depth, NAMESPACES, escape};
use crate::href;
use crate::multistatus::Multistatus;

/// What is asked for of each object.
const OBJECT_PROPS: &str = "<D:prop><D:getetag/><C:calendar-data/></D:prop>";

/// How far beyond the window is asked: floating times and whole days are in a zone that the server
/// may see otherwise. Zones are up to 14 hours from UTC, and 26 from each other.
const SLACK: TimeDelta = TimeDelta::hours(27);

/// How many objects one `calendar-multiget` names. Some servers take no more than a few hundred.
const BATCH: usize = 100;

/// Into pieces of no less than this is a window cut whose answer is too large.
const SHORTEST: TimeDelta = TimeDelta::hours(6);

/// A calendar object resource (RFC 4791, section 4.1): an event with all its occurrences.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) etag: Option<String>,
    pub(crate) data: String,
}

/// Objects by their address.
pub(crate) type Objects = BTreeMap<Url, Object>;

/// The most objects that one call reads.
const MAX_OBJECTS: usize = 100_000;

/// The most bytes of their texts together: some 200,000 events of an ordinary size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// How much one call has read so far, of all its calendars: each answer has a limit, but there can
/// be many.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    objects: AtomicUsize,
    bytes: AtomicUsize,
}

impl Tally {
    /// Counts one more object of so many bytes.
    ///
    /// # Errors
    /// Permanent where one call would hold too much.
    fn count(&self, bytes: usize) -> Result<(), ProviderError> {
        let objects = self.objects.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if objects <= MAX_OBJECTS && bytes <= MAX_BYTES {
            Ok(())
        } else {
            Err(ProviderError::permanent("it holds too much to be read at once"))
        }
    }
}

/// Every object of which an occurrence overlaps `window`, and maybe a few more.
///
/// A window whose answer is too large, or that the server says it has cut short, is asked for in
/// halves.
pub(crate) async fn within(
    dav: &Dav,
    calendar: &Url,
    window: TimeRange,
    tally: &Tally,
) -> Result<Objects, ProviderError> {
    let mut objects = Objects::new();
    let mut missing = Vec::new();
    let mut windows = vec![widened(window)];
    while let Some(window) = windows.pop() {
        let answer = match dav.report(calendar, Depth::One, time_query(window)).await {
            Ok(answer) => answer.multistatus("the calendar").map(Some)?,
            // Too large, most likely; if it is something else, so are its halves.
            Err(error) if error.class() == ErrorClass::Permanent => {
                if window.length() < SHORTEST {
                    return Err(error);
                }
                None
            }
            Err(error) => return Err(error),
        };
        match answer {
            Some(answer) if !answer.truncated => {
                collect(answer, &mut objects, &mut missing, tally)?
            }
            _ => windows.extend(halves(window)?),
        }
    }
    // Some servers answer for the collection itself as well.
    missing.retain(|it| !href::is_same(it, calendar));
    objects.extend(multiget(dav, calendar, &missing, tally).await?);
    Ok(objects)
}

/// The objects at these addresses; those that are gone are left out.
///
/// # Errors
/// Transient where the server keeps back one that it does not say is gone.
pub(crate) async fn multiget(
    dav: &Dav,
    calendar: &Url,
    urls: &[Url],
    tally: &Tally,
) -> Result<Objects, ProviderError> {
    let mut objects = Objects::new();
    for batch in urls.chunks(BATCH) {
        let hrefs: String =
            batch.iter().map(|it| format!("<D:href>{}</D:href>", escape(it.path()))).collect();
        let body = report_body("C:calendar-multiget", &format!("{OBJECT_PROPS}{hrefs}"));
        let answer = dav.report(calendar, Depth::One, body).await?.multistatus("the calendar")?;
        let mut missing = Vec::new();
        let truncated = answer.truncated;
        collect(answer, &mut objects, &mut missing, tally)?;
        if truncated || !missing.is_empty() {
            return Err(ProviderError::transient("it keeps back an event"));
        }
    }
    Ok(objects)
}

/// The object with this UID in one calendar.
pub(crate) async fn by_uid(
    dav: &Dav,
    calendar: &Url,
    uid: &str,
) -> Result<Option<(Url, Object)>, ProviderError> {
    let filter = format!(
        r#"<C:prop-filter name="UID"><C:text-match collation="i;octet">{}</C:text-match></C:prop-filter>"#,
        escape(uid)
    );
    let answer = dav.report(calendar, Depth::One, event_query(&filter)).await?;
    let answer = answer.multistatus("the calendar")?;
    if answer.truncated {
        return Err(ProviderError::transient("it does not search all of the calendar"));
    }
    let (mut objects, mut missing) = (Objects::new(), Vec::new());
    let tally = &Tally::default();
    collect(answer, &mut objects, &mut missing, tally)?;
    missing.retain(|it| !href::is_same(it, calendar));
    objects.extend(multiget(dav, calendar, &missing, tally).await?);
    // A match is for a part of the text (section 9.7.5), and some servers ignore the filter.
    Ok(objects.into_iter().find(|(_, object)| crate::event_text::has_uid(&object.data, uid)))
}

fn collect(
    answer: Multistatus,
    objects: &mut Objects,
    missing: &mut Vec<Url>,
    tally: &Tally,
) -> Result<(), ProviderError> {
    for member in answer.members {
        match (member.status, member.props.data) {
            _ if matches!(member.status, Some(404 | 410)) => {}
            (Some(status), _) if !(200..300).contains(&status) => {
                return Err(ProviderError::transient("it keeps back an event"));
            }
            // A window's halves may both hold it.
            (_, Some(data)) => {
                if !objects.contains_key(&member.href) {
                    tally.count(data.len())?;
                }
                objects.insert(member.href, Object { etag: member.props.etag, data });
            }
            (_, None) => {
                tally.count(0)?;
                missing.push(member.href);
            }
        }
    }
    Ok(())
}

fn time_query(window: TimeRange) -> String {
    let TimeRangeText { start, end } = TimeRangeText::of(window);
    event_query(&format!(r#"<C:time-range start="{start}" end="{end}"/>"#))
}

fn event_query(filter: &str) -> String {
    report_body(
        "C:calendar-query",
        &format!(
            r#"{OBJECT_PROPS}<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">{filter}</C:comp-filter></C:comp-filter></C:filter>"#
        ),
    )
}

/// The body of a report. The prefixes are those of [`NAMESPACES`].
pub(crate) fn report_body(name: &str, content: &str) -> String {
    format!(r#"<?xml version="1.0" encoding="utf-8"?><{name} {NAMESPACES}>{content}</{name}>"#)
}

/// A window's ends as iCalendar writes them in UTC (RFC 5545, section 3.3.5), rounded outwards.
pub(crate) struct TimeRangeText {
    pub(crate) start: String,
    pub(crate) end: String,
}

impl TimeRangeText {
    pub(crate) fn of(window: TimeRange) -> Self {
        let text = |instant: DateTime<Utc>| instant.format("%Y%m%dT%H%M%SZ").to_string();
        let end = window.end();
        let up = if end.timestamp_subsec_nanos() == 0 {
            TimeDelta::zero()
        } else {
            TimeDelta::seconds(1)
        };
        Self { start: text(window.start()), end: text(end.checked_add_signed(up).unwrap_or(end)) }
    }
}

fn widened(window: TimeRange) -> TimeRange {
    let start = window.start().checked_sub_signed(SLACK).unwrap_or(window.start());
    let end = window.end().checked_add_signed(SLACK).unwrap_or(window.end());
    TimeRange::new(start, end).unwrap_or(window)
}

fn halves(window: TimeRange) -> Result<[TimeRange; 2], ProviderError> {
    let full = || ProviderError::permanent("too many events at one time");
    if window.length() < SHORTEST {
        return Err(full());
    }
    let middle = window.start() + window.length() / 2;
    let first = TimeRange::new(window.start(), middle).map_err(|_| full())?;
    let second = TimeRange::new(middle, window.end()).map_err(|_| full())?;
    Ok([first, second])
}
