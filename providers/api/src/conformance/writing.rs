//! Making, changing and removing events.

use super::bench::{Bench, day, draft, handle, minutes};
use super::check::{Stop, checks, ensure};
use crate::{ErrorClass, EventDraft, EventHandle};

checks! {
    "put_event, delete_event, get_event";
    an_event_reads_back_as_written: Writes,
    an_event_is_found_by_its_reference: Writes,
    an_event_that_was_never_made_is_none: Writes,
    putting_again_moves_the_event: Writes,
    putting_again_changes_the_title: Writes,
    the_version_changes_with_the_event: Writes,
    special_characters_survive: Writes,
    a_title_of_a_thousand_characters_is_taken: Writes,
    an_unwanted_conference_is_not_made: Writes,
    deleting_frees_the_time: Writes,
    deleting_works_by_uid_alone: Writes,
    deleting_leaves_other_events: Writes,
    a_deleted_event_is_none: Writes,
    a_deleted_event_can_be_made_again: Writes,
    a_provider_that_does_not_write_says_so: ReadOnly,
}

async fn an_event_reads_back_as_written(bench: &Bench) -> Result<(), Stop> {
    let event = full_draft();
    bench.put(&event).await?;
    let stands = bench.get(&handle(1)).await?;
    ensure(stands.range == event.range, "the event stands at another time")?;
    ensure(stands.busy, "the event does not block the agent")?;
    ensure(stands.uid.is_none_or(|uid| uid == event.uid), "the event stands under another UID")?;
    ensure(
        stands.title.is_none_or(|title| title == event.title),
        "the event stands under another title",
    )
}

async fn an_event_is_found_by_its_reference(bench: &Bench) -> Result<(), Stop> {
    let event = draft(1, minutes(0, 30));
    let receipt = bench.put(&event).await?;
    let known = EventHandle::new(&event.uid, Some(receipt.event_ref.clone()));
    let stands = bench.get(&known).await?;
    ensure(
        stands.event_ref == receipt.event_ref,
        "the event reads back under another reference than its receipt's",
    )
}

async fn an_event_that_was_never_made_is_none(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    expect_none(bench, 2).await
}

async fn putting_again_moves_the_event(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    let mut moved = draft(1, minutes(120, 165));
    moved.sequence = 1;
    bench.put(&moved).await?;
    bench.expect_busy(day(), &[moved.range]).await?;
    let stands = bench.get(&handle(1)).await?.range;
    ensure(stands == moved.range, "the event reads back at its old time")
}

async fn putting_again_changes_the_title(bench: &Bench) -> Result<(), Stop> {
    let mut event = draft(1, minutes(0, 30));
    bench.put(&event).await?;
    event.title = "Another title".into();
    event.sequence = 1;
    bench.put(&event).await?;
    let told = bench.get(&handle(1)).await?.title;
    ensure(told.is_none_or(|title| title == event.title), "the event keeps its old title")
}

async fn the_version_changes_with_the_event(bench: &Bench) -> Result<(), Stop> {
    let first = bench.put(&draft(1, minutes(0, 30))).await?.version;
    let mut moved = draft(1, minutes(60, 90));
    moved.sequence = 1;
    let second = bench.put(&moved).await?.version;
    ensure(first.is_none() || first != second, "a changed event has the version it had before")?;
    let read = bench.get(&handle(1)).await?.version;
    ensure(
        second.is_none() || read.is_none() || read == second,
        "the version read differs from the version written",
    )
}

/// What iCalendar escapes (RFC 5545, section 3.3.11), and what JSON, XML and URLs do.
async fn special_characters_survive(bench: &Bench) -> Result<(), Stop> {
    for (number, title) in (1..).zip([
        r"a, b; c\d: e",
        r#"<b>"x" & 'y'</b> %20 {}"#,
        "Zoë 会議 🗓️ e\u{301} שלום",
        "BEGIN:VEVENT",
    ]) {
        let start = i64::from(number) * 60;
        let mut event = draft(number, minutes(start, start + 30));
        event.title = title.into();
        event.description = Some(format!("first line\nsecond, {title}"));
        event.location = Some(title.into());
        bench.put(&event).await?;
        let told = bench.get(&handle(number)).await?.title;
        ensure(
            told.as_ref().is_none_or(|told| told == title),
            format_args!("the title {title:?} became {told:?}"),
        )?;
        bench.expect_busy(event.range, &[event.range]).await?;
    }
    Ok(())
}

/// A provider may shorten it, but the meeting stands.
async fn a_title_of_a_thousand_characters_is_taken(bench: &Bench) -> Result<(), Stop> {
    let mut event = draft(1, minutes(0, 30));
    event.title = "é".repeat(1000);
    bench.put(&event).await?;
    bench.expect_busy(day(), &[event.range]).await
}

async fn an_unwanted_conference_is_not_made(bench: &Bench) -> Result<(), Stop> {
    let receipt = bench.put(&draft(1, minutes(0, 30))).await?;
    ensure(receipt.conference_url.is_none(), "a conference was made that nobody wanted")
}

async fn deleting_frees_the_time(bench: &Bench) -> Result<(), Stop> {
    let event = draft(1, minutes(0, 30));
    let receipt = bench.put(&event).await?;
    bench.delete(&EventHandle::new(event.uid, Some(receipt.event_ref))).await?;
    bench.expect_busy(day(), &[]).await
}

async fn deleting_works_by_uid_alone(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.delete(&handle(1)).await?;
    bench.expect_busy(day(), &[]).await
}

async fn deleting_leaves_other_events(bench: &Bench) -> Result<(), Stop> {
    // At one time, so that an event is not taken for another by its time.
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.put(&draft(2, minutes(0, 30))).await?;
    bench.delete(&handle(1)).await?;
    bench.expect_busy(day(), &[minutes(0, 30)]).await?;
    bench.get(&handle(2)).await.map(drop)
}

async fn a_deleted_event_is_none(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.delete(&handle(1)).await?;
    expect_none(bench, 1).await
}

async fn a_deleted_event_can_be_made_again(bench: &Bench) -> Result<(), Stop> {
    bench.put(&draft(1, minutes(0, 30))).await?;
    bench.delete(&handle(1)).await?;
    let mut again = draft(1, minutes(60, 90));
    again.sequence = 2;
    bench.put(&again).await?;
    bench.expect_busy(day(), &[again.range]).await
}

async fn a_provider_that_does_not_write_says_so(bench: &Bench) -> Result<(), Stop> {
    let Bench { provider, connection, .. } = bench;
    let unsupported = [ErrorClass::Unsupported];
    let put = provider.put_event(connection, &draft(1, minutes(0, 30))).await;
    bench.expect_refused(connection, put, &unsupported)?;
    let delete = provider.delete_event(connection, &handle(1)).await;
    bench.expect_refused(connection, delete, &unsupported)?;
    let get = provider.get_event(connection, &handle(1)).await;
    bench.expect_refused(connection, get, &unsupported)
}

async fn expect_none(bench: &Bench, number: u32) -> Result<(), Stop> {
    let found = bench.provider.get_event(&bench.connection, &handle(number)).await?;
    ensure(found.is_none(), "an event that is not there was read")
}

/// A draft with every optional part filled in.
fn full_draft() -> EventDraft {
    let mut event = draft(1, minutes(0, 30));
    event.description = Some("What it is about".into());
    event.location = Some("Room 4".into());
    event.attendees =
        vec![crate::Participant::new(Some("Vic Visitor".into()), "visitor@frontdesk.example")];
    event
}
