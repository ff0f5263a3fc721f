//! The engine alone: 28 days with two blocks a day and 200 busy intervals, and how the time grows
//! with busy intervals and with days.
//!
//! `cargo bench --bench engine`

use std::collections::BTreeMap;
use std::hint::black_box;

use calendar_provider::TimeRange;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc, Weekday};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use frontdesk::scheduling::{
    BusyTimes, LocalTime, Schedule, TimeBlock, WeeklyBlock, WeeklyBlocks, check, day_window, slots,
};

/// 2027-03-15 and the 28 days from it, over Paris's change of the clock.
struct Scene {
    schedule: Schedule,
    busy: BusyTimes,
    window: TimeRange,
    now: DateTime<Utc>,
}

impl Scene {
    fn new(days: u64, busy: i32) -> Self {
        let first = NaiveDate::from_epoch_days(20_892).expect("a date");
        let last = first + chrono::Days::new(days - 1);
        let zone = chrono_tz::Europe::Paris;
        let window = day_window(first, last, zone).expect("days");
        Self {
            schedule: schedule(),
            busy: busy_times(window, busy),
            window,
            now: window.start() - TimeDelta::hours(1),
        }
    }

    fn slots(&self) -> Vec<TimeRange> {
        slots(black_box(&self.schedule), black_box(&self.busy), self.window, self.now)
    }
}

fn schedule() -> Schedule {
    Schedule {
        zone: chrono_tz::Europe::Paris,
        weekly: weekly(),
        overrides: BTreeMap::new(),
        duration: TimeDelta::minutes(30),
        buffer: TimeDelta::minutes(15),
        interval: TimeDelta::minutes(15),
        notice: TimeDelta::zero(),
        horizon: TimeDelta::days(365),
    }
}

/// 08:00 to 12:00 and 13:00 to 18:00, on every day.
fn weekly() -> WeeklyBlocks {
    let hour = |h: u16| LocalTime::from_minutes(h * 60).expect("an hour");
    let block = |from, to| TimeBlock::new(hour(from), hour(to)).expect("a block");
    let both = [block(8, 12), block(13, 18)];
    let days = (0..7).map(|day| Weekday::try_from(day).expect("a day"));
    let blocks = days.flat_map(|day| both.map(|block| WeeklyBlock { day, block }));
    WeeklyBlocks::new(blocks.collect()).expect("blocks that do not overlap")
}

/// `count` intervals spread evenly, a third of their spacing long, at most 40 minutes.
fn busy_times(window: TimeRange, count: i32) -> BusyTimes {
    let spacing = window.length() / count;
    let length = (spacing / 3).min(TimeDelta::minutes(40));
    let starts = (0..count).map(|index| window.start() + spacing * index);
    starts.map(|start| TimeRange::lasting(start, length).expect("some minutes")).collect()
}

fn four_weeks(c: &mut Criterion) {
    let scene = Scene::new(28, 200);
    println!("28 days, two blocks a day, 200 busy intervals: {} slots", scene.slots().len());
    c.bench_function("slots/28 days, 200 busy", |b| b.iter(|| scene.slots()));
    let start = scene.slots()[100].start();
    c.bench_function("check/28 days, 200 busy", |b| {
        b.iter(|| check(&scene.schedule, &scene.busy, black_box(start), scene.now));
    });
}

fn by_busy_intervals(c: &mut Criterion) {
    let mut group = c.benchmark_group("slots by busy intervals, 28 days");
    for busy in [100, 200, 400, 800, 1600] {
        let scene = Scene::new(28, busy);
        group.throughput(Throughput::Elements(scene.busy.as_slice().len() as u64));
        group.bench_function(BenchmarkId::from_parameter(busy), |b| b.iter(|| scene.slots()));
    }
}

fn by_days(c: &mut Criterion) {
    let mut group = c.benchmark_group("slots by days, 7 busy a day");
    for days in [7, 14, 28, 56] {
        let scene = Scene::new(days, days as i32 * 7);
        group.throughput(Throughput::Elements(days));
        group.bench_function(BenchmarkId::from_parameter(days), |b| b.iter(|| scene.slots()));
    }
}

criterion_group! {
    name = engine;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = four_weeks, by_busy_intervals, by_days
}
criterion_main!(engine);
