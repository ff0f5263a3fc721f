//! A failure is an error of its class, and never an empty answer.

use super::Fault;
use super::bench::{Bench, day, draft, handle, minutes};
use super::check::{Stop, checks};
use crate::ErrorClass;

checks! {
    an_unknown_connection_is_never_free: Nothing,
    an_unknown_connection_takes_no_events: Writes,
    an_unknown_connection_has_no_changes: Changes,
    an_outage_is_an_error_and_passes: Nothing,
    a_revoked_authorization_is_unauthorized: Nothing,
    a_rate_limit_is_an_error_and_passes: Nothing,
    a_write_during_an_outage_fails_and_can_be_made_again: Writes,
}

const UNKNOWN: &[ErrorClass] = &[ErrorClass::NotFound, ErrorClass::Unauthorized];

async fn an_unknown_connection_is_never_free(bench: &Bench) -> Result<(), Stop> {
    let unknown = bench.subject.unknown_connection();
    let told = bench.provider.free_busy(&unknown, day()).await;
    bench.expect_refused(&unknown, told, UNKNOWN)
}

async fn an_unknown_connection_takes_no_events(bench: &Bench) -> Result<(), Stop> {
    let (provider, unknown) = (&bench.provider, bench.subject.unknown_connection());
    let put = provider.put_event(&unknown, &draft(1, minutes(0, 30))).await;
    bench.expect_refused(&unknown, put, UNKNOWN)?;
    let delete = provider.delete_event(&unknown, &handle(1)).await;
    bench.expect_refused(&unknown, delete, UNKNOWN)?;
    let get = provider.get_event(&unknown, &handle(1)).await;
    bench.expect_refused(&unknown, get, UNKNOWN)
}

async fn an_unknown_connection_has_no_changes(bench: &Bench) -> Result<(), Stop> {
    let unknown = bench.subject.unknown_connection();
    let told = bench.provider.changes(&unknown, None, day()).await;
    bench.expect_refused(&unknown, told, UNKNOWN)
}

async fn an_outage_is_an_error_and_passes(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::Down, ErrorClass::Transient).await
}

async fn a_revoked_authorization_is_unauthorized(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::Revoked, ErrorClass::Unauthorized).await
}

async fn a_rate_limit_is_an_error_and_passes(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::RateLimited, ErrorClass::RateLimited).await
}

async fn a_write_during_an_outage_fails_and_can_be_made_again(bench: &Bench) -> Result<(), Stop> {
    let event = draft(1, minutes(0, 30));
    bench.inflict(Fault::Down).await?;
    let transient = [ErrorClass::Transient];
    let put = bench.provider.put_event(&bench.connection, &event).await;
    bench.expect_refused(&bench.connection, put, &transient)?;
    bench.subject.mend().await;
    bench.put(&event).await?;
    bench.expect_busy(day(), &[event.range]).await?;

    bench.inflict(Fault::Down).await?;
    let delete = bench.provider.delete_event(&bench.connection, &handle(1)).await;
    bench.expect_refused(&bench.connection, delete, &transient)?;
    let get = bench.provider.get_event(&bench.connection, &handle(1)).await;
    bench.expect_refused(&bench.connection, get, &transient)?;
    bench.subject.mend().await;
    bench.delete(&handle(1)).await?;
    bench.expect_busy(day(), &[]).await
}

/// Reads before, during and after the fault: busy, an error of the class, busy.
async fn expect_failing(bench: &Bench, fault: Fault, class: ErrorClass) -> Result<(), Stop> {
    let event = minutes(0, 30);
    bench.seed(1, event).await?;
    bench.expect_busy(day(), &[event]).await?;
    bench.inflict(fault).await?;
    let told = bench.provider.free_busy(&bench.connection, day()).await;
    bench.expect_refused(&bench.connection, told, &[class])?;
    if bench.provider.about().capabilities.changes {
        let told = bench.provider.changes(&bench.connection, None, day()).await;
        bench.expect_refused(&bench.connection, told, &[class])?;
    }
    bench.subject.mend().await;
    bench.expect_busy(day(), &[event]).await
}
