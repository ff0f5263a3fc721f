//! What `explainRouting` says of a live chat is what then happens.

use serde_json::{Value, json};

use crate::on_both;
use crate::support::Test;

async fn explain(test: &Test, route: Value) -> Value {
    let query = "query($route: RouteInput) {
        explainRouting(person: { email: \"v@visitors.example\" }, route: $route, kind: LIVE_CHAT) {
            chosen { name } startsAt
            tiers { kind candidates { agent { name } outcome reason } } } }";
    test.admin(query, json!({ "route": route })).await.data("/explainRouting")
}

/// Kind of each tier, and of each candidate its name, and why it is passed over or what comes of it.
fn shown(explanation: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for tier in explanation["tiers"].as_array().unwrap() {
        let mut line = tier["kind"].as_str().unwrap().to_owned();
        for candidate in tier["candidates"].as_array().unwrap() {
            let what = candidate["reason"].as_str().or(candidate["outcome"].as_str()).unwrap();
            line.push_str(&format!(" {}:{what}", candidate["agent"]["name"].as_str().unwrap()));
        }
        lines.push(line);
    }
    lines
}

on_both! {
    async fn a_chat_is_explained_as_it_is_then_offered(test: Test) {
        let (ada, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let eve = test.chatter("Eve").await;
        let who = [(&ada, "Ada"), (&bob, "Bob"), (&eve, "Eve")];
        test.set_limit(&bob, 1).await.data("");
        test.toggle(&eve, "UNAVAILABLE").await;
        let query = "mutation($ids: [ID!]!) { createTeam(input: { name: \"Sales\", memberIds: $ids }) { id } }";
        let team = test.admin(query, json!({ "ids": [eve.id, bob.id] })).await;
        let route = json!({ "teamId": team.data("/createTeam/id") });
        let would = explain(&test, route.clone()).await;
        assert_eq!(shown(&would), ["TEAM Bob:CHOSEN Eve:LIVE_CHAT_UNAVAILABLE", "ALL"]);
        assert_eq!((&would["chosen"]["name"], &would["startsAt"]), (&json!("Bob"), &Value::Null));
        let id = test.offered(json!({ "route": route })).await;
        assert_eq!(test.offers(&id, &who).await, ["OPEN Bob"]);
        let would = explain(&test, route.clone()).await;
        assert_eq!(would["chosen"]["name"], "Ada");
        assert_eq!(shown(&would)[0], "TEAM Bob:LIVE_CHAT_LIMIT Eve:LIVE_CHAT_UNAVAILABLE");
        let id = test.offered(json!({ "route": route })).await;
        assert_eq!(test.offers(&id, &who).await, ["OPEN Ada"]);
        test.toggle(&ada, "UNAVAILABLE").await;
        let would = explain(&test, Value::Null).await;
        assert_eq!(would["chosen"], Value::Null);
        assert_eq!(
            shown(&would),
            ["ALL Bob:LIVE_CHAT_LIMIT Ada:LIVE_CHAT_UNAVAILABLE Eve:LIVE_CHAT_UNAVAILABLE"]
        );
    }

    async fn explaining_a_chat_changes_nothing(test: Test) {
        let (ada, _) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let query = "mutation($ids: [ID!]!) { createTeam(input: { name: \"Sales\", memberIds: $ids }) { id } }";
        let team = test.admin(query, json!({ "ids": [ada.id] })).await.data("/createTeam/id");
        let sql = "SELECT CAST(SUM(revision) AS text) FROM agents \
            UNION ALL SELECT CAST(COUNT(*) AS text) FROM queues";
        let before = test.texts(sql).await;
        for route in [Value::Null, json!({ "teamId": team }), json!({ "agentId": ada.id })] {
            for _ in 0..2 {
                assert_eq!(explain(&test, route.clone()).await["chosen"]["name"], "Ada", "{route}");
            }
        }
        assert_eq!(test.texts(sql).await, before);
        for table in ["queue_turns", "live_chat_requests", "live_chat_offers", "outbox"] {
            assert_eq!(test.count(table).await, 0, "{table}");
        }
    }

    async fn what_is_kept_says_what_became_of_each_candidate(test: Test) {
        let (_, bob) = (test.chatter("Ada").await, test.chatter("Bob").await);
        let (eve, ida) = (test.chatter("Eve").await, test.chatter("Ida").await);
        test.toggle(&eve, "UNAVAILABLE").await;
        test.set_limit(&ida, 1).await.data("");
        let own = test.offered(json!({ "route": { "agentId": ida.id } })).await;
        test.take(&ida, &own).await;
        let query = "mutation($ids: [ID!]!) { createTeam(input: { name: \"Sales\", memberIds: $ids }) { id } }";
        let team = test.admin(query, json!({ "ids": [ida.id, eve.id, bob.id] })).await;
        let kept = async |id: &str| {
            let query = "query($id: ID!) { liveChatRequest(id: $id) { routing { chosen { name }
                tiers { kind candidates { agent { name } outcome reason } } } } }";
            let found = test.admin(query, json!({ "id": id })).await.data("/liveChatRequest/routing");
            (found["chosen"]["name"].as_str().map(str::to_owned), shown(&found))
        };
        let id = test.offered(json!({ "route": { "teamId": team.data("/createTeam/id") } })).await;
        let (chosen, tiers) = kept(&id).await;
        assert_eq!(chosen.as_deref(), Some("Bob"));
        // By the order of joining, as nobody has had a turn of this queue.
        assert_eq!(tiers, ["TEAM Bob:CHOSEN Ida:NOT_REACHED Eve:LIVE_CHAT_UNAVAILABLE", "ALL"]);
        test.decline(&bob, &id).await;
        let (chosen, tiers) = kept(&id).await;
        assert_eq!(chosen.as_deref(), Some("Ada"));
        assert_eq!(tiers, [
            "TEAM Bob:DECLINED Ida:LIVE_CHAT_LIMIT Eve:LIVE_CHAT_UNAVAILABLE",
            "ALL Ada:CHOSEN Ida:NOT_REACHED",
        ]);
        test.clock.advance(chrono::TimeDelta::seconds(100));
        test.run_chats().await;
        let (chosen, tiers) = kept(&id).await;
        assert_eq!(chosen, None);
        assert_eq!(tiers[0], "TEAM Bob:DECLINED Ida:LIVE_CHAT_LIMIT Eve:LIVE_CHAT_UNAVAILABLE");
        let mut all: Vec<&str> = tiers[1].split(' ').collect();
        all.sort_unstable();
        assert_eq!(all, [
            "ALL", "Ada:DID_NOT_ANSWER", "Bob:DECLINED", "Eve:LIVE_CHAT_UNAVAILABLE", "Ida:LIVE_CHAT_LIMIT",
        ]);
    }

    async fn who_is_looked_at_again_is_counted_once(test: Test) {
        let mut members = vec![test.chatter("Bob").await, test.chatter("Cat").await];
        for number in 0..58 {
            let away = test.chatter(&format!("Away{number}")).await;
            test.toggle(&away, "UNAVAILABLE").await;
            members.push(away);
        }
        let ids: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
        let query = "mutation($ids: [ID!]!) { createTeam(input: { name: \"Sales\", memberIds: $ids }) { id } }";
        let team = test.admin(query, json!({ "ids": ids })).await.data("/createTeam/id");
        let id = test.offered(json!({ "route": { "teamId": team } })).await;
        let counted = async || {
            let query = "query($id: ID!) { liveChatRequest(id: $id) { routing { tiers {
                candidateCount candidates { outcome } } } } }";
            let found = test.admin(query, json!({ "id": id })).await;
            let tier = found.data("/liveChatRequest/routing/tiers/0");
            (tier["candidateCount"].as_u64().unwrap(), tier["candidates"].as_array().unwrap().len())
        };
        assert_eq!(counted().await, (50, 50));
        test.decline(&members[0], &id).await;
        assert_eq!(counted().await, (50, 50));
    }
}
