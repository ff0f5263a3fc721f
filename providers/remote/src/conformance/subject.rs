//! A program at a URL as the kit's subject.

use std::sync::Arc;

use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideDays, OutsideEvent, OutsideSeries, Subject,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection};
use serde_json::{Value, json};

use super::recorder::Recorder;
use super::{unknown, wrong};
use crate::wire;

/// The connected calendar, which is emptied before each check.
pub(super) struct AtUrl {
    pub(super) recorder: Arc<Recorder>,
    pub(super) request: ConnectRequest,
    pub(super) connection: Connection,
}

#[async_trait]
impl Factory for AtUrl {
    async fn fresh(&self) -> Box<dyn Subject> {
        let fresh = Self {
            recorder: self.recorder.clone(),
            request: self.request.clone(),
            connection: self.connection.clone(),
        };
        // A check that failed may not have come to mending.
        if self.recorder.take_fault() {
            fresh.mend().await;
        }
        for uid in self.recorder.take_outside() {
            fresh.remove_outside(&uid).await;
        }
        self.recorder.clean_up().await;
        Box::new(fresh)
    }
}

impl AtUrl {
    /// Asks for what is for tests alone; a provider may not have it.
    async fn hook(&self, path: &str, mut body: Value) -> Hook {
        body["connection"] = json!(wire::Connection::from(&self.connection));
        match self.recorder.tell(path, &body).await {
            Ok(()) => Hook::Done,
            Err(_) => Hook::Unavailable,
        }
    }
}

#[async_trait]
impl Subject for AtUrl {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.recorder.clone()
    }

    fn connection(&self) -> Connection {
        self.connection.clone()
    }

    fn unknown_connection(&self) -> Connection {
        unknown(&self.connection)
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        // With OAuth the connection's credentials are the token, which connecting does not answer.
        self.request.access_token.is_none().then(|| self.request.clone())
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        wrong(&self.request)
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        self.recorder.note_outside(&event.uid);
        let OutsideEvent { uid, range, title, busy, .. } = event;
        let (start, end) = (range.start(), range.end());
        let event = json!({ "uid": uid, "start": start, "end": end, "title": title, "busy": busy });
        self.hook("test/add-event", json!({ "event": event })).await
    }

    async fn add_outside_series(&self, series: OutsideSeries) -> Hook {
        self.recorder.note_outside(&series.uid);
        let moved = series.moved.iter();
        let moved: Vec<_> =
            moved.map(|it| json!({ "original": it.original, "start": it.start })).collect();
        let series = json!({
            "uid": series.uid,
            "title": series.title,
            "start": series.start,
            "duration_seconds": series.duration.num_seconds(),
            "zone": series.zone,
            "rule": series.rule,
            "exdates": series.exdates,
            "moved": moved,
            "whole_days": series.whole_days,
            "busy": series.busy,
        });
        self.hook("test/add-series", json!({ "series": series })).await
    }

    async fn add_outside_days(&self, days: OutsideDays) -> Hook {
        self.recorder.note_outside(&days.uid);
        let OutsideDays { uid, title, first, days, zone, busy, .. } = days;
        let days = json!({
            "uid": uid, "title": title, "first": first, "days": days, "zone": zone, "busy": busy,
        });
        self.hook("test/add-days", json!({ "days": days })).await
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        self.hook("test/remove", json!({ "uid": uid })).await
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        let name = match fault {
            Fault::Down => "down",
            Fault::Revoked => "revoked",
            Fault::RateLimited => "rate_limited",
            Fault::CalendarGone => "calendar_gone",
            Fault::WritesRefused => "writes_refused",
            Fault::ChangedMeanwhile => "changed_meanwhile",
            Fault::HistoryForgotten => "history_forgotten",
            // The others are faults of the way there, which this side is tested for.
            _ => return Hook::Unavailable,
        };
        self.recorder.note_fault();
        self.hook("test/fault", json!({ "fault": name })).await
    }

    async fn mend(&self) {
        self.hook("test/fault", json!({ "fault": null })).await;
    }
}
