//! Listing an account's calendars, and reading busy time from several of them.

use std::collections::BTreeSet;

use super::bench::{Bench, day, draft, minutes};
use super::check::{Stop, checks, ensure};
use super::mirror::Mirror;
use crate::{Connection, ErrorClass};

checks! {
    the_connected_calendar_is_listed: Calendars,
    listed_calendars_are_told_apart: Calendars,
    each_listed_calendar_can_be_read: Calendars,
    an_unknown_connection_lists_no_calendars: Calendars,
    a_provider_that_lists_no_calendars_says_so: NoCalendars,
    a_calendar_that_was_picked_takes_the_events: Writes,
    a_calendar_also_busy_blocks_the_agent: Writes,
    a_calendar_also_busy_that_is_not_there_is_never_free: Nothing,
    following_looks_at_the_connected_calendar_alone: WritesAndChanges,
}

async fn the_connected_calendar_is_listed(bench: &Bench) -> Result<(), Stop> {
    let listed = bench.provider.calendars(&bench.connection).await?;
    let connected = &bench.connection.calendar_ref;
    let found = listed.iter().find(|calendar| calendar.calendar_ref == *connected);
    let found = found.ok_or_else(|| {
        Stop::Failed(format!("{connected:?}, the connected calendar, is not listed"))
    })?;
    ensure(
        found.writable || !bench.provider.about().capabilities.writes,
        "events are written to the connected calendar, and it is listed as not writable",
    )
}

async fn listed_calendars_are_told_apart(bench: &Bench) -> Result<(), Stop> {
    let listed = bench.provider.calendars(&bench.connection).await?;
    let told: BTreeSet<_> = listed.iter().map(|calendar| &calendar.calendar_ref).collect();
    ensure(told.len() == listed.len(), "two calendars have one reference")?;
    let named = listed.iter().all(|calendar| !calendar.name.trim().is_empty());
    ensure(named, "a calendar has a blank name")?;
    let primary = listed.iter().filter(|calendar| calendar.primary).count();
    ensure(primary <= 1, format_args!("{primary} calendars are the main one"))
}

async fn each_listed_calendar_can_be_read(bench: &Bench) -> Result<(), Stop> {
    for calendar in bench.provider.calendars(&bench.connection).await? {
        let mut picked = bench.connection.clone();
        picked.calendar_ref = calendar.calendar_ref;
        bench.provider.free_busy(&picked, day()).await?;
    }
    Ok(())
}

async fn an_unknown_connection_lists_no_calendars(bench: &Bench) -> Result<(), Stop> {
    let unknown = bench.subject.unknown_connection();
    // An account that stands lists its calendars, whichever of them was connected.
    let told = bench.provider.calendars(&unknown).await;
    bench.expect_refused(&unknown, told, &[ErrorClass::NotFound, ErrorClass::Unauthorized])
}

async fn a_provider_that_lists_no_calendars_says_so(bench: &Bench) -> Result<(), Stop> {
    let told = bench.provider.calendars(&bench.connection).await;
    bench.expect_refused(&bench.connection, told, &[ErrorClass::Unsupported])
}

async fn a_calendar_that_was_picked_takes_the_events(bench: &Bench) -> Result<(), Stop> {
    let picked = second(bench)?;
    let event = draft(1, minutes(0, 30));
    bench.provider.put_event(&picked, &event).await?;
    bench.expect_busy(day(), &[]).await?;
    let told = bench.provider.free_busy(&picked, day()).await?;
    ensure(!told.is_empty(), "an event written to another calendar of the account is not there")
}

async fn a_calendar_also_busy_blocks_the_agent(bench: &Bench) -> Result<(), Stop> {
    let second = second(bench)?;
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.provider.put_event(&second, &draft(2, minutes(60, 90))).await?;
    bench.expect_busy(day(), &[minutes(0, 30)]).await?;
    let both = bench.also_busy(second.calendar_ref);
    both.expect_busy(day(), &[minutes(0, 30), minutes(60, 90)]).await
}

/// Unknown is busy: leaving out what can't be read would show it as free.
async fn a_calendar_also_busy_that_is_not_there_is_never_free(bench: &Bench) -> Result<(), Stop> {
    let second = second(bench)?;
    let mut connection = bench.connection.clone();
    connection.also_busy = vec![format!("{}-gone", second.calendar_ref)];
    let told = bench.provider.free_busy(&connection, day()).await;
    let refusals = [ErrorClass::NotFound, ErrorClass::Unauthorized, ErrorClass::Permanent];
    bench.expect_refused(&connection, told, &refusals)
}

async fn following_looks_at_the_connected_calendar_alone(bench: &Bench) -> Result<(), Stop> {
    let second = second(bench)?;
    let both = bench.also_busy(second.calendar_ref.clone());
    let mut mirror = Mirror::default();
    mirror.follow(&both).await?;
    bench.provider.put_event(&second, &draft(1, minutes(0, 30))).await?;
    bench.put(&draft(2, minutes(60, 90))).await?;
    mirror.follow(&both).await?;
    mirror.expect(&[minutes(60, 90)])
}

/// The same account with its second calendar picked, or skips the check.
fn second(bench: &Bench) -> Result<Connection, Stop> {
    let mut connection = bench.connection.clone();
    connection.calendar_ref =
        bench.subject.second_calendar().ok_or(Stop::Skipped("no second_calendar"))?;
    Ok(connection)
}
