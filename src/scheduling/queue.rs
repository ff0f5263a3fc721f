//! Who gets the next meeting.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

/// An agent's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InLine<K> {
    /// Which agent.
    pub key: K,
    /// A number that grows with each assignment; least for whom the last one is longest ago.
    pub last_turn: i64,
    /// When the agent joined the queue.
    pub joined_at: DateTime<Utc>,
}

/// Puts whoever is next first: the agent assigned least recently; ties in order of joining, then
/// of key.
///
/// With everybody free this is strict rotation. An agent passed over because busy keeps its turn,
/// since only an assignment changes `last_turn`.
pub fn queue_order<K: Ord>(line: &mut [InLine<K>]) {
    line.sort_unstable_by(precedence);
}

fn precedence<K: Ord>(a: &InLine<K>, b: &InLine<K>) -> Ordering {
    (a.last_turn, a.joined_at, &a.key).cmp(&(b.last_turn, b.joined_at, &b.key))
}
