//! Who may see what of a chat.

use frontdesk::service::access::Profile;
use serde_json::{Value, json};

use super::REQUEST;
use crate::on_both;
use crate::support::Test;

const PRIVATE: [&str; 5] =
    ["person { email }", "company { name }", "message", "conversationUrl", "offers { id }"];
const OPEN: &str =
    "id status agent { id } conversationId locale createdAt acceptedAt lastActiveAt endedAt
    endReason fallback { message }";

on_both! {
    async fn what_a_visitor_said_is_for_those_who_may_see_conversations(test: Test) {
        let (grace, other) = (test.chatter("Grace").await, test.chatter("Other").await);
        let id = test.offered(json!({
            "route": { "agentId": grace.id }, "message": "Hello",
            "person": { "email": "ada@visitors.example" }, "company": { "name": "Analytical Engines" },
        })).await;
        let sales = test.key(Profile::SalesAdmin).await;
        let marketing = test.key(Profile::MarketingUser).await;
        let live = test.key(Profile::LiveAgent).await;
        for bearer in ["", &grace.token, &other.token, &sales, &marketing, &live] {
            let query = format!("query($id: ID!) {{ liveChatRequest(id: $id) {{ {OPEN} }} }}");
            assert_eq!(test.send(bearer, &query, json!({ "id": id })).await.data("/liveChatRequest/id"), json!(id));
        }
        for field in PRIVATE {
            let query = format!("query($id: ID!) {{ liveChatRequest(id: $id) {{ {field} }} }}");
            for (bearer, expected) in [
                ("", "UNAUTHENTICATED"), (grace.token.as_str(), "OK"), (&other.token, "FORBIDDEN"),
                (&sales, "OK"), (&marketing, "FORBIDDEN"), (&live, "FORBIDDEN"),
            ] {
                let answer = test.send(bearer, &query, json!({ "id": id })).await;
                let found = if answer.body.get("errors").is_none() { "OK" } else { answer.code() };
                assert_eq!(found, expected, "{field} {:#}", answer.body);
            }
        }
        let node = "query($id: ID!) { node(id: $id) { id } }";
        let offer = test.open_offer(&id).await;
        for named in [&id, &offer] {
            let seen = async |bearer: &str| test.send(bearer, node, json!({ "id": named })).await.data("/node");
            assert_eq!(seen(&grace.token).await["id"], *named);
            assert_eq!(seen(&other.token).await, Value::Null);
            assert_eq!(seen(&sales).await["id"], *named);
            assert_eq!(seen(&marketing).await, Value::Null);
        }
    }

    async fn chats_are_listed_for_whoever_may_see_them(test: Test) {
        let (grace, other) = (test.chatter("Grace").await, test.chatter("Other").await);
        let mut ids = Vec::new();
        for chatter in [&grace, &other] {
            let id = test.offered(json!({ "route": { "agentId": chatter.id } })).await;
            test.take(chatter, &id).await;
            ids.push(id);
        }
        let query = "query($filter: LiveChatFilter) { liveChats(filter: $filter) { totalCount nodes { id } } }";
        let list = async |bearer: &str, filter: Value| {
            test.send(bearer, query, json!({ "filter": filter })).await
        };
        assert_eq!(list(&test.admin, json!({})).await.data("/liveChats/totalCount"), 2);
        assert_eq!(list(&grace.token, json!({})).await.data("/liveChats/nodes"), json!([{ "id": ids[0] }]));
        assert_eq!(list(&test.admin, json!({ "agentId": other.id })).await.data("/liveChats/nodes"), json!([{ "id": ids[1] }]));
        assert_eq!(list(&test.admin, json!({ "status": "ENDED" })).await.data("/liveChats/totalCount"), 0);
        assert_eq!(list(&test.admin, json!({ "since": "2027-01-04T08:00:01Z" })).await.data("/liveChats/totalCount"), 0);
        assert_eq!(list(&grace.token, json!({ "agentId": other.id })).await.code(), "FORBIDDEN");
        assert_eq!(list("", json!({})).await.code(), "UNAUTHENTICATED");
    }

    async fn who_asked_with_a_key_may_end_the_chat(test: Test) {
        let grace = test.chatter("Grace").await;
        let tool = test.key(Profile::CalendarAgent).await;
        let ask = json!({ "input": {} });
        let made = test.send(&tool, REQUEST, ask).await;
        let id = made.data("/requestLiveChat/request/id").as_str().unwrap().to_owned();
        assert_eq!(test.change_chat(&tool, "end", &id).await.code(), "CONFLICT");
        test.take(&grace, &id).await;
        let stranger = test.key(Profile::CalendarAgent).await;
        assert_eq!(test.change_chat(&stranger, "end", &id).await.code(), "NOT_FOUND");
        assert_eq!(test.change_chat("", "end", &id).await.code(), "UNAUTHENTICATED");
        assert_eq!(test.change_chat(&tool, "end", &id).await.data("/endLiveChat/status"), "ENDED");
    }
}
