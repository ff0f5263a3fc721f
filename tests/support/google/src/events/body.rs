//! What is taken as an event.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::ApiError;

/// The fields of the reference's Event that a request may hold here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct EventBody {
    pub(crate) id: Option<String>,
    #[serde(rename = "iCalUID")]
    pub(crate) i_cal_uid: Option<String>,
    status: Option<Status>,
    #[serde(rename = "summary")]
    _summary: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "location")]
    _location: Option<String>,
    start: Option<Place>,
    end: Option<Place>,
    #[serde(rename = "transparency")]
    _transparency: Option<Transparency>,
    attendees: Option<Vec<Attendee>>,
    extended_properties: Option<Properties>,
    pub(crate) conference_data: Option<ConferenceData>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Confirmed,
    Tentative,
    Cancelled,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Transparency {
    Opaque,
    Transparent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Place {
    date: Option<NaiveDate>,
    date_time: Option<String>,
    time_zone: Option<chrono_tz::Tz>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Attendee {
    email: String,
    #[serde(rename = "displayName")]
    _display_name: Option<String>,
    #[serde(rename = "responseStatus")]
    _response_status: Option<Response>,
    #[serde(rename = "optional")]
    _optional: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Response {
    NeedsAction,
    Declined,
    Tentative,
    Accepted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    private: Option<BTreeMap<String, String>>,
    shared: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ConferenceData {
    pub(crate) create_request: CreateRequest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateRequest {
    request_id: String,
    conference_solution_key: SolutionKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SolutionKey {
    #[serde(rename = "type")]
    kind: String,
}

impl EventBody {
    /// Refuses what the types alone let through.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        for place in [&self.start, &self.end].into_iter().flatten() {
            place.check()?;
        }
        for attendee in self.attendees.iter().flatten() {
            let (name, host) = attendee.email.split_once('@').unwrap_or_default();
            if name.is_empty() || host.is_empty() {
                return Err(ApiError::invalid("Invalid attendee email."));
            }
        }
        // Guide "Extended properties": at most 44 characters for a name, 1024 for a value.
        let properties = self.extended_properties.iter();
        let pairs = properties.flat_map(|it| [&it.private, &it.shared]).flatten().flatten();
        for (name, value) in pairs {
            if 44 < name.chars().count() || 1024 < value.chars().count() {
                return Err(ApiError::invalid("The extended property is too long."));
            }
        }
        match self.conference_data.as_ref().map(|it| &it.create_request) {
            Some(it) if it.request_id.is_empty() || it.conference_solution_key.kind.is_empty() => {
                Err(ApiError::invalid("Invalid conference type value."))
            }
            _ => Ok(()),
        }
    }

    /// Whether the request makes or leaves a live event.
    pub(crate) fn is_live(&self) -> bool {
        self.status != Some(Status::Cancelled)
    }
}

impl Place {
    fn check(&self) -> Result<(), ApiError> {
        match (&self.date, &self.date_time) {
            (Some(_), None) => Ok(()),
            (None, Some(text)) if DateTime::parse_from_rfc3339(text).is_ok() => Ok(()),
            (None, Some(text)) if text.parse::<NaiveDateTime>().is_ok() => match self.time_zone {
                Some(_) => Ok(()),
                None => Err(ApiError::required("Missing time zone definition.")),
            },
            _ => Err(ApiError::invalid("Invalid start or end time.")),
        }
    }
}

/// Whether an ID may be chosen: base32hex, 5 to 1024 characters.
pub(crate) fn is_id(id: &str) -> bool {
    let base32hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'v').contains(&byte);
    (5..=1024).contains(&id.len()) && id.bytes().all(base32hex)
}

/// Writes `changes` over `resource`: null removes a field, objects are merged, and arrays replace
/// what was there (guide "Improve performance", patch).
pub(crate) fn merge(resource: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        match (resource.get_mut(name), value) {
            (_, Value::Null) => {
                resource.remove(name);
            }
            (Some(Value::Object(before)), Value::Object(changes)) => merge(before, changes),
            _ => {
                resource.insert(name.clone(), value.clone());
            }
        }
    }
}
