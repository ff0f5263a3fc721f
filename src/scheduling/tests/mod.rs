//! Tests of the engine: properties against a naive oracle, published cases, and edges.

mod blocks;
mod case;
mod edges;
mod explain;
mod live_chat;
mod oracle;
mod properties;
mod published;
mod queue;

use std::collections::BTreeMap;

use calendar_provider::TimeRange;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use super::{DayBlocks, Schedule, TimeBlock, WeeklyBlock, WeeklyBlocks};

const EVERY_DAY: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn range(start: &str, end: &str) -> TimeRange {
    TimeRange::new(utc(start), utc(end)).unwrap()
}

/// A block written as `09:00-17:00`.
fn block(text: &str) -> TimeBlock {
    let (start, end) = text.split_once('-').unwrap();
    TimeBlock::new(start.parse().unwrap(), end.parse().unwrap()).unwrap()
}

fn day(blocks: &[&str]) -> DayBlocks {
    DayBlocks::new(blocks.iter().map(|text| block(text)).collect()).unwrap()
}

fn weekly(days: &[Weekday], blocks: &[&str]) -> WeeklyBlocks {
    let on = |day: Weekday| blocks.iter().map(move |text| WeeklyBlock { day, block: block(text) });
    WeeklyBlocks::new(days.iter().flat_map(|&day| on(day)).collect()).unwrap()
}

/// Meetings of `minutes`, one after the other, with no buffer, no notice, and a far horizon.
fn schedule(zone: Tz, weekly: WeeklyBlocks, minutes: i64) -> Schedule {
    Schedule {
        zone,
        weekly,
        overrides: BTreeMap::new(),
        duration: TimeDelta::minutes(minutes),
        buffer: TimeDelta::zero(),
        interval: TimeDelta::minutes(minutes),
        notice: TimeDelta::zero(),
        horizon: TimeDelta::days(365),
    }
}
