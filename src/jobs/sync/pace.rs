//! How fast each provider may be asked ahead of time.

use std::num::NonZeroU32;

use calendar_provider::About;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// How much of what a provider allows is used for reading ahead, in hundredths. The rest is for
/// bookings, which are not held up.
const SHARE: u32 = 80;
/// What may be asked at once after a pause, as a part of what may be asked in a minute.
const BURST: u32 = 20;

/// A provider's pace, in this process: several of them share what the provider allows, so each must be
/// told its part.
#[derive(Debug)]
pub(super) struct Pace(Option<DefaultDirectRateLimiter>);

impl Pace {
    /// Well below what the provider says that it allows; without limit where it says nothing.
    pub(super) fn of(about: &About) -> Self {
        let allowed = about.requests_per_minute.map(|allowed| allowed.saturating_mul(SHARE) / 100);
        Self(allowed.map(|allowed| {
            let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_minute(at_least_one(allowed));
            RateLimiter::direct(quota.allow_burst(at_least_one(allowed / BURST)))
        }))
    }

    /// How many requests may be made now, up to `most`. They count as made.
    pub(super) fn take(&self, most: usize) -> usize {
        let Some(limiter) = &self.0 else { return most };
        (0..most).take_while(|_| limiter.check().is_ok()).count()
    }

    /// Waits until one more request may be made.
    pub(super) async fn one(&self) {
        if let Some(limiter) = &self.0 {
            limiter.until_ready().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use calendar_provider::ConnectMethod;

    use super::*;

    #[track_caller]
    fn check(allowed: Option<u32>, most: usize, taken: usize) {
        let mut about = About::new("acme", "Acme", ConnectMethod::None);
        about.requests_per_minute = allowed;
        assert_eq!(Pace::of(&about).take(most), taken, "{allowed:?}");
    }

    #[test]
    fn a_provider_is_asked_less_than_it_allows() {
        check(None, 1000, 1000);
        check(Some(6000), 1000, 240);
        check(Some(6000), 10, 10);
        check(Some(60), 1000, 2);
        check(Some(1), 1000, 1);
        check(Some(0), 1000, 1);
    }
}
