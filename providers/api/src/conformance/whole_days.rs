//! Events of whole days: they begin and end at midnight in the calendar's own zone.

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::bench::{Bench, between, uid};
use super::check::{Stop, checks};
use super::mirror::Mirror;
use super::{OutsideDays, OutsideSeries};

checks! {
    a_whole_day_is_busy_from_midnight_to_midnight_there: Nothing,
    a_whole_day_of_23_hours_is_busy_for_23: Nothing,
    a_whole_day_of_25_hours_is_busy_for_25: Nothing,
    several_whole_days_are_busy_throughout: Nothing,
    a_whole_day_that_is_transparent_is_free: Nothing,
    whole_days_that_recur_are_busy: Nothing,
    a_whole_day_is_told: Changes,
}

async fn a_whole_day_is_busy_from_midnight_to_midnight_there(bench: &Bench) -> Result<(), Stop> {
    bench.add_days(days("2031-05-05", 1, Tz::Europe__Paris)).await?;
    let week = between("2031-05-02T00:00:00Z", "2031-05-09T00:00:00Z");
    bench.expect_busy(week, &[between("2031-05-04T22:00:00Z", "2031-05-05T22:00:00Z")]).await
}

async fn a_whole_day_of_23_hours_is_busy_for_23(bench: &Bench) -> Result<(), Stop> {
    bench.add_days(days("2031-03-30", 1, Tz::Europe__Paris)).await?;
    let week = between("2031-03-27T00:00:00Z", "2031-04-03T00:00:00Z");
    bench.expect_busy(week, &[between("2031-03-29T23:00:00Z", "2031-03-30T22:00:00Z")]).await
}

async fn a_whole_day_of_25_hours_is_busy_for_25(bench: &Bench) -> Result<(), Stop> {
    bench.add_days(days("2031-11-02", 1, Tz::America__New_York)).await?;
    let week = between("2031-10-30T00:00:00Z", "2031-11-06T00:00:00Z");
    bench.expect_busy(week, &[between("2031-11-02T04:00:00Z", "2031-11-03T05:00:00Z")]).await
}

async fn several_whole_days_are_busy_throughout(bench: &Bench) -> Result<(), Stop> {
    bench.add_days(days("2031-05-05", 3, Tz::Asia__Tokyo)).await?;
    let month = between("2031-05-01T00:00:00Z", "2031-06-01T00:00:00Z");
    bench.expect_busy(month, &[between("2031-05-04T15:00:00Z", "2031-05-07T15:00:00Z")]).await
}

async fn a_whole_day_that_is_transparent_is_free(bench: &Bench) -> Result<(), Stop> {
    let mut birthday = days("2031-05-05", 1, Tz::Europe__Paris);
    birthday.busy = false;
    bench.add_days(birthday).await?;
    bench.expect_busy(between("2031-05-02T00:00:00Z", "2031-05-09T00:00:00Z"), &[]).await
}

async fn whole_days_that_recur_are_busy(bench: &Bench) -> Result<(), Stop> {
    let start = "2031-03-28T00:00:00".parse().expect("it is a time");
    let (length, zone) = (TimeDelta::days(1), Tz::Europe__Paris);
    let mut series = OutsideSeries::new(uid(1), start, length, zone, "FREQ=WEEKLY;COUNT=2");
    series.whole_days = true;
    bench.add_series(series).await?;
    let weeks = between("2031-03-20T00:00:00Z", "2031-04-20T00:00:00Z");
    let expected = [
        between("2031-03-27T23:00:00Z", "2031-03-28T23:00:00Z"),
        between("2031-04-03T22:00:00Z", "2031-04-04T22:00:00Z"),
    ];
    bench.expect_busy(weeks, &expected).await
}

async fn a_whole_day_is_told(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    bench.add_days(days("2031-05-05", 1, Tz::Europe__Paris)).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[between("2031-05-04T22:00:00Z", "2031-05-05T22:00:00Z")])
}

fn days(first: &str, days: u32, zone: Tz) -> OutsideDays {
    OutsideDays {
        uid: uid(1),
        title: "Outside days".into(),
        first: first.parse().expect("the kit's own dates are well formed"),
        days,
        zone,
        busy: true,
    }
}
