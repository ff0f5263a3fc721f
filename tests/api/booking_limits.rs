//! How much callers without a key may book, and what is demanded of them past that.

mod confirming;
mod proofs;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use frontdesk::config::Config;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, Database, Setup, Test};

const ASK: &str = "mutation($input: BookMeetingInput!) { bookMeeting(input: $input) {
    __typename
    ... on MeetingBooked { manageToken booking { id startsAt agent { id } } }
    ... on SlotUnavailable { message alternatives { startsAt } }
    ... on ProofRequired { provider siteKey challenge }
    ... on EmailConfirmationRequired { held expiresAt }
} }";

/// A server with the default limits, behind a proxy that says where callers are.
struct Limited(Test);

impl Limited {
    async fn start(database: Database) -> Self {
        Self::start_with(database, |_| {}).await
    }

    async fn start_with(database: Database, edit: impl FnOnce(&mut Setup)) -> Self {
        let test = Test::start_with(database, |setup| {
            setup.config.bookings = Config::load(None).unwrap().bookings;
            setup.http.trusted_proxies = 1;
            edit(setup);
        });
        Self(test.await)
    }

    async fn ask(&self, from: &str, input: Value) -> Answer {
        self.send(from, ASK, json!({ "input": input })).await
    }

    async fn send(&self, from: &str, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let request = self.0.request(reqwest::Method::POST, "/graphql");
        let response = request.header("x-forwarded-for", from).json(&body).send().await.unwrap();
        Answer { status: response.status().as_u16(), body: response.json().await.unwrap() }
    }
}

/// The nth half hour of an agent's weekdays from tomorrow on, 16 a day.
fn start(nth: usize) -> String {
    let day = [5, 6, 7, 8, 11, 12, 13, 14][nth / 16];
    let (hour, minute) = (9 + nth % 16 / 2, nth % 2 * 30);
    format!("2027-01-{day:02}T{hour:02}:{minute:02}:00Z")
}

fn meeting(agent: &str, nth: usize, email: &str) -> Value {
    json!({
        "startsAt": start(nth), "timeZone": "UTC", "route": { "agentId": agent },
        "person": { "email": email, "firstName": "Ada" },
    })
}

fn visitor(nth: usize) -> String {
    format!("visitor{nth}@visitors.example")
}

#[track_caller]
fn kind(answer: &Answer) -> String {
    answer.data("/bookMeeting/__typename").as_str().unwrap().to_owned()
}

fn count(answers: &[Answer], expected: &str) -> usize {
    let is_expected =
        |answer: &&Answer| answer.body["data"]["bookMeeting"]["__typename"] == expected;
    answers.iter().filter(is_expected).count()
}

async fn booked(test: &Test) -> usize {
    test.texts("SELECT uid FROM bookings WHERE status = 'CONFIRMED'").await.len()
}

on_both! {
    async fn one_address_books_five_an_hour_and_twenty_a_day(test: Limited) {
        let agents = [test.0.bookable_agent("Grace").await, test.0.bookable_agent("Alan").await];
        let ask = async |from: &str, nth: usize| {
            kind(&test.ask(from, meeting(&agents[nth % 2], nth, &visitor(nth))).await)
        };
        for nth in 0..5 {
            assert_eq!(ask("192.0.2.1", nth).await, "MeetingBooked");
        }
        assert_eq!(ask("192.0.2.1", 5).await, "EmailConfirmationRequired");
        assert_eq!(ask("192.0.2.2", 6).await, "MeetingBooked");
        for hour in 1..4 {
            test.0.clock.advance(TimeDelta::hours(1));
            for nth in 0..5 {
                assert_eq!(ask("192.0.2.1", 10 * hour + nth).await, "MeetingBooked", "{hour} {nth}");
            }
        }
        test.0.clock.advance(TimeDelta::hours(1));
        assert_eq!(ask("192.0.2.1", 50).await, "EmailConfirmationRequired");
        test.0.clock.set("2027-01-05T00:00:00Z");
        assert_eq!(ask("192.0.2.1", 51).await, "MeetingBooked");
    }
}

on_both! {
    async fn an_ipv6_network_is_one_address(test: Limited) {
        let agent = test.0.bookable_agent("Grace").await;
        let ask = async |from: &str, nth: usize| {
            kind(&test.ask(from, meeting(&agent, nth, &visitor(nth))).await)
        };
        for nth in 0..5 {
            assert_eq!(ask(&format!("2001:db8:0:1::{nth}"), nth).await, "MeetingBooked");
        }
        assert_eq!(ask("2001:db8:0:1:ffff::1", 5).await, "EmailConfirmationRequired");
        assert_eq!(ask("2001:db8:0:2::1", 6).await, "MeetingBooked");
    }
}

on_both! {
    async fn no_number_of_requests_at_once_slips_through(test: Limited) {
        let agent = test.0.bookable_agent("Grace").await;
        // From one address.
        let requests = (0..32).map(|nth| test.ask("192.0.2.1", meeting(&agent, nth, &visitor(nth))));
        let answers = futures_util::future::join_all(requests).await;
        assert_eq!((count(&answers, "MeetingBooked"), booked(&test.0).await), (5, 5));
        let refused = answers.iter().filter(|answer| answer.body.get("errors").is_some());
        assert!(refused.clone().all(|answer| answer.code() == "RATE_LIMITED"));
        let waiting = test.0.count("booking_confirmations").await;
        assert_eq!((waiting, refused.count()), (10, 17));
        let held = answers.iter().filter(|answer| answer.body["data"]["bookMeeting"]["held"] == true);
        assert_eq!(held.count(), 2);
        // From one each, to one agent.
        let ask = async |nth: usize| {
            test.ask(&format!("198.51.100.{nth}"), meeting(&agent, 40 + nth, &visitor(40 + nth))).await
        };
        let answers = futures_util::future::join_all((0..32).map(ask)).await;
        assert_eq!((count(&answers, "MeetingBooked"), booked(&test.0).await), (15, 20));
        // For one mailbox, with agents enough.
        let mut agents = Vec::new();
        for name in ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal"] {
            agents.push(test.0.bookable_agent(name).await);
        }
        let ask = async |nth: usize| {
            let input = meeting(&agents[nth], 0, "one@mailbox.example");
            test.ask(&format!("203.0.113.{nth}"), input).await
        };
        let answers = futures_util::future::join_all((0..8).map(ask)).await;
        let refused = answers.iter().filter(|answer| answer.body.get("errors").is_some());
        assert!(refused.clone().all(|answer| answer.code() == "RATE_LIMITED"));
        assert_eq!((refused.count(), booked(&test.0).await), (3, 25));
    }
}

on_both! {
    async fn a_mailbox_has_five_meetings_ahead_however_it_is_written(test: Limited) {
        let agents = [test.0.bookable_agent("Grace").await, test.0.bookable_agent("Alan").await];
        let spellings = [
            "ada.lovelace@gmail.com", "adalovelace@gmail.com", "ADA.Lovelace+1@GoogleMail.com",
            "a.d.a.lovelace@googlemail.com", "adalovelace+x@gmail.com",
        ];
        let mut tokens = Vec::new();
        for (nth, email) in spellings.into_iter().enumerate() {
            let answer = test.ask(&format!("192.0.2.{nth}"), meeting(&agents[0], nth, email)).await;
            tokens.push(answer.data("/bookMeeting/manageToken"));
        }
        let next = async |from: &str| {
            test.ask(from, meeting(&agents[1], 9, "adalovelace@gmail.com")).await
        };
        let refused = next("198.51.100.1").await;
        assert_eq!(refused.code(), "RATE_LIMITED");
        // Until the first of them is over: tomorrow at 9:30.
        let wait = &refused.body["errors"][0]["extensions"]["retryAfterSeconds"];
        assert_eq!(*wait, 25 * 3600 + 1800);
        // Neither moving nor cancelling is a new booking.
        let moved = test.0.reschedule(json!({ "manageToken": tokens[0] }), &start(20)).await;
        assert_eq!(moved.data("/rescheduleBooking/__typename"), "MeetingBooked");
        assert_eq!(next("198.51.100.1").await.code(), "RATE_LIMITED");
        test.0.cancel(json!({ "manageToken": tokens[1] })).await.data("/cancelBooking/status");
        assert_eq!(kind(&next("198.51.100.1").await), "MeetingBooked");
        // Whoever has a key books as many as they like.
        let input = json!({ "input": meeting(&agents[1], 12, "adalovelace@gmail.com") });
        assert_eq!(kind(&test.0.admin(ASK, input).await), "MeetingBooked");
    }
}

on_both! {
    async fn in_all_it_is_the_larger_of_a_number_and_twice_the_agents(test: Few) {
        let test = test.0;
        let mut agents = vec![test.0.bookable_agent("Grace").await];
        let ask = async |agent: &str, nth: usize| {
            let from = format!("192.0.2.{nth}");
            kind(&test.ask(&from, meeting(agent, nth, &visitor(nth))).await)
        };
        for nth in 0..3 {
            assert_eq!(ask(&agents[0], nth).await, "MeetingBooked");
        }
        assert_eq!(ask(&agents[0], 3).await, "EmailConfirmationRequired");
        agents.push(test.0.bookable_agent("Alan").await);
        assert_eq!(ask(&agents[1], 4).await, "MeetingBooked");
        assert_eq!(ask(&agents[1], 5).await, "EmailConfirmationRequired");
        test.0.clock.advance(TimeDelta::hours(1));
        assert_eq!(ask(&agents[1], 6).await, "MeetingBooked");
    }
}

struct Few(Limited);

impl Few {
    async fn start(database: Database) -> Self {
        Self(Limited::start_with(database, |setup| setup.config.bookings.per_hour = 3).await)
    }
}

struct Unconfirmed(Limited);

impl Unconfirmed {
    async fn start(database: Database) -> Self {
        let off = |setup: &mut Setup| setup.config.bookings.confirm_by_email = false;
        Self(Limited::start_with(database, off).await)
    }
}

on_both! {
    async fn without_confirmation_by_email_it_is_refused_until_the_hour_is_over(test: Unconfirmed) {
        let test = test.0;
        let agent = test.0.bookable_agent("Grace").await;
        test.0.clock.advance(TimeDelta::minutes(10));
        for nth in 0..5 {
            let input = meeting(&agent, nth, &visitor(nth));
            assert_eq!(kind(&test.ask("192.0.2.1", input).await), "MeetingBooked");
        }
        let refused = test.ask("192.0.2.1", meeting(&agent, 5, &visitor(5))).await;
        assert_eq!(refused.code(), "RATE_LIMITED");
        assert_eq!(refused.body["errors"][0]["extensions"]["retryAfterSeconds"], 50 * 60);
        assert_eq!(test.0.count("booking_confirmations").await, 0);
    }
}

on_both! {
    async fn a_visitors_idempotency_key_is_of_their_mailbox(test: Limited) {
        let agent = test.0.bookable_agent("Grace").await;
        let with_key = |key: &str, nth: usize, email: &str| {
            let mut input = meeting(&agent, nth, email);
            input["idempotencyKey"] = key.into();
            input
        };
        let key = "0123456789abcdef";
        let first = test.ask("192.0.2.1", with_key(key, 0, "ada@visitors.example")).await;
        let again = test.ask("192.0.2.2", with_key(key, 0, "ada@visitors.example")).await;
        assert_eq!(first.data("/bookMeeting"), again.data("/bookMeeting"));
        // Another mailbox's key is another one: no word of the first booking, and no conflict.
        let other = test.ask("192.0.2.2", with_key(key, 1, "eve@visitors.example")).await;
        assert_ne!(other.data("/bookMeeting/booking/id"), first.data("/bookMeeting/booking/id"));
        // The same mailbox is the same, however it is written.
        let spelt = test.ask("192.0.2.2", with_key(key, 0, "ADA+1@visitors.example")).await;
        assert_eq!(spelt.code(), "CONFLICT");
        let short = test.ask("192.0.2.3", with_key(&key[1..], 3, "ada@visitors.example")).await;
        assert_eq!((short.code(), short.field()), ("BAD_USER_INPUT", "input.idempotencyKey"));
        // A key of whoever has an API key may be short.
        let input = with_key("k", 4, "ada@visitors.example");
        let made = test.0.admin(ASK, json!({ "input": input })).await;
        assert_eq!(kind(&made), "MeetingBooked");
        let ids: BTreeSet<String> =
            [&first, &other, &made].map(|a| a.data("/bookMeeting/booking/id").to_string()).into();
        assert_eq!(ids.len(), 3);
    }
}
