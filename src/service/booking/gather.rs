//! Who could take a meeting, as far as can be told before the transaction.

use super::book::Checked;
use crate::app::App;
use crate::service::Result;
use crate::service::calendar::{self, Answer};
use crate::service::routing::meeting::{self, Free, Line, Standing};
use crate::service::routing::{Resolved, SkipReason};
use crate::service::slots::Refusals;

/// Most calendars that are asked at once for one booking.
pub(super) const MOST_ASKED: usize = 16;

/// The candidates of each tier, in order of turn, with what calendars elsewhere said, of which so many are
/// asked at once first.
pub(super) async fn gather(
    app: &App,
    request: &Checked,
    resolved: &Resolved,
    at_once: usize,
) -> Result<(Vec<Line>, Refusals)> {
    let known = meeting::read(app, request.route, &resolved.tiers).await?;
    let mut lines = known.lines(app, resolved, request.starts_at, request.ends_at).await?;
    let refusals = fresh(app, &mut lines, at_once).await?;
    Ok((lines, refusals))
}

/// Leaves out those whose calendar, asked now, says otherwise or does not answer. A calendar in our own
/// database is looked at in the transaction. Of the others, one that is free is enough, in order of tier and
/// turn: if none is of those that are asked `at_once`, the next ones are, twice as many each time, so that
/// calendars that don't answer are not waited for one after the other.
async fn fresh(app: &App, lines: &mut [Line], mut at_once: usize) -> Result<Refusals> {
    let mut refusals = Refusals::new();
    let mut elsewhere = Vec::new();
    for seen in lines.iter_mut().flat_map(|line| &mut line.candidates) {
        let Standing::Free(free) = &seen.standing else { continue };
        let provider = calendar::provider(app, &free.agent.provider)?;
        if !calendar::is_local(provider.as_ref()) {
            let free = free.clone();
            seen.standing = Standing::Unasked;
            elsewhere.push((seen, free));
        }
    }
    let mut left = elsewhere.as_mut_slice();
    while !left.is_empty() {
        let (asked, rest) = left.split_at_mut(at_once.min(left.len()));
        let answers = asked.iter().map(|(_, free)| look(app, free));
        let answers = futures_util::future::try_join_all(answers).await?;
        let is_any = answers.contains(&Answer::Free);
        for ((seen, free), answer) in asked.iter_mut().zip(answers) {
            match &answer {
                Answer::Free => seen.standing = Standing::Free(free.clone()),
                Answer::Busy(_) => seen.standing = Standing::Skipped(SkipReason::Busy),
                Answer::Unread => {
                    seen.standing = Standing::Skipped(SkipReason::CalendarUnreachable);
                }
            }
            refusals.insert(free.agent.id, answer);
        }
        if is_any {
            break;
        }
        (left, at_once) = (rest, (at_once * 2).min(MOST_ASKED));
    }
    Ok(refusals)
}

async fn look(app: &App, candidate: &Free) -> Result<Answer> {
    let (slot, buffer) = (candidate.slot, candidate.schedule.rules.buffer);
    let asked = calendar::Asked { agent: candidate.agent.id, slot, buffer, moved: None };
    calendar::look(app, asked).await
}
