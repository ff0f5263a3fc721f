//! References are hints: the UID decides, whatever the server remembers.

use super::bench::{Bench, day, draft, handle, minutes, uid};
use super::check::{Stop, checks, ensure};
use crate::EventHandle;

checks! {
    a_reference_that_is_right_makes_no_second_event: Writes,
    a_reference_that_never_was_makes_one_event: Writes,
    a_reference_of_a_deleted_event_makes_one_event: Writes,
    a_reference_of_another_event_leaves_that_alone: Writes,
    an_event_is_found_in_spite_of_a_stale_reference: Writes,
    an_event_is_deleted_in_spite_of_a_stale_reference: Writes,
}

const NEVER: &str = "no-such-reference";

async fn a_reference_that_is_right_makes_no_second_event(bench: &Bench) -> Result<(), Stop> {
    let mut event = draft(1, minutes(0, 30));
    let first = bench.put(&event).await?.event_ref;
    event.event_ref = Some(first.clone());
    event.range = minutes(60, 90);
    event.sequence = 1;
    let second = bench.put(&event).await?.event_ref;
    ensure(first == second, "the reference changed though the event lives")?;
    bench.expect_busy(day(), &[event.range]).await
}

async fn a_reference_that_never_was_makes_one_event(bench: &Bench) -> Result<(), Stop> {
    let mut event = draft(1, minutes(0, 30));
    event.event_ref = Some(NEVER.into());
    let first = bench.put(&event).await?.event_ref;
    let second = bench.put(&event).await?.event_ref;
    ensure(first == second, "two puts with a reference that never was answered two references")?;
    bench.delete(&handle(1)).await?;
    bench.expect_busy(day(), &[]).await
}

async fn a_reference_of_a_deleted_event_makes_one_event(bench: &Bench) -> Result<(), Stop> {
    let mut event = draft(1, minutes(0, 30));
    event.event_ref = Some(bench.put(&event).await?.event_ref);
    bench.delete(&handle(1)).await?;
    bench.put(&event).await?;
    bench.put(&event).await?;
    bench.expect_busy(day(), &[event.range]).await?;
    bench.delete(&handle(1)).await?;
    bench.expect_busy(day(), &[]).await
}

async fn a_reference_of_another_event_leaves_that_alone(bench: &Bench) -> Result<(), Stop> {
    let other = bench.put(&draft(1, minutes(0, 30))).await?;
    let mut event = draft(2, minutes(60, 90));
    event.event_ref = Some(other.event_ref);
    bench.put(&event).await?;
    bench.expect_busy(day(), &[minutes(0, 30), minutes(60, 90)]).await?;
    let stands = bench.get(&handle(1)).await?.range;
    ensure(stands == minutes(0, 30), "an event was overwritten by one of another UID")
}

async fn an_event_is_found_in_spite_of_a_stale_reference(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    let stale = EventHandle::new(uid(1), Some(NEVER.into()));
    let stands = bench.get(&stale).await?.range;
    ensure(stands == minutes(0, 30), "another event was read")
}

async fn an_event_is_deleted_in_spite_of_a_stale_reference(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.delete(&EventHandle::new(uid(1), Some(NEVER.into()))).await?;
    bench.expect_busy(day(), &[]).await
}
