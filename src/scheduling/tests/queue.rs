//! Whose turn it is.

use chrono::TimeDelta;

use crate::scheduling::{InLine, Progress, Turn, queue_order};

use super::utc;

fn agent(key: &'static str, last: i64, joined_after: i64) -> InLine<&'static str> {
    let joined_at = utc("2027-01-04T09:00:00Z") + TimeDelta::minutes(joined_after);
    InLine { key, turn: Turn { last, finish: 0 }, joined_at }
}

/// A queue as `store::queue` keeps it, in memory.
#[derive(Default)]
struct Queue(Progress);

impl Queue {
    /// Gives the turn to the first in line that is free.
    fn assign<'a>(
        &mut self,
        line: &'a mut [InLine<&'static str>],
        weight: impl Fn(&str) -> i32,
        is_free: impl Fn(&str) -> bool,
    ) -> &'a InLine<&'static str> {
        queue_order(line);
        let next = line.iter_mut().find(|agent| is_free(agent.key)).unwrap();
        next.turn = self.0.assign(next.turn, weight(next.key));
        next
    }
}

fn order(mut line: Vec<InLine<&'static str>>) -> Vec<&'static str> {
    queue_order(&mut line);
    line.into_iter().map(|agent| agent.key).collect()
}

#[test]
fn least_recently_assigned_then_joined_then_key() {
    let line = vec![agent("d", 7, 0), agent("c", 0, 5), agent("b", 0, 5), agent("a", 0, 9)];
    assert_eq!(order(line), ["b", "c", "a", "d"]);
}

#[test]
fn with_all_free_it_is_strict_rotation_and_the_busy_keep_their_turn() {
    let mut line = vec![agent("a", 0, 0), agent("b", 0, 1), agent("c", 0, 2)];
    let mut queue = Queue::default();
    let mut assigned = Vec::new();
    for turn in 1..=7 {
        // The second time round "b" is busy, once.
        let next = queue.assign(&mut line, |_| 1, |key| turn != 5 || key != "b");
        assigned.push(next.key);
    }
    assert_eq!(assigned, ["a", "b", "c", "a", "c", "b", "a"]);
}

#[test]
fn of_equal_weight_the_least_recently_assigned_is_next_whoever_is_busy() {
    let mut line: Vec<_> = ["a", "b", "c", "d", "e"].map(|key| agent(key, 0, 0)).into();
    let mut queue = Queue::default();
    let mut chance = 1u64;
    for turn in 0..2000 {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let busy = chance >> 40;
        let is_free = |key: &str| busy >> (key.as_bytes()[0] - b'a') & 1 == 0 || key == "e";
        let expected = line.iter().filter(|agent| is_free(agent.key));
        let expected = expected.min_by_key(|agent| (agent.turn.last, agent.key)).unwrap().key;
        assert_eq!(queue.assign(&mut line, |_| 1, is_free).key, expected, "turn {turn}");
    }
}

#[test]
fn weights_share_by_themselves_and_absence_is_not_made_up_for() {
    let mut line: Vec<_> = ["a", "b", "c"].map(|key| agent(key, 0, 0)).into();
    let mut queue = Queue::default();
    let weight = |key: &str| if key == "a" { 3 } else { 1 };
    let mut share = |rounds: usize, is_free: &dyn Fn(&str) -> bool| {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..rounds {
            *counts.entry(queue.assign(&mut line, weight, is_free).key).or_insert(0) += 1;
        }
        counts.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(share(500, &|_| true), [("a", 300), ("b", 100), ("c", 100)]);
    assert_eq!(share(100, &|key| key != "b"), [("a", 75), ("c", 25)]);
    // Back again: its one turn is kept, and from then on it is level.
    assert_eq!(share(5, &|_| true), [("a", 2), ("b", 2), ("c", 1)]);
    assert_eq!(share(500, &|_| true), [("a", 300), ("b", 100), ("c", 100)]);
}

#[test]
fn one_that_is_new_is_next_once_and_level_from_then_on() {
    let mut line: Vec<_> = ["a", "b"].map(|key| agent(key, 0, 0)).into();
    let mut queue = Queue::default();
    for _ in 0..100 {
        queue.assign(&mut line, |_| 1, |_| true);
    }
    line.push(agent("new", 0, 60));
    let next: Vec<_> = (0..6).map(|_| queue.assign(&mut line, |_| 1, |_| true).key).collect();
    assert_eq!(next, ["new", "a", "b", "new", "a", "b"]);
}
