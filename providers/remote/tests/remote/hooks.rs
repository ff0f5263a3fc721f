//! The calls that are for tests alone, over a calendar in memory.

use calendar_http::Bytes;
use calendar_http::http::Response;
use calendar_provider::TimeRange;
use calendar_provider::conformance::{
    Fault, Hook, MovedOccurrence, OutsideDays, OutsideEvent, OutsideSeries, Subject,
};
use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::memory::Memory;

pub(crate) async fn answer(memory: &Memory, hook: &str, body: &[u8]) -> Response<Bytes> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let done = match hook {
        "add-event" => memory.add_outside_event(event(&body["event"])).await,
        "add-series" => memory.add_outside_series(series(&body["series"])).await,
        "add-days" => memory.add_outside_days(days(&body["days"])).await,
        "remove" => memory.remove_outside(body["uid"].as_str().unwrap()).await,
        "fault" => match fault(&body["fault"]) {
            Some(fault) => memory.inflict(fault).await,
            None => {
                memory.mend().await;
                Hook::Done
            }
        },
        other => panic!("the contract has no /test/{other}"),
    };
    assert_eq!(done, Hook::Done);
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = 204.try_into().unwrap();
    response
}

/// A member, read as what is wanted.
fn get<T: DeserializeOwned>(value: &Value, name: &str) -> T {
    serde_json::from_value(value[name].clone()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn event(value: &Value) -> OutsideEvent {
    let range = TimeRange::new(get(value, "start"), get(value, "end")).unwrap();
    let mut event = OutsideEvent::new(get::<String>(value, "uid"), range, "Outside");
    event.busy = get(value, "busy");
    event
}

fn series(value: &Value) -> OutsideSeries {
    let duration = TimeDelta::seconds(get(value, "duration_seconds"));
    let (uid, rule): (String, String) = (get(value, "uid"), get(value, "rule"));
    let mut series =
        OutsideSeries::new(uid, get(value, "start"), duration, get(value, "zone"), rule);
    series.exdates = get(value, "exdates");
    let moved = value["moved"].as_array().unwrap().iter();
    series.moved =
        moved.map(|it| MovedOccurrence::new(get(it, "original"), get(it, "start"))).collect();
    series.whole_days = get(value, "whole_days");
    series.busy = get(value, "busy");
    series
}

fn days(value: &Value) -> OutsideDays {
    let (uid, zone): (String, _) = (get(value, "uid"), get(value, "zone"));
    let mut days = OutsideDays::new(uid, get(value, "first"), get(value, "days"), zone);
    days.busy = get(value, "busy");
    days
}

fn fault(value: &Value) -> Option<Fault> {
    Some(match value.as_str()? {
        "down" => Fault::Down,
        "revoked" => Fault::Revoked,
        "rate_limited" => Fault::RateLimited,
        "calendar_gone" => Fault::CalendarGone,
        "writes_refused" => Fault::WritesRefused,
        "changed_meanwhile" => Fault::ChangedMeanwhile,
        "history_forgotten" => Fault::HistoryForgotten,
        other => panic!("the contract has no fault {other}"),
    })
}
