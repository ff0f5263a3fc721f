//! The streams: offers to an agent, and a request for whoever waits.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Chatter, another};
use crate::on_both;
use crate::subscriptions::Events;
use crate::support::Test;

const INCOMING: &str = "subscription($agent: ID, $since: DateTime) {
    incomingLiveChats(agentId: $agent, since: $since) {
    kind offer { id status request { id status message } } } }";
const FOLLOW: &str = "subscription($id: ID!) { liveChatRequestChanged(id: $id) {
    id status agent { id } fallback { message } } }";

async fn listen(test: &Test, chatter: &Chatter) -> Events {
    Events::open(test, &chatter.token, INCOMING, json!({})).await
}

fn kind(event: &Value) -> (String, String) {
    let event = &event["data"]["incomingLiveChats"];
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    (text(&event["kind"]), text(&event["offer"]["request"]["id"]))
}

fn said(kind: &str, request: &str) -> (String, String) {
    (kind.to_owned(), request.to_owned())
}

on_both! {
    async fn an_agent_hears_of_offers_and_their_ends(test: Test) {
        let grace = test.chatter("Grace").await;
        let mut news = listen(&test, &grace).await;
        let mut other = listen(&test, &grace).await;
        let first = test.offered(json!({ "message": "Hello" })).await;
        let event = news.next().await;
        assert_eq!(kind(&event), said("OFFERED", &first));
        assert_eq!(event["data"]["incomingLiveChats"]["offer"]["request"]["message"], "Hello");
        test.take(&grace, &first).await;
        // The agent's other browsers stop ringing.
        assert_eq!(kind(&other.next().await), said("OFFERED", &first));
        for events in [&mut news, &mut other] {
            assert_eq!(kind(&events.next().await), said("ACCEPTED", &first));
        }
        let second = test.offered(json!({})).await;
        assert_eq!(kind(&news.next().await), said("OFFERED", &second));
        test.change_chat("", "cancel", &second).await.data("");
        assert_eq!(kind(&news.next().await), said("WITHDRAWN", &second));
    }

    async fn a_browser_that_was_away_misses_none(test: Test) {
        let grace = test.chatter("Grace").await;
        let long_ago = test.offered(json!({})).await;
        test.change_chat("", "cancel", &long_ago).await.data("");
        test.clock.advance(TimeDelta::minutes(11));
        let gone = test.offered(json!({})).await;
        test.change_chat("", "cancel", &gone).await.data("");
        let open = test.offered(json!({})).await;
        let mut news = listen(&test, &grace).await;
        assert_eq!(kind(&news.next().await), said("WITHDRAWN", &gone));
        assert_eq!(kind(&news.next().await), said("OFFERED", &open));
        // Each once, and then on.
        let next = test.offered(json!({})).await;
        assert_eq!(kind(&news.next().await), said("OFFERED", &next));
        let since = json!({ "since": "2027-01-04T08:00:00Z" });
        let mut news = Events::open(&test, &grace.token, INCOMING, since).await;
        assert_eq!(kind(&news.next().await), said("WITHDRAWN", &long_ago));
    }

    async fn what_another_process_does_is_heard(test: Test) {
        let grace = test.chatter("Grace").await;
        let mut news = listen(&test, &grace).await;
        let id = test.offered(json!({})).await;
        assert_eq!(kind(&news.next().await), said("OFFERED", &id));
        let mut reader = frontdesk::cluster::bus::Reader::default();
        reader.read(&test.app).await.unwrap();
        let second = another(&test);
        test.clock.advance(TimeDelta::seconds(100));
        assert_eq!(frontdesk::jobs::run_chats_due(&second).await.unwrap(), 1);
        reader.read(&test.app).await.unwrap();
        assert_eq!(kind(&news.next().await), said("WITHDRAWN", &id));
    }

    async fn who_is_deactivated_hears_no_more(test: Test) {
        let grace = test.chatter("Grace").await;
        let mut news = listen(&test, &grace).await;
        let id = test.offered(json!({})).await;
        assert_eq!(kind(&news.next().await), said("OFFERED", &id));
        let query = "mutation($id: ID!) { updateAgent(input: { agentId: $id, active: false }) { id } }";
        test.admin(query, json!({ "id": grace.id })).await.data("");
        assert_eq!(test.run_chats().await, 1);
        let last = news.next().await;
        assert_eq!(last["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{last:#}");
        // It ends there, and with it the agent's being in the app.
        assert_eq!(news.next().await, serde_json::Value::Null);
        while test.app.presence.is_here(frontdesk::ids::AGENT.parse(&grace.id).unwrap()) {
            tokio::task::yield_now().await;
        }
    }

    async fn who_sees_all_conversations_may_listen_for_an_agent(test: Test) {
        let (grace, bob) = (test.chatter("Grace").await, test.chatter("Bob").await);
        let ask = json!({ "agent": grace.id });
        let id = test.offered(json!({ "route": { "agentId": grace.id } })).await;
        let mut news = Events::open(&test, &test.admin, INCOMING, ask.clone()).await;
        assert_eq!(kind(&news.next().await), said("OFFERED", &id));
        assert!(!test.app.presence.is_here(frontdesk::ids::AGENT.parse(&grace.id).unwrap()));
        for (bearer, asked, code) in [
            ("", ask.clone(), "UNAUTHENTICATED"),
            (bob.token.as_str(), ask, "FORBIDDEN"),
            (test.admin.as_str(), json!({}), "BAD_USER_INPUT"),
        ] {
            let refused = Events::open(&test, bearer, INCOMING, asked).await.next().await;
            assert_eq!(refused["errors"][0]["extensions"]["code"], code, "{refused:#}");
        }
        let _here = listen(&test, &grace).await;
        assert!(test.app.presence.is_here(frontdesk::ids::AGENT.parse(&grace.id).unwrap()));
    }

    async fn a_visitor_follows_the_request_to_its_end(test: Test) {
        let grace = test.chatter("Grace").await;
        let id = test.offered(json!({})).await;
        let mut news = Events::open(&test, "", FOLLOW, json!({ "id": id })).await;
        let status = |event: &Value| event["data"]["liveChatRequestChanged"]["status"].clone();
        assert_eq!(status(&news.next().await), "OFFERED");
        test.take(&grace, &id).await;
        let event = news.next().await;
        assert_eq!(status(&event), "ACCEPTED");
        assert_eq!(event["data"]["liveChatRequestChanged"]["agent"]["id"], grace.id);
        test.change_chat(&grace.token, "end", &id).await.data("");
        assert_eq!(status(&news.next().await), "ENDED");
        assert_eq!(news.next().await, Value::Null, "it ends");
        let given_up = test.offered(json!({})).await;
        let mut news = Events::open(&test, "", FOLLOW, json!({ "id": given_up })).await;
        assert_eq!(status(&news.next().await), "OFFERED");
        test.change_chat("", "cancel", &given_up).await.data("");
        assert_eq!(status(&news.next().await), "CANCELLED");
        let in_vain = test.offered(json!({})).await;
        let mut news = Events::open(&test, "", FOLLOW, json!({ "id": in_vain })).await;
        assert_eq!(status(&news.next().await), "OFFERED");
        test.decline(&grace, &in_vain).await;
        let event = news.next().await;
        assert_eq!(status(&event), "UNANSWERED");
        assert!(event["data"]["liveChatRequestChanged"]["fallback"]["message"].is_string());
        // What is over is told once.
        let mut late = Events::open(&test, "", FOLLOW, json!({ "id": id })).await;
        assert_eq!(status(&late.next().await), "ENDED");
        assert_eq!(late.next().await, Value::Null);
        let none = json!({ "id": "cht_00000000000000000000000000000000" });
        let refused = Events::open(&test, "", FOLLOW, none).await.next().await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "NOT_FOUND");
    }
}
