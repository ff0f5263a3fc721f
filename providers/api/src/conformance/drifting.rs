//! Events of the server's own that the agent changes by hand.

use super::bench::{Bench, day, draft, handle, minutes};
use super::check::{Stop, checks, ensure};
use super::mirror::Mirror;

checks! {
    an_event_deleted_by_hand_frees_its_time: Writes,
    an_event_deleted_by_hand_is_none: Writes,
    an_event_deleted_by_hand_is_told: WritesAndChanges,
    an_event_deleted_by_hand_can_be_made_again: Writes,
    an_event_deleted_by_hand_can_be_deleted: Writes,
}

async fn an_event_deleted_by_hand_frees_its_time(bench: &Bench) -> Result<(), Stop> {
    delete_by_hand(bench).await?;
    bench.expect_busy(day(), &[minutes(60, 90)]).await
}

async fn an_event_deleted_by_hand_is_none(bench: &Bench) -> Result<(), Stop> {
    delete_by_hand(bench).await?;
    let found = bench.provider.get_event(&bench.connection, &handle(1)).await?;
    ensure(found.is_none(), "an event that the agent deleted still reads back")
}

async fn an_event_deleted_by_hand_is_told(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    mirror.expect(&[minutes(0, 30)])?;
    bench.remove_outside(1).await?;
    mirror.follow(bench).await?;
    mirror.expect(&[])
}

/// The server undoes what the agent did: the same UID stands once more, and once only.
async fn an_event_deleted_by_hand_can_be_made_again(bench: &Bench) -> Result<(), Stop> {
    delete_by_hand(bench).await?;
    let mut again = draft(1, minutes(0, 30));
    again.sequence = 1;
    bench.put(&again).await?;
    bench.put(&again).await?;
    bench.expect_busy(day(), &[minutes(0, 30), minutes(60, 90)]).await?;
    bench.get(&handle(1)).await?;
    bench.delete(&handle(1)).await?;
    bench.expect_busy(day(), &[minutes(60, 90)]).await
}

async fn an_event_deleted_by_hand_can_be_deleted(bench: &Bench) -> Result<(), Stop> {
    delete_by_hand(bench).await?;
    bench.delete(&handle(1)).await
}

/// Of two events the first is deleted from outside.
async fn delete_by_hand(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.put(&draft(2, minutes(60, 90))).await?;
    bench.remove_outside(1).await
}
