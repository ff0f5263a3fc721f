//! How long to wait before the next try.

use chrono::TimeDelta;

use crate::config::Delivery;

/// The wait after the `attempts`th try failed: doubling from the first retry up to the longest one,
/// of which the second half is left to chance, so that what failed together is not tried together.
/// `chance` is any number.
pub(super) fn wait(settings: &Delivery, attempts: i32, chance: u64) -> TimeDelta {
    let first = i64::from(settings.first_retry_seconds) * 1000;
    let longest = i64::from(settings.longest_retry_minutes) * 60_000;
    // 2^30 times the least first retry is past the longest wait that can be set.
    let doublings = (attempts - 1).clamp(0, 30);
    let whole = first.saturating_mul(1 << doublings).min(longest);
    let half = whole / 2;
    let span = u64::try_from(whole - half).unwrap_or(0) + 1;
    TimeDelta::milliseconds(half + i64::try_from(chance % span).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Delivery = Delivery {
        give_up_after_minutes: 1440,
        first_retry_seconds: 2,
        longest_retry_minutes: 30,
        conference_wait_seconds: 120,
        lease_seconds: 60,
        concurrency: 8,
        poll_milliseconds: 1000,
    };

    #[track_caller]
    fn check(attempts: i32, least: i64, most: i64) {
        for chance in [0, 1, 999, 1000, 1001, 123_456_789, u64::MAX] {
            let wait = wait(&SETTINGS, attempts, chance).num_milliseconds();
            assert!((least..=most).contains(&wait), "{wait} ms after {attempts} with {chance}");
        }
        assert_eq!(wait(&SETTINGS, attempts, 0).num_milliseconds(), least);
        let span = u64::try_from(most - least).unwrap();
        assert_eq!(wait(&SETTINGS, attempts, span).num_milliseconds(), most);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        check(1, 1000, 2000);
        check(2, 2000, 4000);
        check(3, 4000, 8000);
        check(10, 512_000, 1_024_000);
        check(11, 900_000, 1_800_000);
        check(1000, 900_000, 1_800_000);
    }

    #[test]
    fn a_count_that_no_row_has_waits_as_the_first() {
        check(0, 1000, 2000);
        check(i32::MIN + 1, 1000, 2000);
    }
}
