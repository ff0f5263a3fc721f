//! Being told of changes: channels, and what is believed of the calls on them.

use chrono::{DateTime, TimeDelta, Utc};

use super::bench::{Bench, at, minutes};
use super::check::{Stop, checks, ensure};
use crate::{ErrorClass, Push, Pushed, Watch, WatchRequest};

checks! {
    a_channel_ends_no_later_than_was_asked: Push,
    a_calendar_can_have_two_channels: Push,
    a_channel_can_be_prolonged: Push,
    a_channel_can_be_ended_twice: Push,
    a_change_is_pushed: Push,
    an_ended_channel_is_silent: Push,
    a_push_without_its_secret_is_refused: Push,
    a_push_with_another_secret_is_refused: Push,
    a_push_of_garbage_is_survived: Push,
    a_push_may_come_twice: Push,
    a_handshake_is_answered: Push,
    an_unknown_connection_can_not_be_watched: Push,
    a_provider_that_does_not_push_says_so: NoPush,
}

async fn a_channel_ends_no_later_than_was_asked(bench: &Bench) -> Result<(), Stop> {
    let watch = watch(bench, &request(bench, 1)).await?;
    ensure(
        watch.expires_at <= until(),
        format_args!("asked until {:?}, it ends {:?}", until(), watch.expires_at),
    )?;
    ensure(!watch.watch_ref.contains(SECRETS[1]), "the secret stands in the watch_ref")
}

async fn a_calendar_can_have_two_channels(bench: &Bench) -> Result<(), Stop> {
    let first = watch(bench, &request(bench, 1)).await?;
    let second = watch(bench, &request(bench, 2)).await?;
    ensure(first.watch_ref != second.watch_ref, "two channels have one watch_ref")?;
    unwatch(bench, &first).await?;
    unwatch(bench, &second).await
}

async fn a_channel_can_be_prolonged(bench: &Bench) -> Result<(), Stop> {
    let first = watch(bench, &request(bench, 1)).await?;
    let mut later = request(bench, 2);
    later.until = until() + TimeDelta::days(1);
    let second = bench.provider.watch(&bench.connection, &later, Some(&first)).await?;
    ensure(first.expires_at <= second.expires_at, "the channel ends before it was to end before")?;
    // Where it is another, the server ends the former; where it is the same, that ends both.
    unwatch(bench, &second).await?;
    unwatch(bench, &first).await
}

async fn a_channel_can_be_ended_twice(bench: &Bench) -> Result<(), Stop> {
    let watch = watch(bench, &request(bench, 1)).await?;
    unwatch(bench, &watch).await?;
    unwatch(bench, &watch).await
}

async fn a_change_is_pushed(bench: &Bench) -> Result<(), Stop> {
    let push = last_push(bench).await?;
    let read = bench.provider.read_push(&push)?;
    ensure(read == Pushed::Changed, format_args!("a change was read as {read:?}"))
}

async fn an_ended_channel_is_silent(bench: &Bench) -> Result<(), Stop> {
    let watch = watch(bench, &request(bench, 1)).await?;
    bench.seed(1, minutes(0, 30)).await?;
    unwatch(bench, &watch).await?;
    let before = pushes(bench).await?.len();
    bench.seed(2, minutes(60, 90)).await?;
    let after = pushes(bench).await?.len();
    ensure(before == after, "a change was told on a channel that had been ended")
}

/// Anybody can call the address: without a secret, and without a body that could be read.
async fn a_push_without_its_secret_is_refused(bench: &Bench) -> Result<(), Stop> {
    let WatchRequest { channel, secret, .. } = request(bench, 1);
    let mut push = Push::new(channel, secret);
    refused(bench, &push)?;
    for body in [&b"{}"[..], b"{\"value\":[]}", b"{\"value\":[{}]}", b"[]", b"changed"] {
        push.body = body.to_vec();
        refused(bench, &push)?;
    }
    let said = last_push(bench).await?;
    push.body.clone_from(&said.body);
    push.headers.insert("content-type".into(), "application/json".into());
    let without_headers = bench.provider.read_push(&push).is_ok();
    let mut push = said;
    push.body.clear();
    let without_body = bench.provider.read_push(&push).is_ok();
    ensure(
        !without_headers || !without_body,
        "neither the headers nor the body of a push are needed: it is believed without a secret",
    )
}

async fn a_push_with_another_secret_is_refused(bench: &Bench) -> Result<(), Stop> {
    let said = last_push(bench).await?;
    let another = SECRETS[2];
    for secret in [another, "", &SECRETS[1][..42], &format!("{}A", SECRETS[1])] {
        let mut push = said.clone();
        push.secret = secret.into();
        unauthorized(bench, &push)?;
    }
    Ok(())
}

async fn a_push_of_garbage_is_survived(bench: &Bench) -> Result<(), Stop> {
    let said = last_push(bench).await?;
    let deep = vec![b'['; 100_000];
    let long = vec![b'x'; 256 * 1024];
    let bodies: [&[u8]; 6] = [b"\xff\xfe\x00", b"{\"value\":", b"<html>", b"\0", &deep, &long];
    for body in bodies {
        let mut push = said.clone();
        push.body = body.to_vec();
        // Where the secret stands in a header the body may not matter; it must not panic.
        drop(bench.provider.read_push(&push));
        push.headers.clear();
        push.query.clear();
        refused(bench, &push)?;
        push.headers = said.headers.keys().map(|name| (name.clone(), "\u{0}é".into())).collect();
        refused(bench, &push)?;
    }
    Ok(())
}

/// Providers deliver at least once.
async fn a_push_may_come_twice(bench: &Bench) -> Result<(), Stop> {
    let push = last_push(bench).await?;
    let (first, second) = (bench.provider.read_push(&push)?, bench.provider.read_push(&push)?);
    ensure(first == second, "a push that came twice was read in two ways")
}

async fn a_handshake_is_answered(bench: &Bench) -> Result<(), Stop> {
    let push = bench.subject.handshake().ok_or(Stop::Skipped("no handshake"))?;
    let Pushed::Handshake { content_type, .. } = bench.provider.read_push(&push)? else {
        return Err(Stop::Failed("the provider's own handshake was not seen as one".into()));
    };
    // What it says may come from anybody, and a browser must not run it.
    ensure(!content_type.contains("html"), "a handshake is answered with HTML")
}

async fn an_unknown_connection_can_not_be_watched(bench: &Bench) -> Result<(), Stop> {
    let unknown = bench.subject.unknown_connection();
    let watched = bench.provider.watch(&unknown, &request(bench, 1), None).await;
    bench.expect_refused(&unknown, watched, &[ErrorClass::NotFound, ErrorClass::Unauthorized])
}

async fn a_provider_that_does_not_push_says_so(bench: &Bench) -> Result<(), Stop> {
    let (provider, connection) = (&bench.provider, &bench.connection);
    let unsupported = [ErrorClass::Unsupported];
    let request = request(bench, 1);
    let watched = provider.watch(connection, &request, None).await;
    bench.expect_refused(connection, watched, &unsupported)?;
    let ended = provider.unwatch(connection, &Watch::new("none", until())).await;
    bench.expect_refused(connection, ended, &unsupported)?;
    let read = provider.read_push(&Push::new(request.channel, request.secret));
    bench.expect_refused(connection, read, &unsupported)
}

/// By number of the channel; the server's own have this form.
const SECRETS: [&str; 3] = [
    "",
    "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE",
    "zYxWvUtSrQpOnMlKjIhGfEdCbA9876543210_-zYxWv",
];

fn request(bench: &Bench, number: usize) -> WatchRequest {
    let channel = format!("00000000-0000-4000-8000-{number:012}");
    WatchRequest::new(channel, bench.subject.callback_url(), SECRETS[number].into(), until())
}

fn until() -> DateTime<Utc> {
    at("2031-05-06T00:00:00Z")
}

async fn watch(bench: &Bench, request: &WatchRequest) -> Result<Watch, Stop> {
    Ok(bench.provider.watch(&bench.connection, request, None).await?)
}

async fn unwatch(bench: &Bench, watch: &Watch) -> Result<(), Stop> {
    Ok(bench.provider.unwatch(&bench.connection, watch).await?)
}

async fn pushes(bench: &Bench) -> Result<Vec<Push>, Stop> {
    bench.subject.pushes().await.ok_or(Stop::Skipped("no pushes"))
}

/// What the provider says of a change, on a fresh channel.
async fn last_push(bench: &Bench) -> Result<Push, Stop> {
    watch(bench, &request(bench, 1)).await?;
    let before = pushes(bench).await?.len();
    bench.seed(1, minutes(0, 30)).await?;
    let told = pushes(bench).await?;
    ensure(before < told.len(), "an event is new, and no push came")?;
    told.into_iter().last().ok_or_else(|| Stop::Failed("no push came".into()))
}

/// Fails unless the call is an error: nobody has shown that the provider made it.
fn refused(bench: &Bench, push: &Push) -> Result<(), Stop> {
    let refusals = [ErrorClass::Unauthorized, ErrorClass::Permanent];
    bench.expect_refused(&bench.connection, bench.provider.read_push(push), &refusals)
}

fn unauthorized(bench: &Bench, push: &Push) -> Result<(), Stop> {
    let read = bench.provider.read_push(push);
    bench.expect_refused(&bench.connection, read, &[ErrorClass::Unauthorized])
}
