//! What a client may write to an event, field by field.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;

use crate::{
    ask::Answer,
    world::{Calendar, Item, Meeting},
};

/// The fields that may be set (<https://learn.microsoft.com/graph/api/event-update>); those of the
/// table that are not here are refused, so that whoever begins to send them adds them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EventWrite {
    subject: Option<String>,
    body: Option<ItemBody>,
    start: Option<DateTimeTimeZone>,
    end: Option<DateTimeTimeZone>,
    location: Option<Location>,
    is_all_day: Option<bool>,
    show_as: Option<ShowAs>,
    is_online_meeting: Option<bool>,
    online_meeting_provider: Option<OnlineMeetingProvider>,
    pub(crate) transaction_id: Option<String>,
    #[serde(default)]
    single_value_extended_properties: Vec<Property>,
    #[serde(default)]
    attendees: Vec<Attendee>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ItemBody {
    content_type: BodyType,
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum BodyType {
    Text,
    Html,
}

/// As in requests: with a zone, and here only UTC.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DateTimeTimeZone {
    date_time: String,
    time_zone: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Location {
    display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ShowAs {
    Free,
    Tentative,
    Busy,
    Oof,
    WorkingElsewhere,
    Unknown,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum OnlineMeetingProvider {
    TeamsForBusiness,
    SkypeForBusiness,
    SkypeForConsumer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Property {
    id: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Attendee {
    #[serde(rename = "emailAddress")]
    _email_address: EmailAddress,
    #[serde(rename = "type")]
    _type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailAddress {
    #[serde(rename = "address")]
    _address: String,
    #[serde(rename = "name")]
    _name: Option<String>,
}

impl DateTimeTimeZone {
    pub(crate) fn instant(&self) -> Result<DateTime<Utc>, Answer> {
        if self.time_zone != "UTC" {
            return Err(Answer::bad("This fake takes times in UTC only."));
        }
        NaiveDateTime::parse_from_str(&self.date_time, "%Y-%m-%dT%H:%M:%S%.f")
            .map(|it| it.and_utc())
            .map_err(|_| Answer::bad("A time is not ISO 8601."))
    }
}

impl EventWrite {
    /// What a new event must have.
    pub(crate) fn require_times(&self) -> Result<(), Answer> {
        let whole = self.start.is_some() && self.end.is_some();
        if whole { Ok(()) } else { Err(Answer::bad("An event needs a start and an end.")) }
    }

    /// How many people Exchange sends an invitation.
    pub(crate) fn invited(&self) -> usize {
        self.attendees.len()
    }

    /// Sets on `item` what is given.
    pub(crate) fn apply(
        self,
        item: &mut Item,
        calendar: &Calendar,
        pending: bool,
    ) -> Result<(), Answer> {
        if let Some(subject) = self.subject {
            if 255 < subject.encode_utf16().count() {
                return Err(Answer::error(
                    400,
                    "ErrorPropertyValidationFailure",
                    "Property subject is longer than 255 characters.",
                ));
            }
            item.subject = subject;
        }
        if let Some(start) = self.start {
            item.start = start.instant()?;
            item.zone = "UTC".into();
        }
        if let Some(end) = self.end {
            item.end = end.instant()?;
        }
        if item.end < item.start {
            return Err(Answer::error(
                400,
                "ErrorCalendarEndDateIsEarlierThanStartDate",
                "The end is before the start.",
            ));
        }
        if let Some(location) = self.location {
            item.location = location.display_name;
        }
        match self.is_all_day {
            Some(true) => return Err(Answer::bad("This fake takes no whole days from clients.")),
            Some(false) => item.dates = None,
            None => {}
        }
        if let Some(show_as) = self.show_as {
            item.show_as = show_as.word().into();
        }
        for property in self.single_value_extended_properties {
            set_property(&mut item.properties, property)?;
        }
        if let Some(body) = self.body {
            set_body(item, &body);
        }
        set_online(item, calendar, self.is_online_meeting, self.online_meeting_provider, pending)
    }
}

impl ShowAs {
    const fn word(&self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Tentative => "tentative",
            Self::Busy => "busy",
            Self::Oof => "oof",
            Self::WorkingElsewhere => "workingElsewhere",
            Self::Unknown => "unknown",
        }
    }
}

fn set_property(
    properties: &mut BTreeMap<String, String>,
    property: Property,
) -> Result<(), Answer> {
    let formed = property.id.starts_with("String {") && property.id.contains("} Name ");
    if !formed {
        return Err(Answer::error(400, "ErrorPropertyRequest", "The property's ID is malformed."));
    }
    properties.insert(property.id, property.value);
    Ok(())
}

fn set_body(item: &mut Item, body: &ItemBody) {
    match body.content_type {
        BodyType::Text => {
            item.text.clone_from(&body.content);
            item.html = format!("<html><body>{}</body></html>", escape(&body.content));
        }
        BodyType::Html => {
            item.html.clone_from(&body.content);
            item.text = strip(&body.content);
        }
    }
    // As documented: without its part of the body the meeting is no longer online.
    let kept = |it: &Meeting| it.pending || item.html.contains(&escape(&it.join_url));
    if !item.meeting.as_ref().is_some_and(kept) {
        item.meeting = None;
    }
}

fn set_online(
    item: &mut Item,
    calendar: &Calendar,
    wanted: Option<bool>,
    provider: Option<OnlineMeetingProvider>,
    pending: bool,
) -> Result<(), Answer> {
    match (wanted, &item.meeting) {
        (Some(false), Some(_)) => Err(Answer::bad("A meeting can't be disabled again.")),
        (Some(true), None) => {
            if !calendar.teams || provider != Some(OnlineMeetingProvider::TeamsForBusiness) {
                // Exchange makes the event and no meeting.
                return Ok(());
            }
            let join_url = format!(
                "https://teams.microsoft.com/l/meetup-join/19%3ameeting_{}%40thread.v2/0?context=a&b=c",
                item.number
            );
            item.meeting = Some(Meeting { join_url, pending });
            if item.location.is_empty() {
                item.location = "Microsoft Teams Meeting".into();
            }
            if !pending {
                add_blob(item);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Writes Teams' part of the body, in the shape that the documentation shows.
pub(crate) fn add_blob(item: &mut Item) {
    let Some(meeting) = &item.meeting else { return };
    let rule = "_".repeat(80);
    let blob = format!(
        "<div style=\"width:100%; height:20px\"><span>{rule}</span>\r\n</div>\r\n\
         <div class=\"me-email-text\"><a class=\"me-email-headline\" href=\"{}\">Join\r\n \
         Microsoft Teams Meeting</a></div>\r\n<div><span>{rule}</span></div>\r\n</body></html>",
        escape(&meeting.join_url)
    );
    item.html = item.html.replace("</body></html>", &blob);
    item.text = format!("{}\r\n{rule}\r\nJoin Microsoft Teams Meeting\r\n{rule}", item.text);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn strip(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => inside = true,
            '>' => inside = false,
            other if !inside => text.push(other),
            _ => {}
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
