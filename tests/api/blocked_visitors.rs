//! Visitors who are blocked: no slots, no bookings and no live chats, but the fallback message.

use chrono::TimeDelta;
use frontdesk::service::access::Profile;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Answer, BOOK, Test};

const FALLBACK: &str = "No times are free in this period. Please try other dates.";
const START: &str = "2027-01-05T10:00:00Z";
const LATER: &str = "2027-01-05T14:00:00Z";

async fn block(test: &Test, input: Value) -> Answer {
    let query = "mutation($input: BlockVisitorsInput!) { blockVisitors(input: $input) {
        blocked { email domain note blockedAt blockedBy { name } } } }";
    test.admin(query, json!({ "input": input })).await
}

async fn unblock(test: &Test, input: Value) -> Answer {
    let query = "mutation($input: UnblockVisitorsInput!) { unblockVisitors(input: $input) {
        unblocked { email domain } } }";
    test.admin(query, json!({ "input": input })).await
}

/// How many slots somebody sees, and what it is told.
async fn slots(test: &Test, bearer: &str, email: &str) -> (usize, Value) {
    let query = "query($input: SlotsInput!) { slots(input: $input) {
        days { slots { startsAt } } fallback { message } } }";
    let input = json!({ "from": "2027-01-05", "to": "2027-01-06", "timeZone": "UTC",
        "person": { "email": email } });
    let seen = test.send(bearer, query, json!({ "input": input })).await.data("/slots");
    let days = seen["days"].as_array().unwrap();
    assert_eq!(days.len(), 2);
    let count = days.iter().map(|day| day["slots"].as_array().unwrap().len()).sum();
    (count, seen["fallback"]["message"].clone())
}

/// Asks for a booking, and returns its result.
async fn book(test: &Test, bearer: &str, start: &str, email: &str) -> Value {
    let input = json!({ "startsAt": start, "timeZone": "UTC", "person": { "email": email } });
    test.send(bearer, BOOK, json!({ "input": input })).await.data("/bookMeeting")
}

async fn reschedule(test: &Test, bearer: &str, booking: Value) -> Value {
    let query = "mutation($input: RescheduleBookingInput!) { rescheduleBooking(input: $input) {
        __typename ... on SlotUnavailable { message alternatives { startsAt } } } }";
    let input = json!({ "booking": booking, "startsAt": LATER });
    test.send(bearer, query, json!({ "input": input })).await.data("/rescheduleBooking")
}

#[track_caller]
fn check_turned_away(result: &Value) {
    assert_eq!(result["__typename"], "SlotUnavailable", "{result:#}");
    assert_eq!(result["message"], FALLBACK);
    assert_eq!(result["alternatives"], json!([]));
}

on_both! {
    async fn who_is_blocked_sees_no_slots_and_books_none_whoever_asks(test: Test) {
        test.bookable_agent("Grace").await;
        let key = test.key(Profile::Admin).await;
        block(&test, json!({ "emails": ["Eve.Mallory+spam@GoogleMail.com", "trudy@firm.example"],
            "domains": ["Spam.example", "bücher.example"] })).await.data("/blockVisitors");
        for blocked in [
            "evemallory@gmail.com",
            "e.v.e.mallory+1@gmail.com",
            "EVEMALLORY@googlemail.com",
            "TRUDY@Firm.Example",
            "trudy+new@firm.example",
            "anybody@spam.example",
            "anybody@a.b.SPAM.example",
            "wer@xn--bcher-kva.example",
            "wer@shop.BÜCHER.example",
        ] {
            for bearer in ["", key.as_str()] {
                assert_eq!(slots(&test, bearer, blocked).await, (0, json!(FALLBACK)), "{blocked}");
                check_turned_away(&book(&test, bearer, START, blocked).await);
            }
        }
        for free in ["trud@firm.example", "ada@firm.example", "ada@notspam.example",
            "ada@spam.example.org", "ada@gmail.com"] {
            let (count, fallback) = slots(&test, "", free).await;
            assert!(0 < count && fallback == Value::Null, "{free}");
        }
        assert_eq!(book(&test, "", START, "ada@notspam.example").await["__typename"], "MeetingBooked");
        // Who wrote "spam.example" is let in again; who is blocked by name is not.
        unblock(&test, json!({ "domains": ["SPAM.EXAMPLE."] })).await.data("/unblockVisitors");
        assert_eq!(book(&test, "", LATER, "anybody@spam.example").await["__typename"], "MeetingBooked");
        assert_eq!(slots(&test, "", "eve.mallory@gmail.com").await.0, 0);
    }

    async fn a_booking_that_is_there_stays_and_can_be_cancelled_but_not_moved(test: Test) {
        test.bookable_agent("Grace").await;
        let keyed = json!({ "startsAt": START, "timeZone": "UTC",
            "person": { "email": "eve@spam.example" }, "idempotencyKey": "0b7cf9a5-3f0d-4a2e-9a53-5d4b7c1f2e10" });
        let booked = test.book_input(keyed.clone()).await.data("/bookMeeting");
        let token = booked["manageToken"].clone();
        block(&test, json!({ "domains": ["spam.example"] })).await.data("/blockVisitors");
        let again = test.book_input(keyed).await.data("/bookMeeting");
        assert_eq!(again, booked, "a request that is sent again is answered as the first time");
        check_turned_away(&reschedule(&test, "", json!({ "manageToken": token })).await);
        check_turned_away(&reschedule(&test, &test.admin, json!({ "id": booked["booking"]["id"] })).await);
        let query = "mutation($t: String!) { cancelBooking(input: { booking: { manageToken: $t } }) { status startsAt } }";
        let cancelled = test.visitor(query, json!({ "t": token })).await.data("/cancelBooking");
        assert_eq!(cancelled, json!({ "status": "CANCELLED", "startsAt": START }));
    }

    async fn who_is_blocked_chats_with_nobody(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let toggle = "mutation($id: ID!) { setLiveChatOverride(input: { agentId: $id, status: AVAILABLE }) { id } }";
        test.admin(toggle, json!({ "id": agent })).await.data("/setLiveChatOverride/id");
        let set = "mutation($input: SetFallbackMessageInput!) { setFallbackMessage(input: $input) { message } }";
        let words = json!({ "kind": "LIVE_CHAT", "message": "Not now. A meeting?", "offersMeeting": true });
        test.admin(set, json!({ "input": words })).await.data("/setFallbackMessage/message");
        let hook = "mutation { createWebhook(input: { url: \"https://hooks.example/\",
            events: [LIVE_CHAT_REQUESTED, LIVE_CHAT_TIMED_OUT] }) { webhook { id } } }";
        test.admin(hook, json!({})).await.data("/createWebhook");
        let notify = "mutation($id: ID!) { setFailedActionNotifications(agentId: $id, enabled: true) { id } }";
        test.admin(notify, json!({ "id": agent })).await.data("/setFailedActionNotifications/id");
        block(&test, json!({ "emails": ["eve@firm.example"] })).await.data("/blockVisitors");
        let ask = "mutation($input: RequestLiveChatInput!) { requestLiveChat(input: $input) { __typename
            ... on LiveChatFallback { message request { id status endedAt } meeting { slots { startsAt } } } } }";
        let key = test.key(Profile::Admin).await;
        for bearer in ["", key.as_str()] {
            let input = json!({ "person": { "email": "Eve+1@firm.example" }, "message": "Hello" });
            let told = test.send(bearer, ask, json!({ "input": input })).await.data("/requestLiveChat");
            assert_eq!(told["__typename"], "LiveChatFallback", "{told:#}");
            assert_eq!((&told["message"], &told["meeting"]), (&json!("Not now. A meeting?"), &Value::Null));
            assert_eq!(told["request"]["status"], "UNANSWERED");
        }
        test.clock.advance(TimeDelta::hours(1));
        assert_eq!(test.deliver().await, 0, "nobody is told of it");
        let free = json!({ "person": { "email": "ada@firm.example" } });
        let told = test.visitor(ask, json!({ "input": free })).await.data("/requestLiveChat");
        assert_eq!(told["__typename"], "LiveChatOffered");
    }

    async fn the_list_says_who_when_and_why_and_can_be_written_again(test: Test) {
        let input = json!({ "emails": ["Eve.M@gmail.com", "evem+x@googlemail.com"],
            "domains": ["spam.example", "SPAM.example."], "note": "Two floods in May" });
        let first = block(&test, input.clone()).await.data("/blockVisitors/blocked");
        let at = "2027-01-04T08:00:00Z";
        let note = "Two floods in May";
        let mut expected = vec![
            json!({ "email": "evem@gmail.com", "domain": null, "note": note, "blockedAt": at, "blockedBy": null }),
            json!({ "email": null, "domain": "spam.example", "note": note, "blockedAt": at, "blockedBy": null }),
        ];
        let mut listed = first.as_array().unwrap().clone();
        listed.sort_by_key(|entry| entry["email"].is_null());
        assert_eq!(listed, expected);
        test.clock.advance(TimeDelta::days(1));
        let mut other_note = input;
        other_note["note"] = json!("Another");
        assert_eq!(block(&test, other_note).await.data("/blockVisitors/blocked"), first);
        // As the agent who did it.
        let admin = "mutation { createAgent(input: { name: \"Root\", email: \"root@agents.example\", profile: ADMIN }) { id } }";
        let admin = test.admin(admin, json!({})).await.data("/createAgent/id");
        let token = test.token(admin.as_str().unwrap(), 60).await;
        let query = "mutation { blockVisitors(input: { domains: [\"new.example\"] }) { blocked { id } } }";
        let id = test.send(&token, query, json!({})).await.data("/blockVisitors/blocked/0/id");
        expected.push(json!({ "email": null, "domain": "new.example", "note": null,
            "blockedAt": "2027-01-05T08:00:00Z", "blockedBy": { "name": "Root" } }));
        let query = "query($after: String) { blockedVisitors(first: 2, after: $after) { totalCount
            pageInfo { hasNextPage endCursor } nodes { email domain note blockedAt blockedBy { name } } } }";
        let page = test.admin(query, json!({})).await.data("/blockedVisitors");
        assert_eq!((&page["totalCount"], &page["pageInfo"]["hasNextPage"]), (&json!(3), &json!(true)));
        assert_eq!(page["nodes"], first);
        let rest = test.admin(query, json!({ "after": page["pageInfo"]["endCursor"] })).await;
        assert_eq!(rest.data("/blockedVisitors/nodes"), json!([expected[2]]));
        let node = "query($id: ID!) { node(id: $id) { ... on BlockedVisitor { domain } } }";
        assert_eq!(test.admin(node, json!({ "id": id })).await.data("/node/domain"), "new.example");
        let other = test.key(Profile::SalesAdmin).await;
        assert_eq!(test.send(&other, node, json!({ "id": id })).await.data("/node"), Value::Null);
        // Twice: the second time there is nothing left.
        let input = json!({ "emails": ["e.vem@gmail.com"], "domains": ["new.example", "never.example"] });
        let gone = unblock(&test, input.clone()).await.data("/unblockVisitors/unblocked");
        assert_eq!(gone, json!([{ "email": "evem@gmail.com", "domain": null }, { "email": null, "domain": "new.example" }]));
        assert_eq!(unblock(&test, input).await.data("/unblockVisitors/unblocked"), json!([]));
        assert_eq!(test.admin(query, json!({})).await.data("/blockedVisitors/totalCount"), 1);
    }

    async fn all_faults_are_named_at_once_and_nothing_is_kept(test: Test) {
        let faulty = json!({ "emails": ["ada@firm.example", "nobody"],
            "domains": ["example", "http://x.example", "a b.example", "ok.example", ""] });
        for answer in [block(&test, faulty.clone()).await, unblock(&test, faulty).await] {
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "input.emails.1"));
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            for field in ["input.emails.1", "input.domains.0", "input.domains.1", "input.domains.2", "input.domains.4"] {
                assert!(message.contains(field), "{field}: {message}");
            }
            assert!(!message.contains("emails.0") && !message.contains("domains.3"), "{message}");
        }
        let many: Vec<String> = (0..101).map(|n| format!("d{n}.example")).collect();
        for input in [json!({}), json!({ "emails": [], "domains": [] }), json!({ "domains": many })] {
            assert_eq!(block(&test, input.clone()).await.code(), "BAD_USER_INPUT", "{input}");
            assert_eq!(unblock(&test, input.clone()).await.code(), "BAD_USER_INPUT", "{input}");
        }
        let long = json!({ "domains": ["x.example"], "note": "x".repeat(201) });
        assert_eq!(block(&test, long).await.field(), "input.note");
        let query = "{ blockedVisitors { totalCount } }";
        assert_eq!(test.admin(query, json!({})).await.data("/blockedVisitors/totalCount"), 0);
    }
}
