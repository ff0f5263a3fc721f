//! A circuit for each origin: who fails again and again is left alone for a while.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lru::LruCache;
use tokio::time::Instant;
use url::Origin;

/// How many failing origins are remembered; the one longest untouched is forgotten first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");

/// How much longer than the first pause one can get.
const MAX_GROWTH: u32 = 10;

/// The circuits of all origins that fail; one that works takes no room. Clones share them.
#[derive(Clone)]
pub(crate) struct Circuits {
    failures: u32,
    pause: Duration,
    failing: Arc<Mutex<LruCache<Origin, Circuit>>>,
}

/// What is known of an origin whose last call failed.
struct Circuit {
    /// Failed calls in a row.
    failures: u32,
    /// Set once the circuit has opened.
    open: Option<Open>,
}

struct Open {
    until: Instant,
    pause: Duration,
    /// The trial call that is under way.
    trial: Option<Arc<()>>,
}

/// The circuit is open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IsOpen;

/// Leave to make one call. Dropped unsettled, as when the caller goes away, it says nothing about
/// the origin and lets another caller try.
pub(crate) struct Permit {
    circuits: Circuits,
    origin: Origin,
    trial: Option<Arc<()>>,
}

impl Circuits {
    /// A circuit opens for `pause` after `failures` failed calls in a row.
    pub(crate) fn new(failures: u32, pause: Duration) -> Self {
        let failing = Arc::new(Mutex::new(LruCache::new(REMEMBERED)));
        Self { failures: failures.max(1), pause, failing }
    }

    /// Leave to call `origin`; once its pause is over, for one caller at a time.
    pub(crate) fn enter(&self, origin: Origin) -> Result<Permit, IsOpen> {
        let trial = match self.lock().get_mut(&origin).and_then(|it| it.open.as_mut()) {
            None => None,
            Some(open) if open.trial.is_none() && open.until <= Instant::now() => {
                Some(Arc::clone(open.trial.insert(Arc::new(()))))
            }
            Some(_) => return Err(IsOpen),
        };
        Ok(Permit { circuits: self.clone(), origin, trial })
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Origin, Circuit>> {
        // Nothing panics while it is held, and any state of it is a sound one.
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Whether this is the one call that finds out if the origin works again.
    pub(crate) fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// The origin works: it begins anew.
    pub(crate) fn succeeded(self) {
        self.circuits.lock().pop(&self.origin);
    }

    /// The origin does not work.
    pub(crate) fn failed(self) {
        let (threshold, first_pause) = (self.circuits.failures, self.circuits.pause);
        let mut failing = self.circuits.lock();
        let circuit =
            failing.get_or_insert_mut(self.origin.clone(), || Circuit { failures: 0, open: None });
        match &mut circuit.open {
            Some(open) if self.owns(open) => {
                let longest = first_pause.saturating_mul(MAX_GROWTH);
                let pause = open.pause.saturating_mul(2).min(longest);
                circuit.open = Some(Open::starting_now(pause));
            }
            // A call that began before the circuit opened tells nothing new.
            Some(_) => {}
            None => {
                circuit.failures = circuit.failures.saturating_add(1);
                if threshold <= circuit.failures {
                    circuit.open = Some(Open::starting_now(first_pause));
                }
            }
        }
    }

    fn owns(&self, open: &Open) -> bool {
        matches!((&self.trial, &open.trial), (Some(mine), Some(its)) if Arc::ptr_eq(mine, its))
    }
}

impl Open {
    fn starting_now(pause: Duration) -> Self {
        Self { until: Instant::now() + pause, pause, trial: None }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.trial.is_none() {
            return;
        }
        let mut failing = self.circuits.lock();
        if let Some(open) = failing.peek_mut(&self.origin).and_then(|it| it.open.as_mut())
            && self.owns(open)
        {
            open.trial = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;
    use url::{Origin, Url};

    use super::{Circuits, IsOpen};

    const PAUSE: Duration = Duration::from_secs(30);
    const MILLISECOND: Duration = Duration::from_millis(1);

    fn origin() -> Origin {
        Url::parse("https://example.com").unwrap().origin()
    }

    fn fail(circuits: &Circuits, times: u32) {
        for _ in 0..times {
            circuits.enter(origin()).ok().unwrap().failed();
        }
    }

    fn is_open(circuits: &Circuits) -> bool {
        circuits.enter(origin()).is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_for_its_pause_and_for_its_origin_only() {
        let circuits = Circuits::new(5, PAUSE);
        fail(&circuits, 4);
        circuits.enter(origin()).ok().unwrap().succeeded();
        fail(&circuits, 4);
        assert!(!is_open(&circuits));
        fail(&circuits, 1);
        assert!(is_open(&circuits));

        let other = Url::parse("https://example.com:8443").unwrap().origin();
        assert!(circuits.enter(other).is_ok());
        advance(PAUSE - MILLISECOND).await;
        assert!(is_open(&circuits));
        advance(MILLISECOND).await;
        assert!(!is_open(&circuits));
    }

    #[tokio::test(start_paused = true)]
    async fn one_trial_at_a_time_closes_it() {
        let circuits = Circuits::new(5, PAUSE);
        fail(&circuits, 5);
        advance(PAUSE).await;
        let trial = circuits.enter(origin()).ok().unwrap();
        assert!(trial.is_trial());
        assert_eq!(circuits.enter(origin()).err(), Some(IsOpen));
        trial.succeeded();
        let first = circuits.enter(origin()).ok().unwrap();
        let second = circuits.enter(origin()).ok().unwrap();
        assert!(!first.is_trial() && !second.is_trial());
        assert!(circuits.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_trial_doubles_the_pause_up_to_ten_times() {
        let circuits = Circuits::new(5, PAUSE);
        fail(&circuits, 5);
        for seconds in [30, 60, 120, 240, 300, 300] {
            advance(Duration::from_secs(seconds) - MILLISECOND).await;
            assert!(is_open(&circuits), "{seconds} s");
            advance(MILLISECOND).await;
            fail(&circuits, 1);
        }
        advance(Duration::from_secs(300)).await;
        circuits.enter(origin()).ok().unwrap().succeeded();
        fail(&circuits, 5);
        advance(PAUSE).await;
        assert!(!is_open(&circuits));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_whose_caller_goes_away_is_given_to_the_next() {
        let circuits = Circuits::new(5, PAUSE);
        fail(&circuits, 5);
        advance(PAUSE).await;
        drop(circuits.enter(origin()).ok().unwrap());
        assert!(circuits.enter(origin()).is_ok_and(|it| it.is_trial()));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_from_before_it_opened_neither_lengthen_it_nor_end_its_trial() {
        let circuits = Circuits::new(5, PAUSE);
        let late: Vec<_> = (0..3).map(|_| circuits.enter(origin()).ok().unwrap()).collect();
        fail(&circuits, 5);
        advance(PAUSE - MILLISECOND).await;
        let mut late = late.into_iter();
        late.next().unwrap().failed();
        advance(MILLISECOND).await;
        let trial = circuits.enter(origin()).ok().unwrap();
        late.next().unwrap().failed();
        drop(late);
        assert!(is_open(&circuits));
        trial.failed();
        advance(PAUSE).await;
        assert!(is_open(&circuits));
        advance(PAUSE).await;
        assert!(!is_open(&circuits));
    }

    #[tokio::test(start_paused = true)]
    async fn it_remembers_a_bounded_number_of_origins() {
        let circuits = Circuits::new(5, PAUSE);
        for port in 1..3000 {
            let url = Url::parse(&format!("http://example.com:{port}")).unwrap();
            circuits.enter(url.origin()).ok().unwrap().failed();
        }
        assert_eq!(circuits.lock().len(), super::REMEMBERED.get());
    }
}
