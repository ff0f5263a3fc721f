//! Events as Graph tells them.

use calendar_provider::{EventSnapshot, ProviderError, TimeRange};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    busy::blocks,
    times::{self, DateTimeTimeZone},
};

/// The properties that [`Event`] reads where not all are wanted, for `$select`.
pub(crate) const SELECT: &str = "id,type,seriesMasterId,subject,start,end,isAllDay,\
originalStartTimeZone,showAs,isCancelled,responseStatus,location,isOnlineMeeting,onlineMeeting,\
webLink,createdDateTime";

/// Of a removed event in a delta only the ID is told, and of an occurrence only what differs from
/// its series (<https://learn.microsoft.com/graph/api/resources/event>).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "@odata.etag")]
    pub(crate) etag: Option<String>,
    #[serde(rename = "@removed")]
    pub(crate) removed: Option<Removed>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<Kind>,
    pub(crate) series_master_id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) start: Option<DateTimeTimeZone>,
    pub(crate) end: Option<DateTimeTimeZone>,
    pub(crate) is_all_day: Option<bool>,
    pub(crate) original_start_time_zone: Option<String>,
    pub(crate) show_as: Option<String>,
    pub(crate) is_cancelled: Option<bool>,
    pub(crate) response_status: Option<ResponseStatus>,
    pub(crate) location: Option<Location>,
    pub(crate) is_online_meeting: Option<bool>,
    pub(crate) online_meeting: Option<OnlineMeeting>,
    pub(crate) web_link: Option<String>,
    pub(crate) created_date_time: Option<String>,
    #[serde(default)]
    pub(crate) single_value_extended_properties: Vec<Property>,
}

/// That an event is no longer in the view, whatever the reason.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Removed {
    #[serde(rename = "reason")]
    _reason: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    SingleInstance,
    Occurrence,
    Exception,
    SeriesMaster,
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ResponseStatus {
    response: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Location {
    pub(crate) display_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnlineMeeting {
    pub(crate) join_url: Option<String>,
}

/// A property of the server's own (<https://learn.microsoft.com/graph/api/resources/extended-properties-overview>).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Property {
    pub(crate) id: String,
    pub(crate) value: String,
}

impl Event {
    /// When it is; none where it has no length.
    pub(crate) fn range(&self) -> Result<Option<TimeRange>, ProviderError> {
        let (Some(start), Some(end)) = (&self.start, &self.end) else {
            return Err(ProviderError::transient("an event has no time"));
        };
        if self.is_all_day == Some(true) {
            times::whole_days(start, end, self.original_start_time_zone.as_deref())
        } else {
            times::range(start, end)
        }
    }

    /// Whether it blocks the agent.
    pub(crate) fn is_busy(&self) -> bool {
        let response = self.response_status.as_ref().and_then(|it| it.response.as_deref());
        let declined = response == Some("declined");
        blocks(self.show_as.as_deref(), self.is_cancelled == Some(true), declined)
    }

    /// As it stands, under `uid` where it is one of the server's own; none where it has no length.
    pub(crate) fn snapshot(
        &self,
        uid: Option<&str>,
    ) -> Result<Option<EventSnapshot>, ProviderError> {
        let Some(range) = self.range()? else { return Ok(None) };
        let mut snapshot = EventSnapshot::new(&self.id, range);
        snapshot.series_ref.clone_from(&self.series_master_id);
        snapshot.uid = uid.map(Into::into);
        snapshot.busy = self.is_busy();
        snapshot.title.clone_from(&self.subject);
        snapshot.version.clone_from(&self.etag);
        Ok(Some(snapshot))
    }

    /// What it does not say of itself taken from its series.
    pub(crate) fn inherit(&mut self, series: &Self) {
        fn fill<T: Clone>(own: &mut Option<T>, from: &Option<T>) {
            if own.is_none() {
                own.clone_from(from);
            }
        }
        fill(&mut self.subject, &series.subject);
        fill(&mut self.is_all_day, &series.is_all_day);
        fill(&mut self.original_start_time_zone, &series.original_start_time_zone);
        fill(&mut self.show_as, &series.show_as);
        fill(&mut self.is_cancelled, &series.is_cancelled);
        fill(&mut self.response_status, &series.response_status);
    }

    /// The value of one of the server's own properties.
    pub(crate) fn property(&self, id: &str) -> Option<&str> {
        // Exchange answers IDs in its own spelling of the GUID.
        let mut properties = self.single_value_extended_properties.iter();
        properties.find(|it| it.id.eq_ignore_ascii_case(id)).map(|it| it.value.as_str())
    }

    /// The link to its Teams meeting, once there is one.
    pub(crate) fn join_url(&self) -> Option<&str> {
        let url = self.online_meeting.as_ref().and_then(|it| it.join_url.as_deref());
        url.filter(|it| !it.is_empty())
    }

    /// Whether it has a Teams meeting, or will have.
    pub(crate) fn is_online(&self) -> bool {
        self.is_online_meeting == Some(true) || self.join_url().is_some()
    }
}
