//! The kit passes what keeps every rule, and names the rule that a broken provider breaks.

mod memory;

use std::collections::BTreeSet;

use calendar_provider::conformance::{Report, assert_conforms, run};
use memory::{Calendars, Flaw, Kind};

const KINDS: [Kind; 3] = [Kind::Full, Kind::Plain, Kind::ReadOnly];

fn skipped(report: &Report) -> Vec<&'static str> {
    report.skipped.iter().map(|skip| skip.check).collect()
}

#[tokio::test]
async fn a_provider_that_keeps_every_rule_conforms() {
    let report = assert_conforms(&Calendars { kind: Kind::Full, flaw: Flaw::None }).await;
    assert_eq!(
        skipped(&report),
        [
            "a_provider_that_lists_no_calendars_says_so",
            "a_provider_that_does_not_write_says_so",
            "a_conference_that_is_not_offered_is_left_out",
            "a_provider_that_follows_no_changes_says_so",
            "a_provider_that_does_not_push_says_so",
        ]
    );
}

#[tokio::test]
async fn what_a_provider_can_not_do_is_what_it_must_say() {
    let said = [
        "a_provider_that_lists_no_calendars_says_so",
        "a_provider_that_does_not_push_says_so",
        "a_conference_that_is_not_offered_is_left_out",
    ];
    let plain = assert_conforms(&Calendars { kind: Kind::Plain, flaw: Flaw::None }).await;
    let said_more =
        ["a_provider_that_does_not_write_says_so", "a_provider_that_follows_no_changes_says_so"];
    let only_reads = assert_conforms(&Calendars { kind: Kind::ReadOnly, flaw: Flaw::None }).await;
    for (report, checks) in
        [(&plain, &said[..]), (&only_reads, &said_more), (&only_reads, &said[..2])]
    {
        for check in checks {
            assert!(report.passed.contains(check), "{check} was not run: {report}");
        }
    }
}

/// How a provider of each kind with this flaw fares.
async fn reports(flaw: Flaw) -> Vec<Report> {
    let mut reports = Vec::new();
    for kind in KINDS {
        reports.push(run(&Calendars { kind, flaw }).await);
    }
    reports
}

#[tokio::test]
async fn each_flaw_is_caught() {
    for &flaw in Flaw::ALL {
        let caught = reports(flaw).await.iter().any(|report| !report.conforms());
        assert!(caught, "{flaw:?} was not caught");
    }
}

/// A check that no flaw turns red checks nothing. The flaw that breaks whatever reads is left out.
#[tokio::test]
async fn each_check_catches_a_flaw() {
    let mut all = BTreeSet::new();
    let mut caught = BTreeSet::new();
    for &flaw in Flaw::ALL {
        if flaw == Flaw::Panics {
            continue;
        }
        for report in reports(flaw).await {
            caught.extend(report.failed.iter().map(|failure| failure.check));
            all.extend(report.passed);
        }
    }
    all.extend(&caught);
    let blind: Vec<_> = all.difference(&caught).collect();
    assert!(blind.is_empty(), "these catch nothing: {blind:#?}");
}

#[tokio::test]
async fn each_flaw_is_caught_by_the_check_of_its_rule() {
    for (flaw, check) in [
        (Flaw::FailureIsEmpty, "an_outage_is_an_error_and_passes"),
        (Flaw::FailureIsEmpty, "a_deleted_calendar_is_not_found"),
        (Flaw::UnknownIsEmpty, "an_unknown_connection_is_never_free"),
        (Flaw::ClosedIntervals, "a_window_that_ends_where_an_event_starts_is_free"),
        (Flaw::MissesWhatBeganBefore, "a_window_inside_an_event_is_busy"),
        (Flaw::MissesWhatBeganBefore, "an_occurrence_that_began_before_the_window_is_busy"),
        (Flaw::PutAlwaysCreates, "putting_twice_makes_one_event"),
        (Flaw::PutRacesItself, "concurrent_puts_of_one_uid_make_one_event"),
        (Flaw::MoveLost, "putting_again_moves_the_event"),
        (Flaw::DeleteFailsWhenGone, "deleting_twice_succeeds"),
        (Flaw::DeleteByTime, "deleting_leaves_other_events"),
        (Flaw::FoldTakesFirstPass, "both_passes_of_a_fold_are_told_apart"),
        (Flaw::WinterOffsetAllYear, "an_event_across_a_gap_keeps_its_instants"),
        (Flaw::TransparentIsBusy, "a_transparent_event_is_free"),
        (Flaw::TransparentIsBusy, "a_transparent_event_is_not_told_as_busy"),
        (Flaw::OwnersMix, "calendars_do_not_mix"),
        (Flaw::FirstPageOnly, "a_hundred_events_are_all_busy"),
        (Flaw::LockLeftBehind, "a_dropped_put_can_be_made_again"),
        (Flaw::DeletionUntold, "a_deletion_is_told"),
        (Flaw::BadCursorBeginsAgain, "an_unknown_cursor_is_expired"),
        (Flaw::TokenInError, "an_unknown_connection_is_never_free"),
        (Flaw::RevokedIsTransient, "a_revoked_authorization_is_unauthorized"),
        (Flaw::ConnectsAnyone, "connecting_refuses_wrong_credentials"),
        (Flaw::Panics, "an_empty_calendar_is_free"),
        (Flaw::SeriesIsItsFirst, "a_series_is_busy_at_each_occurrence"),
        (Flaw::SeriesKeepsFirstOffset, "a_series_keeps_its_wall_clock_across_spring"),
        (Flaw::SeriesKeepsFirstOffset, "a_series_keeps_its_wall_clock_across_autumn"),
        (Flaw::SeriesInUtc, "a_series_is_read_in_its_own_zone"),
        (Flaw::SeriesEndsInAYear, "a_series_without_end_is_busy_years_later"),
        (Flaw::UntilExcluded, "a_series_until_an_instant_ends_with_it"),
        (Flaw::BydayIgnored, "a_series_on_the_last_friday_finds_it"),
        (Flaw::ExdatesIgnored, "an_excluded_occurrence_is_free"),
        (Flaw::MovedStaysToo, "a_moved_occurrence_is_busy_at_its_new_time_alone"),
        (Flaw::MovedIgnored, "an_occurrence_moved_into_the_window_is_busy"),
        (Flaw::WholeDaysInUtc, "a_whole_day_is_busy_from_midnight_to_midnight_there"),
        (Flaw::WholeDaysOf24Hours, "a_whole_day_of_23_hours_is_busy_for_23"),
        (Flaw::WholeDaysOf24Hours, "a_whole_day_of_25_hours_is_busy_for_25"),
        (Flaw::SeriesUntold, "a_new_series_is_told"),
        (Flaw::SeriesOnlyAdds, "an_occurrence_left_out_is_told"),
        (Flaw::SeriesSharesOneRef, "a_first_look_tells_a_series"),
        (Flaw::DeletionUntold, "a_deleted_series_is_told"),
        (Flaw::TrustsReferences, "a_reference_of_another_event_leaves_that_alone"),
        (Flaw::NeedsTheReference, "a_reference_of_another_event_leaves_that_alone"),
        (Flaw::FindsByReferenceAlone, "an_event_is_found_in_spite_of_a_stale_reference"),
        (Flaw::DeletesByReferenceAlone, "an_event_is_deleted_in_spite_of_a_stale_reference"),
        (Flaw::ConferencePendingForEver, "a_wanted_conference_is_made"),
        (Flaw::ConferenceAnewEachTime, "a_conference_stays_when_the_event_moves"),
        (Flaw::ConferenceShared, "two_events_have_two_conferences"),
        (Flaw::ConferencePromised, "a_conference_that_is_not_offered_is_left_out"),
        (Flaw::RefusalIsUnauthorized, "a_write_that_is_refused_for_good_is_permanent"),
        (Flaw::OverwritesOthers, "a_write_over_anothers_change_is_a_conflict"),
        (Flaw::ForgottenIsEmpty, "a_forgotten_history_expires_cursors"),
        (Flaw::ConnectedUnlisted, "the_connected_calendar_is_listed"),
        (Flaw::AlsoBusyIgnored, "a_calendar_also_busy_blocks_the_agent"),
        (Flaw::AlsoBusyGoneIsFree, "a_calendar_also_busy_that_is_not_there_is_never_free"),
        (Flaw::PickIgnored, "a_calendar_that_was_picked_takes_the_events"),
        (Flaw::DeletedIsForGood, "an_event_deleted_by_hand_can_be_made_again"),
        (Flaw::CanNotProlong, "a_channel_can_be_prolonged"),
        (Flaw::UnwatchFailsWhenEnded, "a_channel_can_be_ended_twice"),
        (Flaw::PushesOn, "an_ended_channel_is_silent"),
        (Flaw::PushUnchecked, "a_push_with_another_secret_is_refused"),
        (Flaw::PushNeedsNoSecret, "a_push_without_its_secret_is_refused"),
        (Flaw::GarbagePanics, "a_push_of_garbage_is_survived"),
    ] {
        let caught = reports(flaw).await;
        let mut failed = caught.iter().flat_map(|report| &report.failed);
        assert!(
            failed.any(|failure| failure.check == check),
            "{flaw:?} was not caught by {check}: {}",
            caught[0]
        );
    }
}
