//! The kit passes what keeps every rule, and names the rule that a broken provider breaks.

mod memory;

use calendar_provider::conformance::{assert_conforms, run};
use memory::{Calendars, Flaw};

#[tokio::test]
async fn a_provider_that_keeps_every_rule_conforms() {
    let report = assert_conforms(&Calendars { flaw: Flaw::None, read_only: false }).await;
    let skipped: Vec<_> = report.skipped.iter().map(|skip| skip.check).collect();
    assert_eq!(
        skipped,
        ["a_provider_that_does_not_write_says_so", "a_provider_that_follows_no_changes_says_so"]
    );
}

#[tokio::test]
async fn a_provider_that_only_reads_conforms() {
    let report = assert_conforms(&Calendars { flaw: Flaw::None, read_only: true }).await;
    for check in
        ["a_provider_that_does_not_write_says_so", "a_provider_that_follows_no_changes_says_so"]
    {
        assert!(report.passed.contains(&check), "{check} was not run: {report}");
    }
}

#[tokio::test]
async fn each_flaw_is_caught_by_the_check_of_its_rule() {
    for (flaw, check) in [
        (Flaw::FailureIsEmpty, "an_outage_is_an_error_and_passes"),
        (Flaw::UnknownIsEmpty, "an_unknown_connection_is_never_free"),
        (Flaw::ClosedIntervals, "a_window_that_ends_where_an_event_starts_is_free"),
        (Flaw::MissesWhatBeganBefore, "a_window_inside_an_event_is_busy"),
        (Flaw::PutAlwaysCreates, "putting_twice_makes_one_event"),
        (Flaw::PutRacesItself, "concurrent_puts_of_one_uid_make_one_event"),
        (Flaw::MoveLost, "putting_again_moves_the_event"),
        (Flaw::DeleteFailsWhenGone, "deleting_twice_succeeds"),
        (Flaw::DeleteByTime, "deleting_leaves_other_events"),
        (Flaw::FoldTakesFirstPass, "both_passes_of_a_fold_are_told_apart"),
        (Flaw::WinterOffsetAllYear, "an_event_across_a_gap_keeps_its_instants"),
        (Flaw::TransparentIsBusy, "a_transparent_event_is_free"),
        (Flaw::OwnersMix, "calendars_do_not_mix"),
        (Flaw::FirstPageOnly, "a_hundred_events_are_all_busy"),
        (Flaw::LockLeftBehind, "a_dropped_put_can_be_made_again"),
        (Flaw::DeletionUntold, "a_deletion_is_told"),
        (Flaw::TransparentIsBusy, "a_transparent_event_is_not_told_as_busy"),
        (Flaw::BadCursorBeginsAgain, "an_unknown_cursor_is_expired"),
        (Flaw::TokenInError, "an_unknown_connection_is_never_free"),
        (Flaw::RevokedIsTransient, "a_revoked_authorization_is_unauthorized"),
        (Flaw::ConnectsAnyone, "connecting_refuses_wrong_credentials"),
        (Flaw::Panics, "an_empty_calendar_is_free"),
    ] {
        let report = run(&Calendars { flaw, read_only: false }).await;
        assert!(
            report.failed.iter().any(|failure| failure.check == check),
            "{flaw:?} was not caught by {check}: {report}"
        );
    }
}
