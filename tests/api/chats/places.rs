//! How many requests a visitor may have open, and how places come free again.

use chrono::TimeDelta;
use frontdesk::service::access::{Caller, Profile};
use frontdesk::service::live_chat::{self, NewRequest};
use frontdesk::service::routing::Route;
use frontdesk::store::booking::Person;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::REQUEST;
use crate::on_both;
use crate::support::{Answer, Database, Test};

/// A server behind a proxy, with the limits that hold where nothing else is said.
struct Crowd(Test);

impl Crowd {
    async fn start(database: Database) -> Self {
        let test = Test::start_with(database, |setup| {
            setup.http.trusted_proxies = 1;
            setup.config.live_chat.open_per_mailbox = 1;
            setup.config.live_chat.open_per_network = 3;
            setup.config.live_chat.open_per_network_in_all = 10;
        });
        Self(test.await)
    }

    /// Asks for a chat from an address.
    async fn from(&self, address: &str, input: Value) -> Answer {
        from(&self.0, address, input).await
    }
}

async fn from(test: &Test, address: &str, input: Value) -> Answer {
    let body = json!({ "query": REQUEST, "variables": { "input": input } });
    let request = test.request(reqwest::Method::POST, "/graphql").json(&body);
    let response = request.header("x-forwarded-for", address).send().await.unwrap();
    let status = response.status().as_u16();
    Answer { status, body: response.json().await.unwrap() }
}

/// The ID of a request that was offered.
#[track_caller]
fn id(answer: &Answer) -> String {
    let made = answer.data("/requestLiveChat");
    assert_eq!(made["__typename"], "LiveChatOffered", "{made:#}");
    made["request"]["id"].as_str().unwrap().to_owned()
}

/// What a visitor asks for who says nothing else.
fn asked(person: Option<Person>) -> NewRequest {
    NewRequest {
        person,
        company: None,
        route: Route::Queue,
        locale: None,
        zone: None,
        message: None,
        conversation_id: None,
        conversation_url: None,
    }
}

#[track_caller]
fn check_refused(answer: &Answer, seconds: i64) {
    assert_eq!(answer.code(), "RATE_LIMITED", "{:#}", answer.body);
    assert_eq!(answer.body["errors"][0]["extensions"]["retryAfterSeconds"], seconds);
}

fn person(email: &str) -> Value {
    json!({ "person": { "email": email } })
}

/// Somebody whom nobody has heard of.
fn made_up(number: usize) -> Value {
    person(&format!("made-up-{number}@example.com"))
}

#[tokio::test]
async fn the_limits_are_one_for_a_mailbox_and_three_and_ten_for_a_network_by_default() {
    let defaults = frontdesk::config::Config::load(None).unwrap().live_chat;
    assert_eq!((defaults.open_per_mailbox, defaults.open_per_network), (1, 3));
    assert_eq!(defaults.open_per_network_in_all, 10);
    assert_eq!(defaults.wait_minutes, 10);
}

on_both! {
    async fn one_network_takes_up_three_places_without_an_address(crowd: Crowd) {
        let test = &crowd.0;
        test.chatter("Grace").await;
        test.chatter("Ada").await;
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(id(&crowd.from("192.0.2.1", json!({})).await));
        }
        for _ in 0..5 {
            check_refused(&crowd.from("192.0.2.1", json!({})).await, 700);
        }
        // Others still get through, and who says who it is.
        id(&crowd.from("192.0.2.2", json!({})).await);
        id(&crowd.from("192.0.2.1", person("ada@example.com")).await);
        // A network of IPv6 is one.
        for host in 1..=3 {
            id(&crowd.from(&format!("2001:db8:1:2::{host}"), json!({})).await);
        }
        check_refused(&crowd.from("2001:db8:1:2:ffff::9", json!({})).await, 700);
        id(&crowd.from("2001:db8:1:3::1", json!({})).await);
        // Who gives up makes room.
        test.change_chat("", "cancel", &open[0]).await.data("");
        open[0] = id(&crowd.from("192.0.2.1", json!({})).await);
        test.clock.advance(TimeDelta::seconds(30));
        check_refused(&crowd.from("192.0.2.1", json!({})).await, 670);
    }

    async fn one_network_takes_up_ten_places_with_addresses_it_makes_up(crowd: Crowd) {
        let test = &crowd.0;
        test.chatter("Grace").await;
        test.chatter("Bob").await;
        test.chatter("Ada").await;
        let without = id(&crowd.from("192.0.2.1", json!({})).await);
        let mut open = Vec::new();
        for n in 0..9 {
            open.push(id(&crowd.from("192.0.2.1", made_up(n)).await));
        }
        for n in 10..15 {
            check_refused(&crowd.from("192.0.2.1", made_up(n)).await, 700);
        }
        check_refused(&crowd.from("192.0.2.1", json!({})).await, 700);
        // A page that is loaded again is still answered, and others get through.
        assert_eq!(id(&crowd.from("192.0.2.1", made_up(0)).await), open[0]);
        id(&crowd.from("192.0.2.2", made_up(10)).await);
        // Whatever ends makes room for one.
        test.change_chat("", "cancel", &without).await.data("");
        id(&crowd.from("192.0.2.1", made_up(11)).await);
        check_refused(&crowd.from("192.0.2.1", made_up(12)).await, 700);
        // A network of IPv6 is one.
        for n in 20..30 {
            id(&crowd.from(&format!("2001:db8:1:2::{n}"), made_up(n)).await);
        }
        check_refused(&crowd.from("2001:db8:1:2:ffff::9", made_up(30)).await, 700);
        id(&crowd.from("2001:db8:1:3::1", made_up(30)).await);
    }

    async fn a_request_with_a_name_goes_to_nobody_who_only_knows_the_address(crowd: Crowd) {
        crowd.0.chatter("Grace").await;
        let named = |name: &str| {
            json!({ "person": { "email": "ada@example.com" }, "conversationId": name })
        };
        let uuid = "6c2f7a2e-1b7d-4f7a-9d0e-5a1c3b2d4e6f";
        let first = id(&crowd.from("192.0.2.1", named(uuid)).await);
        assert_eq!(id(&crowd.from("192.0.2.1", named(uuid)).await), first);
        // All of an office have one IP address.
        check_refused(&crowd.from("192.0.2.1", person("ada@example.com")).await, 700);
        let other = "0d9c1f64-92f0-4c39-8f6b-3c7f4f0f7f11";
        check_refused(&crowd.from("192.0.2.1", named(other)).await, 700);
    }

    async fn a_key_and_an_agent_are_not_counted(crowd: Crowd) {
        let test = &crowd.0;
        let grace = test.chatter("Grace").await;
        test.chatter("Ada").await;
        test.chatter("Bob").await;
        let key = test.key(Profile::Admin).await;
        for bearer in [&key, &grace.token] {
            for input in [json!({}), person("ada@example.com")] {
                for _ in 0..5 {
                    id(&test.send(bearer, REQUEST, json!({ "input": input })).await);
                }
            }
        }
        id(&crowd.from("192.0.2.1", person("ada@example.com")).await);
    }

    async fn one_mailbox_has_one_open_request_however_it_is_spelt(crowd: Crowd) {
        let test = &crowd.0;
        let grace = test.chatter("Grace").await;
        let first = id(&crowd.from("192.0.2.1", person("ada.l@gmail.com")).await);
        // The page was loaded again: the request that is open, and no other.
        for spelling in ["ada.l@gmail.com", "ADAL+chat@googlemail.com"] {
            assert_eq!(id(&crowd.from("192.0.2.1", person(spelling)).await), first);
        }
        // Who only knows the address neither gets at that request nor makes another.
        check_refused(&crowd.from("192.0.2.9", person("adal@gmail.com")).await, 700);
        id(&crowd.from("192.0.2.9", person("grace@example.com")).await);
        // The same while the chat goes on.
        test.take(&grace, &first).await;
        let again = crowd.from("192.0.2.1", person("adal@gmail.com")).await;
        assert_eq!(id(&again), first);
        assert_eq!(again.data("/requestLiveChat/request/status"), "ACCEPTED");
        check_refused(&crowd.from("192.0.2.9", person("adal@gmail.com")).await, 600);
        // Once it is over there is room.
        test.change_chat(&grace.token, "end", &first).await.data("/endLiveChat");
        assert_ne!(id(&crowd.from("192.0.2.9", person("adal@gmail.com")).await), first);
    }

    async fn a_page_finds_its_request_by_the_conversation(crowd: Crowd) {
        crowd.0.chatter("Grace").await;
        let uuid = "6c2f7a2e-1b7d-4f7a-9d0e-5a1c3b2d4e6f";
        let named = json!({ "conversationId": uuid });
        let first = id(&crowd.from("192.0.2.1", named.clone()).await);
        for _ in 0..4 {
            assert_eq!(id(&crowd.from("192.0.2.1", named.clone()).await), first);
        }
        // From elsewhere, or by a name that can be guessed, it is another's.
        assert_ne!(id(&crowd.from("192.0.2.2", named).await), first);
        let guessed = json!({ "conversationId": "c-1" });
        let second = id(&crowd.from("192.0.2.1", guessed.clone()).await);
        assert_ne!(id(&crowd.from("192.0.2.1", guessed).await), second);
    }

    async fn who_can_not_be_told_apart_is_not_counted_by_network(crowd: Crowd) {
        let test = &crowd.0;
        test.chatter("Grace").await;
        let caller = Caller::Visitor { network: None };
        let ask = async |email: Option<&str>| {
            let person = |email: &str| Person { email: email.to_owned(), ..Person::default() };
            let person = email.map(person);
            live_chat::request(&test.app, &caller, asked(person)).await
        };
        for _ in 0..5 {
            assert_eq!(ask(None).await.unwrap().state, "OFFERED");
        }
        ask(Some("ada@example.com")).await.unwrap();
        let refused = ask(Some("ada@example.com")).await.unwrap_err();
        assert_eq!(refused.code(), "RATE_LIMITED", "a mailbox is counted all the same");
    }

    async fn the_limits_hold_for_requests_at_once_in_several_processes(crowd: Crowd) {
        let test = &crowd.0;
        for name in ["Ada", "Bob", "Cid", "Dan"] {
            test.chatter(name).await;
        }
        let beside = test.beside_behind_proxy().await;
        let both = [test, &beside];
        let anonymous = (0..24).map(|n| from(both[n % 2], "192.0.2.1", json!({})));
        let answers = join_all(anonymous).await;
        let offered = answers.iter().filter(|answer| answer.body["errors"].is_null());
        assert_eq!(offered.map(id).collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert!(answers.iter().all(|a| a.body["errors"].is_null() || a.code() == "RATE_LIMITED"));
        let addresses: Vec<String> = (0..12).map(|n| format!("192.0.2.{n}")).collect();
        let named = addresses.iter().enumerate();
        let named = named.map(|(n, address)| from(both[n % 2], address, person("ada@example.com")));
        let answers = join_all(named).await;
        let offered: Vec<_> =
            answers.iter().filter(|answer| answer.body["errors"].is_null()).map(id).collect();
        assert_eq!(offered.len(), 1, "one mailbox, from many networks");
        let many = (0..40).map(|n| from(both[n % 2], "198.51.100.1", made_up(n)));
        let answers = join_all(many).await;
        let offered = answers.iter().filter(|answer| answer.body["errors"].is_null());
        assert_eq!(offered.map(id).collect::<std::collections::BTreeSet<_>>().len(), 10);
        assert!(answers.iter().all(|a| a.body["errors"].is_null() || a.code() == "RATE_LIMITED"));
    }

    async fn a_request_that_nobody_takes_gives_its_places_back(crowd: Crowd) {
        let test = &crowd.0;
        let mut agents = Vec::new();
        for n in 0..9 {
            let agent = test.chatter(&format!("Agent{n}")).await;
            test.set_limit(&agent, 1).await.data("");
            agents.push(agent);
        }
        let request = id(&crowd.from("192.0.2.1", json!({})).await);
        // It goes from one to the next, for ten minutes.
        for offered in 1..=6 {
            assert_eq!(test.chat(&request).await["offers"].as_array().unwrap().len(), offered);
            test.clock.advance(TimeDelta::seconds(100));
            live_chat::follow_clock(&test.app).await.unwrap();
        }
        let seen = test.chat(&request).await;
        assert_eq!(seen["status"], "UNANSWERED", "with three agents who were not asked");
        assert_eq!(seen["endedAt"], "2027-01-04T08:10:00Z");
        let open = seen["offers"].as_array().unwrap().iter().filter(|offer| offer["status"] == "OPEN");
        assert_eq!(open.count(), 0);
        // All nine places are free, and so are the three of the network.
        for n in 0..3 {
            for _ in 0..3 {
                id(&crowd.from(&format!("192.0.2.{}", 1 + n), json!({})).await);
            }
        }
    }
}

/// The attack that was measured: thirty places, sixty requests of one stranger who says nothing of itself, and sixty
/// with a new e-mail address each.
#[tokio::test]
async fn a_stranger_does_not_fill_all_places() {
    let crowd = Crowd::start(Database::Sqlite).await;
    let test = &crowd.0;
    for n in 0..10 {
        let agent = test.chatter(&format!("Agent{n}")).await;
        test.set_limit(&agent, 3).await.data("");
    }
    let mut taken = 0;
    for _ in 0..60 {
        taken += i32::from(crowd.from("192.0.2.66", json!({})).await.body["errors"].is_null());
    }
    assert_eq!(taken, 3);
    for n in 0..60 {
        taken += i32::from(crowd.from("192.0.2.66", made_up(n)).await.body["errors"].is_null());
    }
    assert_eq!(taken, 10, "three without an address, and seven with one");
    for n in 0..20 {
        id(&crowd.from(&format!("198.51.100.{n}"), json!({})).await);
    }
}
