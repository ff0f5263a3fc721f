//! What holds for every schedule, zone, date and busy set.

use calendar_provider::TimeRange;
use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::scheduling::{BusyTimes, DayBlocks, Schedule, WeeklyBlocks, check, slots};

use super::case::{Case, cases};
use super::oracle::{self, Oracle};

impl Case {
    fn offered(&self) -> Vec<TimeRange> {
        self.offered_with(&self.busy)
    }

    fn offered_with(&self, busy: &[TimeRange]) -> Vec<TimeRange> {
        let busy: BusyTimes = busy.iter().copied().collect();
        slots(&self.schedule, &busy, self.window, self.now)
    }
}

/// Few enough that all of them together stay under some seconds unoptimised.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn slots_are_those_of_the_oracle(case in cases()) {
        let starts: Vec<_> = case.offered().iter().map(|slot| slot.start().timestamp()).collect();
        prop_assert_eq!(starts, oracle::starts(&case));
    }

    #[test]
    fn every_slot_lies_inside_availability(case in cases()) {
        let window = case.window.start().timestamp()..case.window.end().timestamp();
        let oracle = Oracle::new(&case.schedule, window);
        for slot in case.offered() {
            let mut minutes = slot.start().timestamp() / 60..slot.end().timestamp() / 60;
            prop_assert!(minutes.all(|minute| oracle.is_available(minute)), "{slot:?}");
        }
    }
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn no_slot_meets_busy_time_or_its_buffer(case in cases()) {
        let buffer = case.schedule.buffer;
        for slot in case.offered() {
            for busy in &case.busy {
                let clear = busy.end() + buffer <= slot.start() || slot.end() + buffer <= busy.start();
                prop_assert!(clear, "{slot:?} meets {busy:?}");
            }
        }
    }

    #[test]
    fn more_busy_time_never_adds_a_slot(case in cases(), part in 0..10_usize) {
        let fewer = &case.busy[..part.min(case.busy.len())];
        let before = case.offered_with(fewer);
        for slot in case.offered() {
            prop_assert!(before.contains(&slot), "{slot:?} came with more busy time");
        }
    }

    #[test]
    fn the_order_of_inputs_changes_nothing(case in cases(), turn in 0..10_usize) {
        let shuffled = shuffle(&case, turn);
        prop_assert_eq!(case.offered(), shuffled.offered());
    }

    #[test]
    fn durations_are_real_and_starts_ascend(case in cases()) {
        let offered = case.offered();
        prop_assert!(offered.iter().all(|slot| slot.length() == case.schedule.duration));
        prop_assert!(offered.is_sorted_by(|a, b| a.start() < b.start()));
    }

    #[test]
    fn check_accepts_what_slots_offers_and_nothing_else(case in cases(), step in 7..97_i64) {
        let busy: BusyTimes = case.busy.iter().copied().collect();
        let ask = |start| check(&case.schedule, &busy, start, case.now);
        let offered = case.offered();
        for slot in &offered {
            prop_assert_eq!(ask(slot.start()), Ok(*slot));
            prop_assert!(ask(slot.start() + TimeDelta::nanoseconds(1)).is_err());
        }
        // Minutes of the window, slots or not.
        let mut instant = case.window.start();
        while instant < case.window.end() {
            let expected = offered.iter().copied().find(|slot| slot.start() == instant);
            prop_assert_eq!(ask(instant).ok(), expected, "{}", instant);
            instant += TimeDelta::minutes(step);
        }
    }
}

fn shuffle(case: &Case, turn: usize) -> Case {
    let mut busy = case.busy.clone();
    let middle = turn.min(busy.len());
    busy.rotate_left(middle);
    busy.reverse();
    let mut blocks = case.schedule.weekly.as_slice().to_vec();
    let middle = turn.min(blocks.len());
    blocks.rotate_left(middle);
    blocks.reverse();
    let overrides = case.schedule.overrides.iter().map(|(date, day)| {
        let blocks = day.as_slice().iter().rev().copied().collect();
        (*date, DayBlocks::new(blocks).unwrap())
    });
    let schedule = Schedule {
        weekly: WeeklyBlocks::new(blocks).unwrap(),
        overrides: overrides.collect(),
        ..case.schedule.clone()
    };
    Case { schedule, busy, ..case.clone() }
}

/// The properties would hold for an engine that offers nothing, so the cases must offer something.
#[test]
fn cases_have_slots_and_busy_time_that_takes_some() {
    let mut runner = TestRunner::deterministic();
    let (mut offering, mut taken) = (0, 0);
    for _ in 0..200 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let (offered, all) = (case.offered().len(), case.offered_with(&[]).len());
        offering += usize::from(offered > 0);
        taken += usize::from(offered < all);
    }
    assert!(
        offering > 100 && taken > 60,
        "{offering} offer slots, busy time takes some in {taken}"
    );
}
