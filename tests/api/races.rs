//! Many clients at once: what is booked never overlaps, and nothing is done twice.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::calendar::Fault;
use crate::support::office::Office;
use crate::support::{Answer, Test};

/// Clients that race.
const CLIENTS: usize = 64;

/// Sends what `input` makes for each client, all at once.
async fn race(test: &Test, clients: usize, input: impl Fn(usize) -> Value) -> Vec<Answer> {
    let requests = (0..clients).map(|client| test.book_input(input(client)));
    futures_util::future::join_all(requests).await
}

fn visitor(route: &Value, start: &str, client: usize) -> Value {
    json!({
        "startsAt": start, "timeZone": "UTC", "route": route,
        "person": { "email": format!("visitor{client}@visitors.example") },
    })
}

fn kinds(answers: &[Answer], kind: &str) -> usize {
    answers.iter().filter(|answer| answer.data("/bookMeeting/__typename") == kind).count()
}

on_both! {
    async fn one_of_64_clients_gets_the_slot(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        let answers =
            race(&test, CLIENTS, |client| visitor(&route, "2027-01-05T10:00:00Z", client)).await;
        assert_eq!(kinds(&answers, "MeetingBooked"), 1);
        assert_eq!(kinds(&answers, "SlotUnavailable"), CLIENTS - 1);
        for refused in answers.iter().filter(|a| a.data("/bookMeeting/__typename") != "MeetingBooked") {
            let alternatives = refused.data("/bookMeeting/alternatives");
            assert_eq!(alternatives.as_array().unwrap().len(), 5);
        }
        test.deliver().await;
        assert_eq!(test.count("bookings").await, 1);
        assert_eq!(test.count("builtin_events").await, 1);
        let to_visitors = test.mails.mails();
        let to_visitors = to_visitors.iter().filter(|m| m.mail.to.email.contains("visitors"));
        assert_eq!(to_visitors.count(), 1);
    }
}

on_both! {
    async fn unequal_starts_of_one_agent_never_overlap(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let rules = json!({ "durationMinutes": 45, "bufferMinutes": 20, "slotIntervalMinutes": 5 });
        test.set_availability(&agent, rules).await.data("/setMeetingAvailability/id");
        let route = json!({ "agentId": agent });
        let nine: DateTime<Utc> = "2027-01-05T09:00:00Z".parse().unwrap();
        let start = |client: usize| {
            let offset = i64::try_from(client * 7 % 70).unwrap();
            (nine + TimeDelta::minutes(5 * offset)).to_rfc3339()
        };
        let answers = race(&test, CLIENTS, |client| visitor(&route, &start(client), client)).await;
        let mut booked: Vec<DateTime<Utc>> = answers
            .iter()
            .filter(|answer| answer.data("/bookMeeting/__typename") == "MeetingBooked")
            .map(|a| a.data("/bookMeeting/booking/startsAt").as_str().unwrap().parse().unwrap())
            .collect();
        booked.sort();
        assert!(3 <= booked.len(), "the day has room for at least three: {booked:?}");
        for pair in booked.windows(2) {
            assert!(TimeDelta::minutes(65) <= pair[1] - pair[0], "{pair:?}");
        }
        assert_eq!(test.count("bookings").await, booked.len());
    }
}

on_both! {
    async fn eight_free_agents_get_one_meeting_each(test: Test) {
        for name in ["A", "B", "C", "D", "E", "F", "G", "H"] {
            test.bookable_agent(&format!("Agent{name}")).await;
        }
        let answers = race(&test, CLIENTS, |client| {
            visitor(&Value::Null, "2027-01-05T10:00:00Z", client)
        })
        .await;
        assert_eq!(kinds(&answers, "MeetingBooked"), 8);
        let agents: BTreeSet<String> = answers
            .iter()
            .filter_map(|a| a.body.pointer("/data/bookMeeting/booking/agent/id"))
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(agents.len(), 8);
    }
}

on_both! {
    async fn a_key_replayed_100_times_books_once(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        let input = |_| {
            let mut input = visitor(&route, "2027-01-05T10:00:00Z", 0);
            input["idempotencyKey"] = "the same each time".into();
            input
        };
        let answers = race(&test, 100, input).await;
        assert_eq!(kinds(&answers, "MeetingBooked"), 100);
        let different: BTreeSet<String> =
            answers.iter().map(|a| a.data("/bookMeeting").to_string()).collect();
        assert_eq!(different.len(), 1, "{different:?}");
        assert_eq!(test.count("bookings").await, 1);

        let mut other = input(0);
        other["startsAt"] = "2027-01-05T11:00:00Z".into();
        assert_eq!(test.book_input(other).await.code(), "CONFLICT");
        assert_eq!(test.count("bookings").await, 1);
    }
}

on_both! {
    async fn moves_to_one_time_leave_the_losers_where_they_were(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        let mut tokens = Vec::new();
        for hour in 9..17 {
            let start = format!("2027-01-05T{hour:02}:00:00Z");
            let booked = test.book(route.clone(), &start, &format!("v{hour}@visitors.example")).await;
            let token = booked.data("/bookMeeting/manageToken").as_str().unwrap().to_owned();
            tokens.push((start, token));
        }
        let moves = tokens.iter().map(|(_, token)| {
            test.reschedule(json!({ "manageToken": token }), "2027-01-06T10:00:00Z")
        });
        let answers = futures_util::future::join_all(moves).await;
        let mut moved = 0;
        for ((old, token), answer) in tokens.iter().zip(&answers) {
            let seen = test.managed(token).await.data("/managedBooking/startsAt");
            if answer.data("/rescheduleBooking/__typename") == "MeetingBooked" {
                moved += 1;
                assert_eq!(seen, "2027-01-06T10:00:00Z");
            } else {
                assert_eq!(seen, **old);
            }
        }
        assert_eq!(moved, 1);
    }
}

on_both! {
    async fn busy_times_and_bookings_at_once_never_meet_afterwards(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        let busy = "mutation($input: CreateBusyTimeInput!) { createBusyTime(input: $input) { id } }";
        let input = json!({ "input": { "agentId": agent,
            "startsAt": "2027-01-05T09:00:00Z", "endsAt": "2027-01-05T17:00:00Z" } });
        let book = race(&test, 32, |client| {
            visitor(&route, &format!("2027-01-05T{:02}:30:00Z", 9 + client % 8), client)
        });
        let (_, kept) = futures_util::future::join(book, test.admin(busy, input)).await;
        kept.data("/createBusyTime/id");
        assert!(test.starts(route.clone(), "2027-01-05").await.is_empty());
        let late = test.book(route, "2027-01-05T09:00:00Z", "late@visitors.example").await;
        assert_eq!(late.data("/bookMeeting/__typename"), "SlotUnavailable");
    }
}

on_both! {
    async fn assignments_from_many_clients_rotate_strictly(test: Test) {
        for name in ["A", "B", "C", "D"] {
            let agent = test.bookable_agent(&format!("Agent{name}")).await;
            test.set_availability(&agent, json!({ "horizonDays": 365 })).await;
        }
        let slots: Vec<String> = (0..40)
            .map(|n| format!("2027-01-{:02}T{:02}:{:02}:00Z", 5 + n / 16, 9 + n % 16 / 2, n % 2 * 30))
            .collect();
        let answers =
            race(&test, 40, |client| visitor(&Value::Null, &slots[client], client)).await;
        let mut shares = std::collections::BTreeMap::new();
        for answer in &answers {
            let agent = answer.data("/bookMeeting/booking/agent/name").to_string();
            *shares.entry(agent).or_insert(0) += 1;
        }
        assert_eq!(shares.into_values().collect::<Vec<_>>(), [10, 10, 10, 10]);
    }
}

on_both! {
    async fn an_agent_lost_to_another_visitor_is_followed_by_one_who_was_not_asked(office: Office) {
        office.test.clock.advance(TimeDelta::seconds(1));
        let second = office.hire("Hedy").await;
        let at = "2027-01-05T10:00:00Z";
        let held = office.calendar.hold_next_free_busy();
        let booking = office.test.book(Value::Null, at, "ada@visitors.example");
        let (booked, ()) = tokio::join!(booking, async {
            held.begun().await;
            let other = office.test.book(office.route(), at, "eve@visitors.example").await;
            assert_eq!(other.data("/bookMeeting/booking/agent/id"), *office.agent);
            held.go_on();
        });
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), *second);
        assert_eq!(office.calendar.calls("free_busy"), 3, "who is known to be booked is not asked again");
    }

    async fn a_calendar_that_was_not_free_is_asked_once_for_a_booking(office: Office) {
        office.test.clock.advance(TimeDelta::seconds(1));
        let mut hired = Vec::new();
        for name in ["Hedy", "Ida", "Joan"] {
            hired.push(office.hire(name).await);
        }
        let at = "2027-01-05T10:00:00Z";
        office.calendar.fail_reads_of(&office.agent, Fault::Down);
        office.calendar.fail_reads_of(&hired[0], Fault::Down);
        let held = office.calendar.hold_next_free_busy();
        let booking = office.test.book(Value::Null, at, "ada@visitors.example");
        let (booked, ()) = tokio::join!(booking, async {
            held.begun().await;
            let route = json!({ "agentId": hired[1] });
            office.test.book(route, at, "eve@visitors.example").await.data("/bookMeeting/booking/id");
            held.go_on();
        });
        assert_eq!(booked.data("/bookMeeting/booking/agent/id"), *hired[2]);
        // One for the other visitor.
        assert_eq!(office.calendar.calls("free_busy"), 5);
    }

    async fn eight_agents_with_calendars_elsewhere_get_one_meeting_each(office: Office) {
        for name in ["B", "C", "D", "E", "F", "G", "H"] {
            office.hire(&format!("Agent{name}")).await;
        }
        let answers = race(&office.test, CLIENTS, |client| {
            visitor(&Value::Null, "2027-01-05T10:00:00Z", client)
        })
        .await;
        assert_eq!(kinds(&answers, "MeetingBooked"), 8);
    }
}
