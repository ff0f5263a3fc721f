//! Booking, moving and calling off.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::Test;

on_both! {
    async fn a_slot_that_is_offered_can_be_booked_once(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        let starts = test.starts(route.clone(), "2027-01-05").await;
        assert_eq!(starts.len(), 16);
        let booked = test.book(route.clone(), &starts[2], "ada@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
        assert_eq!(booked.data("/bookMeeting/booking/endsAt"), "2027-01-05T10:30:00Z");
        assert_eq!(test.starts(route.clone(), "2027-01-05").await.len(), 15);
        let again = test.book(route.clone(), &starts[2], "eve@visitors.example").await;
        assert_eq!(again.data("/bookMeeting/__typename"), "SlotUnavailable");
        assert_eq!(
            again.data("/bookMeeting/alternatives"),
            json!([
                { "startsAt": "2027-01-05T09:00:00Z", "endsAt": "2027-01-05T09:30:00Z" },
                { "startsAt": "2027-01-05T09:30:00Z", "endsAt": "2027-01-05T10:00:00Z" },
                { "startsAt": "2027-01-05T10:30:00Z", "endsAt": "2027-01-05T11:00:00Z" },
                { "startsAt": "2027-01-05T11:00:00Z", "endsAt": "2027-01-05T11:30:00Z" },
                { "startsAt": "2027-01-05T11:30:00Z", "endsAt": "2027-01-05T12:00:00Z" },
            ])
        );
        assert_eq!(test.deliver().await, 3);
        assert_eq!(test.mails.mails().len(), 2);
    }
}

#[track_caller]
fn is_refused(answer: &crate::support::Answer, why: &str) {
    assert_eq!(answer.data("/bookMeeting/__typename"), "SlotUnavailable", "{why}");
}

on_both! {
    async fn what_is_not_offered_is_refused(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let rules = json!({
            "minimumNoticeMinutes": 120, "horizonDays": 7, "bufferMinutes": 30,
            "slotIntervalMinutes": 30, "durationMinutes": 30,
        });
        test.set_availability(&agent, rules).await.data("/setMeetingAvailability/id");
        let route = json!({ "agentId": agent });
        let booked = test.book(route.clone(), "2027-01-05T12:00:00Z", "a@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
        for (start, why) in [
            ("2027-01-05T08:30:00Z", "before the block"),
            ("2027-01-05T17:00:00Z", "after the block"),
            ("2027-01-09T10:00:00Z", "a Saturday"),
            ("2027-01-04T09:30:00Z", "inside the notice"),
            ("2027-01-11T09:00:00Z", "past the horizon"),
            ("2027-01-05T10:15:00Z", "off the grid"),
            ("2027-01-05T10:00:00.001Z", "off the grid by a millisecond"),
            ("2027-01-01T10:00:00Z", "in the past"),
            ("2027-01-05T12:00:00Z", "taken"),
            ("2027-01-05T12:30:00Z", "in the buffer behind"),
            ("2027-01-05T11:30:00Z", "in the buffer before"),
            ("1970-01-05T11:30:00Z", "long ago"),
            ("9990-01-05T11:30:00Z", "never"),
        ] {
            is_refused(&test.book(route.clone(), start, "b@visitors.example").await, why);
        }
        let mut wrong_end = json!({
            "startsAt": "2027-01-05T10:00:00Z", "endsAt": "2027-01-05T11:00:00Z",
            "timeZone": "UTC", "route": route, "person": { "email": "b@visitors.example" },
        });
        is_refused(&test.book_input(wrong_end.clone()).await, "another length");
        assert_eq!(test.count("bookings").await, 1);
        wrong_end["endsAt"] = "2027-01-05T10:30:00Z".into();
        let right = test.book_input(wrong_end).await;
        assert_eq!(right.data("/bookMeeting/__typename"), "MeetingBooked");
    }
}

on_both! {
    async fn agents_who_are_not_in_the_queue_cannot_be_booked(test: Test) {
        let inactive = test.bookable_agent("Inactive").await;
        let update = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { active } }";
        let off = json!({ "input": { "agentId": inactive, "active": false } });
        test.admin(update, off).await.data("/updateAgent/active");
        let unconnected = test.bookable_agent("Unconnected").await;
        let disconnect = "mutation($id: ID!) { disconnectCalendar(agentId: $id) { inMeetingQueue } }";
        let gone = test.admin(disconnect, json!({ "id": unconnected })).await;
        assert_eq!(gone.data("/disconnectCalendar/inMeetingQueue"), false);
        for route in [json!({ "agentId": inactive }), json!({ "agentId": unconnected }), Value::Null] {
            assert!(test.starts(route.clone(), "2027-01-05").await.is_empty());
            let asked = test.book(route, "2027-01-05T10:00:00Z", "a@visitors.example").await;
            is_refused(&asked, "not in the queue");
        }
        let query = "query($input: SlotsInput!) {
            slots(input: $input) { days { date slots { startsAt } } fallback { message } } }";
        let input = json!({ "from": "2027-01-05", "to": "2027-01-06", "timeZone": "UTC" });
        let empty = test.visitor(query, json!({ "input": input })).await;
        assert_eq!(empty.data("/slots/days").as_array().unwrap().len(), 2);
        assert!(!empty.data("/slots/fallback/message").as_str().unwrap().is_empty());
        test.connect(&unconnected, "builtin").await.data("/connectCalendar/id");
        assert_eq!(test.starts(Value::Null, "2027-01-05").await.len(), 16);
    }
}

on_both! {
    async fn unknown_routes_are_not_found(test: Test) {
        for route in [
            json!({ "agentId": "agt_00000000000000000000000000000000" }),
            json!({ "agentId": "bkg_00000000000000000000000000000000" }),
            json!({ "teamId": "team_1" }),
        ] {
            let asked = test.book(route, "2027-01-05T10:00:00Z", "a@visitors.example").await;
            assert_eq!(asked.code(), "NOT_FOUND");
        }
    }
}

on_both! {
    async fn a_move_keeps_the_booking_and_frees_the_old_time(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        let booked = test.book(route.clone(), "2027-01-05T10:00:00Z", "a@visitors.example").await;
        let id = booked.data("/bookMeeting/booking/id");
        let token = booked.data("/bookMeeting/manageToken");
        test.book(route.clone(), "2027-01-05T11:00:00Z", "b@visitors.example").await;
        test.deliver().await;
        let uids = test.texts("SELECT uid FROM builtin_events ORDER BY uid").await;

        let taken = test.reschedule(json!({ "manageToken": token }), "2027-01-05T11:00:00Z").await;
        assert_eq!(taken.data("/rescheduleBooking/__typename"), "SlotUnavailable");
        let seen = test.managed(token.as_str().unwrap()).await;
        assert_eq!(seen.data("/managedBooking/startsAt"), "2027-01-05T10:00:00Z");

        // Half an hour later overlaps the booking's own old time, which is no obstacle.
        test.set_availability(&agent, json!({ "durationMinutes": 60, "slotIntervalMinutes": 30 })).await;
        let moved = test.reschedule(json!({ "manageToken": token }), "2027-01-05T09:30:00Z").await;
        assert_eq!(moved.data("/rescheduleBooking/booking/id"), id);
        assert_eq!(moved.data("/rescheduleBooking/booking/endsAt"), "2027-01-05T10:30:00Z");
        let starts = test.starts(route, "2027-01-05").await;
        assert!(!starts.contains(&"2027-01-05T10:00:00Z".to_owned()), "{starts:?}");
        test.deliver().await;
        assert_eq!(test.texts("SELECT uid FROM builtin_events ORDER BY uid").await, uids);
        let by_id = test.reschedule_as(&test.admin, json!({ "id": id }), "2027-01-06T09:00:00Z").await;
        assert_eq!(by_id.data("/rescheduleBooking/booking/startsAt"), "2027-01-06T09:00:00Z");
    }
}

on_both! {
    async fn cancelling_frees_the_slot_at_once(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        let booked = test.book(route.clone(), "2027-01-05T10:00:00Z", "a@visitors.example").await;
        let token = booked.data("/bookMeeting/manageToken");
        test.deliver().await;
        let cancelled = test.cancel(json!({ "manageToken": token })).await;
        assert_eq!(cancelled.data("/cancelBooking/status"), "CANCELLED");
        assert_eq!(cancelled.data("/cancelBooking/cancellationReason"), "No time");
        assert_eq!(test.starts(route.clone(), "2027-01-05").await.len(), 16);
        let again = test.book(route, "2027-01-05T10:00:00Z", "b@visitors.example").await;
        assert_eq!(again.data("/bookMeeting/__typename"), "MeetingBooked");
        let once_more = test.cancel(json!({ "manageToken": token })).await;
        assert_eq!(once_more.data("/cancelBooking/status"), "CANCELLED");
        let moved = test.reschedule(json!({ "manageToken": token }), "2027-01-06T10:00:00Z").await;
        assert_eq!(moved.code(), "CONFLICT");
        test.deliver().await;
        let live = "SELECT uid FROM builtin_events WHERE NOT deleted";
        assert_eq!(test.texts(live).await.len(), 1);
        let other = booked_id(&test, &again.data("/bookMeeting/booking/id")).await;
        assert_eq!(other, "CONFIRMED");
    }
}

async fn booked_id(test: &Test, id: &Value) -> Value {
    let query = "query($id: ID!) { booking(id: $id) { status } }";
    test.admin(query, json!({ "id": id })).await.data("/booking/status")
}

on_both! {
    async fn a_meeting_that_is_over_stays_as_it_was(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let booked =
            test.book(json!({ "agentId": agent }), "2027-01-05T10:00:00Z", "a@visitors.example").await;
        let token = booked.data("/bookMeeting/manageToken");
        test.clock.set("2027-01-05T10:30:00Z");
        assert_eq!(test.cancel(json!({ "manageToken": token })).await.code(), "CONFLICT");
        let moved = test.reschedule(json!({ "manageToken": token }), "2027-01-06T10:00:00Z").await;
        assert_eq!(moved.code(), "CONFLICT");
        test.clock.advance(TimeDelta::days(29));
        let seen = test.managed(token.as_str().unwrap()).await;
        assert_eq!(seen.data("/managedBooking/status"), "CONFIRMED");
        test.clock.advance(TimeDelta::days(1));
        assert_eq!(test.managed(token.as_str().unwrap()).await.data("/managedBooking"), Value::Null);
    }
}

on_both! {
    async fn a_smaller_buffer_opens_what_it_no_longer_covers(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let route = json!({ "agentId": agent });
        test.set_availability(&agent, json!({ "bufferMinutes": 60 })).await;
        test.book(route.clone(), "2027-01-05T12:00:00Z", "a@visitors.example").await;
        for (buffer, expected) in [(60, 11), (30, 13), (0, 15), (240, 1)] {
            let rules = json!({ "bufferMinutes": buffer });
            test.set_availability(&agent, rules).await.data("/setMeetingAvailability/id");
            assert_eq!(test.starts(route.clone(), "2027-01-05").await.len(), expected, "{buffer}");
        }
        test.set_availability(&agent, json!({ "bufferMinutes": 0 })).await;
        let next = test.book(route.clone(), "2027-01-05T12:30:00Z", "b@visitors.example").await;
        assert_eq!(next.data("/bookMeeting/__typename"), "MeetingBooked");
        // A larger one can't part meetings that stand side by side, and does not fail on them.
        let rules = json!({ "bufferMinutes": 60 });
        test.set_availability(&agent, rules).await.data("/setMeetingAvailability/id");
        let near = test.book(route, "2027-01-05T13:30:00Z", "c@visitors.example").await;
        assert_eq!(near.data("/bookMeeting/__typename"), "SlotUnavailable");
    }
}

on_both! {
    async fn the_least_recently_assigned_free_agent_is_next(test: Test) {
        let mut agents = Vec::new();
        for name in ["Ann", "Bob", "Cid"] {
            agents.push(test.bookable_agent(name).await);
            test.clock.advance(TimeDelta::seconds(1));
        }
        let busy = "mutation($input: CreateBusyTimeInput!) { createBusyTime(input: $input) { id } }";
        let input = json!({ "input": { "agentId": agents[1],
            "startsAt": "2027-01-05T09:30:00Z", "endsAt": "2027-01-05T10:30:00Z" } });
        test.admin(busy, input).await.data("/createBusyTime/id");
        let mut order = Vec::new();
        for start in ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30"] {
            let start = format!("2027-01-05T{start}:00Z");
            let booked = test.book(Value::Null, &start, "a@visitors.example").await;
            order.push(booked.data("/bookMeeting/booking/agent/name").as_str().unwrap().to_owned());
        }
        // Bob is passed over while busy, and keeps his turn.
        assert_eq!(order, ["Ann", "Cid", "Ann", "Bob", "Cid", "Ann"]);
    }
}

on_both! {
    async fn slots_are_listed_by_the_visitors_days(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let query = "query($input: SlotsInput!) { slots(input: $input) {
            timeZone days { date slots { startsAt } } fallback { message } } }";
        let input = json!({
            "from": "2027-01-05", "to": "2027-01-09", "timeZone": "Pacific/Auckland",
            "route": { "agentId": agent },
        });
        let days = test.visitor(query, json!({ "input": input })).await;
        let count = |day: &Value| day["slots"].as_array().unwrap().len();
        let counts: Vec<usize> =
            days.data("/slots/days").as_array().unwrap().iter().map(count).collect();
        // 9:00 to 17:00 in UTC is 22:00 to 6:00 in Auckland: four slots before midnight, twelve after.
        assert_eq!(counts, [4 + 12, 4 + 12, 4 + 12, 4 + 12, 12]);
        assert_eq!(days.data("/slots/days/0/slots/0/startsAt"), "2027-01-04T11:00:00Z");
        assert_eq!(days.data("/slots/fallback"), Value::Null);
    }
}

on_both! {
    async fn selections_of_slots_that_are_not_plain_say_the_same(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let ask = async |selection: &str| {
            let fragment = "fragment S on Slot { startsAt b: endsAt }";
            let fragment = if selection.contains("...S") { fragment } else { "" };
            let no = if selection.contains("$no") { ", $no: Boolean = false" } else { "" };
            let query = format!(
                "query($id: ID!{no}) {{ slots(input: {{ from: \"2027-01-05\",
                    to: \"2027-01-05\", timeZone: \"UTC\", route: {{ agentId: $id }} }})
                    {{ days {selection} }} }} {fragment}"
            );
            test.visitor(&query, json!({ "id": agent })).await.data("/slots/days")
        };
        let plain = ask("{ __typename date slots { __typename startsAt b: endsAt } }").await;
        assert_eq!(plain[0]["__typename"], "SlotDay");
        assert_eq!(plain[0]["slots"][0], json!({ "__typename": "Slot",
            "startsAt": "2027-01-05T09:00:00Z", "b": "2027-01-05T09:30:00Z" }));
        let spread = ask("{ __typename date slots { __typename ...S } }").await;
        assert_eq!(spread, plain);
        let inline = ask("{ __typename ... on SlotDay { date slots { __typename ...S } } }").await;
        assert_eq!(inline, plain);
        let merged = ask("{ __typename date slots { __typename startsAt } slots { b: endsAt } }").await;
        assert_eq!(merged, plain);
        let skipped = ask("{ date @skip(if: $no) slots { startsAt @include(if: $no) b: endsAt } }").await;
        assert_eq!(skipped[0]["slots"][0], json!({ "b": "2027-01-05T09:30:00Z" }));
    }
}
