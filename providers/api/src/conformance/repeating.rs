//! Doing it again: after success, at once, and after a call that was dropped half-way.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::bench::{Bench, day, draft, handle, minutes};
use super::check::{Stop, checks, ensure};
use crate::ErrorClass;

checks! {
    "put_event, delete_event: idempotence";
    putting_twice_makes_one_event: Writes,
    deleting_twice_succeeds: Writes,
    deleting_what_never_was_succeeds: Writes,
    concurrent_puts_of_one_uid_make_one_event: Writes,
    concurrent_puts_of_many_uids_make_them_all: Writes,
    a_dropped_put_can_be_made_again: Writes,
    a_dropped_delete_can_be_made_again: Writes,
}

/// At how many await points a call is dropped, one after another.
const DROPS: usize = 12;

async fn putting_twice_makes_one_event(bench: &Bench) -> Result<(), Stop> {
    let event = draft(1, minutes(0, 30));
    let first = bench.put(&event).await?;
    let second = bench.put(&event).await?;
    ensure(
        first.event_ref == second.event_ref,
        format_args!("the second put answered {} after {}", second.event_ref, first.event_ref),
    )?;
    expect_one(bench).await
}

async fn deleting_twice_succeeds(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.delete(&handle(1)).await?;
    bench.delete(&handle(1)).await?;
    bench.expect_busy(day(), &[]).await
}

async fn deleting_what_never_was_succeeds(bench: &Bench) -> Result<(), Stop> {
    bench.delete(&handle(1)).await
}

/// Of several at once some may fail, but only so that the server tries again.
async fn concurrent_puts_of_one_uid_make_one_event(bench: &Bench) -> Result<(), Stop> {
    let mut puts = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (provider, connection) = (bench.provider.clone(), bench.connection.clone());
        puts.spawn(async move { provider.put_event(&connection, &draft(1, minutes(0, 30))).await });
    }
    let mut made = 0;
    for put in puts.join_all().await {
        match put {
            Ok(_) => made += 1,
            Err(error) if error.is_retryable() || error.class() == ErrorClass::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure(made > 0, "of 16 puts at once none succeeded")?;
    expect_one(bench).await
}

async fn concurrent_puts_of_many_uids_make_them_all(bench: &Bench) -> Result<(), Stop> {
    let event =
        |number| draft(number, minutes(i64::from(number) * 20, i64::from(number) * 20 + 10));
    let mut puts = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (provider, connection) = (bench.provider.clone(), bench.connection.clone());
        puts.spawn(async move { provider.put_event(&connection, &event(number)).await });
    }
    for put in puts.join_all().await {
        put?;
    }
    let ranges: Vec<_> = (0..16).map(|number| event(number).range).collect();
    bench.expect_busy(day(), &ranges).await
}

async fn a_dropped_put_can_be_made_again(bench: &Bench) -> Result<(), Stop> {
    let event = draft(1, minutes(0, 30));
    for polls in 0..DROPS {
        abandon(bench.provider.put_event(&bench.connection, &event), polls).await;
        bench.put(&event).await?;
        expect_one(bench).await?;
        bench.delete(&handle(1)).await?;
        bench.expect_busy(day(), &[]).await?;
    }
    Ok(())
}

async fn a_dropped_delete_can_be_made_again(bench: &Bench) -> Result<(), Stop> {
    let event = draft(1, minutes(0, 30));
    for polls in 0..DROPS {
        bench.put(&event).await?;
        abandon(bench.provider.delete_event(&bench.connection, &handle(1)), polls).await;
        bench.delete(&handle(1)).await?;
        bench.expect_busy(day(), &[]).await?;
    }
    Ok(())
}

/// Fails unless event 1 stands, once: it is busy, and one delete frees its time.
async fn expect_one(bench: &Bench) -> Result<(), Stop> {
    let event = draft(1, minutes(0, 30));
    bench.expect_busy(day(), &[event.range]).await?;
    bench.delete(&handle(1)).await?;
    let left = bench.free_busy(day()).await?;
    ensure(left.is_empty(), "the event was there more than once")?;
    bench.put(&event).await.map(drop)
}

/// Polls a call so many times, unless it ends before, and drops it.
async fn abandon(call: impl Future, polls: usize) {
    let mut call = pin!(call);
    for _ in 0..polls {
        let ended = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
        if ended {
            return;
        }
        tokio::task::yield_now().await;
    }
}
