//! Whose turn it is.

use chrono::TimeDelta;

use crate::scheduling::{InLine, queue_order};

use super::utc;

fn agent(key: &'static str, last_turn: i64, joined_after: i64) -> InLine<&'static str> {
    let joined_at = utc("2027-01-04T09:00:00Z") + TimeDelta::minutes(joined_after);
    InLine { key, last_turn, joined_at }
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
    let mut assigned = Vec::new();
    for turn in 1..=7 {
        queue_order(&mut line);
        // The second time round "b" is busy, once.
        let next = usize::from(turn == 5 && line[0].key == "b");
        line[next].last_turn = turn;
        assigned.push(line[next].key);
    }
    assert_eq!(assigned, ["a", "b", "c", "a", "c", "b", "a"]);
}
