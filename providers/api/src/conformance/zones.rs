//! Instants stay where they are, whatever the zone does.

use chrono_tz::Tz;

use super::bench::{Bench, between, draft, handle, text};
use super::check::{Stop, checks, ensure};
use crate::TimeRange;

checks! {
    "put_event, get_event: instants";
    zones_of_odd_offsets_move_nothing: Writes,
    an_event_across_a_gap_keeps_its_instants: Writes,
    both_passes_of_a_fold_are_told_apart: Writes,
    a_half_hour_fold_keeps_its_instants: Writes,
    a_midnight_that_does_not_exist_moves_nothing: Writes,
}

async fn zones_of_odd_offsets_move_nothing(bench: &Bench) -> Result<(), Stop> {
    let zones = [
        Tz::UTC,
        Tz::Asia__Kathmandu,
        Tz::America__St_Johns,
        Tz::Pacific__Kiritimati,
        Tz::America__New_York,
    ];
    for zone in zones {
        expect_unmoved(bench, zone, between("2031-05-05T09:00:00Z", "2031-05-05T09:45:00Z"))
            .await?;
    }
    Ok(())
}

/// Paris skips 02:00 to 03:00 on 2031-03-30, at 01:00 UTC.
async fn an_event_across_a_gap_keeps_its_instants(bench: &Bench) -> Result<(), Stop> {
    let zone = Tz::Europe__Paris;
    expect_unmoved(bench, zone, between("2031-03-30T00:30:00Z", "2031-03-30T01:30:00Z")).await?;
    expect_unmoved(bench, zone, between("2031-03-30T00:00:00Z", "2031-03-30T01:00:00Z")).await
}

/// Paris has 02:30 twice on 2031-10-26: at 00:30 and at 01:30 UTC.
async fn both_passes_of_a_fold_are_told_apart(bench: &Bench) -> Result<(), Stop> {
    let zone = Tz::Europe__Paris;
    expect_unmoved(bench, zone, between("2031-10-26T00:30:00Z", "2031-10-26T00:45:00Z")).await?;
    expect_unmoved(bench, zone, between("2031-10-26T01:30:00Z", "2031-10-26T01:45:00Z")).await?;
    expect_unmoved(bench, zone, between("2031-10-26T00:30:00Z", "2031-10-26T01:30:00Z")).await
}

/// Lord Howe Island goes back by half an hour at 15:00 UTC on 2031-04-05.
async fn a_half_hour_fold_keeps_its_instants(bench: &Bench) -> Result<(), Stop> {
    let zone = Tz::Australia__Lord_Howe;
    expect_unmoved(bench, zone, between("2031-04-05T14:40:00Z", "2031-04-05T15:10:00Z")).await?;
    expect_unmoved(bench, zone, between("2031-04-05T15:10:00Z", "2031-04-05T15:40:00Z")).await
}

/// Santiago goes from 24:00 to 01:00 at 04:00 UTC on 2031-09-07.
async fn a_midnight_that_does_not_exist_moves_nothing(bench: &Bench) -> Result<(), Stop> {
    let zone = Tz::America__Santiago;
    expect_unmoved(bench, zone, between("2031-09-07T04:00:00Z", "2031-09-07T05:00:00Z")).await?;
    expect_unmoved(bench, zone, between("2031-09-07T03:30:00Z", "2031-09-07T04:30:00Z")).await
}

/// Puts an event, moved from wherever the last one was, and looks at it both ways.
async fn expect_unmoved(bench: &Bench, zone: Tz, range: TimeRange) -> Result<(), Stop> {
    let mut event = draft(1, range);
    event.zone = zone;
    bench.put(&event).await?;
    let stands = bench.get(&handle(1)).await?.range;
    ensure(
        stands == range,
        format_args!("in {zone} the event of {} stands at {}", text(range), text(stands)),
    )?;
    bench.expect_busy(between("2031-01-01T00:00:00Z", "2032-01-01T00:00:00Z"), &[range]).await
}
