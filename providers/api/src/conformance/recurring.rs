//! Recurring events that the agent made: every occurrence blocks, where its wall clock puts it.

use chrono::{NaiveDateTime, TimeDelta};
use chrono_tz::Tz;

use super::bench::{Bench, between, day, minutes, uid};
use super::check::{Stop, checks, ensure};
use super::mirror::Mirror;
use super::{MovedOccurrence, OutsideSeries};
use crate::TimeRange;

checks! {
    a_series_is_busy_at_each_occurrence: Nothing,
    a_series_keeps_its_wall_clock_across_spring: Nothing,
    a_series_keeps_its_wall_clock_across_autumn: Nothing,
    a_series_is_read_in_its_own_zone: Nothing,
    a_series_without_end_is_busy_years_later: Nothing,
    a_series_until_an_instant_ends_with_it: Nothing,
    a_series_on_the_last_friday_finds_it: Nothing,
    an_occurrence_that_began_before_the_window_is_busy: Nothing,
    an_excluded_occurrence_is_free: Nothing,
    a_moved_occurrence_is_busy_at_its_new_time_alone: Nothing,
    an_occurrence_moved_into_the_window_is_busy: Nothing,
    a_transparent_series_is_free: Nothing,
    a_new_series_is_told: Changes,
    a_first_look_tells_a_series: Changes,
    a_moved_series_is_told: Changes,
    an_occurrence_left_out_is_told: Changes,
    a_deleted_series_is_told: Changes,
    changes_of_a_series_can_be_replayed: Changes,
}

const HOUR: TimeDelta = TimeDelta::hours(1);

async fn a_series_is_busy_at_each_occurrence(bench: &Bench) -> Result<(), Stop> {
    bench.add_series(in_paris("2031-05-05T11:00:00", "FREQ=DAILY;COUNT=3")).await?;
    let expected = hours(&["2031-05-05T09:00:00Z", "2031-05-06T09:00:00Z", "2031-05-07T09:00:00Z"]);
    bench.expect_busy(week(), &expected).await
}

/// Paris goes from UTC+1 to UTC+2 on Sunday 2031-03-30.
async fn a_series_keeps_its_wall_clock_across_spring(bench: &Bench) -> Result<(), Stop> {
    bench.add_series(in_paris("2031-03-28T09:00:00", "FREQ=DAILY;COUNT=4")).await?;
    let week = between("2031-03-27T00:00:00Z", "2031-04-03T00:00:00Z");
    let expected = hours(&[
        "2031-03-28T08:00:00Z",
        "2031-03-29T08:00:00Z",
        "2031-03-30T07:00:00Z",
        "2031-03-31T07:00:00Z",
    ]);
    bench.expect_busy(week, &expected).await
}

/// New York goes from UTC-4 to UTC-5 on Sunday 2031-11-02, a week after Paris.
async fn a_series_keeps_its_wall_clock_across_autumn(bench: &Bench) -> Result<(), Stop> {
    let zone = Tz::America__New_York;
    let start = local("2031-10-20T09:00:00");
    let series = OutsideSeries::new(uid(1), start, HOUR, zone, "FREQ=WEEKLY;COUNT=3");
    bench.add_series(series).await?;
    let weeks = between("2031-10-13T00:00:00Z", "2031-12-01T00:00:00Z");
    let expected = hours(&["2031-10-20T13:00:00Z", "2031-10-27T13:00:00Z", "2031-11-03T14:00:00Z"]);
    bench.expect_busy(weeks, &expected).await
}

/// Monday evening in Los Angeles is Tuesday in UTC: BYDAY means the local day.
async fn a_series_is_read_in_its_own_zone(bench: &Bench) -> Result<(), Stop> {
    let zone = Tz::America__Los_Angeles;
    let (start, rule) = (local("2031-05-05T18:00:00"), "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=3");
    bench.add_series(OutsideSeries::new(uid(1), start, HOUR, zone, rule)).await?;
    let weeks = between("2031-05-01T00:00:00Z", "2031-05-31T00:00:00Z");
    let expected = hours(&["2031-05-06T01:00:00Z", "2031-05-08T01:00:00Z", "2031-05-13T01:00:00Z"]);
    bench.expect_busy(weeks, &expected).await
}

async fn a_series_without_end_is_busy_years_later(bench: &Bench) -> Result<(), Stop> {
    bench.add_series(in_paris("2028-05-01T11:00:00", "FREQ=WEEKLY")).await?;
    let expected = hours(&["2031-05-05T09:00:00Z"]);
    bench.expect_busy(day(), &expected).await?;
    bench.expect_busy(between("2031-05-05T10:00:00Z", "2031-05-12T09:00:00Z"), &[]).await
}

/// The last start may be the very instant of UNTIL (RFC 5545, section 3.3.10).
async fn a_series_until_an_instant_ends_with_it(bench: &Bench) -> Result<(), Stop> {
    let series = in_paris("2031-05-05T11:00:00", "FREQ=DAILY;UNTIL=20310506T090000Z");
    bench.add_series(series).await?;
    let expected = hours(&["2031-05-05T09:00:00Z", "2031-05-06T09:00:00Z"]);
    bench.expect_busy(week(), &expected).await
}

async fn a_series_on_the_last_friday_finds_it(bench: &Bench) -> Result<(), Stop> {
    let series = in_paris("2031-05-30T11:00:00", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=3");
    bench.add_series(series).await?;
    let months = between("2031-05-15T00:00:00Z", "2031-07-15T00:00:00Z");
    let expected = hours(&["2031-05-30T09:00:00Z", "2031-06-27T09:00:00Z"]);
    bench.expect_busy(months, &expected).await
}

async fn an_occurrence_that_began_before_the_window_is_busy(bench: &Bench) -> Result<(), Stop> {
    let mut night = in_paris("2031-05-01T23:00:00", "FREQ=DAILY");
    night.duration = TimeDelta::hours(4);
    bench.add_series(night).await?;
    let early = between("2031-05-05T00:00:00Z", "2031-05-05T12:00:00Z");
    bench.expect_busy(early, &[between("2031-05-04T21:00:00Z", "2031-05-05T01:00:00Z")]).await
}

async fn an_excluded_occurrence_is_free(bench: &Bench) -> Result<(), Stop> {
    let mut series = in_paris("2031-05-04T11:00:00", "FREQ=DAILY;COUNT=3");
    series.exdates = vec![local("2031-05-05T11:00:00")];
    bench.add_series(series).await?;
    let expected = hours(&["2031-05-04T09:00:00Z", "2031-05-06T09:00:00Z"]);
    bench.expect_busy(week(), &expected).await
}

async fn a_moved_occurrence_is_busy_at_its_new_time_alone(bench: &Bench) -> Result<(), Stop> {
    let mut series = in_paris("2031-05-04T11:00:00", "FREQ=DAILY;COUNT=3");
    series.moved = vec![moved("2031-05-05T11:00:00", "2031-05-05T15:30:00")];
    bench.add_series(series).await?;
    bench.expect_busy(day(), &hours(&["2031-05-05T13:30:00Z"])).await
}

/// Its time by the rule lies far outside the window.
async fn an_occurrence_moved_into_the_window_is_busy(bench: &Bench) -> Result<(), Stop> {
    let mut series = in_paris("2031-04-01T11:00:00", "FREQ=MONTHLY;COUNT=4");
    series.moved = vec![moved("2031-06-01T11:00:00", "2031-05-05T11:00:00")];
    bench.add_series(series).await?;
    bench.expect_busy(day(), &hours(&["2031-05-05T09:00:00Z"])).await?;
    bench.expect_busy(between("2031-05-31T00:00:00Z", "2031-06-15T00:00:00Z"), &[]).await
}

async fn a_transparent_series_is_free(bench: &Bench) -> Result<(), Stop> {
    let mut series = on_two_days();
    series.busy = false;
    bench.add_series(series).await?;
    bench.expect_busy(week(), &[]).await
}

async fn a_new_series_is_told(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = Mirror::over(week());
    mirror.follow(bench).await?;
    bench.add_series(on_two_days()).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(0, 60), minutes(1440, 1500)])?;
    let told = mirror.follow(bench).await?;
    ensure(told.is_empty(), "a series was told again though nothing changed")
}

async fn a_first_look_tells_a_series(bench: &Bench) -> Result<(), Stop> {
    bench.add_series(on_two_days()).await?;
    let mut mirror = Mirror::over(week());
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(0, 60), minutes(1440, 1500)])
}

async fn a_moved_series_is_told(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = follow_a_series(bench).await?;
    let mut series = on_two_days();
    series.start = local("2031-05-05T09:30:00");
    bench.add_series(series).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(30, 90), minutes(1470, 1530)])
}

async fn an_occurrence_left_out_is_told(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = follow_a_series(bench).await?;
    let mut series = on_two_days();
    series.exdates = vec![local("2031-05-06T09:00:00")];
    bench.add_series(series).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(0, 60)])
}

async fn a_deleted_series_is_told(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = follow_a_series(bench).await?;
    bench.remove_outside(1).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[])?;
    bench.expect_busy(week(), &[]).await
}

async fn changes_of_a_series_can_be_replayed(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = follow_a_series(bench).await?;
    let before = mirror.cursor.clone();
    let mut series = on_two_days();
    series.exdates = vec![local("2031-05-05T09:00:00")];
    bench.add_series(series).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(1440, 1500)])?;
    mirror.cursor = before;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(1440, 1500)])
}

async fn follow_a_series(bench: &Bench) -> Result<Mirror, Stop> {
    bench.add_series(on_two_days()).await?;
    let mut mirror = Mirror::over(week());
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(0, 60), minutes(1440, 1500)])?;
    Ok(mirror)
}

/// From 09:00 to 10:00 UTC on the day of [`day`] and on the next.
fn on_two_days() -> OutsideSeries {
    let start = local("2031-05-05T09:00:00");
    OutsideSeries::new(uid(1), start, HOUR, Tz::UTC, "FREQ=DAILY;COUNT=2")
}

fn week() -> TimeRange {
    between("2031-05-04T00:00:00Z", "2031-05-11T00:00:00Z")
}

fn in_paris(start: &str, rule: &str) -> OutsideSeries {
    OutsideSeries::new(uid(1), local(start), HOUR, Tz::Europe__Paris, rule)
}

fn moved(original: &str, start: &str) -> MovedOccurrence {
    MovedOccurrence { original: local(original), start: local(start) }
}

fn local(text: &str) -> NaiveDateTime {
    text.parse().expect("the kit's own times are well formed")
}

/// An hour from each of these instants.
fn hours(starts: &[&str]) -> Vec<TimeRange> {
    let hour = |start: &&str| {
        TimeRange::lasting(super::bench::at(start), HOUR).expect("an hour is not empty")
    };
    starts.iter().map(hour).collect()
}
