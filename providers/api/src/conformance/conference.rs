//! Conference links: made where wanted and offered, kept, and never made unasked.

use url::Url;

use super::bench::{Bench, draft, minutes};
use super::check::{Stop, checks, ensure};
use crate::{EventDraft, EventReceipt};

checks! {
    a_wanted_conference_is_made: Writes,
    a_conference_stays_when_the_event_moves: Writes,
    two_events_have_two_conferences: Writes,
    a_conference_that_is_not_offered_is_left_out: Writes,
}

/// How often an event is written again before a link that is being made must be there.
const PUTS: usize = 10;

async fn a_wanted_conference_is_made(bench: &Bench) -> Result<(), Stop> {
    offered(bench)?;
    let first = link(bench, &wanting(1)).await?;
    let again = link(bench, &wanting(1)).await?;
    ensure(first == again, "writing the event again made another link")
}

async fn a_conference_stays_when_the_event_moves(bench: &Bench) -> Result<(), Stop> {
    offered(bench)?;
    let first = link(bench, &wanting(1)).await?;
    let mut moved = wanting(1);
    moved.range = minutes(120, 150);
    moved.sequence = 1;
    ensure(link(bench, &moved).await? == first, "moving the event made another link")
}

async fn two_events_have_two_conferences(bench: &Bench) -> Result<(), Stop> {
    offered(bench)?;
    let (first, second) = (link(bench, &wanting(1)).await?, link(bench, &wanting(2)).await?);
    ensure(first != second, "two events share one link: the visitors would meet")
}

async fn a_conference_that_is_not_offered_is_left_out(bench: &Bench) -> Result<(), Stop> {
    if bench.provider.about().conference.is_some() {
        return Err(Stop::Skipped("the provider offers conferences"));
    }
    let EventReceipt { conference_url, conference_pending, .. } = bench.put(&wanting(1)).await?;
    ensure(
        conference_url.is_none() && !conference_pending,
        "About::conference is none, and a link was made or promised",
    )
}

fn offered(bench: &Bench) -> Result<(), Stop> {
    let offered = bench.provider.about().conference.is_some();
    if offered { Ok(()) } else { Err(Stop::Skipped("the provider offers no conference")) }
}

fn wanting(number: u32) -> EventDraft {
    let start = i64::from(number) * 30;
    let mut event = draft(number, minutes(start, start + 30));
    event.conference_wanted = true;
    event
}

/// Writes the event until its link is there.
async fn link(bench: &Bench, event: &EventDraft) -> Result<Url, Stop> {
    for _ in 0..PUTS {
        let receipt = bench.put(event).await?;
        if let Some(url) = receipt.conference_url {
            return Ok(url);
        }
        ensure(receipt.conference_pending, "a conference was wanted: no link, and none pending")?;
    }
    Err(Stop::Failed(format!("a link was pending through {PUTS} puts")))
}
