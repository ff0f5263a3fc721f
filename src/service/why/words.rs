//! Reasons in words, with times on the agent's own clock.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Conflict, Kind, Reason};
use crate::scheduling::DatedBlock;
use crate::service::schedule::TakenBy;

fn reason(kind: Kind, message: impl Into<String>) -> Reason {
    Reason {
        kind,
        message: message.into(),
        block: None,
        date_override: None,
        conflict: None,
        earliest: None,
        latest: None,
        neighbours: Vec::new(),
    }
}

/// A reason with nothing to add.
pub(super) fn plain(kind: Kind) -> Reason {
    let message = match kind {
        Kind::Inactive => "The agent is deactivated.",
        Kind::NoCalendar => "The agent has connected no calendar.",
        Kind::CalendarNeedsReauthentication => "The agent has to connect the calendar again.",
        Kind::CalendarUnreachable => "The agent's calendar could not be read for too long.",
        Kind::Past => "The time is past.",
        Kind::NoBlocks => "The agent has no hours for meetings.",
        _ => "The time is not free.",
    };
    reason(kind, message)
}

pub(super) fn notice(notice: TimeDelta, earliest: DateTime<Utc>, zone: Tz) -> Reason {
    let (length, earliest) = (length(notice), instant(earliest, zone));
    let message =
        format!("The agent asks for {length} of notice: meetings can start from {earliest} on.");
    reason(Kind::Notice, message)
}

pub(super) fn horizon(horizon: TimeDelta, latest: DateTime<Utc>, zone: Tz) -> Reason {
    let (length, latest) = (length(horizon), instant(latest, zone));
    let message =
        format!("The agent can be booked {length} ahead: meetings must start before {latest}.");
    reason(Kind::Horizon, message)
}

pub(super) fn date_override(date: NaiveDate, nearest: Option<DatedBlock>, zone: Tz) -> Reason {
    let message = format!(
        "The agent has other hours than usual on {}, and the meeting does not fit into them.{}",
        day(date),
        near(nearest, zone),
    );
    reason(Kind::DateOverride, message)
}

pub(super) fn out_of_hours(nearest: Option<DatedBlock>, zone: Tz) -> Reason {
    let message =
        format!("The meeting does not fit into the agent's hours.{}", near(nearest, zone),);
    reason(Kind::OutOfHours, message)
}

pub(super) fn off_grid(neighbours: &[DateTime<Utc>], zone: Tz) -> Reason {
    let starts: Vec<String> = neighbours.iter().map(|start| instant(*start, zone)).collect();
    let message = match starts.is_empty() {
        true => "No slot starts at this time.".to_owned(),
        false => format!("No slot starts at this time; the nearest: {}.", starts.join("; ")),
    };
    reason(Kind::OffGrid, message)
}

pub(super) fn not_known(from: DateTime<Utc>, zone: Tz) -> Reason {
    let message = format!(
        "The agent's calendar was read up to {}; what lies behind counts as busy.",
        instant(from, zone),
    );
    reason(Kind::NotKnown, message)
}

/// Busy time that the meeting meets, or is nearer to than `buffer`.
pub(super) fn conflict(
    conflict: &Conflict,
    by: TakenBy,
    buffer: Option<TimeDelta>,
    zone: Tz,
) -> Reason {
    let what = match by {
        TakenBy::Booking(_) => "a booked meeting",
        TakenBy::Hold => "a time that is held until a visitor confirms the booking",
        TakenBy::MovedEntry(_) => "a booked meeting's entry, which was moved in the calendar",
        TakenBy::Entry(_) | TakenBy::Unknown => "an entry in the calendar",
    };
    let range = conflict.range;
    let (from, to) = (instant(range.start(), zone), instant(range.end(), zone));
    let title = conflict.title.as_deref().map(|title| format!(" (“{title}”)")).unwrap_or_default();
    match buffer {
        None => reason(Kind::Busy, format!("The agent has {what}{title}, {from} – {to}.")),
        Some(buffer) => {
            let length = length(buffer);
            let message = format!(
                "The agent keeps {length} between meetings, and has {what}{title}, {from} – {to}."
            );
            reason(Kind::Buffer, message)
        }
    }
}

fn near(nearest: Option<DatedBlock>, zone: Tz) -> String {
    nearest.map_or_else(String::new, |DatedBlock { date, block }| {
        let (date, start, end) = (day(date), block.start(), block.end());
        format!(" The nearest: {date}, {start} – {end} ({zone}).")
    })
}

fn day(date: NaiveDate) -> String {
    date.format("%A %-d %B %Y").to_string()
}

fn instant(instant: DateTime<Utc>, zone: Tz) -> String {
    let local = instant.with_timezone(&zone);
    format!("{} ({zone})", local.format("%A %-d %B %Y, %H:%M"))
}

fn length(length: TimeDelta) -> String {
    let counted = |count: i64, one: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    let parts = [
        (length.num_days(), "day"),
        (length.num_hours() % 24, "hour"),
        (length.num_minutes() % 60, "minute"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count != 0);
    parts.map(|(count, one)| counted(count, one)).collect::<Vec<_>>().join(" ")
}
