//! Following changes with a cursor.

use super::bench::{Bench, day, draft, handle, minutes, outside};
use super::check::{Stop, checks, ensure};
use super::mirror::{Mirror, changes};
use crate::{Cursor, ErrorClass};

checks! {
    the_first_look_tells_every_event: Changes,
    no_change_tells_nothing_and_goes_on: Changes,
    a_new_event_is_told_once: WritesAndChanges,
    a_move_is_told_with_its_new_time: WritesAndChanges,
    a_deletion_is_told: WritesAndChanges,
    a_cursor_can_be_replayed: WritesAndChanges,
    an_outside_event_is_told: Changes,
    a_transparent_event_is_not_told_as_busy: Changes,
    following_ends_where_reading_does: WritesAndChanges,
    an_unknown_cursor_is_expired: Changes,
    a_provider_that_follows_no_changes_says_so: NoChanges,
}

async fn the_first_look_tells_every_event(bench: &Bench) -> Result<(), Stop> {
    bench.seed(1, minutes(0, 30)).await?;
    bench.seed(2, minutes(60, 90)).await?;
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(0, 30), minutes(60, 90)])
}

async fn no_change_tells_nothing_and_goes_on(bench: &Bench) -> Result<(), Stop> {
    bench.seed(1, minutes(0, 30)).await?;
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    for _ in 0..2 {
        let told = mirror.follow(bench).await?;
        ensure(told.is_empty(), format_args!("nothing changed, and {} were told", told.len()))?;
    }
    bench.seed(2, minutes(60, 90)).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(0, 30), minutes(60, 90)])
}

async fn a_new_event_is_told_once(bench: &Bench) -> Result<(), Stop> {
    bench.seed(1, minutes(0, 30)).await?;
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    let receipt = bench.put(&draft(2, minutes(60, 90))).await?;
    let told = mirror.follow(bench).await?;
    ensure(
        told.iter().all(|change| change.event_ref() == receipt.event_ref) && told.len() == 1,
        format_args!("one event is new, and told was {told:?}"),
    )?;
    mirror.expect(&[minutes(0, 30), minutes(60, 90)])
}

async fn a_move_is_told_with_its_new_time(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    let mut moved = draft(1, minutes(60, 90));
    moved.sequence = 1;
    bench.put(&moved).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[moved.range])?;
    // Out of the window: told as it stands there or as gone, but told.
    moved.range = minutes(3 * 24 * 60, 3 * 24 * 60 + 30);
    moved.sequence = 2;
    bench.put(&moved).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[])
}

async fn a_deletion_is_told(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.put(&draft(2, minutes(60, 90))).await?;
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    bench.delete(&handle(1)).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(60, 90)])
}

/// As after a crash between reading the changes and keeping the new cursor.
async fn a_cursor_can_be_replayed(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    let before = mirror.cursor.clone();
    bench.put(&draft(2, minutes(60, 90))).await?;
    bench.delete(&handle(1)).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(60, 90)])?;
    mirror.cursor = before;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(60, 90)])
}

async fn an_outside_event_is_told(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    bench.add_outside(outside(1, minutes(0, 30))).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(0, 30)])
}

async fn a_transparent_event_is_not_told_as_busy(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    let mut transparent = outside(1, minutes(0, 30));
    transparent.busy = false;
    bench.add_outside(transparent).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[])
}

/// Several changes between two looks, and several looks.
async fn following_ends_where_reading_does(bench: &Bench) -> Result<(), Stop> {
    let mut mirror = Mirror::default();
    for round in 0..4_u32 {
        for number in 0..6 {
            let start = i64::from(number * 100 + round * 10);
            let mut event = draft(number, minutes(start, start + 5));
            event.sequence = round;
            bench.put(&event).await?;
        }
        for number in [round, 5] {
            bench.delete(&handle(number)).await?;
        }
        mirror.follow(bench).await?;
        let ranges: Vec<_> = mirror.events.values().map(|event| event.range).collect();
        ensure(ranges.len() == 4, format_args!("4 events stand, {} are known", ranges.len()))?;
        bench.expect_busy(day(), &ranges).await?;
    }
    Ok(())
}

async fn an_unknown_cursor_is_expired(bench: &Bench) -> Result<(), Stop> {
    bench.seed(1, minutes(0, 30)).await?;
    let real = changes(bench, None, day()).await?.next;
    let spoilt = format!("{}x", real.as_str());
    for text in ["", "-1", "no such cursor", &spoilt] {
        let cursor = Cursor::new(text);
        let told = bench.provider.changes(&bench.connection, Some(&cursor), day()).await;
        bench.expect_refused(&bench.connection, told, &[ErrorClass::CursorExpired])?;
    }
    Ok(())
}

async fn a_provider_that_follows_no_changes_says_so(bench: &Bench) -> Result<(), Stop> {
    let told = bench.provider.changes(&bench.connection, None, day()).await;
    bench.expect_refused(&bench.connection, told, &[ErrorClass::Unsupported])
}
