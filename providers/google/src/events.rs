//! Writing and reading the server's own events.

use std::collections::BTreeMap;

use calendar_http::http::{Method, StatusCode};
use calendar_http::json_request;
use calendar_provider::{
    Connection, EventDraft, EventHandle, EventReceipt, EventSnapshot, ProviderError,
};
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::Google;
use crate::call::Param;
use crate::failure::Failure;
use crate::resources::{
    Attendee, ConferenceBody, CreateRequest, EVENT_FIELDS, Event, EventBody, Moment, OwnProperties,
    SolutionKey, UID_PROPERTY,
};

/// Google is to send nobody a mail: the server invites.
const NO_MAIL: Param<'static> = ("sendUpdates", "none");

/// The event's ID: hexadecimal digits are among those of base32hex, which IDs are made of (Event
/// resource, `id`). The same UID makes the same ID, so a write that is made again finds its event.
pub(crate) fn event_id(uid: &str) -> String {
    hex(&Sha256::digest(uid))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Google {
    /// Creates the event, or changes it where it is there. Where it is known to have been
    /// written, changing is tried first. One that was deleted by hand is brought back.
    pub(crate) async fn write_event(
        &self,
        connection: &Connection,
        event: &EventDraft,
    ) -> Result<EventReceipt, ProviderError> {
        let written = match self.write(connection, event, event.conference_wanted).await {
            // A calendar that has no Google Meet refuses the whole event; the meeting matters more.
            Err(failure)
                if event.conference_wanted && failure.has_status(StatusCode::BAD_REQUEST) =>
            {
                self.write(connection, event, false).await
            }
            written => written,
        };
        Ok(receipt(written?, event.conference_wanted))
    }

    async fn write(
        &self,
        connection: &Connection,
        event: &EventDraft,
        conference: bool,
    ) -> Result<Event, Failure> {
        let id = event_id(&event.uid);
        let calendar = &connection.calendar_ref;
        let version = if conference { "1" } else { "0" };
        let query = [NO_MAIL, ("conferenceDataVersion", version), ("fields", EVENT_FIELDS)];
        let insert = self.address(&["calendars", calendar, "events"], &query)?;
        let patch = self.address(&["calendars", calendar, "events", &id], &query)?;
        let token = &connection.credentials;
        if event.event_ref.as_ref() == Some(&id) {
            let changes = body(event, None, conference);
            match self.send(Method::PATCH, token, &patch, &changes).await {
                Err(failure) if failure.is_gone() => {}
                changed => return changed,
            }
        }
        let made =
            self.send(Method::POST, token, &insert, &body(event, Some(&id), conference)).await;
        match made {
            Err(failure) if failure.has_status(StatusCode::CONFLICT) => {
                self.send(Method::PATCH, token, &patch, &body(event, None, conference)).await
            }
            made => made,
        }
    }

    pub(crate) async fn remove_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<(), ProviderError> {
        let id = event_id(&event.uid);
        let url =
            self.address(&["calendars", &connection.calendar_ref, "events", &id], &[NO_MAIL])?;
        let request = json_request::<()>(Method::DELETE, &url, &connection.credentials, None)?;
        match self.tell(request).await {
            // Deleted before. A 404 can also mean that the calendar itself is not there.
            Err(failure) if failure.has_status(StatusCode::GONE) => Ok(()),
            Err(failure) if failure.is_gone() => self.calendar_zone(connection).await.map(drop),
            told => Ok(told?),
        }
    }

    pub(crate) async fn read_event(
        &self,
        connection: &Connection,
        event: &EventHandle,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        let id = event_id(&event.uid);
        let query = [("maxAttendees", "1"), ("fields", EVENT_FIELDS)];
        let url = self.address(&["calendars", &connection.calendar_ref, "events", &id], &query)?;
        let event: Event = match self.get(&connection.credentials, &url).await {
            Err(failure) if failure.is_gone() => {
                return self.calendar_zone(connection).await.map(|_| None);
            }
            event => event?,
        };
        if event.is_cancelled() {
            return Ok(None);
        }
        let whole_days = event.start.as_ref().is_some_and(|it| it.date.is_some());
        let zone = if whole_days { self.calendar_zone(connection).await? } else { Tz::UTC };
        event.snapshot(zone)
    }

    /// The zone in which the calendar's days begin and end; an error where there is no calendar.
    async fn calendar_zone(&self, connection: &Connection) -> Result<Tz, ProviderError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Calendar {
            time_zone: String,
        }
        let query = [("singleEvents", "true"), ("maxResults", "1"), ("fields", "timeZone")];
        let url = self.address(&["calendars", &connection.calendar_ref, "events"], &query)?;
        let calendar: Calendar = self.get(&connection.credentials, &url).await?;
        zone(&calendar.time_zone)
    }
}

/// The zone of this name.
pub(crate) fn zone(name: &str) -> Result<Tz, ProviderError> {
    name.parse().map_err(|_| ProviderError::transient("the calendar's time zone is not known"))
}

fn body<'a>(event: &'a EventDraft, id: Option<&'a str>, conference: bool) -> EventBody<'a> {
    let moment = |instant: DateTime<Utc>| Moment {
        // With its offset, so that the zone decides nothing but what is shown.
        date_time: instant.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        time_zone: event.zone.name(),
        date: field(None, id),
    };
    let attendees = event.attendees.iter().map(|visitor| Attendee {
        email: &visitor.email,
        display_name: visitor.name.as_deref(),
        // They booked it.
        response_status: "accepted",
    });
    EventBody {
        id,
        status: "confirmed",
        summary: &event.title,
        description: field(event.description.as_deref().map(as_html), id),
        location: field(event.location.as_deref(), id),
        start: moment(event.range.start()),
        end: moment(event.range.end()),
        transparency: "opaque",
        attendees: attendees.collect(),
        extended_properties: OwnProperties {
            private: BTreeMap::from([(UID_PROPERTY, event.uid.as_str())]),
        },
        conference_data: conference.then(|| conference_body(&event.uid)),
    }
}

/// A field that is left out of a new event where it has no value, and cleared in one that stands.
fn field<T>(value: Option<T>, new: Option<&str>) -> Option<Option<T>> {
    (new.is_none() || value.is_some()).then_some(value)
}

/// The request's ID depends on the UID alone, since Google ignores a request that it had before:
/// an event keeps the link that it has.
fn conference_body(uid: &str) -> ConferenceBody {
    ConferenceBody {
        create_request: CreateRequest {
            request_id: event_id(&format!("conference of {uid}")),
            conference_solution_key: SolutionKey { kind: "hangoutsMeet" },
        },
    }
}

/// Plain text as the HTML that Google takes a description for, so that a visitor's words stay
/// words.
fn as_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn receipt(event: Event, conference_wanted: bool) -> EventReceipt {
    let mut receipt = EventReceipt::new(&event.id);
    if conference_wanted {
        receipt.conference_url = conference_url(&event);
        let request = event.conference_data.and_then(|it| it.create_request);
        let status = request.and_then(|it| it.status).and_then(|it| it.status_code);
        receipt.conference_pending =
            receipt.conference_url.is_none() && status.as_deref() == Some("pending");
    }
    receipt.url = event.html_link;
    receipt.version = event.etag;
    receipt
}

fn conference_url(event: &Event) -> Option<Url> {
    let points = event.conference_data.iter().flat_map(|it| &it.entry_points);
    let mut videos = points.filter(|it| it.entry_point_type == "video");
    videos.find_map(|it| it.uri.parse().ok()).or_else(|| event.hangout_link.clone())
}

#[cfg(test)]
mod tests {
    use super::{as_html, event_id};

    #[test]
    fn an_event_id_is_one_that_google_takes() {
        let id = event_id("booking@frontdesk.example");
        assert_eq!(id.len(), 64);
        assert!(id.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'v').contains(&it)));
        assert_ne!(id, event_id("another@frontdesk.example"));
    }

    #[test]
    fn a_description_is_no_markup() {
        assert_eq!(as_html("a <b> & c\nd"), "a &lt;b&gt; &amp; c\nd");
    }
}
