//! What a visitor is told whom nobody can take.

use serde_json::json;

use crate::on_both;
use crate::support::Test;

on_both! {
    async fn a_fallback_brings_slots_that_can_be_booked(test: Test) {
        let agent = test.bookable_agent("Grace").await;
        let hours = json!({ "blocks": [{ "dayOfWeek": "FRIDAY", "start": "09:00", "end": "12:00" }] });
        test.set_availability(&agent, hours).await.data("/setMeetingAvailability/id");
        // Free before, and not asked for.
        test.bookable_agent("Early").await;
        let route = json!({ "agentId": agent });
        let set = "mutation($input: SetFallbackMessageInput!) { setFallbackMessage(input: $input) { message } }";
        let words = json!({ "kind": "LIVE_CHAT", "message": "Not now. A meeting?", "offersMeeting": true });
        test.admin(set, json!({ "input": words })).await.data("/setFallbackMessage/message");
        let none = test.ask(json!({ "route": route, "timeZone": "Europe/Paris" })).await;
        assert_eq!(none["__typename"], "LiveChatFallback");
        assert_eq!(none["message"], "Not now. A meeting?");
        let meeting = &none["meeting"];
        assert_eq!(meeting["timeZone"], "Europe/Paris");
        let slots = meeting["slots"].as_array().unwrap();
        assert_eq!((slots.len(), &slots[0]["startsAt"]), (5, &json!("2027-01-08T09:00:00Z")));
        let booked = test.book(route, "2027-01-08T09:00:00Z", "ada@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/__typename"), "MeetingBooked");
    }

    async fn who_waited_in_vain_is_told_the_same(test: Test) {
        let grace = test.chatter("Grace").await;
        let id = test.offered(json!({})).await;
        let query = "query($id: ID!) { liveChatRequest(id: $id) { status fallback { message meeting { slots { startsAt } } } } }";
        let seen = test.visitor(query, json!({ "id": id })).await.data("/liveChatRequest");
        assert_eq!(seen["fallback"], json!(null));
        test.decline(&grace, &id).await;
        let seen = test.visitor(query, json!({ "id": id })).await.data("/liveChatRequest");
        assert_eq!(seen["status"], "UNANSWERED");
        // The system's own words offer no meeting.
        assert_eq!(seen["fallback"]["meeting"], json!(null));
        assert!(!seen["fallback"]["message"].as_str().unwrap().is_empty());
    }
}
