//! Who is next.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

/// What one assignment costs an agent of weight 1; one of weight `w` pays as many times less. Divisible by
/// every weight from 1 to 10.
pub const STRIDE: i64 = 2520;

/// What an agent has had of a queue.
///
/// Start-time fair queueing (Goyal, Vin and Cheng, 1996): an assignment starts at the agent's `finish` or at
/// the queue's virtual time, whichever is later, and ends a stride later; the virtual time is the start of
/// the last one. Among agents of equal weight this is the order of who was assigned least recently: a
/// later assignment never ends before an earlier one, and `last` tells equal ends apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The queue's turn at which it was last assigned; 0 for never.
    pub last: i64,
    /// Where its last assignment ends; 0 for one that has had none.
    pub finish: i64,
}

/// How far a queue has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of its last assignment; 0 before the first.
    pub turn: i64,
    /// The start of that.
    pub virtual_time: i64,
}

impl Progress {
    /// Makes the next assignment, to an agent of this weight that had `turn`, and returns what it has had then.
    #[must_use]
    pub fn assign(&mut self, turn: Turn, weight: i32) -> Turn {
        self.turn += 1;
        self.virtual_time = self.virtual_time.max(turn.finish);
        let finish = self.virtual_time + STRIDE / i64::from(weight.max(1));
        Turn { last: self.turn, finish }
    }
}

/// An agent's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InLine<K> {
    /// Which agent.
    pub key: K,
    /// What it has had.
    pub turn: Turn,
    /// When the agent joined the queue.
    pub joined_at: DateTime<Utc>,
}

/// Puts whoever is next first: least of the queue had, for its weight; then assigned least recently; then
/// in order of joining, then of key.
///
/// With everybody free and of equal weight this is strict rotation. An agent passed over because busy keeps
/// its turn, and no more than that one: what it missed while away is not made up for. One that is new
/// is next once, and level from then on.
pub fn queue_order<K: Ord>(line: &mut [InLine<K>]) {
    line.sort_unstable_by(precedence);
}

fn precedence<K: Ord>(a: &InLine<K>, b: &InLine<K>) -> Ordering {
    let place = |turn: Turn| (turn.finish, turn.last);
    (place(a.turn), a.joined_at, &a.key).cmp(&(place(b.turn), b.joined_at, &b.key))
}
