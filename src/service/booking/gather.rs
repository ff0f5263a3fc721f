//! Who could take a meeting, as far as can be told before the transaction.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use super::request::Checked;
use crate::app::App;
use crate::service::Result;
use crate::service::calendar::{self, Answer};
use crate::service::routing::meeting::{self, Free, Line, Standing};
use crate::service::routing::{Resolved, SkipReason};
use crate::service::slots::Refusals;

/// Most calendars that are asked at once for one booking.
pub(super) const MOST_ASKED: usize = 16;
/// How long the others that are asked at once are waited for, once one of them is free.
const PATIENCE: Duration = Duration::from_millis(500);

/// The candidates of each tier, in order of turn, with what calendars elsewhere said, of which so many are
/// asked at once first. Those that `refused` before are not asked again.
pub(super) async fn gather(
    app: &App,
    request: &Checked,
    resolved: &Resolved,
    at_once: usize,
    refused: &Refusals,
) -> Result<(Vec<Line>, Refusals)> {
    let known = meeting::read(app, request.route, &resolved.tiers).await?;
    let mut lines = known.lines(app, resolved, request.starts_at, request.ends_at).await?;
    let refusals = fresh(app, &mut lines, at_once, refused).await?;
    Ok((lines, refusals))
}

/// Leaves out those whose calendar, asked now, says otherwise or does not answer. A calendar in our own
/// database is looked at in the transaction. Of the others, one that is free is enough, in order of tier and
/// turn: if none is of those that are asked `at_once`, the next ones are, twice as many each time, so that
/// calendars that don't answer are not waited for one after the other.
async fn fresh(
    app: &App,
    lines: &mut [Line],
    mut at_once: usize,
    refused: &Refusals,
) -> Result<Refusals> {
    let mut refusals = Refusals::new();
    let mut elsewhere = Vec::new();
    for seen in lines.iter_mut().flat_map(|line| &mut line.candidates) {
        let Standing::Free(free) = &seen.standing else { continue };
        let provider = calendar::provider(app, &free.agent.provider)?;
        if !calendar::is_local(provider.as_ref()) {
            let free = free.clone();
            match refused.get(&free.agent.id).filter(|answer| **answer != Answer::Free) {
                Some(answer) => seen.standing = standing(answer, &free),
                None => {
                    seen.standing = Standing::Unasked;
                    elsewhere.push((seen, free));
                }
            }
        }
    }
    let mut left = elsewhere.as_mut_slice();
    while !left.is_empty() {
        let (asked, rest) = left.split_at_mut(at_once.min(left.len()));
        let mut is_any = false;
        for (place, answer) in ask(app, asked.iter().map(|(_, free)| free)).await? {
            let Some((seen, free)) = asked.get_mut(place) else { continue };
            is_any |= answer == Answer::Free;
            seen.standing = standing(&answer, free);
            refusals.insert(free.agent.id, answer);
        }
        if is_any {
            break;
        }
        (left, at_once) = (rest, (at_once * 2).min(MOST_ASKED));
    }
    Ok(refusals)
}

fn standing(answer: &Answer, free: &Free) -> Standing {
    match answer {
        Answer::Free => Standing::Free(free.clone()),
        Answer::Busy(_) => Standing::Skipped(SkipReason::Busy),
        Answer::Unread => Standing::Skipped(SkipReason::CalendarUnreachable),
    }
}

/// Asks all at once, and returns what they said by their places. Once one of them is free, those that are
/// slow are not waited for.
async fn ask<'a>(
    app: &App,
    candidates: impl Iterator<Item = &'a Free>,
) -> Result<Vec<(usize, Answer)>> {
    let ask = async |(place, free)| look(app, free).await.map(|answer| (place, answer));
    let mut asked: FuturesUnordered<_> = candidates.enumerate().map(ask).collect();
    let mut answers = Vec::with_capacity(asked.len());
    while let Some(answer) = asked.next().await {
        answers.push(answer?);
        if answers.iter().any(|(_, answer)| *answer == Answer::Free) {
            break;
        }
    }
    let end = Instant::now() + PATIENCE;
    while let Ok(Some(answer)) = timeout_at(end, asked.next()).await {
        answers.push(answer?);
    }
    Ok(answers)
}

async fn look(app: &App, candidate: &Free) -> Result<Answer> {
    let (slot, buffer) = (candidate.slot, candidate.schedule.rules.buffer);
    let asked = calendar::Asked { agent: candidate.agent.id, slot, buffer, moved: None };
    calendar::look(app, asked).await
}
