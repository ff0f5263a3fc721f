//! A failure is an error of its class, and never an empty answer.

use super::Fault;
use super::bench::{Bench, day, draft, handle, minutes};
use super::check::{Stop, checks};
use super::mirror::Mirror;
use crate::ErrorClass;

checks! {
    an_unknown_connection_is_never_free: Nothing,
    an_unknown_connection_takes_no_events: Writes,
    an_unknown_connection_has_no_changes: Changes,
    an_outage_is_an_error_and_passes: Nothing,
    a_revoked_authorization_is_unauthorized: Nothing,
    a_rate_limit_is_an_error_and_passes: Nothing,
    a_deleted_calendar_is_not_found: Nothing,
    an_answer_that_is_html_is_an_error_and_passes: Nothing,
    an_answer_that_is_not_utf8_is_an_error_and_passes: Nothing,
    an_answer_that_is_cut_off_is_an_error_and_passes: Nothing,
    an_answer_of_200_mib_is_an_error_and_passes: Nothing,
    a_write_during_an_outage_fails_and_can_be_made_again: Writes,
    a_write_that_is_refused_for_good_is_permanent: Writes,
    a_write_over_anothers_change_is_a_conflict: Writes,
    a_forgotten_history_expires_cursors: WritesAndChanges,
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
    expect_failing(bench, Fault::Down, &[ErrorClass::Transient]).await
}

async fn a_revoked_authorization_is_unauthorized(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::Revoked, &[ErrorClass::Unauthorized]).await
}

async fn a_rate_limit_is_an_error_and_passes(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::RateLimited, &[ErrorClass::RateLimited]).await
}

async fn a_deleted_calendar_is_not_found(bench: &Bench) -> Result<(), Stop> {
    bench.seed(1, minutes(0, 30)).await?;
    bench.inflict(Fault::CalendarGone).await?;
    let (provider, connection) = (&bench.provider, &bench.connection);
    let told = provider.free_busy(connection, day()).await;
    bench.expect_refused(connection, told, &[ErrorClass::NotFound])?;
    let capabilities = provider.about().capabilities;
    if capabilities.writes {
        let put = provider.put_event(connection, &draft(2, minutes(60, 90))).await;
        bench.expect_refused(connection, put, &[ErrorClass::NotFound])?;
    }
    if capabilities.changes {
        let told = provider.changes(connection, None, day()).await;
        bench.expect_refused(connection, told, &[ErrorClass::NotFound])?;
    }
    Ok(())
}

/// What can't be read may be the provider's outage or its new format.
const UNREADABLE: &[ErrorClass] = &[ErrorClass::Transient, ErrorClass::Permanent];

async fn an_answer_that_is_html_is_an_error_and_passes(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::Html, UNREADABLE).await
}

async fn an_answer_that_is_not_utf8_is_an_error_and_passes(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::NotUtf8, UNREADABLE).await
}

async fn an_answer_that_is_cut_off_is_an_error_and_passes(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::CutOff, UNREADABLE).await
}

async fn an_answer_of_200_mib_is_an_error_and_passes(bench: &Bench) -> Result<(), Stop> {
    expect_failing(bench, Fault::Huge, UNREADABLE).await
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

/// The agent's authorization holds: nobody is to be asked to sign in again.
async fn a_write_that_is_refused_for_good_is_permanent(bench: &Bench) -> Result<(), Stop> {
    bench.inflict(Fault::WritesRefused).await?;
    let put = bench.provider.put_event(&bench.connection, &draft(1, minutes(0, 30))).await;
    bench.expect_refused(&bench.connection, put, &[ErrorClass::Permanent])?;
    bench.expect_busy(day(), &[]).await
}

/// The error lets the server look again before it writes over what somebody else wants.
async fn a_write_over_anothers_change_is_a_conflict(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.inflict(Fault::ChangedMeanwhile).await?;
    let mut moved = draft(1, minutes(60, 90));
    moved.sequence = 1;
    let put = bench.provider.put_event(&bench.connection, &moved).await;
    bench.expect_refused(&bench.connection, put, &[ErrorClass::Conflict])?;
    bench.subject.mend().await;
    bench.put(&moved).await?;
    bench.expect_busy(day(), &[moved.range]).await
}

async fn a_forgotten_history_expires_cursors(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    let mut mirror = Mirror::default();
    mirror.follow(bench).await?;
    bench.put(&draft(2, minutes(60, 90))).await?;
    bench.inflict(Fault::HistoryForgotten).await?;
    let told = bench.provider.changes(&bench.connection, mirror.cursor.as_ref(), day()).await;
    bench.expect_refused(&bench.connection, told, &[ErrorClass::CursorExpired])?;
    bench.subject.mend().await;
    let mut anew = Mirror::default();
    anew.follow(bench).await?;
    anew.expect(&[minutes(0, 30), minutes(60, 90)])?;
    bench.delete(&handle(1)).await?;
    anew.follow(bench).await?;
    anew.expect(&[minutes(60, 90)])
}

/// Reads before, during and after the fault: busy, an error of one of the classes, busy.
async fn expect_failing(bench: &Bench, fault: Fault, classes: &[ErrorClass]) -> Result<(), Stop> {
    let event = minutes(0, 30);
    bench.seed(1, event).await?;
    bench.expect_busy(day(), &[event]).await?;
    bench.inflict(fault).await?;
    let told = bench.provider.free_busy(&bench.connection, day()).await;
    bench.expect_refused(&bench.connection, told, classes)?;
    let capabilities = bench.provider.about().capabilities;
    if capabilities.changes {
        let told = bench.provider.changes(&bench.connection, None, day()).await;
        bench.expect_refused(&bench.connection, told, classes)?;
    }
    if capabilities.calendars {
        let told = bench.provider.calendars(&bench.connection).await;
        bench.expect_refused(&bench.connection, told, classes)?;
    }
    if capabilities.writes {
        let told = bench.provider.get_event(&bench.connection, &handle(1)).await;
        bench.expect_refused(&bench.connection, told, classes)?;
    }
    bench.subject.mend().await;
    bench.expect_busy(day(), &[event]).await
}
