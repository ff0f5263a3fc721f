//! Channels: what comes, what is forged, and what is refused.

use calendar_provider::{CalendarProvider, ErrorClass, Push, Pushed, WatchRequest};
use chrono::TimeDelta;

use crate::world::{ADA, World, at, expect_error, hours, token};

const CHANNEL: &str = "01234567-89ab-cdef-0123-456789ab0001";
const SECRET: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";

fn request(address: &str) -> WatchRequest {
    let until = at("2031-05-20T00:00:00Z");
    WatchRequest::new(CHANNEL, address.parse().expect("a URL"), SECRET.into(), until)
}

/// The messages so far, as the server gets them.
fn pushes(world: &World) -> Vec<Push> {
    let messages = world.fake.pushes().into_iter();
    messages
        .map(|message| {
            let mut push = Push::new(CHANNEL, SECRET.into());
            push.headers = message.headers.into_iter().collect();
            push
        })
        .collect()
}

#[tokio::test]
async fn a_change_is_told_and_may_be_told_twice() {
    let world = World::new().await;
    let request = request("https://desk.example/p");
    let watch = world.google.watch(&world.connection, &request, None).await.unwrap();
    assert_eq!(watch.expires_at, at("2031-05-20T00:00:00Z"));
    world.fake.add_meeting(ADA, "New", hours(9, 10).start(), hours(9, 10).end());
    let pushes = pushes(&world);
    let read: Vec<_> = pushes.iter().map(|it| world.google.read_push(it).unwrap()).collect();
    assert_eq!(read, [Pushed::Nothing, Pushed::Changed]);
    assert_eq!(world.google.read_push(&pushes[1]).unwrap(), Pushed::Changed, "again");
}

#[tokio::test]
async fn a_forged_push_is_unauthorized() {
    let world = World::new().await;
    let request = request("https://desk.example/p");
    world.google.watch(&world.connection, &request, None).await.unwrap();
    let genuine = pushes(&world).remove(0);
    assert_eq!(world.google.read_push(&genuine).unwrap(), Pushed::Nothing);
    for (name, value) in [
        ("x-goog-channel-token", Some("guessed")),
        ("x-goog-channel-token", Some("")),
        ("x-goog-channel-token", None),
        ("x-goog-channel-id", Some("01234567-89ab-cdef-0123-456789ab0002")),
        ("x-goog-channel-id", None),
    ] {
        let mut forged = genuine.clone();
        match value {
            Some(value) => forged.headers.insert(name.into(), value.into()),
            None => forged.headers.remove(name),
        };
        expect_error(world.google.read_push(&forged), ErrorClass::Unauthorized);
    }
    let mut nobody = Push::new(CHANNEL, "".into());
    nobody.headers.insert("x-goog-channel-id".into(), CHANNEL.into());
    nobody.headers.insert("x-goog-resource-state".into(), "exists".into());
    expect_error(world.google.read_push(&nobody), ErrorClass::Unauthorized);
    let mut unreadable = genuine;
    unreadable.headers.remove("x-goog-resource-state");
    expect_error(world.google.read_push(&unreadable), ErrorClass::Permanent);
}

#[tokio::test]
async fn an_address_without_tls_is_refused_and_the_agent_stays_connected() {
    let World { fake: _fake, google, connection } = World::new().await;
    let told = google.watch(&connection, &request("http://desk.example/p"), None).await;
    expect_error(told, ErrorClass::Permanent);
}

#[tokio::test]
async fn channels_end_by_themselves_and_by_hand() {
    let World { fake, google, mut connection } = World::new().await;
    let watch = google.watch(&connection, &request("https://desk.example/p"), None).await.unwrap();
    assert_eq!(fake.open_channels(), 1);
    let mut next = request("https://desk.example/p");
    next.channel = CHANNEL.replace("0001", "0002");
    let later = google.watch(&connection, &next, Some(&watch)).await.unwrap();
    google.unwatch(&connection, &watch).await.unwrap();
    assert_eq!(fake.open_channels(), 1);
    fake.clock().advance(TimeDelta::days(30));
    assert_eq!(fake.open_channels(), 0);
    connection.credentials = token(&fake, ADA);
    google.unwatch(&connection, &later).await.unwrap();
}
