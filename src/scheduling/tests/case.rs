//! Random schedules, busy times, windows and instants, most of them around a change of the clock.

use calendar_provider::TimeRange;
use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use proptest::sample::select;

use crate::scheduling::{DayBlocks, LocalTime, Schedule, TimeBlock, WeeklyBlock, WeeklyBlocks};

use super::{EVERY_DAY, oracle};

/// What [`crate::scheduling::slots`] is given.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) schedule: Schedule,
    pub(super) busy: Vec<TimeRange>,
    pub(super) window: TimeRange,
    pub(super) now: DateTime<Utc>,
}

/// A zone and an instant to try it at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    pub(super) zone: Tz,
    pub(super) second: i64,
}

/// Changes of the clock that have broken schedulers, each with an instant shortly before.
const NOTORIOUS: [(Tz, &str); 14] = [
    (Tz::Europe__Paris, "2027-03-28T01:00:00Z"),
    (Tz::Europe__Paris, "2027-10-31T01:00:00Z"),
    (Tz::America__New_York, "2023-11-05T06:00:00Z"),
    // Half an hour, forward and back.
    (Tz::Australia__Lord_Howe, "2024-10-05T15:30:00Z"),
    (Tz::Australia__Lord_Howe, "2024-04-06T15:00:00Z"),
    // Midnight does not exist, or is there twice.
    (Tz::America__Santiago, "2023-09-03T04:00:00Z"),
    (Tz::America__Santiago, "2024-04-07T03:00:00Z"),
    (Tz::America__Havana, "2024-03-10T05:00:00Z"),
    (Tz::Asia__Beirut, "2022-03-26T22:00:00Z"),
    // A day that was skipped.
    (Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
    (Tz::Pacific__Kwajalein, "1993-08-21T12:00:00Z"),
    // Back over midnight, at one minute past it.
    (Tz::America__St_Johns, "2010-11-07T02:31:00Z"),
    // Two hours.
    (Tz::Antarctica__Troll, "2024-03-31T01:00:00Z"),
    // Negative daylight saving time.
    (Tz::Europe__Dublin, "2024-10-27T01:00:00Z"),
];

const DAY: i64 = 24 * 60 * 60;

pub(super) fn cases() -> impl Strategy<Value = Case> {
    scenes().prop_flat_map(|scene| {
        let window = (-2 * 1440..1440_i64, 1..4 * 1440_i64);
        let now = (-3 * DAY..DAY, prop_oneof![Just(0), 0..1_000_000_000_u32]);
        (schedules(scene), busy(scene), window, now).prop_map(
            move |(schedule, busy, (from, length), (now, nanos))| Case {
                schedule,
                busy,
                window: minutes_after(scene, from, length),
                now: Utc.timestamp_opt(scene.second + now, nanos).unwrap(),
            },
        )
    })
}

/// Zones and instants whose days both databases have alike.
pub(super) fn scenes() -> impl Strategy<Value = Scene> {
    let notorious = (select(NOTORIOUS.to_vec()), -2 * 1440..2 * 1440_i64).prop_map(
        |((zone, transition), minutes)| Scene {
            zone,
            second: super::utc(transition).timestamp() + minutes * 60,
        },
    );
    let first = super::utc("1972-02-01T00:00:00Z").timestamp() / 60;
    let last = super::utc("2036-12-01T00:00:00Z").timestamp() / 60;
    let anywhere =
        (select(TZ_VARIANTS.to_vec()), first..last, -2 * 1440..2 * 1440_i64, any::<u8>()).prop_map(
            move |(zone, minute, shift, kind)| Scene {
                zone,
                second: match oracle::next_transition(zone, minute * 60) {
                    Some(second) if kind % 4 != 0 && second < last * 60 => {
                        (second.div_euclid(60) + shift) * 60
                    }
                    _ => minute * 60,
                },
            },
        );
    prop_oneof![1 => notorious, 2 => anywhere].prop_filter(
        "the databases of zones differ",
        |scene| {
            oracle::databases_agree(
                scene.zone,
                scene.second - 12 * DAY..scene.second + 25 * DAY,
                DAY / 4,
            )
        },
    )
}

fn schedules(scene: Scene) -> impl Strategy<Value = Schedule> {
    let overrides = prop::collection::btree_map(-4..=4_i64, day_blocks(), 0..4);
    let buffer = prop_oneof![Just(0), 1..60_i64, Just(240)];
    let notice = prop_oneof![2 => Just(0), 1 => 0..2 * 1440_i64];
    let horizon = prop_oneof![1 => 1..9 * 1440_i64, 1 => Just(30 * 1440)];
    let lengths = (5..180_i64, buffer, 5..120_i64, notice, horizon);
    (weekly_blocks(), overrides, lengths).prop_map(move |(weekly, overrides, lengths)| {
        let (duration, buffer, interval, notice, horizon) = lengths;
        Schedule {
            zone: scene.zone,
            weekly,
            overrides: overrides.into_iter().map(|(day, o)| (date_near(scene, day), o)).collect(),
            duration: TimeDelta::minutes(duration),
            buffer: TimeDelta::minutes(buffer),
            interval: TimeDelta::minutes(interval),
            notice: TimeDelta::minutes(notice),
            horizon: TimeDelta::minutes(horizon),
        }
    })
}

pub(super) fn weekly_blocks() -> impl Strategy<Value = WeeklyBlocks> {
    prop::collection::vec(blocks(), 7).prop_map(|week| {
        let days = EVERY_DAY.into_iter().zip(week);
        let blocks = days.flat_map(|(day, blocks)| {
            blocks.into_iter().map(move |block| WeeklyBlock { day, block })
        });
        WeeklyBlocks::new(blocks.collect()).unwrap()
    })
}

fn day_blocks() -> impl Strategy<Value = DayBlocks> {
    blocks().prop_map(|blocks| DayBlocks::new(blocks).unwrap())
}

/// Up to five blocks of a day: the day is cut at some times, most of them in the small hours
/// when clocks change, and a part of the pieces kept, so that many touch.
fn blocks() -> impl Strategy<Value = Vec<TimeBlock>> {
    let cut = prop_oneof![
        2 => (0..=20_u16).prop_map(|quarter| quarter * 15),
        1 => 0..=1440_u16,
        1 => select(vec![0_u16, 1440]),
    ];
    (prop::collection::btree_set(cut, 1..7), prop::collection::vec(prop::bool::weighted(0.8), 6))
        .prop_map(|(cuts, kept)| {
            let cuts: Vec<_> = cuts.into_iter().filter_map(LocalTime::from_minutes).collect();
            let pieces = cuts.windows(2).zip(kept).filter(|(_, kept)| *kept);
            pieces.map(|(ends, _)| TimeBlock::new(ends[0], ends[1]).unwrap()).collect()
        })
}

fn busy(scene: Scene) -> impl Strategy<Value = Vec<TimeRange>> {
    let one = (-2 * 1440..3 * 1440_i64, prop_oneof![4 => 1..120_i64, 1 => 1..1440_i64])
        .prop_map(move |(from, length)| minutes_after(scene, from, length));
    prop::collection::vec(one, 0..16)
}

fn minutes_after(scene: Scene, from: i64, length: i64) -> TimeRange {
    let start = Utc.timestamp_opt(scene.second + from * 60, 0).unwrap();
    TimeRange::lasting(start, TimeDelta::minutes(length)).unwrap()
}

fn date_near(scene: Scene, days: i64) -> NaiveDate {
    Utc.timestamp_opt(scene.second + days * DAY, 0).unwrap().date_naive()
}
