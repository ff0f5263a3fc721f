//! What happens by itself: schedules, and chats in which nothing happens.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::another;
use crate::on_both;
use crate::subscriptions::Events;
use crate::support::Test;

const CHANGED: &str =
    "subscription { agentChanged { id liveChat { status scheduledStatus override { status } } } }";

async fn set_blocks(test: &Test, agent: &str) {
    let query =
        "mutation($id: ID!) { setLiveChatAvailability(input: { agentId: $id, timeZone: \"UTC\",
        blocks: [{ dayOfWeek: MONDAY, start: \"09:00\", end: \"12:00\" }] }) { id } }";
    test.admin(query, json!({ "id": agent })).await.data("");
}

fn live_chat(event: &Value) -> (String, bool) {
    let chat = &event["data"]["agentChanged"]["liveChat"];
    (chat["status"].as_str().unwrap_or("?").to_owned(), chat["override"].is_null())
}

on_both! {
    async fn a_status_follows_its_schedule_and_is_told(test: Test) {
        let agent = test.agent("Grace").await;
        set_blocks(&test, &agent).await;
        let mut news = Events::open(&test, &test.admin, CHANGED, json!({})).await;
        test.clock.set("2027-01-04T08:59:59.999Z");
        assert_eq!(test.run_chats().await, 0);
        for (at, status) in [("2027-01-04T09:00:00Z", "AVAILABLE"), ("2027-01-04T12:00:00Z", "UNAVAILABLE")] {
            test.clock.set(at);
            assert_eq!(test.run_chats().await, 1, "{at}");
            assert_eq!(test.run_chats().await, 0, "{at}, told once");
            assert_eq!(live_chat(&news.next().await), (status.to_owned(), true), "{at}");
        }
    }

    async fn the_end_of_a_toggle_is_told(test: Test) {
        let grace = test.chatter("Grace").await;
        let mut news = Events::open(&test, &test.admin, CHANGED, json!({})).await;
        test.clock.set("2027-01-04T23:59:59.999Z");
        assert_eq!(test.run_chats().await, 0);
        test.clock.set("2027-01-05T00:00:00Z");
        assert_eq!(test.run_chats().await, 1);
        assert_eq!(live_chat(&news.next().await), ("UNAVAILABLE".to_owned(), true));
        assert_eq!(test.ask(json!({ "route": { "agentId": grace.id } })).await["__typename"], "LiveChatFallback");
    }

    async fn an_agent_is_asked_on_time_though_no_timer_has_run(test: Test) {
        let agent = test.agent("Grace").await;
        set_blocks(&test, &agent).await;
        assert_eq!(test.ask(json!({})).await["__typename"], "LiveChatFallback");
        test.clock.set("2027-01-04T09:00:00Z");
        test.offered(json!({})).await;
        test.clock.set("2027-01-04T12:00:00Z");
        assert_eq!(test.ask(json!({})).await["__typename"], "LiveChatFallback");
    }

    async fn a_block_that_ends_takes_open_offers_back(test: Test) {
        let agent = test.agent("Grace").await;
        set_blocks(&test, &agent).await;
        test.clock.set("2027-01-04T11:59:00Z");
        let id = test.offered(json!({})).await;
        test.clock.set("2027-01-04T12:00:00Z");
        test.run_chats().await;
        let seen = test.chat(&id).await;
        assert_eq!((&seen["status"], &seen["offers"][0]["status"]), (&json!("UNANSWERED"), &json!("WITHDRAWN")));
    }

    async fn two_processes_tell_of_many_once_each(test: Test) {
        for place in 0..30 {
            let agent = test.agent(&format!("Agent{place}")).await;
            set_blocks(&test, &agent).await;
        }
        let second = another(&test);
        test.clock.set("2027-01-04T09:00:00Z");
        let (here, there) = tokio::join!(test.run_chats(), frontdesk::jobs::run_chats_due(&second));
        let mut all = here + there.unwrap();
        // Rows that one had locked are looked at again by whoever comes next.
        all += test.run_chats().await;
        assert_eq!(all, 30);
    }

    async fn an_idle_chat_ends(test: Test) {
        let grace = test.chatter("Grace").await;
        let id = test.offered(json!({})).await;
        test.take(&grace, &id).await;
        test.clock.advance(TimeDelta::minutes(9));
        let touched = test.change_chat("", "touch", &id).await.data("/touchLiveChat");
        assert_eq!(touched["lastActiveAt"], "2027-01-04T08:09:00Z");
        test.clock.advance(TimeDelta::milliseconds(599_999));
        test.run_chats().await;
        assert_eq!(test.status(&id).await, "ACCEPTED");
        test.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(test.run_chats().await, 1);
        let ended = test.chat(&id).await;
        assert_eq!((&ended["status"], &ended["endReason"]), (&json!("ENDED"), &json!("IDLE")));
        let again = test.change_chat("", "touch", &id).await.data("/touchLiveChat");
        assert_eq!(again["status"], "ENDED");
    }
}
