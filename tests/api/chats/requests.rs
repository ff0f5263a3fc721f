//! What a visitor's request goes through.

use chrono::TimeDelta;
use frontdesk::service::access::Profile;
use serde_json::{Value, json};

use super::REQUEST;
use crate::on_both;
use crate::support::Test;

on_both! {
    async fn a_request_is_offered_accepted_and_ended(test: Test) {
        let grace = test.chatter("Grace").await;
        let id = test.offered(json!({ "message": "Hello", "conversationId": "c-1" })).await;
        let seen = test.chat(&id).await;
        assert_eq!((&seen["status"], &seen["agent"]), (&json!("OFFERED"), &Value::Null));
        assert_eq!(seen["offers"][0]["expiresAt"], "2027-01-04T08:01:40Z");
        test.clock.advance(TimeDelta::seconds(5));
        let taken = test.take(&grace, &id).await;
        assert_eq!(taken["request"]["agent"]["id"], grace.id);
        let seen = test.chat(&id).await;
        assert_eq!((&seen["status"], &seen["acceptedAt"]), (&json!("ACCEPTED"), &json!("2027-01-04T08:00:05Z")));
        let ended = test.change_chat(&grace.token, "end", &id).await.data("/endLiveChat");
        assert_eq!((&ended["status"], &ended["endReason"]), (&json!("ENDED"), &json!("CLOSED")));
        assert_eq!(ended["endedAt"], "2027-01-04T08:00:05Z");
        // What is over stays as it is.
        test.clock.advance(TimeDelta::seconds(5));
        for what in ["end", "touch", "cancel"] {
            let again = test.change_chat(&grace.token, what, &id).await;
            assert_eq!(again.data(&format!("/{what}LiveChat")), ended);
        }
    }

    async fn chats_go_round(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let who = [(&ada, "Ada"), (&bob, "Bob")];
        for expected in ["Ada", "Bob", "Ada", "Bob"] {
            let id = test.offered(json!({})).await;
            assert_eq!(test.offers(&id, &who).await, [format!("OPEN {expected}")]);
        }
    }

    async fn only_who_is_active_permitted_available_and_below_the_limit_is_asked(test: Test) {
        let [idle, gone, other, full] =
            [test.chatter("Idle").await, test.chatter("Gone").await, test.chatter("Other").await, test.chatter("Full").await];
        test.toggle(&idle, "UNAVAILABLE").await;
        let update = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }";
        test.admin(update, json!({ "input": { "agentId": gone.id, "active": false } })).await.data("");
        test.admin(update, json!({ "input": { "agentId": other.id, "profile": "CALENDAR_AGENT" } })).await.data("");
        test.set_limit(&full, 1).await.data("");
        assert_eq!(test.offers(&test.offered(json!({})).await, &[(&full, "Full")]).await, ["OPEN Full"]);
        let none = test.ask(json!({})).await;
        assert_eq!((&none["__typename"], &none["request"]["status"]), (&json!("LiveChatFallback"), &json!("UNANSWERED")));
        // Nobody but the one who was asked for is asked.
        let none = test.ask(json!({ "route": { "agentId": idle.id } })).await;
        assert_eq!(none["__typename"], "LiveChatFallback");
    }

    async fn open_offers_and_chats_count_up_to_the_limit(test: Test) {
        let grace = test.chatter("Grace").await;
        test.set_limit(&grace, 2).await.data("");
        let first = test.offered(json!({})).await;
        test.take(&grace, &first).await;
        let second = test.offered(json!({})).await;
        assert_eq!(test.ask(json!({})).await["__typename"], "LiveChatFallback");
        assert_eq!(test.set_limit(&grace, 2).await.data("/setLiveChatAvailability/liveChat"),
            json!({ "limit": 2, "active": 1 }));
        test.change_chat("", "cancel", &second).await.data("");
        let third = test.offered(json!({})).await;
        test.take(&grace, &third).await;
        test.change_chat(&grace.token, "end", &first).await.data("");
        test.offered(json!({})).await;
        for (limit, code) in [(0, "BAD_USER_INPUT"), (101, "BAD_USER_INPUT")] {
            let refused = test.set_limit(&grace, limit).await;
            assert_eq!((refused.code(), refused.field()), (code, "input.limit"));
        }
    }

    async fn a_visitor_gives_up_waiting(test: Test) {
        let grace = test.chatter("Grace").await;
        let id = test.offered(json!({})).await;
        let offer = test.open_offer(&id).await;
        let seen = test.change_chat("", "cancel", &id).await.data("/cancelLiveChat");
        assert_eq!((&seen["status"], &seen["endedAt"]), (&json!("CANCELLED"), &json!("2027-01-04T08:00:00Z")));
        assert_eq!(test.offers(&id, &[(&grace, "Grace")]).await, ["WITHDRAWN Grace"]);
        let late = test.accept(&grace.token, &offer).await.data("/acceptLiveChat");
        assert_eq!((&late["__typename"], &late["offer"]["status"]), (&json!("LiveChatMissed"), &json!("WITHDRAWN")));
        assert_eq!(late["message"], "The visitor is no longer waiting.");
    }

    async fn a_chat_tool_that_asks_again_gets_the_same_request(test: Test) {
        test.chatter("Grace").await;
        let key = test.key(Profile::MarketingAdmin).await;
        let input = json!({ "input": { "conversationId": "c-1" } });
        let ask = async |bearer: &str| {
            test.send(bearer, REQUEST, input.clone()).await.data("/requestLiveChat/request/id")
        };
        let first = ask(&key).await;
        assert_eq!(ask(&key).await, first);
        // Neither another key nor a visitor is shown it.
        let other = test.key(Profile::MarketingAdmin).await;
        assert_ne!(ask(&other).await, first);
        assert_ne!(ask("").await, ask("").await);
        test.change_chat("", "cancel", first.as_str().unwrap()).await.data("");
        assert_ne!(ask(&key).await, first);
    }

    async fn a_team_that_is_gone_is_not_found(test: Test) {
        let grace = test.chatter("Grace").await;
        let query = "mutation($id: ID!) { createTeam(input: { name: \"Sales\", memberIds: [$id] }) { id } }";
        let team = test.admin(query, json!({ "id": grace.id })).await.data("/createTeam/id");
        let key = test.key(Profile::MarketingAdmin).await;
        let ask = async |conversation: &str| {
            let input = json!({ "conversationId": conversation, "route": { "teamId": team } });
            test.send(&key, REQUEST, json!({ "input": input })).await
        };
        let first = ask("c-1").await.data("/requestLiveChat/request/id");
        test.admin("mutation($id: ID!) { deleteTeam(teamId: $id) }", json!({ "id": team })).await.data("/deleteTeam");
        // Whoever asks again is answered with what there is.
        assert_eq!(ask("c-1").await.data("/requestLiveChat/request/id"), first);
        assert_eq!(ask("c-2").await.code(), "NOT_FOUND");
        assert_eq!(test.texts("SELECT state FROM live_chat_requests").await, ["OFFERED"]);
    }

    async fn one_address_asks_so_often_an_hour(test: Test) {
        test.chatter("Grace").await;
        let input = |email: &str| json!({ "person": { "email": email, "lastName": "L" } });
        let ask = async |bearer: &str, email: &str| {
            test.send(bearer, REQUEST, json!({ "input": input(email) })).await
        };
        for _ in 0..20 {
            ask("", "eve@visitors.example").await.data("/requestLiveChat");
        }
        // The same mailbox, however it is written.
        for email in ["eve@visitors.example", "Eve+again@Visitors.example"] {
            let refused = ask("", email).await;
            assert_eq!(refused.code(), "RATE_LIMITED");
            assert_eq!(refused.body["errors"][0]["extensions"]["retryAfterSeconds"], 3600);
        }
        assert_eq!(test.texts("SELECT state FROM live_chat_requests").await.len(), 20);
        // Others may, so may a chat tool with a key, and in the next hour so may she.
        ask("", "ada@visitors.example").await.data("/requestLiveChat");
        ask(&test.key(Profile::MarketingAdmin).await, "eve@visitors.example").await.data("/requestLiveChat");
        test.clock.advance(chrono::TimeDelta::hours(1));
        ask("", "eve@visitors.example").await.data("/requestLiveChat");
    }

    async fn bad_input_changes_nothing(test: Test) {
        let grace = test.chatter("Grace").await;
        let long = "x".repeat(1001);
        for (input, field) in [
            (json!({ "message": long }), "input.message"),
            (json!({ "conversationId": "y".repeat(201) }), "input.conversationId"),
            (json!({ "conversationId": "a\u{202E}b" }), "input.conversationId"),
            // Agents open it, so that visitors give none.
            (json!({ "conversationUrl": "https://chat.example/1" }), "input.conversationUrl"),
            (json!({ "locale": "no such tongue" }), "input.locale"),
            (json!({ "timeZone": "Mars/Olympus" }), "input.timeZone"),
            (json!({ "person": { "email": "nobody" } }), "input.person.email"),
            (json!({ "company": { "domain": "a b" } }), "input.company.domain"),
        ] {
            let refused = test.visitor(REQUEST, json!({ "input": input })).await;
            assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", field), "{input}");
        }
        for url in ["javascript:alert(1)", "/chats/1"] {
            let input = json!({ "conversationUrl": url });
            let refused = test.admin(REQUEST, json!({ "input": input })).await;
            assert_eq!(refused.field(), "input.conversationUrl", "{url}");
        }
        for route in [json!({ "agentId": "agt_1" }), json!({ "teamId": grace.id })] {
            let refused = test.visitor(REQUEST, json!({ "input": { "route": route } })).await;
            assert_eq!(refused.code(), "NOT_FOUND");
        }
        assert_eq!(test.count("live_chat_requests").await, 0);
    }
}
