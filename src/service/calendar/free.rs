//! A fresh look at a calendar, while a visitor waits.

use std::collections::HashMap;

use calendar_provider::{BusyInterval, TimeRange};
use chrono::TimeDelta;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{ask, of_agent};
use crate::app::App;
use crate::service::{Error, Result};
use crate::store;
use crate::store::booking::{CANCELLED, CONFIRMED, Column, Entity, HELD, Model};
use crate::store::outbox::DELIVERED;

/// A slot that a calendar is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Whose.
    pub agent: Uuid,
    /// The meeting to be.
    pub slot: TimeRange,
    /// What must be free around it.
    pub buffer: TimeDelta,
    /// The booking that is to be moved there, whose own entry is in nobody's way.
    pub moved: Option<Uuid>,
}

/// What a calendar said of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is free, with the buffer around it.
    Free,
    /// It is not: these times are taken, by others than our bookings.
    Busy(Vec<TimeRange>),
    /// The calendar could not be read, which is not free either.
    Unread,
}

/// How far around the slot the calendar is asked, so that other times can be told from the same answer.
const AROUND: TimeDelta = TimeDelta::hours(6);

/// Asks the agent's calendar, in one round trip, whether a slot with the buffer around it is free now.
/// What was not known before has it read anew soon.
///
/// Entries of our own bookings are left out, since those are known better here:
///
/// - where the provider tells UIDs, an entry of ours that stands where its booking does, or whose
///   booking was called off or is still to be written anew. One that was moved by hand counts as busy;
/// - where it tells none (and may have merged what touches), the time of our bookings is taken out of
///   what it says is busy. If anything is left around the slot, it is somebody else's.
///
/// # Errors
/// None but the database's.
pub async fn look(app: &App, asked: Asked) -> Result<Answer> {
    let Some(calendar) = of_agent(app, asked.agent).await? else { return Ok(Answer::Unread) };
    let around = TimeRange::new(asked.slot.start() - asked.buffer, asked.slot.end() + asked.buffer);
    let around = around.map_err(Error::internal)?;
    let wide = TimeRange::new(around.start() - AROUND, around.end() + AROUND);
    let wide = wide.map_err(Error::internal)?;
    let answer = ask(app, &calendar, |provider, connection| async move {
        provider.free_busy(&connection, wide).await
    });
    let busy = match answer.await {
        Ok(busy) => busy,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(agent.id = %asked.agent, error, "a calendar could not be read");
            return Ok(Answer::Unread);
        }
    };
    if !busy.iter().any(|busy| busy.range.overlaps(around)) {
        return Ok(Answer::Free);
    }
    let bookings = bookings(app, asked, wide, &busy).await?;
    let meets = |interval: &&BusyInterval| interval.range.overlaps(around);
    if busy.iter().filter(meets).all(|interval| is_ours(interval, &bookings, asked, around)) {
        return Ok(Answer::Free);
    }
    store::sync::ask_all(&app.db, asked.agent, app.now()).await?;
    app.wake_sync.notify_one();
    let theirs = busy.iter().filter(|interval| !is_ours(interval, &bookings, asked, wide));
    Ok(Answer::Busy(theirs.map(|interval| interval.range).collect()))
}

/// The agent's bookings around the slot, and those whose UIDs were told.
async fn bookings(
    app: &App,
    asked: Asked,
    around: TimeRange,
    busy: &[BusyInterval],
) -> Result<Vec<Model>> {
    let nearby = Condition::all()
        .add(Column::StartsAt.lt(around.end()))
        .add(Column::EndsAt.gt(around.start()));
    let told: Vec<&str> = busy.iter().filter_map(|interval| interval.uid.as_deref()).collect();
    let either = Condition::any().add(nearby).add(Column::Uid.is_in(told));
    // A time that is held has no entry yet.
    let select = Entity::find()
        .filter(Column::AgentId.eq(asked.agent))
        .filter(Column::Status.ne(HELD))
        .filter(either);
    Ok(select.all(&app.db).await?)
}

fn is_ours(interval: &BusyInterval, bookings: &[Model], asked: Asked, around: TimeRange) -> bool {
    let by_uid: HashMap<&str, &Model> = bookings.iter().map(|b| (b.uid.as_str(), b)).collect();
    if let Some(uid) = &interval.uid {
        return by_uid.get(uid.as_str()).is_some_and(|booking| {
            booking.status == CANCELLED
                || booking.event_status != DELIVERED
                || Some(booking.id) == asked.moved
                || Some(interval.range) == range(booking)
        });
    }
    let mut left = Vec::from_iter(interval.range.intersection(around));
    for own in bookings.iter().filter(|booking| may_stand(booking)).filter_map(range) {
        left = left.into_iter().flat_map(|busy| without(busy, own)).collect();
    }
    left.is_empty()
}

/// Whether the booking's entry may be in the calendar: it stands, or is still to be taken out.
fn may_stand(booking: &Model) -> bool {
    booking.status == CONFIRMED || booking.event_status != DELIVERED
}

fn range(booking: &Model) -> Option<TimeRange> {
    TimeRange::new(booking.starts_at, booking.ends_at).ok()
}

/// What is left of `busy` without `own`: up to one piece on each side.
fn without(busy: TimeRange, own: TimeRange) -> impl Iterator<Item = TimeRange> {
    let before = TimeRange::new(busy.start(), busy.end().min(own.start())).ok();
    let after = TimeRange::new(busy.start().max(own.end()), busy.end()).ok();
    before.into_iter().chain(after)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn minutes(start: i64, end: i64) -> TimeRange {
        let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        TimeRange::new(at(start), at(end)).unwrap()
    }

    #[track_caller]
    fn check(busy: TimeRange, own: TimeRange, left: &[TimeRange]) {
        assert_eq!(without(busy, own).collect::<Vec<_>>(), left);
    }

    #[test]
    fn what_is_taken_out_leaves_a_piece_on_each_side() {
        check(minutes(0, 60), minutes(20, 30), &[minutes(0, 20), minutes(30, 60)]);
        check(minutes(0, 60), minutes(0, 30), &[minutes(30, 60)]);
        check(minutes(0, 60), minutes(30, 90), &[minutes(0, 30)]);
        check(minutes(0, 60), minutes(0, 60), &[]);
        check(minutes(20, 30), minutes(0, 60), &[]);
        check(minutes(0, 60), minutes(60, 90), &[minutes(0, 60)]);
        check(minutes(60, 90), minutes(0, 60), &[minutes(60, 90)]);
    }
}
