//! What is read of Google's resources and sent as such, as its reference names them.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDate};
use serde::{Deserialize, Serialize};
use url::Url;

/// The fields of an event that [`Event`] reads.
pub(crate) const EVENT_FIELDS: &str = "id,status,etag,htmlLink,iCalUID,summary,start,end,\
    transparency,eventType,recurringEventId,attendees(self,responseStatus),\
    extendedProperties/private,hangoutLink,\
    conferenceData(createRequest/status,entryPoints(entryPointType,uri))";

/// The private extended property that keeps the UID: Google makes an `iCalUID` of its own for an
/// event whose ID was chosen.
pub(crate) const UID_PROPERTY: &str = "frontdeskUid";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) status: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) html_link: Option<Url>,
    #[serde(rename = "iCalUID")]
    pub(crate) i_cal_uid: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) start: Option<Place>,
    pub(crate) end: Option<Place>,
    pub(crate) transparency: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) recurring_event_id: Option<String>,
    #[serde(default)]
    pub(crate) attendees: Vec<Answer>,
    #[serde(default)]
    pub(crate) extended_properties: Properties,
    pub(crate) hangout_link: Option<Url>,
    pub(crate) conference_data: Option<Conference>,
}

/// A start or end: an instant, or a day in the calendar's zone.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    pub(crate) date: Option<NaiveDate>,
    pub(crate) date_time: Option<DateTime<FixedOffset>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    #[serde(default, rename = "self")]
    pub(crate) is_self: bool,
    pub(crate) response_status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Properties {
    #[serde(default)]
    pub(crate) private: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conference {
    pub(crate) create_request: Option<Request>,
    #[serde(default)]
    pub(crate) entry_points: Vec<EntryPoint>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) status: Option<RequestStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestStatus {
    pub(crate) status_code: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryPoint {
    pub(crate) entry_point_type: String,
    pub(crate) uri: String,
}

/// An event as it is written. The inner `None` is null, which clears a field that was there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a str>,
    pub(crate) status: &'static str,
    pub(crate) summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<Option<&'a str>>,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) transparency: &'static str,
    pub(crate) attendees: Vec<Attendee<'a>>,
    pub(crate) extended_properties: OwnProperties<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conference_data: Option<ConferenceBody>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Moment {
    pub(crate) date_time: String,
    pub(crate) time_zone: &'static str,
    /// An event that the agent made a whole day becomes one of hours again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<Option<()>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attendee<'a> {
    pub(crate) email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<&'a str>,
    pub(crate) response_status: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct OwnProperties<'a> {
    pub(crate) private: BTreeMap<&'static str, &'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConferenceBody {
    pub(crate) create_request: CreateRequest,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateRequest {
    pub(crate) request_id: String,
    pub(crate) conference_solution_key: SolutionKey,
}

#[derive(Debug, Serialize)]
pub(crate) struct SolutionKey {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}
