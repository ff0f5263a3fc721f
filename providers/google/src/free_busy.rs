//! `freebusy.query`.

use std::collections::{BTreeMap, BTreeSet};

use calendar_http::http::Method;
use calendar_provider::{BusyInterval, Connection, ProviderError, TimeRange};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Google;
use crate::counting::unreadable;

/// The calendars that one request can name (reference, `calendarExpansionMax`).
const CALENDARS: usize = 50;

/// The longest window of one request. Google refuses some three months (`timeRangeTooLong`) and
/// documents no limit.
const WINDOW: TimeDelta = TimeDelta::days(62);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Query<'a> {
    time_min: String,
    time_max: String,
    calendar_expansion_max: usize,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    calendars: BTreeMap<String, Told>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    errors: Vec<Error>,
    #[serde(default)]
    busy: Vec<Period>,
}

#[derive(Deserialize)]
struct Error {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Period {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Google {
    /// Asks for all calendars of the connection at once. Up to 50 of them and 62 days are one
    /// request.
    pub(crate) async fn query_free_busy(
        &self,
        connection: &Connection,
        window: TimeRange,
    ) -> Result<Vec<BusyInterval>, ProviderError> {
        let calendars = std::iter::once(&connection.calendar_ref).chain(&connection.also_busy);
        let calendars: Vec<_> =
            calendars.map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
        let url = self.address(&["freeBusy"], &[])?;
        let mut busy = Vec::new();
        for piece in pieces(window) {
            for ids in calendars.chunks(CALENDARS) {
                let query = Query {
                    time_min: piece.start().to_rfc3339_opts(SecondsFormat::AutoSi, true),
                    time_max: piece.end().to_rfc3339_opts(SecondsFormat::AutoSi, true),
                    calendar_expansion_max: CALENDARS,
                    items: ids.iter().map(|id| Item { id }).collect(),
                };
                let answer: Answer =
                    self.send(Method::POST, &connection.credentials, &url, &query).await?;
                for id in ids {
                    busy.extend(intervals(answer.calendars.get(*id), piece)?);
                }
            }
        }
        Ok(busy)
    }
}

/// The window in parts that Google answers.
fn pieces(window: TimeRange) -> impl Iterator<Item = TimeRange> {
    let mut rest = Some(window);
    std::iter::from_fn(move || {
        let now = rest?;
        let cut = now.start() + WINDOW;
        rest = TimeRange::new(cut, now.end()).ok();
        TimeRange::new(now.start(), cut.min(now.end())).ok()
    })
}

/// What is busy in one calendar. An error, or no word of the calendar at all, is no free time.
fn intervals(told: Option<&Told>, window: TimeRange) -> Result<Vec<BusyInterval>, ProviderError> {
    let told = told.ok_or_else(|| ProviderError::transient("the answer leaves a calendar out"))?;
    if let Some(error) = told.errors.first() {
        return Err(match error.reason.as_deref() {
            Some("notFound") => ProviderError::not_found("the calendar"),
            _ => ProviderError::transient("the free times of a calendar are not known"),
        });
    }
    let mut busy = Vec::new();
    for period in told.busy.iter().filter(|it| it.start != it.end) {
        let range = TimeRange::new(period.start, period.end).map_err(unreadable)?;
        if range.overlaps(window) {
            busy.push(BusyInterval::new(range));
        }
    }
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use calendar_provider::TimeRange;
    use chrono::{DateTime, TimeDelta};

    use super::pieces;

    #[test]
    fn pieces_touch_and_cover_the_window() {
        for (days, count) in [(1, 1), (62, 1), (63, 2), (124, 2), (365, 6)] {
            let window = TimeRange::lasting(DateTime::UNIX_EPOCH, TimeDelta::days(days)).unwrap();
            let parts: Vec<_> = pieces(window).collect();
            assert_eq!(parts.len(), count, "{days}");
            assert_eq!((parts[0].start(), parts[count - 1].end()), (window.start(), window.end()));
            assert!(parts.windows(2).all(|pair| pair[0].end() == pair[1].start()));
        }
    }
}
