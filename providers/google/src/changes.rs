//! Following a calendar with sync tokens (guide "Synchronize resources efficiently").

use calendar_http::http::StatusCode;
use calendar_provider::{Change, Changes, Connection, Cursor, ProviderError, TimeRange};
use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use serde::Deserialize;

use crate::Google;
use crate::call::{MOST_PAGES, Param};
use crate::cursor;
use crate::events::zone;
use crate::failure::Failure;
use crate::resources::Event;

/// How many events a page holds at most. Some 500 bytes each with the fields asked for, a page
/// stays far below the 10 MiB that an answer may have.
const PAGE: &str = "1000";

/// What is read of a list. Of an event, what the busy time and a drift need.
const FIELDS: &str = "nextPageToken,nextSyncToken,timeZone,items(id,status,etag,iCalUID,summary,\
    start,end,transparency,eventType,recurringEventId,attendees(self,responseStatus),\
    extendedProperties/private)";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    time_zone: String,
    #[serde(default)]
    items: Vec<Event>,
    next_page_token: Option<String>,
    next_sync_token: Option<String>,
}

impl Google {
    pub(crate) async fn read_changes(
        &self,
        connection: &Connection,
        since: Option<&Cursor>,
        window: TimeRange,
    ) -> Result<Changes, ProviderError> {
        let calendar = &connection.calendar_ref;
        let bounds = (second(window.start()), second_after(window.end()));
        let begin: Vec<Param<'_>> = match since {
            // What the token began with holds on: bounds may not be said again.
            Some(since) => vec![("syncToken", cursor::read(calendar, since)?)],
            None => vec![("timeMin", &bounds.0), ("timeMax", &bounds.1)],
        };
        let (mut events, mut page_token) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let page = self.page(connection, &begin, page_token.as_deref()).await;
            let page = match page {
                Ok(page) => page,
                Err(failure) if is_expired(&failure, since.is_some()) => {
                    return Err(ProviderError::cursor_expired());
                }
                Err(failure) => return Err(self.unreadable(connection, failure).await),
            };
            let zone = zone(&page.time_zone)?;
            for event in &page.items {
                events.push(change(event, zone)?);
            }
            match (page.next_page_token, page.next_sync_token) {
                (Some(next), _) if page_token.as_ref() != Some(&next) => page_token = Some(next),
                (None, Some(next)) => {
                    return Ok(Changes::new(events, cursor::write(calendar, &next)));
                }
                _ => break,
            }
        }
        Err(ProviderError::transient("the list of events has no end"))
    }

    async fn page(
        &self,
        connection: &Connection,
        begin: &[Param<'_>],
        page_token: Option<&str>,
    ) -> Result<Page, Failure> {
        // These stay the same for the life of a sync token, or what it tells is undefined.
        let mut query = vec![
            ("singleEvents", "true"),
            ("maxAttendees", "1"),
            ("maxResults", PAGE),
            ("fields", FIELDS),
        ];
        query.extend(begin);
        query.extend(page_token.map(|it| ("pageToken", it)));
        let url = self.address(&["calendars", &connection.calendar_ref, "events"], &query)?;
        self.get(&connection.credentials, &url).await
    }
}

/// A token that Google can't read is answered by 400 and is as good as one that is too old.
fn is_expired(failure: &Failure, has_token: bool) -> bool {
    has_token
        && (failure.has_status(StatusCode::BAD_REQUEST) || failure.has_status(StatusCode::GONE))
}

fn change(event: &Event, zone: chrono_tz::Tz) -> Result<Change, ProviderError> {
    // Of a deleted one nothing but its ID is sure to be told.
    let stands = if event.is_cancelled() { None } else { event.snapshot(zone)? };
    Ok(match stands {
        Some(snapshot) => Change::Present(snapshot),
        None => Change::Gone { event_ref: event.id.clone() },
    })
}

/// Milliseconds are ignored in bounds, so that they are rounded outwards here.
fn second(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn second_after(instant: DateTime<Utc>) -> String {
    let whole = instant.nanosecond() == 0;
    let rounded = if whole { instant } else { instant + TimeDelta::seconds(1) };
    second(rounded)
}
