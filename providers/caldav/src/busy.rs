//! When the agent is busy.

use calendar_ical::parse_free_busy;
use calendar_provider::{BusyInterval, Connection, ErrorClass, ProviderError, TimeRange};
use futures_util::future::try_join_all;
use url::Url;

use crate::account::Account;
use crate::dav::{Dav, Depth};
use crate::event_text::occurrences;
use crate::query::{self, Tally, TimeRangeText, report_body};

/// What blocks the agent in all of the connection's calendars: one request for each, at once.
pub(crate) async fn free_busy(
    dav: &Dav,
    account: &Account,
    connection: &Connection,
    window: TimeRange,
) -> Result<Vec<BusyInterval>, ProviderError> {
    let refs = std::iter::once(&connection.calendar_ref).chain(&connection.also_busy);
    let calendars: Vec<_> = refs.map(|it| account.calendar(it)).collect::<Result<_, _>>()?;
    let tally = Tally::default();
    let each = calendars.iter().map(|it| of_calendar(dav, account, it, window, &tally));
    Ok(try_join_all(each).await?.into_iter().flatten().collect())
}

/// The events themselves are read, since only they tell their UIDs, by which the server knows its
/// own. A calendar whose owner shows others no more than when they are busy is asked for that.
async fn of_calendar(
    dav: &Dav,
    account: &Account,
    calendar: &Url,
    window: TimeRange,
    tally: &Tally,
) -> Result<Vec<BusyInterval>, ProviderError> {
    match query::within(dav, calendar, window, tally).await {
        Ok(objects) => {
            let mut busy = Vec::new();
            for read in occurrences(objects, account, window).await? {
                busy.extend(read.found.into_iter().filter(|it| it.busy).map(|it| {
                    let mut interval = BusyInterval::new(it.range);
                    interval.uid = Some(it.uid).filter(|it| !it.is_empty());
                    interval.title = it.title;
                    interval
                }));
            }
            Ok(busy)
        }
        Err(error) if error.class() == ErrorClass::Unauthorized => {
            merged_only(dav, calendar, window).await.map_err(|other| match other.class() {
                ErrorClass::Transient | ErrorClass::RateLimited => other,
                _ => error,
            })
        }
        Err(error) => Err(error),
    }
}

/// What it means that a calendar's events can't be read: where it still tells when it is busy, its
/// owner shows no more of it, and the account is as good as ever.
pub(crate) async fn unreadable(
    dav: &Dav,
    calendar: &Url,
    window: TimeRange,
    error: ProviderError,
) -> ProviderError {
    if error.class() != ErrorClass::Unauthorized {
        return error;
    }
    match merged_only(dav, calendar, window).await {
        Ok(_) => ProviderError::unsupported("reading the events of a calendar that shows none"),
        Err(other) if matches!(other.class(), ErrorClass::Transient | ErrorClass::RateLimited) => {
            other
        }
        Err(_) => error,
    }
}

/// By `free-busy-query` (RFC 4791, section 7.10).
async fn merged_only(
    dav: &Dav,
    calendar: &Url,
    window: TimeRange,
) -> Result<Vec<BusyInterval>, ProviderError> {
    let TimeRangeText { start, end } = TimeRangeText::of(window);
    let range = format!(r#"<C:time-range start="{start}" end="{end}"/>"#);
    let body = report_body("C:free-busy-query", &range);
    let answer = dav.report(calendar, Depth::One, body).await?;
    if answer.status != calendar_http::http::StatusCode::OK {
        return Err(answer.refused("the calendar"));
    }
    let busy = parse_free_busy(&answer.body).map_err(|cause| {
        ProviderError::transient("the answer is not free/busy time").with_source(cause)
    })?;
    Ok(busy.into_iter().filter(|it| it.overlaps(window)).map(BusyInterval::new).collect())
}
