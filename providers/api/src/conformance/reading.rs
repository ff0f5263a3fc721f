//! Busy time at the edges of windows and events.

use chrono::TimeDelta;

use super::bench::{Bench, between, day, draft, minutes, outside};
use super::check::{Stop, checks, ensure};
use crate::TimeRange;

checks! {
    "free_busy";
    an_empty_calendar_is_free: Nothing,
    an_event_is_busy_for_its_exact_time: Nothing,
    a_window_that_ends_where_an_event_starts_is_free: Nothing,
    a_window_that_starts_where_an_event_ends_is_free: Nothing,
    a_second_inside_either_edge_is_busy: Nothing,
    a_window_inside_an_event_is_busy: Nothing,
    an_event_across_the_window_is_busy: Nothing,
    several_events_are_all_busy: Nothing,
    events_that_touch_are_both_busy: Nothing,
    events_that_overlap_are_both_busy: Nothing,
    an_event_of_three_days_is_busy_throughout: Nothing,
    a_window_of_62_days_is_read_whole: Nothing,
    a_hundred_events_are_all_busy: Nothing,
    our_event_is_told_with_its_uid_or_merged: Writes,
    an_outside_event_is_busy: Nothing,
    a_transparent_event_is_free: Nothing,
    concurrent_reads_agree: Nothing,
    calendars_do_not_mix: Nothing,
}

async fn an_empty_calendar_is_free(bench: &Bench) -> Result<(), Stop> {
    bench.expect_busy(day(), &[]).await
}

async fn an_event_is_busy_for_its_exact_time(bench: &Bench) -> Result<(), Stop> {
    let event = minutes(0, 45);
    bench.seed(1, event).await?;
    bench.expect_busy(day(), &[event]).await
}

async fn a_window_that_ends_where_an_event_starts_is_free(bench: &Bench) -> Result<(), Stop> {
    bench.seed(1, minutes(60, 120)).await?;
    bench.expect_busy(minutes(0, 60), &[]).await
}

async fn a_window_that_starts_where_an_event_ends_is_free(bench: &Bench) -> Result<(), Stop> {
    bench.seed(1, minutes(60, 120)).await?;
    bench.expect_busy(minutes(120, 180), &[]).await
}

async fn a_second_inside_either_edge_is_busy(bench: &Bench) -> Result<(), Stop> {
    let event = minutes(60, 120);
    bench.seed(1, event).await?;
    let second = TimeDelta::seconds(1);
    for (start, end) in [
        (minutes(0, 1).start(), event.start() + second),
        (event.end() - second, minutes(180, 181).start()),
    ] {
        let window = TimeRange::new(start, end).map_err(|e| Stop::Failed(e.to_string()))?;
        bench.expect_busy(window, &[event]).await?;
    }
    Ok(())
}

async fn a_window_inside_an_event_is_busy(bench: &Bench) -> Result<(), Stop> {
    let event = minutes(0, 240);
    bench.seed(1, event).await?;
    bench.expect_busy(minutes(60, 90), &[event]).await
}

async fn an_event_across_the_window_is_busy(bench: &Bench) -> Result<(), Stop> {
    let event = minutes(60, 120);
    bench.seed(1, event).await?;
    bench.expect_busy(minutes(90, 180), &[event]).await?;
    bench.expect_busy(minutes(0, 90), &[event]).await
}

async fn several_events_are_all_busy(bench: &Bench) -> Result<(), Stop> {
    let events = [minutes(0, 30), minutes(60, 90), minutes(120, 135), minutes(300, 420)];
    // Out of order, since a provider may keep the order of making.
    for number in [2, 0, 3, 1] {
        bench.seed(number, events[number as usize]).await?;
    }
    bench.expect_busy(day(), &events).await
}

async fn events_that_touch_are_both_busy(bench: &Bench) -> Result<(), Stop> {
    let events = [minutes(0, 30), minutes(30, 60)];
    bench.seed(1, events[0]).await?;
    bench.seed(2, events[1]).await?;
    bench.expect_busy(day(), &events).await?;
    bench.expect_busy(minutes(30, 90), &events[1..]).await
}

async fn events_that_overlap_are_both_busy(bench: &Bench) -> Result<(), Stop> {
    let events = [minutes(0, 60), minutes(30, 90), minutes(40, 50)];
    for (number, event) in (1..).zip(events) {
        bench.seed(number, event).await?;
    }
    bench.expect_busy(day(), &events).await
}

async fn an_event_of_three_days_is_busy_throughout(bench: &Bench) -> Result<(), Stop> {
    let event = between("2031-05-04T22:00:00Z", "2031-05-07T22:00:00Z");
    bench.seed(1, event).await?;
    bench.expect_busy(day(), &[event]).await?;
    bench.expect_busy(between("2031-05-01T00:00:00Z", "2031-05-31T00:00:00Z"), &[event]).await
}

async fn a_window_of_62_days_is_read_whole(bench: &Bench) -> Result<(), Stop> {
    let window = between("2031-05-01T00:00:00Z", "2031-07-02T00:00:00Z");
    let events = [
        between("2031-05-01T00:00:00Z", "2031-05-01T00:30:00Z"),
        between("2031-06-01T12:00:00Z", "2031-06-01T13:00:00Z"),
        between("2031-07-01T23:30:00Z", "2031-07-02T00:00:00Z"),
    ];
    for (number, event) in (1..).zip(events) {
        bench.seed(number, event).await?;
    }
    bench.expect_busy(window, &events).await
}

/// More than one page of most APIs' smaller page sizes.
async fn a_hundred_events_are_all_busy(bench: &Bench) -> Result<(), Stop> {
    let mut events = Vec::new();
    for number in 0..100 {
        let start = i64::from(number) * 7;
        events.push(minutes(start, start + 5));
        bench.seed(number, minutes(start, start + 5)).await?;
    }
    bench.expect_busy(day(), &events).await
}

async fn our_event_is_told_with_its_uid_or_merged(bench: &Bench) -> Result<(), Stop> {
    let event = draft(1, minutes(0, 30));
    bench.put(&event).await?;
    for interval in bench.free_busy(day()).await? {
        let told = interval.uid.unwrap_or_else(|| event.uid.clone());
        ensure(told == event.uid, format_args!("the UID {} became {told}", event.uid))?;
    }
    Ok(())
}

async fn an_outside_event_is_busy(bench: &Bench) -> Result<(), Stop> {
    bench.add_outside(outside(1, minutes(0, 30))).await?;
    bench.expect_busy(day(), &[minutes(0, 30)]).await
}

async fn a_transparent_event_is_free(bench: &Bench) -> Result<(), Stop> {
    let mut event = outside(1, minutes(0, 30));
    event.busy = false;
    bench.add_outside(event).await?;
    bench.add_outside(outside(2, minutes(60, 90))).await?;
    bench.expect_busy(day(), &[minutes(60, 90)]).await
}

async fn concurrent_reads_agree(bench: &Bench) -> Result<(), Stop> {
    let event = minutes(0, 30);
    bench.seed(1, event).await?;
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (provider, connection) = (bench.provider.clone(), bench.connection.clone());
        reads.spawn(async move { provider.free_busy(&connection, day()).await });
    }
    for read in reads.join_all().await {
        let told = read?;
        ensure(
            told.len() == 1 && told[0].range == event,
            "one of several reads at once told something else",
        )?;
    }
    Ok(())
}

async fn calendars_do_not_mix(bench: &Bench) -> Result<(), Stop> {
    let other = bench.subject.other_connection().ok_or(Stop::Skipped("no other_connection"))?;
    bench.seed(1, minutes(0, 30)).await?;
    let told = bench.provider.free_busy(&other, day()).await?;
    ensure(told.is_empty(), "an event of one calendar is busy in another")
}
