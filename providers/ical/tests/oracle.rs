//! Rules against what another implementation makes of them; see `make_oracle.py`.

use calendar_ical::{Expansion, expand};
use calendar_provider::TimeRange;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

const STAMP: &str = "%Y%m%dT%H%M%S";

fn instant(text: &Value) -> DateTime<Utc> {
    let text = text.as_str().expect("a text");
    NaiveDateTime::parse_from_str(text, STAMP).expect("a time").and_utc()
}

fn answer(case: &Value) -> Vec<String> {
    let (rule, start) =
        (case["rule"].as_str().expect("valid"), case["start"].as_str().expect("valid"));
    let text = format!(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:{start}Z\r\nDURATION:PT1S\r\n\
         RRULE:{rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let window =
        TimeRange::new(instant(&case["window"][0]), instant(&case["window"][1])).expect("valid");
    let found = expand(text, &Expansion::new(window, chrono_tz::UTC)).expect("a valid rule");
    found.iter().map(|o| o.range.start().format(STAMP).to_string()).collect()
}

#[test]
fn random_rules_mean_what_they_mean_to_dateutil() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("oracle.json")).expect("JSON");
    assert!(500 <= cases.len(), "the table is there");
    let mut wrong = Vec::new();
    for case in &cases {
        let expected = case["expected"].as_str().expect("valid");
        let found = answer(case).join(" ");
        if found != expected {
            wrong.push(format!("{case}\nfound    {found}\n"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(3)].concat()
    );
}
